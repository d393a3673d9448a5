"""What Darknet does and Lookout does not, by name: sections, and options that would change a network's output.

Options that matter in training alone are in no list, and are stepped over. Source: AlexeyAB/darknet
``parser.c``, and pjreddie/darknet for ``alpha``, ``background``, ``beta``, ``extra``, ``flatten``, ``numload``.
"""

from __future__ import annotations

from collections.abc import Sequence

from lookout.errors import DarknetError
from lookout.models.darknet.cfg import Section

_CLASSIFIER = "it belongs to a network that classifies whole pictures, and Lookout runs those that detect objects"
_YOLO_1 = "it belongs to the first YOLO, and Lookout runs version 2 and later"
_SEQUENCES = "it belongs to a network for sequences, and Lookout looks at single pictures"

_SECTIONS = {
    **dict.fromkeys(("cost", "crop", "soft", "softmax"), _CLASSIFIER),
    **dict.fromkeys(("conn", "connected", "detection", "local"), _YOLO_1),
    **dict.fromkeys(("conv_lstm", "crnn", "gru", "history", "lstm", "rnn"), _SEQUENCES),
    "Gaussian_yolo": "of the heads, Lookout knows [yolo] and [region]",
}

# The values at which an option changes nothing; words are compared as they are written.
_REORG: dict[str, str | float] = dict.fromkeys(("extra", "flatten", "reverse"), 0)
_NEUTRAL: dict[str, dict[str, str | float]] = {
    "convolutional": {
        **dict.fromkeys(("antialiasing", "binary", "bin_output", "coordconv", "dontload", "dontloadscales"), 0),
        **dict.fromkeys(("flipped", "numload", "rotate", "stretch", "stretch_sway", "sway", "xnor"), 0),
        "share_index": "",
    },
    "maxpool": dict.fromkeys(("antialiasing", "maxpool_depth", "maxpool_zero_nonmax"), 0),
    "region": {**dict.fromkeys(("background", "classfix"), 0), "coords": 4, "map": "", "tree": ""},
    "reorg": _REORG,
    "reorg3d": _REORG,
    "shortcut": {"alpha": 1, "beta": 1, "weights_type": "none"},
}


def unknown_section(section: Section, known: Sequence[str]) -> DarknetError:
    """The error of a section that can't be imported."""
    why = _SECTIONS.get(section.name, f"Lookout imports networks made of {', '.join(known)}")
    return section.error(f"is not supported; {why}")


def check_options(section: Section, name: str) -> None:
    """Raise ``DarknetError`` for an option that asks for more than Lookout does in a section of that name."""
    for key, neutral in _NEUTRAL.get(name, {}).items():
        if key in section.options and not _is_neutral(section, key, neutral):
            raise section.error(f"{key}={section.word(key, '')[:40]} is not supported", key)


def _is_neutral(section: Section, key: str, neutral: str | float) -> bool:
    if isinstance(neutral, str):
        return section.word(key, neutral) == neutral
    return section.number(key, neutral) == neutral
