"""What ``lookout stack up`` says before it makes anything, and when it stops; the checks: tests/cloud/preflight."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.tiny import make_model, make_picture
from helpers.world import THRESHOLD, World
from lookout.apps import before_making
from lookout.apps.before_making import look_before, refuse_bad_keys
from lookout.apps.cli import main
from lookout.apps.stack_settings import Packaging, Wanted, gather
from lookout.cloud.lifecycle.stack_state import StackState
from lookout.cloud.packages import Recipe
from lookout.cloud.packages.recipe import running_architecture
from lookout.cloud.preflight import Check, Package
from lookout.cloud.preflight.package import judge_package
from lookout.cloud.template import Code, Names, StackSettings
from lookout.errors import StackError

ACCOUNT = SimpleNamespace(emulated=False)
SETTINGS = StackSettings(names=Names.of("mine"))
IMAGE = Wanted(SETTINGS, Packaging("image", Recipe(Path("model"), "onnxruntime", "x86_64")))
STATE = StackState("mine", "arn", "CREATE_COMPLETE", is_lookouts=True, outputs={}, parameters={})
OK = Check("region", "ok", "us-east-1")
WARNING = Check("concurrency", "warning", "10 at once", "ask for more")
FAILED = Check("names", "failed", "the bucket is taken", "take another")


def look(monkeypatch: pytest.MonkeyPatch, *checks: Check, wanted: Wanted = IMAGE, state: StackState | None = None):
    """What is said, and the package that the checks were told of."""
    said, asked = [], []
    monkeypatch.setattr(before_making, "preflight", lambda account, wanted: asked.append(wanted) or checks)
    look_before(ACCOUNT, wanted, state, said.append)
    return said, [one.package for one in asked]


def test_warnings_are_said_and_stop_nothing(monkeypatch: pytest.MonkeyPatch):
    assert look(monkeypatch, OK, WARNING, wanted=Wanted(SETTINGS))[0] == [
        "Warning (concurrency): 10 at once; ask for more"
    ]


def test_what_failed_stops_it(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(StackError, match="nothing was made, as a check failed"):
        look(monkeypatch, OK, WARNING, FAILED, wanted=Wanted(SETTINGS))
    with pytest.raises(StackError, match="nothing was made, as 2 checks failed"):
        look(monkeypatch, FAILED, FAILED, wanted=Wanted(SETTINGS))


@pytest.mark.parametrize(
    ("tool", "foreseen", "package"),
    [
        ("podman", "repository:tag", Package("image", "podman")),
        ("podman", "repository@sha256:0123", Package("image", "podman")),
        (None, "repository:tag", Package("image", tool_fault="docker is here and can't build an image (no daemon)")),
        # It is there already: nothing needs to be built.
        (None, "repository@sha256:0123", Package("there")),
    ],
)
def test_a_container_tool_is_needed_for_an_image_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tool: str | None, foreseen: str, package: Package
):
    found = SimpleNamespace(name=tool) if tool else None
    faults = {"docker": "no daemon", "podman": "not installed"}
    monkeypatch.setattr("lookout.cloud.packages.find_tool", lambda: (found, faults))
    settings = replace(SETTINGS, code=Code(image_uri=foreseen))
    monkeypatch.setattr(Wanted, "foreseen", lambda self, account, state: settings)
    assert look(monkeypatch, OK)[1] == [package]


def test_a_zip_and_somebody_elses_image_need_no_tool(monkeypatch: pytest.MonkeyPatch):
    zipped = Wanted(SETTINGS, Packaging("zip", IMAGE.packaging.recipe))
    settings = replace(SETTINGS, code=Code(zip_key="code/0.zip"))
    monkeypatch.setattr(Wanted, "foreseen", lambda self, account, state: settings)
    monkeypatch.setattr("lookout.cloud.packages.unpacked_size", lambda recipe, say: 200_000_000)
    assert look(monkeypatch, OK, wanted=zipped)[1] == [Package("zip", unpacked_bytes=200_000_000)]
    # Of what is deployed already the size is no question.
    deployed = replace(STATE, parameters={"CodeKey": "code/0.zip"})
    assert look(monkeypatch, OK, wanted=zipped, state=deployed)[1] == [Package("zip")]
    assert look(monkeypatch, OK, wanted=Wanted(SETTINGS))[1] == [Package("there")]


def test_a_stack_at_work_is_left_to_come_to_rest_first(monkeypatch: pytest.MonkeyPatch):
    at_work = replace(STATE, status="CREATE_IN_PROGRESS")
    assert look(monkeypatch, FAILED, state=at_work) == ([], [])


def test_bad_keys_are_told_before_anything_else(monkeypatch: pytest.MonkeyPatch):
    said = []
    monkeypatch.setattr(before_making, "preflight_keys", lambda account: (OK, WARNING, FAILED))
    with pytest.raises(StackError):
        refuse_bad_keys(ACCOUNT, said.append)
    assert said == ["Failed (names): the bucket is taken; take another"]


def test_without_keys_up_says_how_to_get_some(tmp_path: Path):
    nobody = {
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
        **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"), None),
    }
    arguments = ["stack", "up", "--image-uri", "x@sha256:1", "--yes"]
    result = CliRunner().invoke(main, arguments, env=nobody)
    assert result.exit_code == 1
    failed, error = result.stderr.splitlines()
    assert failed.startswith("Failed (credentials): no AWS credentials are set; ")
    assert error == "Error: nothing was made, as a check failed: see above what to do"


def test_a_name_in_use_stops_up_before_anything_is_made(world: World):
    account = world.account
    account.logs.create_log_group(logGroupName="/aws/lambda/occupied")
    arguments = ["stack", "up", "--name", "occupied", "--model", str(world.cfg), "--yes"]
    try:
        result = CliRunner().invoke(main, arguments, env=world.variables)
    finally:
        account.logs.delete_log_group(logGroupName="/aws/lambda/occupied")
    assert result.exit_code == 1
    assert "aws logs delete-log-group --log-group-name /aws/lambda/occupied" in result.stderr
    stacks = account.cloudformation.describe_stacks()["Stacks"]
    assert "occupied" not in [stack["StackName"] for stack in stacks]


def test_a_zip_that_lambda_would_not_take_stops_up_before_anything_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    large = SimpleNamespace(name="cv2/large", size_bytes=300 << 20)
    monkeypatch.setattr("lookout.cloud.packages.zip_package.code_members", lambda recipe, say: [large])
    arguments = ["stack", "up", "--name", "bulky", "--model", str(world.cfg), "--package", "zip", "--yes"]
    result = CliRunner().invoke(main, arguments, env=world.variables)
    assert result.exit_code == 1
    assert "Error: the zip would have 300 MB unpacked, and Lambda takes 250" in result.stderr
    stacks = world.account.cloudformation.describe_stacks()["Stacks"]
    assert "bulky" not in [stack["StackName"] for stack in stacks]


@pytest.fixture
def dead_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docker is installed, its daemon does not run, and no other tool is here."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon. Is it running?' >&2; exit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


WHY = "docker is here and can't build an image (Cannot connect to the Docker daemon. Is it running?)"


@pytest.mark.usefixtures("dead_docker")
def test_a_container_tool_that_does_not_run_is_told_of_by_its_reason(monkeypatch: pytest.MonkeyPatch):
    settings = replace(SETTINGS, code=Code(image_uri="repository:tag"))
    monkeypatch.setattr(Wanted, "foreseen", lambda self, account, state: settings)
    (package,) = look(monkeypatch, OK)[1]
    (check,) = judge_package(package)
    assert before_making.describe(check) == (
        f"Failed (container tool): {WHY}; start or install one, or do without it: --package zip"
    )


@pytest.mark.usefixtures("dead_docker")
def test_who_gets_a_zip_unasked_is_told_why(tmp_path: Path):
    chosen = {
        "architecture": None,
        "engine": "opencv",
        "package": "auto",
        "offline": True,
        "model": str(make_model(tmp_path)),
    }
    unnamed = dict.fromkeys(("labels", "head", "image_uri", "role_arn", "reserved_concurrency"))
    numbers = dict.fromkeys(
        ("confidence", "iou", "memory", "timeout", "log_retention", "expire_days", "result_days"), 1
    )
    asked = {**chosen, **unnamed, **numbers, "prefix": ""}
    wanted = gather(ACCOUNT, SETTINGS.names, None, asked, ())
    assert wanted.packaging.kind == "zip"
    assert wanted.packaging.recipe.offline
    assert wanted.notes == (f"The function is deployed as a zip: {WHY}.",)
    assert gather(ACCOUNT, SETTINGS.names, None, {**asked, "package": "zip"}, ()).notes == ()


def test_who_asks_for_another_processor_than_the_emulators_is_told(world: World):
    here = running_architecture()
    other = "x86_64" if here == "arm64" else "arm64"
    arguments = ["stack", "plan", "--name", "planned", "--model", str(world.cfg), "--package", "zip", "--architecture"]
    plan = CliRunner().invoke(main, [*arguments, other], env=world.variables)
    assert plan.stderr == (
        f"The function's architecture is {here} and not {other}: the emulator runs a zip on this machine's processor.\n"
    )
    assert CliRunner().invoke(main, [*arguments, here], env=world.variables).stderr == ""


def plan(world: World, *arguments: str) -> dict:
    arguments = ("stack", "plan", "--model", str(world.cfg), "--json", *arguments, *THRESHOLD)
    result = CliRunner().invoke(main, arguments, env=world.variables)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_plan_says_what_a_month_would_cost_by_an_assumption_and_by_what_was_measured(world: World, tmp_path: Path):
    assert "month" not in plan(world, "--name", "planned")
    month = plan(world, "--name", "planned", "--images-per-month", "1000000")["month"]
    assert month["images"] == 1_000_000
    assert month["basis"] == "370 ms an image, what yolov3-tiny would take with 512 MB, and no cold starts"
    assert round(month["dollars"], 2) == 15.88  # uploads go after 30 days, and not after a whole month
    picture = tmp_path / "0.jpg"
    picture.write_bytes(make_picture(0))
    sent = CliRunner().invoke(main, ["stack", "invoke", str(picture)], env=world.variables)
    assert sent.exit_code == 0, sent.stderr
    month = plan(world, "--images-per-month", "1000000")["month"]
    assert "ms an image, by its last" in month["basis"]
    # What another memory would take is not known.
    month = plan(world, "--images-per-month", "1000000", "--memory", "1024")["month"]
    assert month["basis"].startswith("185 ms an image, what yolov3-tiny would take with 1024 MB")


def test_a_plan_for_people_ends_with_the_month(world: World):
    arguments = ["stack", "plan", "--name", "planned", "--model", str(world.cfg), "--images-per-month", "10000"]
    text = CliRunner().invoke(main, arguments, env=world.variables).stdout
    month = text.partition("\n10,000 images a month would cost $")[2]
    assert "\n  uploads " in month
    assert "Taken for it: 370 ms an image" in month
