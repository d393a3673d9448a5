"""What contenders are given: networks and pictures, made or found once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from helpers.darknet_weights import make_weights
from lookout.models.store import load_model

LARGE_WH = (4000, 3000)
_QUALITY = 90

# Their names, and the file of each in SHARED/models. Where a Darknet cfg has no weights beside it, they are made up,
# since only the arithmetic counts.
MODELS = {
    "Yolo-Fastest-1.1-xl": "yolo-fastest-1.1-xl.cfg",
    "YOLOX-nano": "yolox_nano.onnx",
    "YOLOv3-tiny": "cfg/yolov3-tiny.cfg",
}


@dataclass(frozen=True, slots=True)
class Network:
    """A network's file, and a file of its labels."""

    name: str
    path: Path
    labels: Path

    @property
    def is_darknet(self) -> bool:
        """Whether OpenCV 4's Darknet reader takes it."""
        return self.path.suffix == ".cfg"


def network(name: str, source: Path, folder: Path) -> Network:
    """A network, with weights in ``folder`` where the source has none; imported, so that nobody's start pays for it."""
    path = source
    if source.suffix == ".cfg" and not source.with_suffix(".weights").is_file():
        path = folder / source.name
        path.write_text(source.read_text())
        path.with_suffix(".weights").write_bytes(make_weights(source.read_text()))
        path.with_suffix(".names").write_text((source.parents[1] / "coco.names").read_text())
    labels = folder / f"{path.stem}.labels"
    labels.write_text("\n".join(load_model(path).labels))
    return Network(name, path, labels)


def enlarged(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The pictures, enlarged to 12 MP, as JPEG files in ``folder``."""
    folder.mkdir(exist_ok=True)
    found = []
    for path in paths:
        picture = cv2.resize(cv2.imread(str(path)), LARGE_WH, interpolation=cv2.INTER_CUBIC)
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        found.append(folder / f"{path.stem}.jpg")
        found[-1].write_bytes(data.tobytes())
    return found
