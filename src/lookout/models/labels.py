"""What a network's classes are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from lookout.errors import ModelError, UsageError

COCO = tuple(
    """
    person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign
    parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|handbag
    tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard
    tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot
    hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table|toilet|tv|laptop|mouse|remote
    keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|book|clock|vase|scissors|teddy bear
    hair drier|toothbrush
    """.strip().replace("\n    ", "|").split("|")
)  # fmt: skip

# What Darknet's files call some of them.
DARKNET_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "aeroplane": "airplane",
        "diningtable": "dining table",
        "motorbike": "motorcycle",
        "pottedplant": "potted plant",
        "sofa": "couch",
        "tvmonitor": "tv",
    }
)

# COCO numbers its categories from 1 to 90, and has none of these.
_NO_CATEGORIES = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
COCO_CATEGORY_IDS: Mapping[str, int] = MappingProxyType(
    dict(zip(COCO, (number for number in range(1, 91) if number not in _NO_CATEGORIES), strict=True))
)


def canonical(label: str) -> str:
    """What two spellings of a label have in common: COCO's name for Darknet's, and no capitals.

    >>> canonical("Motorbike"), canonical("helmet")
    ('motorcycle', 'helmet')
    """
    folded = label.strip().casefold()
    return DARKNET_NAMES.get(folded, folded)


def labels_file(network: Path, chosen: Path | None = None) -> Path | None:
    """Where a network's labels are, None where there is no such file.

    The ``chosen`` file, else ``<stem>.names`` beside the network, else the only ``*.names`` file in its folder;
    not so for an ONNX file, which may hold its labels itself.
    """
    if chosen is not None:
        return chosen
    own = network.with_suffix(".names")
    if own.is_file():
        return own
    if network.suffix.lower() == ".onnx":
        return None
    others = list(network.parent.glob("*.names"))
    return others[0] if len(others) == 1 else None


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in a file, one a line; empty lines don't count. Raises ``UsageError`` where it can't be read."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the labels in {path} can't be read: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


def check_labels(labels: tuple[str, ...] | None, classes: int, network: Path) -> tuple[str, ...]:
    """One label a class: these, or COCO's 80 where there are none and the network has 80 classes.

    Raises ``UsageError`` where there are none, ``ModelError`` where there are too few or too many.
    """
    if labels is None and classes != len(COCO):
        raise UsageError(
            f"{network.name} has {classes} classes and no labels: name a file with one label a line (--labels), "
            f"or put it beside the network as {network.stem}.names"
        )
    labels = COCO if labels is None else labels
    if len(labels) != classes:
        raise ModelError(
            f"{network.name} has {classes} classes and {len(labels)} labels: name the right file with --labels"
        )
    return labels
