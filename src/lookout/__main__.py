"""``python -m lookout``: the command line."""

from lookout.apps.cli import main

if __name__ == "__main__":
    main(prog_name="lookout")
