"""The small network and the pictures that come with Lookout, to try it without a network connection.

``README.md`` beside this file says what the network is, how it was made, and how far it can be trusted.
"""

from __future__ import annotations

from pathlib import Path

NAME = "lookout-tiny"
"""What the network is called."""

CFG = Path(__file__).with_name(f"{NAME}.cfg")
"""Its Darknet cfg, with weights and labels beside it."""

PICTURES = Path(__file__).with_name("pictures")
"""A folder of sample pictures; ``instances.json`` in it says, in COCO's format, what they show."""
