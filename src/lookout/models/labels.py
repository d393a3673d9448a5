"""What a network's classes are called."""

from __future__ import annotations

from pathlib import Path

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
    if network.suffix == ".onnx":
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
