"""The models that Lookout can fetch by name: where they are, what they must hash to, what they may be used for.

Sizes and checksums are those of the published files, so an address is never trusted: whatever answers there, only
the published bytes are taken. The accuracy is the publishers' own, on COCO (val2017 or test-dev), in percent.
"""

from __future__ import annotations

from dataclasses import dataclass

_DARKNET = "https://raw.githubusercontent.com/AlexeyAB/darknet/59596d7"
_DARKNET_RELEASES = "https://github.com/AlexeyAB/darknet/releases/download"
_DARKNET_OF_REDMON = "https://raw.githubusercontent.com/pjreddie/darknet/f6afaabcdf85f77e7aff2ec55c020c0e297c77f9"
_DARKNET_OF_HANK = "https://github.com/hank-ai/darknet/releases/download/v2.0"
_YOLO_FASTEST = (
    "https://raw.githubusercontent.com/dog-qiuqiu/Yolo-Fastest/96a2900d163196c396e73f3fdab04ca4dd9a2f70"
    "/ModelZoo/yolo-fastest-1.1_coco"
)
_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
_DFINE_N = "https://huggingface.co/onnx-community/dfine_n_coco-ONNX/resolve/380d2839c327efaf65dd0fe0c2c10ab7fadd5473"

_PUBLIC_DOMAIN, _YOLO_LICENCE, _APACHE = "public domain", "YOLO licence", "Apache-2.0"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file to fetch: its name here, its size in bytes, its SHA-256, and its addresses, the best first."""

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """AP (over IoU 0.50 to 0.95) and AP50 on COCO in percent, at a square input of that size; None where unknown."""

    input_size: int
    ap: float | None = None
    ap50: float | None = None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that can be fetched. The first file is the one to load; the others lie beside it.

    ``input_size``: how many pixels a side the network takes as it is published, which is not always where its
    accuracy was measured.
    """

    name: str
    files: tuple[RemoteFile, ...]
    licence: str
    input_size: int
    accuracy: Accuracy | None

    @property
    def network(self) -> tuple[RemoteFile, ...]:
        """The files that the network is made of, without that of its labels."""
        return tuple(file for file in self.files if not file.name.endswith(".names"))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


_File = tuple[int, str, tuple[str, ...]]  # size, SHA-256, addresses


def _darknet(name: str, licence: str, input_size: int, accuracy: Accuracy, *, cfg: _File, weights: _File) -> ModelSpec:
    """A Darknet model for COCO's labels."""
    names = (
        625,
        "634a1132eb33f8091d60f2c346ababe8b905ae08387037aed883953b7329af84",
        (f"{_DARKNET}/data/coco.names",),
    )
    kinds = {"cfg": cfg, "weights": weights, "names": names}
    files = tuple(RemoteFile(f"{name}.{suffix}", *file) for suffix, file in kinds.items())
    return ModelSpec(name, files, licence, input_size, accuracy)


def _onnx(name: str, input_size: int, ap: float, *file: *_File) -> ModelSpec:
    """A model for COCO's labels that is one ONNX file."""
    return ModelSpec(name, (RemoteFile(f"{name}.onnx", *file),), _APACHE, input_size, Accuracy(input_size, ap))


_MODELS = (
    _darknet(
        "yolo-fastest-1.1", _YOLO_LICENCE, 320, Accuracy(320, ap50=24.4),
        cfg=(
            9685,
            "f6df5775c1e862998cf69046eba9265be3ae84dfe8b2caab7529823f0795bf70",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1.cfg",),
        ),
        weights=(
            1384268,
            "1c445c42bbd6df63edea2cc69f99667b5650d663ca11e34b116240740cd42890",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1.weights",),
        ),
    ),
    _darknet(
        "yolo-fastest-1.1-xl", _YOLO_LICENCE, 320, Accuracy(320, ap50=34.3),
        cfg=(
            9696,
            "c458427acc4fbeabceff4528ef7b65b066c0308ce599460f8ba299eba63abad3",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1-xl.cfg",),
        ),
        weights=(
            3693964,
            "fac5fb41786c1f38f04972a658443b189f48720d7d117f9a044100e98a35b0c5",
            (f"{_YOLO_FASTEST}/yolo-fastest-1.1-xl.weights",),
        ),
    ),
    _darknet(
        "yolov3-tiny", _PUBLIC_DOMAIN, 416, Accuracy(416, ap50=33.1),
        cfg=(
            1915,
            "84eb7a675ef87c906019ff5a6e0effe275d175adb75100dcb47f0727917dc2c7",
            (f"{_DARKNET}/cfg/yolov3-tiny.cfg",),
        ),
        weights=(
            35434956,
            "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
            (
                "https://data.pjreddie.com/files/yolov3-tiny.weights",
                f"{_DARKNET_OF_HANK}/yolov3-tiny.weights",
                "https://pjreddie.com/media/files/yolov3-tiny.weights",
            ),
        ),
    ),
    _darknet(
        "yolov3", _PUBLIC_DOMAIN, 608, Accuracy(416, ap50=55.3),
        cfg=(
            8342,
            "22489ea38575dfa36c67a90048e8759576416a79d32dc11e15d2217777b9a953",
            (f"{_DARKNET_OF_REDMON}/cfg/yolov3.cfg",),
        ),
        weights=(
            248007048,
            "523e4e69e1d015393a1b0a441cef1d9c7659e3eb2d7e15f793f060a21b32f297",
            (
                "https://data.pjreddie.com/files/yolov3.weights",
                f"{_DARKNET_OF_HANK}/yolov3.weights",
                "https://pjreddie.com/media/files/yolov3.weights",
            ),
        ),
    ),
    _darknet(
        "yolov4-tiny", _YOLO_LICENCE, 416, Accuracy(416, ap50=40.2),
        cfg=(
            3231,
            "f858e3724962eedf3ac44e3b6cb3f0c3d9ed067c306bb831f539c578b924c90e",
            (f"{_DARKNET}/cfg/yolov4-tiny.cfg",),
        ),
        weights=(
            24251276,
            "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
            (f"{_DARKNET_RELEASES}/yolov4/yolov4-tiny.weights",),
        ),
    ),
    _darknet(
        "yolov4", _YOLO_LICENCE, 608, Accuracy(416, ap=41.2),
        cfg=(
            12231,
            "a6d0f8e5c62cc8378384f75a8159b95fa2964d4162e33351b00ac82e0fc46a34",
            (f"{_DARKNET}/cfg/yolov4.cfg",),
        ),
        weights=(
            257717640,
            "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
            (f"{_DARKNET_RELEASES}/darknet_yolo_v3_optimal/yolov4.weights",),
        ),
    ),
    _onnx(
        "yolox_nano", 416, 25.8,
        3659407,
        "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d",
        (f"{_YOLOX}/yolox_nano.onnx",),
    ),
    _onnx(
        "yolox_tiny", 416, 32.8,
        20219662,
        "427cc366d34e27ff7a03e2899b5e3671425c262ea2291f88bb942bc1cc70b0f7",
        (f"{_YOLOX}/yolox_tiny.onnx",),
    ),
    _onnx(
        "yolox_s", 640, 40.5,
        35858002,
        "c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063",
        (f"{_YOLOX}/yolox_s.onnx",),
    ),
    _onnx(
        "dfine_n", 640, 42.8,
        15258358,
        "0f684f409618ee8a822410e754a29caa817d1aa16283ce89cad936d0a48e2f35",
        (f"{_DFINE_N}/onnx/model.onnx",),
    ),
)  # fmt: skip

CATALOG = {spec.name: spec for spec in _MODELS}
