"""``lookout stack plan``, ``up`` and ``down``: what a person sees, and is asked. Their work: tests/cloud/lifecycle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from helpers.program import Program, run, wait_for
from helpers.tiny import make_picture
from helpers.world import World
from lookout import __version__
from lookout.apps import stack_settings
from lookout.apps.cli import main
from lookout.apps.stack_telling import Telling
from lookout.cloud.lifecycle.leftovers import Unsearched
from lookout.cloud.lifecycle.removing import Removal, Removing
from lookout.cloud.stack import Stack

MAKES = {"Bucket", "Table", "Function", "Role", "LogGroup", "FailureQueue", "Repository", "Artifacts"}


class Commands:
    """The commands on one stack of its own, on an emulator that others use too."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.account = world.account

    def __call__(self, command: str, *options: str, answer: str = "", **environment: str) -> Result:
        model = () if command == "down" else ("--model", str(self.world.cfg))
        named = () if {"--name", "--group"} & set(options) else ("--name", self.name)
        arguments = ["stack", command, *named, *model, *options]
        return CliRunner().invoke(main, arguments, input=answer, env={**self.world.variables, **environment})

    @property
    def buckets(self) -> list[str]:
        return [bucket["Name"] for bucket in self.account.s3.list_buckets()["Buckets"]]


@pytest.fixture
def stack(world: World, request: pytest.FixtureRequest) -> Iterator[Commands]:
    commands = Commands(world, f"s{abs(hash(request.node.name)) % 10**8}")
    yield commands
    assert commands("down", "--yes").exit_code == 0


def test_a_plan_is_a_table_that_fits(stack: Commands):
    planned = stack("plan")
    assert planned.exit_code == 0, planned.stderr
    lines = planned.stdout.splitlines()
    assert lines[0].startswith(f"What lookout stack up would do to {stack.name} in the emulator at http://127.0.0.1:")
    assert {line.split()[1] for line in lines if line.startswith("add ")} >= MAKES
    assert lines[-1] == "14 to add."
    assert "\x1b" not in planned.stdout
    assert not Stack(stack.account, stack.name).exists()
    document = json.loads(stack("plan", "--json").stdout)
    assert {change["resource"] for change in document["phases"][0]["changes"]} >= MAKES
    assert document["stack"] == stack.name


def test_up_says_where_and_what_and_the_second_time_that_there_is_nothing_to_do(stack: Commands):
    made = stack("up")  # on the emulator unasked: nothing there costs, or stays
    assert made.exit_code == 0, made.stderr
    assert f"Stack {stack.name} in the emulator at" in made.stderr
    assert "CREATE_COMPLETE          Function" in made.stderr
    bucket = f"{stack.name}-000000000000-us-east-1"
    assert made.stdout.splitlines() == [
        f"{stack.name} is up in the emulator at {stack.account.address}.",
        f"An image put into s3://{bucket} is detected into the table {stack.name}-results.",
        f"Send some: lookout send photos/ --execution remote --stack {stack.name}",
    ]
    assert bucket in stack.buckets
    again = stack("up")
    assert "is up to date" in again.stdout
    assert "nothing was changed" in again.stdout
    assert "COMPLETE" not in again.stderr
    changed = stack("up", "--memory", "640", "--timeout", "20", "--json")
    assert "Changing the stack" in changed.stderr
    assert "Memory 512 -> 640, Timeout 15 -> 20" in changed.stderr
    document = json.loads(changed.stdout)
    assert (document["new"], document["bucket"]) == (False, bucket)
    assert "Function" in {change["resource"] for change in document["changes"]}


def test_all_settings_reach_the_account(stack: Commands):
    chosen = ("--log-retention", "7", "--expire-days", "3", "--prefix", "in/", "--architecture", "arm64")
    account, trust = stack.account, {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]})
    role = account.iam.create_role(RoleName="LabRole", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    made = stack("up", *chosen, "--role-arn", role)
    account.iam.delete_role(RoleName="LabRole")
    assert made.exit_code == 0, made.stderr
    found = Stack(account, stack.name).find()
    (group,) = account.logs.describe_log_groups(logGroupNamePrefix=found.log_group)["logGroups"]
    assert group["retentionInDays"] == 7
    function = account.functions.get_function_configuration(FunctionName=found.function)
    assert (function["Role"], function["Architectures"]) == (role, ["arm64"])
    notified = account.s3.get_bucket_notification_configuration(Bucket=found.bucket)
    (rule,) = notified["LambdaFunctionConfigurations"][0]["Filter"]["Key"]["FilterRules"]
    assert rule["Value"] == "in/"
    assert not [role for role in account.iam.list_roles()["Roles"] if role["RoleName"].startswith(stack.name)]
    assert found.parameters["ExpireDays"] == "3"


def test_a_plan_of_a_replacement_is_red_on_a_terminal_and_names_the_loss(stack: Commands):
    """The stack of a group that was made by its name alone gets the reference's names."""
    stack.name = "object-detection-red"
    assert stack("up").exit_code == 0
    old = Stack(stack.account, stack.name).find().bucket
    for number in range(2):
        stack.account.s3.put_object(Bucket=old, Key=f"{number}.txt", Body=b"x")
    planned = stack("plan", "--group", "red")
    assert f"Lost for good: 2 images in the bucket {old}." in planned.stdout
    assert "BucketName: none -> image-bucket-red" in planned.stdout
    assert "replace  Bucket" in planned.stdout
    assert "\x1b" not in planned.stdout
    coloured = stack("plan", "--group", "red", FORCE_COLOR="1", TERM="xterm", COLUMNS="80").stdout
    assert "\x1b[1;31mreplace" in coloured
    assert f"\x1b[1;31mLost for good: 2 images in the bucket {old}." in coloured
    plain = stack("plan", "--group", "red", FORCE_COLOR="1", TERM="xterm", COLUMNS="80", NO_COLOR="1").stdout
    assert "\x1b[1;31m" not in plain
    assert "\x1b[31m" not in plain

    declined = stack("up", "--group", "red", answer="n\n")
    assert "which deletes 2 images in the bucket" in declined.stderr
    assert declined.exit_code == 1
    assert old in stack.buckets
    assert "image-bucket-red" not in stack.buckets
    assert stack("up", "--group", "red", answer="y\n").exit_code == 0
    assert old not in stack.buckets
    assert "image-bucket-red" in stack.buckets
    gone = stack("down", "--group", "red", "--yes")
    assert gone.exit_code == 0
    assert "Nothing with its tag, or under its names, stays." in gone.stdout


def test_down_says_what_goes_and_asks(stack: Commands):
    assert stack("up").exit_code == 0
    found = Stack(stack.account, stack.name).find()
    stack.account.s3.put_object(Bucket=found.bucket, Key="kept.txt", Body=b"x")
    unanswered = stack("down")
    assert unanswered.exit_code == 2
    assert "nobody is there to answer: say --yes" in unanswered.stderr
    declined = stack("down", answer="n\n")
    assert declined.exit_code == 1
    assert declined.stderr.endswith("Error: the answer was no, and nothing more was done\n")
    assert f"1 image in the bucket {found.bucket}" in declined.stderr
    assert found.bucket in stack.buckets
    gone = stack("down", answer="y\n")
    assert gone.exit_code == 0
    assert f"{stack.name} is gone from the emulator at" in gone.stdout
    assert found.bucket not in stack.buckets
    again = stack("down", "--json")
    assert json.loads(again.stdout)["existed"] is False
    assert again.exit_code == 0


def test_what_stays_is_listed_and_the_status_is_1(stack: Commands):
    assert stack("up").exit_code == 0
    url = stack.account.queues.create_queue(QueueName="somebodys", tags={"lookout:stack": stack.name})["QueueUrl"]
    gone = stack("down", "--yes")
    assert gone.exit_code == 1
    assert "Stays: the queue somebodys: it has the stack's tag, and CloudFormation did not make it" in gone.stdout
    assert f"something of {stack.name} stays" in gone.stderr
    again = stack("down", "--yes", "--json")
    assert again.exit_code == 1
    (left,) = json.loads(again.stdout)["left"]
    assert (left["type"], left["name"]) == ("AWS::SQS::Queue", "somebodys")
    stack.account.queues.delete_queue(QueueUrl=url)


def test_what_may_not_be_looked_for_is_not_called_gone(stack: Commands, monkeypatch: pytest.MonkeyPatch):
    hidden = Unsearched("by the stack's tag", "you may not", "whoever may sees it with aws look")
    with monkeypatch.context() as patch:
        patch.setattr(Removing, "run", lambda self: Removal(existed=True, unsearched=(hidden,)))
        gone, document = stack("down", "--yes"), stack("down", "--yes", "--json")
    assert gone.exit_code == document.exit_code == 1
    assert "Not looked for by the stack's tag: you may not; whoever may sees it with aws look." in gone.stdout
    assert "stays." not in gone.stdout
    assert f"Error: whether something of {stack.name} stays is not known" in gone.stderr
    assert json.loads(document.stdout)["unsearched"] == [hidden.described()]


def test_ctrl_c_at_a_question_ends_as_elsewhere(stack: Commands, monkeypatch: pytest.MonkeyPatch):
    def interrupt(_prompt: str) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("click.termui.visible_prompt_func", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Telling(yes=False).ask("Really?")
    assert stack("up").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(Telling, "ask", lambda self, question: interrupt(question))
        interrupted = stack("down")
    assert interrupted.exit_code == 130
    assert interrupted.stderr.splitlines() == [f"Nothing of {stack.name} was deleted.", "Interrupted"]
    assert Stack(stack.account, stack.name).exists()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--name", "one", "--group", "two"), 2, "--name and --group both name the stack"),
        (("--name", "Too_Odd"), 2, "a stack can't be called 'Too_Odd'"),
        (("--name", "n" * 31), 2, "to 30 lower-case letters, digits and"),
        (("--group", "a-group-of-14ch"), 2, "take 1 to 13"),
        (("--package", "image"), 2, "the emulator runs no container images"),
        (("--image-uri", "x", "--package", "zip"), 2, "--image-uri is an image that is there"),
        (("--log-retention", "8"), 2, "--log-retention"),
    ],
)
def test_bad_options_get_a_sentence(options: tuple[str, ...], status: int, words: str, world: World):
    commands = Commands(world, "unmade")
    for command in ("plan", "up"):
        answer = commands(command, *options)
        assert answer.exit_code == status, answer.output
        assert words in answer.stderr
    assert not Stack(world.account, "unmade").exists()


def test_without_a_model_up_takes_the_reference_systems(world: World):
    answer = CliRunner().invoke(main, ["stack", "up", "--name", "unmade", "--offline"], env=world.variables)
    assert answer.exit_code == 1
    assert "yolov3-tiny" in answer.stderr
    assert not Stack(world.account, "unmade").exists()


def test_what_no_option_names_stays_as_it_is_deployed(stack: Commands, monkeypatch: pytest.MonkeyPatch):
    """Without the model, too: the function keeps its package."""

    def up(*options: str) -> Result:
        return CliRunner().invoke(main, ["stack", "up", "--name", stack.name, *options], env=stack.world.variables)

    first = ("--memory", "1024", "--prefix", "incoming/", "--expire-days", "0", "--reserved-concurrency", "3")
    assert stack("up", *first).exit_code == 0
    before = Stack(stack.account, stack.name).find().parameters
    assert before["Version"] == __version__
    function = stack.account.functions.get_function_configuration(FunctionName=stack.name)
    assert function["Description"].startswith(f"Lookout {__version__}: ")
    monkeypatch.setattr(stack_settings, "__version__", "9.9")  # the package keeps the version that it was made by
    assert up("--timeout", "20").exit_code == 0
    after = Stack(stack.account, stack.name).find().parameters
    assert {name: (before[name], after[name]) for name in after if before[name] != after[name]} == {
        "Timeout": ("15", "20")
    }
    assert "nothing was changed" in up().stdout
    assert up("--prefix", "", "--reserved-concurrency", "0").exit_code == 0
    reset = Stack(stack.account, stack.name).find().parameters
    assert (reset["Prefix"], reset["ReservedConcurrency"], reset["Memory"]) == ("", "", "1024")
    refused = up("--engine", "opencv")
    assert (refused.exit_code, "--engine makes the function's package anew" in refused.stderr) == (2, True)


def test_images_go_below_the_prefix_that_starts_the_function(stack: Commands, world: World, tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(make_picture(1))
    assert stack("up", "--prefix", "incoming/").exit_code == 0
    sent = run("send", str(tmp_path), "--execution", "remote", "--stack", stack.name, **world.variables)
    assert sent.returncode == 0, sent.stderr
    bucket = Stack(stack.account, stack.name).find().bucket
    (held,) = stack.account.s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert held["Key"].startswith("incoming/")
    serve = ("serve", "--model", str(world.cfg), "--port", "0", "--json", "--stack", stack.name, "--log-level", "error")
    with Program(*serve, **world.variables) as server:
        to = ("--to", server.ready()["url"])
        assert run("send", str(tmp_path), "--execution", "remote", *to, **world.variables).returncode == 0


def test_the_help_has_an_example():
    for command in ("plan", "up", "down"):
        shown = CliRunner().invoke(main, ["stack", command, "--help"]).stdout
        assert f"Example: lookout stack {command}" in shown


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_up_that_is_interrupted_says_what_goes_on(number: signal.Signals, status: int, stack: Commands, tmp_path: Path):
    """While what goes into the package is fetched: a fake pip that never ends stands for a slow network."""
    pip = tmp_path / "pip"
    pip.mkdir()
    (pip / "__init__.py").write_text("")
    (pip / "__main__.py").write_text("import time; time.sleep(600)")
    environment = {**os.environ, **stack.world.variables, "PYTHONPATH": str(tmp_path)}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    command = ["stack", "up", "--name", stack.name, "--model", str(stack.world.cfg), "--package", "zip"]
    with (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "lookout", *command], env=environment, stdin=subprocess.DEVNULL, stderr=errors
        )
    try:
        wait_for(lambda: "Fetching" in (tmp_path / "errors").read_text() or process.poll() is not None)
        process.send_signal(number)
        assert process.wait(60) == status
    finally:
        process.kill()
        process.wait()
    said = (tmp_path / "errors").read_text()
    assert f"There is no stack {stack.name}, and nothing goes on." in said
    assert "Traceback" not in said
    assert not Stack(stack.account, stack.name).exists()
    assert stack("up").exit_code == 0
    assert Stack(stack.account, stack.name).find().function == stack.name
