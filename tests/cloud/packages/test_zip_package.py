"""Zips: those for other platforms by what is in them, that for this one as a function that runs from nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.elf import read_library
from helpers.program import wait_for
from helpers.tiny import CONFIDENCE, make_picture
from helpers.wheels import with_wheels
from lookout.cloud.account import Account
from lookout.cloud.items import Outcome, from_item, image_url
from lookout.cloud.packages import Recipe, ZipPackage, build_zip, model_folder, provide, running_recipe, zip_package
from lookout.cloud.template import Code, Names, StackSettings, parameters, template_body
from lookout.core.selection import Selection
from lookout.detector import open_detector
from lookout.errors import PackageError, UsageError
from lookout.models.model import Model


@pytest.fixture(scope="module", params=["opencv", "onnxruntime"])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def recipe(engine: str, model_folder: Path, kept_wheels: Path) -> Recipe:
    try:
        return running_recipe(model_folder, engine)
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def built(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> ZipPackage:
    folder = tmp_path_factory.mktemp("zip")
    return with_wheels(lambda: build_zip(recipe, folder, print))


def names(package: ZipPackage) -> list[str]:
    with zipfile.ZipFile(package.path) as archive:
        return archive.namelist()


def test_a_zip_is_what_it_says_and_within_lambdas_limit(built: ZipPackage):
    data = built.path.read_bytes()
    assert (built.sha256, built.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    with zipfile.ZipFile(built.path) as archive:
        assert archive.testzip() is None
        assert built.unpacked_bytes == sum(info.file_size for info in archive.infolist()) < 262_144_000


def test_a_zip_holds_what_the_function_needs_and_bytecode_of_its_python(built: ZipPackage, engine: str):
    found = names(built)
    tops = {name.partition("/")[0] for name in found}
    distributions = {top.partition("-")[0] for top in tops if top.endswith(".dist-info")}
    assert distributions == {"numpy", "opencv_python_headless", "pillow"} | ({engine} - {"opencv"})
    packages = {"PIL", "cv2", "lookout", "model", "numpy", *({engine} - {"opencv"})}
    assert {top for top in tops if not top.endswith((".dist-info", ".libs"))} == packages
    for name in distributions:
        inside = [path for path in found if path.startswith(f"{name}-")]
        assert any("LICENSE" in path or "license" in path for path in [*inside, *found]), name
        assert any(path.endswith("METADATA") for path in inside), name
    tag = sys.implementation.cache_tag
    compiled = {
        re.sub(rf"__pycache__/([\w-]+)\.{tag}\.pyc$", r"\1.py", name) for name in found if name.endswith(".pyc")
    }
    assert compiled == {name for name in found if name.endswith(".py")}


BUILD = """
import os, sys, time
from dataclasses import astuple
from pathlib import Path
from lookout.cloud.packages import build_zip, running_recipe
os.umask(int(sys.argv[3], 8)); time.tzset()
folder = Path(sys.argv[2])
model = folder / "model"
model.mkdir()
for file in Path(sys.argv[1]).iterdir():
    (model / file.name).write_bytes(file.read_bytes())
print(build_zip(running_recipe(model, sys.argv[4]), folder, str).sha256)
"""


@pytest.mark.parametrize("engine", ["opencv"], indirect=True)  # no other is put together otherwise
def test_the_same_recipe_makes_the_same_zip_in_another_place_time_zone_and_umask(
    built: ZipPackage, recipe: Recipe, tmp_path: Path
):
    environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    arguments = [str(recipe.model_folder), str(tmp_path), "077", recipe.engine]
    command = [sys.executable, "-c", BUILD, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == built.sha256


# --- Deployed, as on AWS ---


class Deployed:
    """A stack on the emulator whose function runs the zip, and finds nothing else."""

    def __init__(self, account: Account, recipe: Recipe, name: str) -> None:
        self.account, self.recipe, self.name = account, recipe, name
        self.said: list[str] = []
        self._apply("create_stack", Code())
        self._apply("update_stack", self.provide())
        functions, function = account.functions, self.outputs()["Function"]
        variables = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        alone = {**variables, "LOOKOUT_EMULATOR_ISOLATED": "1"}
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": alone})

    def provide(self) -> Code:
        outputs = self.outputs()
        places = {"artifacts": outputs["Artifacts"], "repository_uri": outputs["Repository"]}
        return provide(self.account, self.recipe, "zip", **places, say=self.said.append)

    def outputs(self) -> dict[str, str]:
        (stack,) = self.account.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def outcome(self, key: str, data: bytes) -> Outcome:
        outputs = self.outputs()
        self.account.s3.put_object(Bucket=outputs["Bucket"], Key=key, Body=data)
        place = {
            "TableName": outputs["Table"],
            "Key": {"image-url": {"S": image_url(outputs["Bucket"], key)}},
            "ConsistentRead": True,
        }
        wait_for(lambda: "Item" in self.account.dynamodb.get_item(**place))
        return from_item(self.account.dynamodb.get_item(**place)["Item"])

    def _apply(self, action: str, code: Code) -> None:
        settings = StackSettings(
            Names.of(self.name),
            code,
            architecture=self.recipe.architecture,
            model_folder=model_folder("zip"),
            engine=self.recipe.engine,
            confidence=CONFIDENCE,
            memory_mb=1769,
            timeout_s=60,
        )
        client = self.account.cloudformation
        described = {"TemplateBody": template_body(), "Parameters": parameters(settings)}
        getattr(client, action)(StackName=self.name, Capabilities=["CAPABILITY_IAM"], **described)
        waiter = client.get_waiter("stack_create_complete" if action == "create_stack" else "stack_update_complete")
        waiter.wait(StackName=self.name, WaiterConfig={"Delay": 1})


@pytest.fixture(scope="module")
def deployed(account: Account, recipe: Recipe, built: ZipPackage) -> Deployed:
    return Deployed(account, recipe, f"zip-{recipe.engine}")


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(make_picture(3))).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_function_that_has_nothing_but_the_zip_finds_what_is_found_here(deployed: Deployed, kind: str):
    data = picture(kind)
    outcome = deployed.outcome(f"picture.{kind}", data)
    assert (outcome.error, outcome.engine) == (None, deployed.recipe.engine)
    selection = Selection(CONFIDENCE)
    with_model = Model.open(deployed.recipe.model_folder)
    here = open_detector(with_model, deployed.recipe.engine, threads=1, selection=selection).detect(data).objects
    assert len(here) > 3
    assert [found.label for found in outcome.objects] == [found.label for found in here]
    for there, ours in zip(outcome.objects, here, strict=True):  # another build of the engine may run here
        assert there.confidence == pytest.approx(ours.confidence, abs=1e-3)
        assert astuple(there.box) == pytest.approx(astuple(ours.box), abs=1)


def test_an_image_that_cannot_be_read_has_its_reason_in_the_table(deployed: Deployed):
    assert "truncated" in deployed.outcome("bad.jpg", make_picture(3)[:-50]).error


def test_the_zip_is_in_the_artifact_bucket_once(deployed: Deployed, built: ZipPackage):
    said = len(deployed.said)
    code = deployed.provide()
    assert deployed.said[said:] == ["The function's zip is there already."]
    assert re.fullmatch(r"code/[0-9a-f]{64}\.zip", code.zip_key)
    assert code.runtime == f"python{deployed.recipe.python}"
    answer = deployed.account.s3.get_object(Bucket=deployed.outputs()["Artifacts"], Key=code.zip_key)
    with answer["Body"] as body:
        assert hashlib.sha256(body.read()).hexdigest() == built.sha256 == answer["Metadata"]["sha256"]


# --- For Lambda ---

# What a wheel may leave to the system: PEP 600, and what Amazon Linux 2023 has.
SYSTEM = re.compile(
    r"(libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s|libz|ld-linux-x86-64|ld-linux-aarch64)\.so\.\d"
)


@pytest.mark.parametrize(("architecture", "machine"), [("x86_64", "x86_64"), ("arm64", "aarch64")])
def test_a_zip_for_lambda_is_of_its_platform_and_whole(
    architecture: str, machine: str, model_folder: Path, kept_wheels: Path, tmp_path: Path
):
    recipe = Recipe(model_folder, "onnxruntime", architecture, "3.13")
    package = with_wheels(lambda: build_zip(recipe, tmp_path, print))
    assert package.unpacked_bytes < 262_144_000
    with zipfile.ZipFile(package.path) as archive:
        libraries = {
            name: read_library(archive.read(name)) for name in archive.namelist() if re.search(r"\.so(\.|$)", name)
        }
    assert len(libraries) > 20
    assert {library.machine for library in libraries.values()} == {machine}
    tags = {match[1] for name in libraries if (match := re.search(r"\.cpython-(\d+)", name))}
    assert tags == {"313"}
    here = {name.rpartition("/")[2] for name in libraries}
    for name, library in libraries.items():
        missing = [needed for needed in library.needed if needed not in here and not SYSTEM.fullmatch(needed)]
        assert missing == [], name
    # And nothing is there that nobody loads: a library beside a package is needed by something.
    needed = {needed for library in libraries.values() for needed in library.needed}
    beside = {name.rpartition("/")[2] for name in libraries if ".libs/" in name}
    assert beside - needed == set()


@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_what_lambda_would_not_take_is_told_with_what_is_large(
    recipe: Recipe, built: ZipPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(zip_package, "MOST_BYTES", 100 << 20)
    with pytest.raises(PackageError) as caught:
        build_zip(recipe, tmp_path, print)
    assert re.match(
        r"the zip would have \d+ MB unpacked, and Lambda takes 100; of them opencv_python_headless \d+, numpy \d+, .*: "
        "take --architecture arm64, or --package image, which has room for 10 GB",
        str(caught.value),
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_bytecode_is_left_out_where_there_is_no_room_for_it(
    recipe: Recipe, built: ZipPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(zip_package, "MOST_BYTES", built.unpacked_bytes - 1)
    smaller = build_zip(recipe, tmp_path, print)
    assert [name for name in names(smaller) if name.endswith(".pyc")] == []
    assert [name for name in names(built) if not name.endswith(".pyc")] == names(smaller)


@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_a_folder_that_cannot_be_written_is_named(recipe: Recipe, built: ZipPackage, tmp_path: Path):
    with pytest.raises(PackageError, match="missing can't be written"):
        build_zip(recipe, tmp_path / "missing", print)


@pytest.mark.parametrize(
    ("engine", "architecture", "remedies"),
    [
        ("onnxruntime", "x86_64", "--engine opencv, --architecture arm64, or --package image"),
        ("openvino", "x86_64", "--engine opencv, or --package image"),
        ("onnxruntime", "arm64", "--engine opencv, or --package image"),
        ("opencv", "arm64", "--package image"),
    ],
)
def test_only_what_would_help_is_advised(engine: str, architecture: str, remedies: str, model_folder: Path):
    large = SimpleNamespace(name="cv2/large", size_bytes=300 << 20)
    with pytest.raises(PackageError) as caught:
        zip_package.check_size([large], Recipe(model_folder, engine, architecture))
    assert f"opencv_python_headless 300: take {remedies}, which has room" in str(caught.value)
