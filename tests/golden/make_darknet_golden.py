"""Make the golden outputs of Darknet networks with OpenCV 4's own reader; see README.md beside this file."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import cv2
import numpy as np

from helpers import darknet_reference
from helpers.darknet_cases import LACKING, SIDE, SMALL, images, sample, shrunk, weights_of
from helpers.darknet_reference import HeadOutput
from lookout.models.darknet import make_plan, parse_cfg

FOLDER = Path(__file__).resolve().parent
TOLERANCE = 2e-4  # between OpenCV 4 in single and NumPy in double precision, of values around 1


def main(cfgs: Path) -> None:
    small = {}
    for name, cfg in SMALL.items():
        for number, head in enumerate(golden(name, cfg)):
            small[f"{name}/{number}/map"] = head.map
            if name.startswith(("yolo", "region")):
                small[f"{name}/{number}/rows"] = head.rows
    save("darknet_layers.npz", small)
    whole = {}
    for path in sorted(cfgs.glob("*.cfg")):
        for number, head in enumerate(golden(path.stem, shrunk(path.read_text()))):
            whole[f"{path.stem}/{number}/shape"] = np.array(head.map.shape)
            whole[f"{path.stem}/{number}/moments"] = np.array([head.map.mean(), head.map.std()])
            whole[f"{path.stem}/{number}/map"] = sample(head.map.reshape(-1), 256)
            whole[f"{path.stem}/{number}/rows"] = sample(head.rows, 6)
    save("darknet_networks.npz", whole)


def golden(name: str, cfg: str) -> list[HeadOutput]:
    """OpenCV's outputs, which must agree with the reference; the reference's, where OpenCV lacks something."""
    start = time.perf_counter()
    weights = weights_of(name, cfg)
    plan = make_plan(parse_cfg(cfg))
    blob = images(plan.images.width, plan.images.height)
    expected = darknet_reference.run(cfg, weights, blob)
    try:
        found = run_opencv(cfg, weights, blob)
        differences = [difference(*pair) for pair in zip(found, expected, strict=True)]
    except (cv2.error, ValueError):
        found, differences = [], [float("nan")]
    agrees = max(differences) < TOLERANCE
    print(f"{name}: {max(differences):.1e}, {time.perf_counter() - start:.1f} s", "" if agrees else LACKING.get(name))
    assert agrees != (name in LACKING), f"{name} differs"
    return found if agrees else expected


def difference(one: HeadOutput, other: HeadOutput) -> float:
    """The largest; scores that OpenCV has suppressed in a [region] are left out."""
    kept = one.rows != 0
    return max(abs(one.map - other.map).max(), abs(one.rows - other.rows)[kept].max())


def run_opencv(cfg: str, weights: bytes, blob: np.ndarray) -> list[HeadOutput]:
    net = cv2.dnn.readNetFromDarknet(np.frombuffer(cfg.encode(), np.uint8), np.frombuffer(weights, np.uint8))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setInput(blob)
    names = net.getLayerNames()
    pairs = [(names[at - 1], name) for at, name in enumerate(names) if name.startswith(("yolo_", "detection_out"))]
    # A permute_ comes before every head: what it reads, with the channels last.
    outputs = net.forward([name for pair in pairs for name in pair])
    return [
        HeadOutput(np.asarray(one)[0].transpose(2, 0, 1), rows)
        for one, rows in zip(outputs[::2], outputs[1::2], strict=True)
    ]


def save(name: str, arrays: dict[str, np.ndarray]) -> None:
    whole_numbers = {key: value for key, value in arrays.items() if value.dtype.kind == "i"}
    floats = {key: value.astype(np.float32) for key, value in arrays.items() if key not in whole_numbers}
    np.savez_compressed(FOLDER / name, **whole_numbers, **floats)
    print(f"{name}: {(FOLDER / name).stat().st_size} bytes, {len(arrays)} arrays, networks at {SIDE} x {SIDE}")


if __name__ == "__main__":
    print(f"OpenCV {cv2.__version__}, NumPy {np.__version__}, Python {sys.version.split()[0]}")
    main(Path(sys.argv[1]))
