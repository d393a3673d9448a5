"""How the network in the package was made: scenes are what their seed says, and training and export do their work."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

CFG = """
[net]
width=64
height=64
channels=3

[convolutional]
batch_normalize=1
filters=12
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=24
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=24
size=3
stride=1
pad=1
activation=relu

[shortcut]
from=-2
activation=linear

[maxpool]
size=2
stride=2

[convolutional]
batch_normalize=1
filters=16
size=1
stride=1
pad=1
activation=leaky

[upsample]
stride=2

[route]
layers=-1,3

[convolutional]
filters=26
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=0,1
anchors=10,10, 30,30
classes=8
num=2
scale_x_y=2.0

[route]
layers=5

[convolutional]
filters=13
size=1
stride=1
pad=1
activation=linear

[yolo]
mask=1
anchors=10,10, 30,30
classes=8
num=2
"""


@pytest.fixture(scope="module", autouse=True)
def _training_on_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield
    for name in [name for name in sys.modules if name.split(".")[0] == "training"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def pictures():
    from training.scenes import render

    return [render(11, number) for number in range(6)]


def test_boxes_lie_inside_their_pictures(pictures):
    from training.objects import LABELS

    assert sum(len(picture.boxes_xyxy) for picture in pictures) >= 6
    for picture in pictures:
        height, width = picture.pixels.shape[:2]
        left, top, right, bottom = picture.boxes_xyxy.T
        assert picture.pixels.dtype == np.uint8
        assert ((left >= 0) & (top >= 0) & (right <= width) & (bottom <= height)).all()
        assert ((right - left > 5) & (bottom - top > 5)).all()
        assert set(picture.class_ids) <= set(range(len(LABELS)))


def test_the_same_seed_and_number_give_the_same_picture(pictures):
    from training.scenes import render

    again = render(11, 2)
    assert np.array_equal(again.pixels, pictures[2].pixels)
    assert np.array_equal(again.boxes_xyxy, pictures[2].boxes_xyxy)
    assert np.array_equal(again.class_ids, pictures[2].class_ids)


def test_another_seed_or_number_gives_another_picture(pictures):
    from training.scenes import render

    first = pictures[2].pixels
    for other in (render(12, 2).pixels, pictures[3].pixels):
        assert other.shape != first.shape or np.abs(other.astype(int) - first).mean() > 5


def test_labels_are_cocos_and_those_of_the_package():
    from lookout.models.bundled import CFG as BUNDLED
    from lookout.models.labels import COCO, read_labels
    from training.objects import LABELS

    assert read_labels(BUNDLED.with_suffix(".names")) == LABELS
    assert [label for label in COCO if label in LABELS] == list(LABELS)


def test_weights_come_back_as_they_were_written(tmp_path: Path):
    pytest.importorskip("torch", reason="the extra training is not installed")
    from training.network import export_weights, load_weights
    from training.train import make_network

    cfg = tmp_path / "small.cfg"
    cfg.write_text(CFG)
    written, other = make_network(cfg, seed=1), make_network(cfg, seed=2)
    assert export_weights(written) != export_weights(other)
    load_weights(other, export_weights(written))
    assert export_weights(written) == export_weights(other)
    with pytest.raises(ValueError, match="holds 10076 values"):
        load_weights(other, export_weights(written) + bytes(4))


def test_training_lowers_the_loss_and_the_export_is_what_lookout_computes(tmp_path: Path, pictures):
    torch = pytest.importorskip("torch", reason="the extra training is not installed")
    import cv2

    from lookout.core.framing import Frame
    from lookout.engines import open_engine
    from lookout.images import fill
    from lookout.models.store import load_model
    from training.augment import Batches
    from training.network import export_weights
    from training.train import Schedule, Trainer, make_network

    cfg = tmp_path / "small.cfg"
    cfg.write_text(CFG)
    small = np.stack([cv2.resize(picture.pixels, (96, 96)) for picture in pictures])
    boxes = [
        np.column_stack([picture.class_ids, picture.boxes_xyxy / np.tile(picture.pixels.shape[1::-1], 2)])
        for picture in pictures
    ]
    batches = Batches(small, [rows.astype(np.float32) for rows in boxes], side=64, size=6)
    torch.set_num_threads(1)  # so small a network only waits for a second one
    network = make_network(cfg)
    trainer = Trainer(network, Schedule(rate=0.01, warm_up_steps=5))
    random = np.random.default_rng(0)
    parts = [trainer.step(next(batches.epoch(random, plain=True)), progress=0.0)[1] for _ in range(40)]
    losses = [sum(row.values()) for row in parts]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])

    cfg.with_suffix(".weights").write_bytes(export_weights(trainer.average))
    cfg.with_suffix(".names").write_text("\n".join("abcdefgh"))
    model = load_model(cfg, cache=tmp_path / "cache")
    frame = Frame.of(pictures[0].pixels.shape[1::-1], model.input_format)
    blob = fill(pictures[0].pixels, frame, model.input_format)
    with torch.no_grad():
        expected = trainer.average(torch.from_numpy(blob))
    outputs = open_engine("opencv", model.network).infer(blob)
    assert [output.shape for output in outputs] == [(1, 26, 16, 16), (1, 13, 8, 8)]
    for output, wanted in zip(outputs, expected, strict=True):
        assert np.abs(wanted.numpy()).max() > 0.5
        assert np.abs(output - wanted.numpy()).max() < 1e-4
