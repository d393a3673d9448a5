"""Images: what a container tool is told, and where the image comes to; what is in one, without a container tool."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.container_tool import FakeTool
from lookout.cloud.account import Account
from lookout.cloud.packages import Recipe, choose_kind, find_tool, model_folder, provide
from lookout.cloud.packages import providing as providing_module
from lookout.cloud.packages.container_tools import TOOLS
from lookout.cloud.template import Code
from lookout.errors import CloudError, PackageError, UsageError

REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
PASSWORD = "ministack-auth-token"  # noqa: S105 - opens nothing
BASE = "public.ecr.aws/lambda/python:3.13-arm64"


class Repository:
    """A repository of the emulator, and what is said while it gets an image."""

    def __init__(self, account: Account, name: str) -> None:
        self.account, self.name = account, name
        self.uri = account.images.create_repository(repositoryName=name)["repository"]["repositoryUri"]
        self.said: list[str] = []

    def provide(self, recipe: Recipe) -> Code:
        return provide(self.account, recipe, "image", artifacts="", repository_uri=self.uri, say=self.said.append)

    def digests(self) -> list[str]:
        images = self.account.images.describe_images(repositoryName=self.name)["imageDetails"]
        return [image["imageDigest"] for image in images]


@pytest.fixture
def repository(account: Account, request: pytest.FixtureRequest) -> Repository:
    name = re.sub("[^a-z0-9]+", "-", request.node.name).strip("-")
    return Repository(account, name)


@pytest.fixture
def recipe(model_folder: Path) -> Recipe:
    return Recipe(model_folder, "opencv", "arm64")


@pytest.fixture
def tools(tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> FakeTool:
    """docker alone, a home of its own, and a package of two files."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = FakeTool(folder, variables["AWS_ENDPOINT_URL"], "docker")
    monkeypatch.setenv("PATH", tool.path())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("DOCKER_CONFIG", "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)

    def write_context(recipe: Recipe, folder: Path, say: object) -> None:
        (folder / "Dockerfile").write_text("FROM nothing")

    monkeypatch.setattr(providing_module, "write_context", write_context)
    return tool


BUILDS = {
    "docker": ["docker", "buildx", "build", "--load", "--provenance=false", "--sbom=false"],
    "podman": ["podman", "build", "--format", "docker"],
    "finch": ["finch", "build"],
    "buildah": ["buildah", "build", "--format", "docker"],
}
CHECKS = {"docker": [["docker", "version"], ["docker", "buildx", "version"]]}


@pytest.mark.parametrize("name", BUILDS)
def test_an_image_is_built_and_pushed_once_and_the_password_goes_through_standard_input_alone(
    name: str, tools: FakeTool, repository: Repository, recipe: Recipe, tmp_path: Path, variables: dict[str, str]
):
    (tmp_path / "bin" / "docker").unlink()
    FakeTool(tmp_path / "bin", variables["AWS_ENDPOINT_URL"], name)
    code = repository.provide(recipe)
    image = f"{repository.uri}:{recipe.digest('image')}"
    assert code == Code(image_uri=f"{repository.uri}@{repository.digests()[0]}")
    told = tools.told()
    *checks, build, login, push, logout = [entry["arguments"] for entry in told]
    assert checks == CHECKS.get(name, [[name, "info"]])
    options = ["--platform", "linux/arm64", "--build-arg", f"BASE={BASE}", "--tag", image]
    assert build[:-1] == [*BUILDS[name], *options]
    assert told[-4]["files"] == ["Dockerfile"]
    auth = [] if name in ("docker", "finch") else ["--authfile", login[3]]
    assert login == [name, "login", *auth, "--username", "AWS", "--password-stdin", REGISTRY]
    assert push == [name, "push", *auth, *(["--platform", "linux/arm64"] if name == "finch" else []), image]
    assert logout == [name, "logout", *auth, REGISTRY]
    assert [entry["input"] for entry in told[-4:]] == ["", PASSWORD, "", ""]
    assert PASSWORD not in json.dumps([entry["arguments"] for entry in told] + repository.said)
    # Where the tool kept it was a folder of ours, which is gone, and nothing came into the user's own.
    config = Path(auth[1]).parent if auth else Path(told[-3]["config"])
    assert config.name.startswith("lookout-registry-")
    assert not config.exists()
    assert not (tmp_path / "home").exists()
    assert repository.provide(recipe) == code
    assert tools.told() == []
    assert repository.said[-1] == "The function's image is there already."


def test_docker_finds_no_key_chain_and_keeps_to_the_daemon_that_the_user_chose(
    tools: FakeTool, repository: Repository, recipe: Recipe, tmp_path: Path
):
    own = tmp_path / "home" / ".docker"
    (own / "contexts").mkdir(parents=True)
    (own / "config.json").write_text('{"currentContext": "far-away", "credsStore": "osxkeychain"}')
    repository.provide(recipe)
    login, push = tools.told()[-3:-1]
    assert login["config_file"] == push["config_file"] == {"auths": {REGISTRY: {}}}
    assert login["context"] == push["context"] == "far-away"
    assert (own / "config.json").read_text() == '{"currentContext": "far-away", "credsStore": "osxkeychain"}'


@pytest.mark.parametrize(
    ("failing", "words", "after"),
    [
        (
            "build",
            f"docker can't build the image: Error: build went wrong; see whether docker gets the base image, {BASE}",
            [],
        ),
        (
            "login",
            "docker can't log in to 0.*: Error: login went wrong.*; see whether these credentials may push",
            ["logout"],
        ),
        ("push", "docker can't push the image: Error: push went wrong; see whether these credentials may", ["logout"]),
    ],
)
def test_a_tool_that_fails_is_quoted_and_logged_out_and_leaves_no_password(
    failing: str, words: str, after: list[str], tools: FakeTool, repository: Repository, recipe: Recipe
):
    tools.fail(failing)
    with pytest.raises(PackageError, match=words) as caught:
        repository.provide(recipe)
    assert "  a line before" in repository.said
    assert PASSWORD not in str(caught.value) + "".join(repository.said)
    commands = [entry["arguments"][1] for entry in tools.told()]
    assert commands[commands.index(failing) + 1 if failing != "build" else len(commands) :] == after
    assert repository.digests() == []


def test_what_somebody_else_pushed_meanwhile_is_as_good(
    tools: FakeTool, repository: Repository, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
):
    tools.fail("push")

    def push_image(*arguments: object) -> None:
        tag = recipe.digest("image")
        repository.account.images.put_image(repositoryName=repository.name, imageTag=tag, imageManifest="{}")
        raise PackageError("the tag exists already")

    monkeypatch.setattr(providing_module, "push_image", push_image)
    assert repository.provide(recipe).image_uri == f"{repository.uri}@{repository.digests()[0]}"


def test_a_list_of_images_is_refused_as_lambda_would_refuse_it(tools: FakeTool, repository: Repository, recipe: Recipe):
    tools.media_type("application/vnd.oci.image.index.v1+json")
    with pytest.raises(PackageError, match="is a list of images, which Lambda does not run: delete it there"):
        repository.provide(recipe)


def test_a_repository_that_is_not_there_is_named(account: Account, recipe: Recipe):
    with pytest.raises(CloudError, match=r"looking into the repository none: .*'none' does not exist"):
        provide(account, recipe, "image", artifacts="", repository_uri=f"{REGISTRY}/none", say=print)


def test_a_python_that_lambda_lacks_is_refused(account: Account, model_folder: Path):
    with pytest.raises(UsageError, match=r"can't run in Python 3.11 on Lambda.*: take one of 3.12, 3.13, 3.14"):
        provide(
            account,
            Recipe(model_folder, "opencv", "x86_64", "3.11"),
            "image",
            artifacts="",
            repository_uri=f"{REGISTRY}/none",
            say=print,
        )


# --- Which tool ---


def test_a_tool_that_is_installed_but_does_not_answer_is_passed_over(
    tools: FakeTool, repository: Repository, recipe: Recipe, tmp_path: Path, variables: dict[str, str]
):
    docker, none_before = find_tool()
    assert (docker.name, none_before) == ("docker", {})
    assert choose_kind() == ("image", "")
    tools.fail("version")
    assert find_tool() == (
        None,
        {
            "docker": "Error: version went wrong",
            "podman": "not installed",
            "finch": "not installed",
            "buildah": "not installed",
        },
    )
    why = "docker is here and can't build an image (Error: version went wrong)"
    assert choose_kind() == ("zip", why)
    with pytest.raises(PackageError) as caught:
        repository.provide(recipe)
    assert str(caught.value) == f"{why}: start or install one, or take --package zip"
    FakeTool(tmp_path / "bin", variables["AWS_ENDPOINT_URL"], "buildah").fail("buildx")  # as docker is on Debian
    buildah, faults = find_tool()
    assert buildah.name == "buildah"
    assert faults["docker"] == "Error: buildx went wrong"


def test_there_is_no_tool_where_none_is_installed():
    assert find_tool(lambda name: None)[0] is None
    why = "no container tool is here: neither docker nor podman, finch or buildah"
    assert choose_kind(lambda name: None) == ("zip", why)
    assert [tool.name for tool in TOOLS] == ["docker", "podman", "finch", "buildah"]


def test_where_the_function_finds_its_model():
    assert (model_folder("image"), model_folder("zip")) == ("/opt/model", "model")
