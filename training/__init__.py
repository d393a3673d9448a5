"""Makes the small network and the pictures that come with Lookout; see README.md beside this file."""
