"""What networks there are, and how a file or a name becomes one that runs."""
