"""Which files go into a package: the handler's part of Lookout, what it needs of each wheel, and the model.

boto3 is not among them: Lambda's Python runtime has it, and so has the base image. It would add 27 MB to a package
whose room is short, and AWS may update its own under us without harm: the handler makes two calls, with arguments that
have been the same for years.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import lookout
from lookout.models.model import Model

HANDLER = "lookout.apps.handler.handle"

# Of a zip, beside the code. Lambda starts a zip's function in the zip's folder.
ZIP_MODEL_FOLDER = "model"

# All that lookout.apps.handler reaches; a test follows its imports.
_MODULES = (
    "__init__",
    "apps/__init__",
    "apps/function_log",
    "apps/function_memory",
    "apps/handler",
    "cloud/__init__",
    "cloud/events",
    "cloud/items",
    "core/__init__",
    "core/detections",
    "core/framing",
    "core/heads/__init__",
    "core/heads/darknet",
    "core/heads/detr",
    "core/heads/end_to_end",
    "core/heads/rows",
    "core/heads/ultralytics",
    "core/heads/yolox",
    "core/selection",
    "core/suppression",
    "detector",
    "engines/__init__",
    "engines/lending",
    "engines/onnx_runtime",
    "engines/opencv",
    "engines/openvino",
    "errors",
    "executions/__init__",
    "executions/contract",
    "executions/protocol",
    "images/__init__",
    "images/decoding",
    "images/drawing",
    "images/files",
    "images/jpeg",
    "images/limits",
    "images/other_formats",
    "images/patterns",
    "images/pixels",
    "models/__init__",
    "models/model",
)

# What no function needs of a wheel; "*" matches slashes, too. Licences stay, and METADATA, which importlib.metadata and
# scanners for vulnerable versions read.
_NOT_NEEDED = (
    # Tests, types for checkers, headers, static libraries, and what compiles or documents.
    "*/tests/*",
    "*.pyi",
    "*.h",
    "*.hpp",
    "*.a",
    "*.pxd",
    "*.pyx",
    "*/py.typed",
    "*/__pycache__/*",
    "*.dist-info/RECORD",
    "*.dist-info/WHEEL",
    "*.dist-info/INSTALLER",
    "*.dist-info/entry_points.txt",
    "*.dist-info/top_level.txt",
    "*.dist-info/sboms/*",
    "numpy/f2py/*",
    # Parts that numpy loads when they are first used, and the handler uses none.
    "numpy/fft/*",
    "numpy/ma/*",
    "numpy/polynomial/*",
    "numpy/random/*",
    "numpy/testing/*",
    "numpy/_core/_*_tests.*",
    "numpy/_core/_simd.*",
    "numpy/_core/include/*",
    "numpy/_core/lib/*",
    "numpy/_pyinstaller/*",
    "numpy/conftest.py",
    "numpy/distutils/*",
    "cv2/load_config_py2.py",
    "cv2/data/*",
    # Pillow decodes PNG, WebP, BMP, TIFF and GIF; AVIF, fonts, colour profiles and windows have libraries of their own.
    "PIL/_avif.*",
    "PIL/_imagingcms.*",
    "PIL/_imagingft.*",
    "PIL/_imagingtk.*",
    "pillow.libs/libavif-*",
    "pillow.libs/libbrotli*",
    "pillow.libs/libfreetype-*",
    "pillow.libs/libharfbuzz-*",
    "pillow.libs/liblcms2-*",
    "pillow.libs/libpng16-*",
    # The C library of ONNX Runtime: its Python module has the same code in itself.
    "onnxruntime/capi/libonnxruntime.so*",
    # Its tools, which change and examine networks, and need protobuf and flatbuffers; running one needs none of them.
    "onnxruntime/backend/*",
    "onnxruntime/datasets/*",
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    # OpenVINO on a CPU, from ONNX: no other devices, no other formats, no tools.
    "openvino/cmake/*",
    "openvino/frontend/jax/*",
    "openvino/frontend/paddle/*",
    "openvino/frontend/pytorch/*",
    "openvino/frontend/tensorflow/*",
    "openvino/include/*",
    "openvino/libs/cache.json",
    "openvino/libs/libopenvino_auto_batch_plugin.*",
    "openvino/libs/libopenvino_auto_plugin.*",
    "openvino/libs/libopenvino_c.*",
    "openvino/libs/libopenvino_gguf_frontend.*",
    "openvino/libs/libopenvino_hetero_plugin.*",
    "openvino/libs/libopenvino_intel_gpu_plugin.*",
    "openvino/libs/libopenvino_intel_npu_plugin.*",
    "openvino/libs/libopenvino_jax_frontend.*",
    "openvino/libs/libopenvino_paddle_frontend.*",
    "openvino/libs/libopenvino_pytorch_frontend.*",
    "openvino/libs/libopenvino_tensorflow_*",
    "openvino/libs/libtbbmalloc_proxy.*",
    "openvino/libs/*.pc",
    "openvino/tools/*",
    "openvino/torch/*",
)


def lookout_files() -> dict[str, Path]:
    """The handler's part of Lookout: where each file is, by its name in the package."""
    folder = Path(lookout.__file__).parent
    return {f"lookout/{module}.py": folder / f"{module}.py" for module in _MODULES}


def model_files(folder: Path) -> dict[str, Path]:
    """A model's files, by their names in a zip. Raises ``ModelError`` where there is no whole one."""
    model = Model.open(folder)
    model.check_whole()
    return {f"{ZIP_MODEL_FOLDER}/{path.name}": path for path in model.files}


def is_needed(name: str) -> bool:
    """Whether a function needs this file of a wheel.

    >>> is_needed("numpy/version.py"), is_needed("numpy/tests/test_matlib.py")
    (True, False)
    """
    return not any(fnmatchcase(name, pattern) for pattern in _NOT_NEEDED)
