"""The models that Lookout can fetch by name: where they are, what they must hash to, what they may be used for.

Checksums were taken from the published files; the AP figures are the publishers' own, on COCO val2017.
"""

from __future__ import annotations

from dataclasses import dataclass

_DARKNET_CFG = "https://raw.githubusercontent.com/AlexeyAB/darknet/59596d7/cfg"
_DARKNET_RELEASES = "https://github.com/AlexeyAB/darknet/releases/download"
_COCO_NAMES = (
    "634a1132eb33f8091d60f2c346ababe8b905ae08387037aed883953b7329af84",
    ("https://raw.githubusercontent.com/AlexeyAB/darknet/59596d7/data/coco.names",),
)
_YOLO_FASTEST = (
    "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/96a2900d163196c396e73f3fdab04ca4dd9a2f70"
    "/ModelZoo/yolo-fastest-1.1_coco"
)
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file to fetch: its name here, its SHA-256, and its addresses, the best first."""

    name: str
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that can be fetched. The first file is the one to load; the others lie beside it."""

    name: str
    files: tuple[RemoteFile, ...]
    licence: str
    accuracy: str


def _darknet(
    name: str,
    *,
    cfg: tuple[str, str],
    weights: tuple[str, ...],
    licence: str,
    accuracy: str,
) -> ModelSpec:
    """A Darknet model for COCO's labels: of ``cfg`` and ``weights``, first the SHA-256, then addresses."""
    return ModelSpec(
        name,
        (
            RemoteFile(f"{name}.cfg", cfg[0], cfg[1:]),
            RemoteFile(f"{name}.weights", weights[0], weights[1:]),
            RemoteFile(f"{name}.names", *_COCO_NAMES),
        ),
        licence,
        accuracy,
    )


def _yolox(name: str, sha256: str, accuracy: str) -> ModelSpec:
    onnx = RemoteFile(f"{name}.onnx", sha256, (f"{_YOLOX}/{name}.onnx",))
    return ModelSpec(name, (onnx,), "Apache-2.0", accuracy)


_MODELS = (
    _darknet(
        "yolo-fastest-1.1",
        cfg=(
            "f6df5775c1e862998cf69046eba9265be3ae84dfe8b2caab7529823f0795bf70",
            f"{_YOLO_FASTEST}/yolo-fastest-1.1.cfg",
        ),
        weights=(
            "1c445c42bbd6df63edea2cc69f99667b5650d663ca11e34b116240740cd42890",
            f"{_YOLO_FASTEST}/yolo-fastest-1.1.weights",
        ),
        licence="YOLO licence",
        accuracy="AP50 24.4 at 320",
    ),
    _darknet(
        "yolo-fastest-1.1-xl",
        cfg=(
            "c458427acc4fbeabceff4528ef7b65b066c0308ce599460f8ba299eba63abad3",
            f"{_YOLO_FASTEST}/yolo-fastest-1.1-xl.cfg",
        ),
        weights=(
            "fac5fb41786c1f38f04972a658443b189f48720d7d117f9a044100e98a35b0c5",
            f"{_YOLO_FASTEST}/yolo-fastest-1.1-xl.weights",
        ),
        licence="YOLO licence",
        accuracy="AP50 34.3 at 320",
    ),
    _darknet(
        "yolov3-tiny",
        cfg=(
            "84eb7a675ef87c906019ff5a6e0effe275d175adb75100dcb47f0727917dc2c7",
            f"{_DARKNET_CFG}/yolov3-tiny.cfg",
        ),
        weights=(
            "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
            "https://data.pjreddie.com/files/yolov3-tiny.weights",
            "https://github.com/hank-ai/darknet/releases/download/v2.0/yolov3-tiny.weights",
            "https://pjreddie.com/media/files/yolov3-tiny.weights",
        ),
        licence="public domain",
        accuracy="AP50 33.1 at 416",
    ),
    _darknet(
        "yolov4-tiny",
        cfg=(
            "f858e3724962eedf3ac44e3b6cb3f0c3d9ed067c306bb831f539c578b924c90e",
            f"{_DARKNET_CFG}/yolov4-tiny.cfg",
        ),
        weights=(
            "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
            f"{_DARKNET_RELEASES}/yolov4/yolov4-tiny.weights",
        ),
        licence="YOLO licence",
        accuracy="AP50 40.2 at 416",
    ),
    _darknet(
        "yolov4",
        cfg=(
            "a6d0f8e5c62cc8378384f75a8159b95fa2964d4162e33351b00ac82e0fc46a34",
            f"{_DARKNET_CFG}/yolov4.cfg",
        ),
        weights=(
            "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
            f"{_DARKNET_RELEASES}/darknet_yolo_v3_optimal/yolov4.weights",
        ),
        licence="YOLO licence",
        accuracy="AP 41.2 at 416",
    ),
    _yolox(
        "yolox_nano",
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        "AP 25.8 at 416",
    ),
    _yolox(
        "yolox_tiny",
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        "AP 32.8 at 416",
    ),
    _yolox(
        "yolox_s",
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        "AP 40.5 at 640",
    ),
)

CATALOG = {spec.name: spec for spec in _MODELS}
