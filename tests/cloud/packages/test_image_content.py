"""What is in an image: the Dockerfile's steps followed into an empty root, and by buildah where it is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")

from helpers.tiny import CONFIDENCE, make_picture
from helpers.wheels import with_wheels
from lookout.cloud.account import Account
from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.limits import choose_limiter
from lookout.cloud.emulator.packages import ISOLATED, Packages
from lookout.cloud.packages import Recipe, provide, running_recipe
from lookout.cloud.packages import providing as providing_module
from lookout.cloud.packages.container_tools import find_tool
from lookout.cloud.packages.image import write_context
from lookout.cloud.packages.wheels import wanted
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.errors import UsageError
from lookout.executions.contract import request_document
from lookout.models.model import Model


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "opencv")


@pytest.fixture(scope="module")
def recipe(engine: str, model_folder: Path, kept_wheels: Path) -> Recipe:
    try:
        recipe = running_recipe(model_folder, engine)
        wanted(engine, recipe.python, recipe.architecture)
    except UsageError as error:
        pytest.skip(str(error))
    return recipe


@pytest.fixture(scope="module")
def context(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    umask = os.umask(0o077)  # which must not be seen in the image
    try:
        with_wheels(lambda: write_context(recipe, folder, print))
    finally:
        os.umask(umask)
    return folder


def detect(root: Path, recipe: Recipe, tmp_path: Path) -> list[dict]:
    """What the function finds that has nothing but an image's files, in the emulator's host."""
    packages = tmp_path / "packages"
    packages.mkdir()
    function = FunctionConfig(
        name="image",
        arn="arn:aws:lambda:us-east-1:000000000000:function:image",
        handler="lookout.apps.handler.handle",
        memory_mb=1769,
        timeout_s=60,
        environment={
            "LOOKOUT_MODEL": str(root / "opt" / "model"),
            "LOOKOUT_ENGINE": recipe.engine,
            "LOOKOUT_CONFIDENCE": str(CONFIDENCE),
            "LOOKOUT_IOU": "0.45",
            "LOOKOUT_TABLE": "table",
        },
        task_root=root / "var" / "task",
        python=sys.executable,
        region="us-east-1",
        endpoint="http://127.0.0.1:9",  # which nobody asks
        client_folder=Packages(packages).client_folder({}, {ISOLATED: "1"}),
    )
    host = FunctionHost(choose_limiter())
    try:
        answer = host.invoke(function, json.dumps(request_document("7", make_picture(3))).encode(), "request")
    finally:
        host.close()
    assert not answer.error, answer.log_lines
    return json.loads(answer.payload)["objects"]


def found_here(recipe: Recipe) -> list[dict]:
    detector = open_detector(Model.open(recipe.model_folder), recipe.engine, threads=1, selection=Selection(CONFIDENCE))
    return [found.to_json() for found in detector.detect(make_picture(3)).objects]


def follow(context: Path, root: Path) -> list[str]:
    """Follow a Dockerfile's steps into a folder that is not there yet; the command that it ends in."""
    command: list[str] = []
    for line in (context / "Dockerfile").read_text().splitlines():
        instruction, _, rest = line.partition(" ")
        match instruction:
            case "" | "#" | "ARG":
                pass
            case "FROM":
                root.mkdir()
            case "COPY":
                source, target = rest.split()
                shutil.copytree(context / source, root / target.lstrip("/"))
            case "CMD":
                command = json.loads(rest)
            case _:
                pytest.fail(f"nobody knows how to follow {line!r}")
    return command


@pytest.mark.parametrize("engine", ["opencv"], indirect=True, scope="module")
def test_the_context_has_what_the_image_needs_and_all_may_read_it(engine: str, context: Path):
    assert {path.name for path in context.iterdir()} == {"Dockerfile", "model", "task"}
    assert {path.name for path in (context / "model").iterdir()} == {"model.json", "network.onnx", "network.onnx.data"}
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in context.rglob("*")}
    assert modes == {True: 0o755, False: 0o644}
    sources = list((context / "task").rglob("*.py"))
    assert len(list((context / "task").rglob("*.pyc"))) == len(sources) > 100


@pytest.mark.parametrize("engine", ["opencv", "openvino"], indirect=True, scope="module")
def test_the_dockerfiles_steps_in_an_empty_root_make_a_function_that_detects(
    engine: str, context: Path, recipe: Recipe, tmp_path: Path
):
    if engine != "opencv":
        pytest.importorskip(engine, reason=f"the extra {engine} is not installed")
    root = tmp_path / "root"
    assert follow(context, root) == ["lookout.apps.handler.handle"]
    found = detect(root, recipe, tmp_path)
    assert len(found) > 3
    assert_alike(found, found_here(recipe))


def assert_alike(found: list[dict], expected: list[dict]) -> None:
    assert [one["label"] for one in found] == [one["label"] for one in expected]
    for one, other in zip(found, expected, strict=True):  # another build of OpenCV may run here
        assert one["accuracy"] == pytest.approx(other["accuracy"], abs=1e-3)
        assert one["box"] == pytest.approx(other["box"], abs=1)


# --- By the tools that need no daemon ---


@pytest.fixture
def buildah(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A function that runs buildah; all that it and podman keep is in a folder of the test's."""
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    storage = tmp_path / "storage.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/graph"\nrunroot = "{tmp_path}/run"\n')
    # The emulator speaks no TLS, which tools must be told; else they are run as on AWS.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("buildah", "podman"):
        if own := shutil.which(name):
            (programs / name).write_text(
                "#!/bin/sh\ncommand=$1; shift\n"
                'case $command in login|push|from) set -- --tls-verify=false "$@"; esac\n'
                f'exec {own} $command "$@"\n'
            )
            (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def run(*arguments: str) -> str:
        done = subprocess.run([programs / "buildah", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    yield run
    run("rm", "--all")


@pytest.mark.parametrize("name", ["buildah", "podman"])
def test_a_tool_builds_and_pushes_an_image_that_detects(
    name: str,
    buildah: Callable[..., str],
    account: Account,
    variables: dict[str, str],
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    def only_this(other: str) -> str | None:
        return shutil.which(name) if other == name else None

    tool, faults = find_tool(only_this)
    if tool is None:
        pytest.skip(f"{name} can't build here: {faults[name]}")
    # In the place of AWS's base image one that is empty but for a file; the function is run by this Python.
    (tmp_path / "marker").write_text("base")
    container = buildah("from", "scratch")
    buildah("copy", container, str(tmp_path / "marker"), "/")
    buildah("commit", container, "localhost/base")
    account.images.create_repository(repositoryName=f"by-{name}")
    uri = f"{variables['AWS_ENDPOINT_URL'].removeprefix('http://')}/by-{name}"
    monkeypatch.setattr(providing_module, "check_deployable", lambda recipe: None)  # whichever Python runs the tests
    of_base = replace(recipe, base_image="localhost/base")
    said: list[str] = []
    code = provide(account, of_base, "image", artifacts="", repository_uri=uri, say=said.append, which=only_this)
    assert re.fullmatch(rf"{uri}@sha256:[0-9a-f]{{64}}", code.image_uri)
    (image,) = account.images.describe_images(repositoryName=f"by-{name}")["imageDetails"]
    assert image["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert provide(account, of_base, "image", artifacts="", repository_uri=uri, say=said.append) == code
    assert said[-1] == "The function's image is there already."
    pulled = buildah("from", "--pull-always", f"docker://{code.image_uri}")
    config = json.loads(buildah("inspect", pulled))["OCIv1"]["config"]
    assert config["Cmd"] == ["lookout.apps.handler.handle"]
    root = Path(buildah("mount", pulled))
    assert (root / "marker").read_text() == "base"
    assert_alike(detect(root, recipe, tmp_path), found_here(recipe))
