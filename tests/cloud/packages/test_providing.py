"""A zip on its way into the artifact bucket; that it runs from there is in test_zip_package.py."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.tiny import make_model
from lookout.cloud.account import Account
from lookout.cloud.packages import PYTHONS, Recipe, ZipPackage, deployable_python, provide, running_recipe
from lookout.cloud.packages import providing as providing_module
from lookout.cloud.packages import recipe as recipe_module
from lookout.cloud.template import Code
from lookout.errors import CloudError, ModelError, PackageError, UsageError
from lookout.models.store import load_model


@pytest.fixture
def recipe(model_folder: Path) -> Recipe:
    try:
        return running_recipe(model_folder, "opencv")
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """What was built; each package is a few bytes."""
    built: list[Recipe] = []

    def build_zip(recipe: Recipe, folder: Path, say: object) -> ZipPackage:
        built.append(recipe)
        path = folder / "some.zip"
        path.write_bytes(b"a zip")
        return ZipPackage(path, "0" * 64, 5, 9)

    monkeypatch.setattr(providing_module, "build_zip", build_zip)
    return built


@pytest.fixture
def bucket(account: Account, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-")[:60].strip("-")
    account.s3.create_bucket(Bucket=name)
    return name


def put(account: Account, recipe: Recipe, bucket: str) -> Code:
    return provide(account, recipe, "zip", artifacts=bucket, repository_uri="", say=lambda line: None)


def test_a_zip_is_built_again_only_for_another_recipe(
    account: Account, recipe: Recipe, bucket: str, builds: list[Recipe], tmp_path: Path
):
    code = put(account, recipe, bucket)
    assert code == Code(zip_key=f"code/{recipe.digest('zip')}.zip", runtime=f"python{recipe.python}")
    assert put(account, recipe, bucket) == code
    same_elsewhere = replace(recipe, model_folder=load_model(make_model(tmp_path), cache=tmp_path).folder)
    assert put(account, same_elsewhere, bucket) == code
    assert builds == [recipe]
    for other in (
        replace(recipe, engine="onnxruntime"),
        replace(recipe, model_folder=load_model(make_model(tmp_path, "other"), cache=tmp_path).folder),
    ):
        assert put(account, other, bucket).zip_key != code.zip_key
    assert len(builds) == 3
    objects = account.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert len(objects) == 3
    # Nothing stays behind of the building.
    assert list(Path(os.environ["XDG_CACHE_HOME"], "lookout", "packages").iterdir()) == []


def test_the_digest_is_of_all_that_a_package_is_made_of(recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    digest = recipe.digest("zip")
    assert recipe.digest("image") != digest
    assert replace(recipe, base_image="mirror.example/python:3.13").digest("zip") == digest
    assert replace(recipe, base_image="mirror.example/python:3.13").digest("image") != recipe.digest("image")
    other = next(python for python in PYTHONS if python != recipe.python)
    assert replace(recipe, python=other).digest("zip") != digest
    monkeypatch.setattr(recipe_module, "running_python", lambda: other)  # which can make no bytecode for it
    assert recipe.digest("zip") != digest


def test_the_code_that_builds_is_a_part_of_the_recipe():
    folder = Path(recipe_module.__file__).parent
    sources = {path.name for path in folder.iterdir() if path.suffix == ".py" or path.name == "Dockerfile"}
    # These bring a package somewhere, or choose what goes in, which is in the digest itself.
    others = {"__init__.py", "container_tools.py", "providing.py", "recipe.py", "registry.py", "relock.py", "wheels.py"}
    assert sources - others == set(recipe_module._MAKERS)


def test_a_bucket_that_is_not_there_is_named(account: Account, recipe: Recipe, builds: list[Recipe]):
    with pytest.raises(CloudError, match=r"uploading the function's zip to no-such-bucket: .*not exist"):
        put(account, recipe, "no-such-bucket")


def test_a_zip_that_the_emulator_could_not_run_is_refused(account: Account, recipe: Recipe, builds: list[Recipe]):
    other = next(python for python in PYTHONS if python != recipe.python)
    with pytest.raises(UsageError, match=rf"runs zips in Python {recipe.python} on .*, and not in Python {other} on"):
        put(account, replace(recipe, python=other), "bucket")
    foreign = "arm64" if recipe.architecture == "x86_64" else "x86_64"
    with pytest.raises(UsageError, match=rf"and not in Python {recipe.python} on {foreign}"):
        put(account, replace(recipe, architecture=foreign), "bucket")
    assert builds == []


def test_a_python_that_lambda_lacks_is_refused_for_aws(account: Account, model_folder: Path, builds: list[Recipe]):
    aws = replace(account, emulated=False)
    with pytest.raises(UsageError, match=r"can't run in Python 3.11 on Lambda.*: take one of 3.12, 3.13, 3.14"):
        put(aws, Recipe(model_folder, "opencv", "x86_64", "3.11"), "bucket")
    assert builds == []


def test_a_cache_that_cannot_be_written_says_what_to_set(
    account: Account, recipe: Recipe, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(PackageError, match=r"can't be written .*: set XDG_CACHE_HOME"):
        put(account, recipe, bucket)


def test_a_recipe_that_cannot_be_followed_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no package for the architecture 'mips': take one of x86_64, arm64"):
        Recipe(tmp_path, "opencv", "mips")
    with pytest.raises(UsageError, match=r"no package for the Python '3.10': take one of 3.11"):
        Recipe(tmp_path, "opencv", "arm64", "3.10")
    with pytest.raises(UsageError, match="no package for the engine 'tensorrt': take one of"):
        Recipe(tmp_path, "tensorrt", "arm64")
    with pytest.raises(ModelError, match="import it again"):
        Recipe(tmp_path, "opencv", "arm64").digest("zip")


@pytest.mark.parametrize(
    ("running", "chosen"), [("3.11", "3.13"), ("3.12", "3.12"), ("3.14", "3.14"), ("3.15", "3.13")]
)
def test_a_function_gets_the_python_that_runs_here_where_lambda_has_it(
    running: str, chosen: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(recipe_module, "running_python", lambda: running)
    assert deployable_python() == chosen
