"""The package as a whole: what it offers, what importing it loads, and its errors."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lookout
from lookout import errors
from lookout.errors import LookoutError, MissingExtraError

SOURCE = Path(lookout.__file__).parents[1]


def loaded_by(statement):
    """The modules that a fresh interpreter has loaded after a statement."""
    environment = {name: value for name, value in os.environ.items() if name != "AWS_LAMBDA_RUNTIME_API"}
    environment["PYTHONPATH"] = str(SOURCE)
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_heavy():
    loaded = loaded_by("import lookout")
    assert "lookout" in loaded
    heavy = {"cv2", "numpy", "onnx", "onnxruntime", "openvino", "boto3", "flask", "click", "rich", "urllib3"}
    assert loaded & heavy == set()
    assert {name for name in loaded if name.startswith("lookout.")} == set()


def test_the_public_names():
    values = ["Box", "Detection", "Detector", "LookoutError", "Result", "__version__"]
    assert lookout.__all__ == [*values, "connect", "load"]
    assert all(getattr(lookout, name) for name in lookout.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = lookout.nonsense
    assert re.fullmatch(r"\d+\.\d+\.\d+", lookout.__version__)


def test_the_functions_handler_loads_little():
    pytest.importorskip("boto3")
    loaded = loaded_by("import lookout.apps.handler")
    assert {"lookout.apps.handler", "lookout.detector", "lookout.cloud.items"} <= loaded
    not_needed = {"flask", "click", "rich", "matplotlib", "onnx", "ministack", "awslambdaric", "gunicorn", "boto3"}
    assert loaded & not_needed == set()
    parts = ("lookout.cloud.emulator", "lookout.comparison", "lookout.models.store", "lookout.models.darknet")
    assert {name for name in loaded if name.startswith(parts)} == set()


def test_a_server_without_a_stack_needs_nothing_of_aws():
    pytest.importorskip("gunicorn")
    loaded = loaded_by("import lookout.apps.server.running")
    assert {"lookout.apps.server.door", "flask"} <= loaded
    assert loaded & {"boto3", "botocore", "ministack", "matplotlib", "onnx", "onnxruntime"} == set()


def test_no_engine_is_loaded_before_it_is_opened():
    loaded = loaded_by("import lookout.engines, lookout.detector")
    assert "lookout.detector" in loaded
    assert loaded & {"onnxruntime", "openvino", "onnx", "urllib3"} == set()


def test_the_core_loads_numpy_and_nothing_else_of_ours():
    loaded = loaded_by("from lookout.core import detections, framing, heads, selection, suppression")
    ours = {name for name in loaded if name.startswith("lookout.")}
    assert {f"lookout.core.{name}" for name in ("detections", "framing", "heads", "selection", "suppression")} <= ours
    assert {name for name in ours if not name.startswith("lookout.core")} == {"lookout.errors"}
    assert loaded & {"cv2", "onnx", "boto3", "urllib3"} == set()


# The tree of errors, as it is drawn at the top of errors.py:
# a branch of four characters a level, a name, what it means, and the statuses where they are not the parent's.
LINE = re.compile(r"^    (?P<branch>[│├└─ ]*)(?P<name>\w+Error)\b(?P<rest>.*)$")


def drawn():
    """Every error in the drawing: its name -> its parent's name, exit status, HTTP status; None where not drawn."""
    tree, parents = {}, []
    for line in errors.__doc__.splitlines():
        if match := LINE.match(line):
            depth, rest = len(match["branch"]) // 4, match["rest"]
            parents[depth:] = [match["name"]]
            assert match["name"] not in tree, "drawn twice"
            statuses = [re.search(rf"\b{kind} +(\d+)", rest) for kind in ("exit", "HTTP")]
            parent = parents[depth - 1] if depth else None
            tree[match["name"]] = (parent, *(int(status[1]) if status else None for status in statuses))
    return tree


def raised():
    """Every subclass of LookoutError in the whole package, by name."""
    for module in pkgutil.walk_packages(lookout.__path__, "lookout."):
        if module.name.rpartition(".")[2] != "__main__":
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:  # of an extra that is not installed
                assert not str(error.name).startswith("lookout")
    found, waiting = {}, [LookoutError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__.startswith("lookout."):
            found[kind.__name__] = kind
            waiting += kind.__subclasses__()
    return found


def test_every_error_is_drawn_and_every_drawn_error_is_one():
    assert set(drawn()) == set(raised())
    assert len(drawn()) >= 16


def test_errors_descend_as_they_are_drawn():
    kinds = raised()
    for name, (parent, _, _) in drawn().items():
        assert kinds[name].__bases__ == (kinds[parent] if parent else Exception,)


def test_errors_are_defined_in_one_place():
    assert {kind.__module__ for kind in raised().values()} == {"lookout.errors"}


@pytest.mark.parametrize("name", drawn())
def test_statuses_are_those_that_are_drawn(name):
    tree, kind = drawn(), getattr(errors, name)
    _, exit_status, http_status = tree[name]
    if exit_status is None:  # neither is drawn: both are the parent's
        assert http_status is None
        assert (kind.exit_status, kind.http_status) == (kind.__base__.exit_status, kind.__base__.http_status)
    else:
        assert kind.exit_status == exit_status
        assert kind.http_status == (http_status or LookoutError.http_status)


def test_the_drawing_is_read_right():
    tree = drawn()
    assert tree["LookoutError"] == (None, 1, 500)
    assert tree["NoImagesError"] == ("UsageError", None, None)
    assert tree["DarknetError"] == ("ModelError", None, None)
    assert tree["ResultTimeoutError"] == ("ExecutionError", 1, 504)
    assert tree["StackError"] == ("CloudError", None, None)
    assert tree["PortInUseError"] == ("LookoutError", 1, None)


def test_a_missing_extra_says_what_to_install():
    error = MissingExtraError("server", "the web server")
    assert str(error) == "the web server needs a package that is not installed: pip install 'lookout-vision[server]'"
    assert error.extra == "server"
