"""What goes into a package, and what does not."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.tiny import make_model
from lookout.cloud.packages.contents import is_needed, lookout_files, model_files
from lookout.errors import ModelError
from lookout.models.store import load_model


def reached(module: str) -> set[str]:
    """The modules of ours that a module imports, now or later, and the packages that they are in."""
    graph = grimp.build_graph("lookout", exclude_type_checking_imports=True)
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name != "lookout":  # whose own imports are the public names, each when it is used
            found.add(name)
            waiting += [*graph.find_modules_directly_imported_by(name), name.rpartition(".")[0]]
    return {*found, "lookout"}


def test_of_lookout_a_package_has_what_the_handler_reaches_and_no_more():
    files = {name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in lookout_files()}
    assert files == reached("lookout.apps.handler")
    assert all(path.is_file() for path in lookout_files().values())


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("numpy/_core/_multiarray_umath.cpython-313-x86_64-linux-gnu.so", True),
        ("numpy/_core/tests/data/astype_copy.pkl", False),
        ("numpy/typing/__init__.py", True),
        ("numpy-2.4.6.dist-info/METADATA", True),
        ("numpy-2.4.6.dist-info/licenses/LICENSE.txt", True),
        ("numpy-2.4.6.dist-info/RECORD", False),
        ("opencv_python_headless-5.0.0.93.dist-info/LICENSE-3RD-PARTY.txt", True),
        ("cv2/LICENSE.txt", True),
        ("cv2/__init__.pyi", False),
        ("PIL/_webp.cpython-313-x86_64-linux-gnu.so", True),
        ("PIL/_avif.cpython-313-x86_64-linux-gnu.so", False),
        ("onnxruntime/capi/libonnxruntime.so.1.32.0", False),
        ("onnxruntime/ThirdPartyNotices.txt", True),
        ("openvino/libs/libopenvino_onnx_frontend.so.2641", True),
        ("openvino/libs/libopenvino_intel_gpu_plugin.so", False),
    ],
)
def test_of_a_wheel_a_package_has_what_runs_and_its_licences(name: str, needed: bool):
    assert is_needed(name) == needed


def test_a_model_that_is_not_whole_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="holds no readable model: import it again"):
        model_files(tmp_path)
    folder = load_model(make_model(tmp_path), cache=tmp_path).folder
    names = ["model/network.onnx.data", "model/network.onnx", "model/model.json"]
    assert list(model_files(folder)) == names
    for network in (folder / "network.onnx.data", folder / "network.onnx"):
        whole = network.read_bytes()
        network.write_bytes(whole[:-1])
        with pytest.raises(ModelError, match=f"{network.name} is not whole: import the model again"):
            model_files(folder)
        network.write_bytes(whole)
    network.unlink()
    with pytest.raises(ModelError, match="can't be read: import the model again"):
        model_files(folder)
