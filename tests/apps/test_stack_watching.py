"""``lookout stack status``, ``logs`` and ``invoke`` on the emulator, as a person runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("boto3", reason="the extra cloud is not installed")

from botocore.exceptions import ClientError

from helpers.program import Program, run, wait_for
from helpers.tiny import make_picture, make_pictures
from helpers.world import THRESHOLD, World
from lookout.apps.cli import main
from lookout.cloud.account import aws_errors
from lookout.cloud.stack import Stack
from lookout.cloud.template import Code, Names, StackSettings, parameters, template_body


@pytest.fixture(scope="module")
def watched(world: World) -> Iterator[World]:
    """The world, with a stack ``watched`` that only these tests use."""
    made = run("stack", "up", "--name", "watched", "--model", str(world.cfg), "--yes", *THRESHOLD, **world.variables)
    assert made.returncode == 0, made.stderr
    yield world
    run("stack", "down", "--name", "watched", "--yes", **world.variables)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"), 3)


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def stack(world: World, command: str, *arguments: str, name: str = "watched", **environment: str) -> Ended:
    """Run a command to its end, in this process: to start another takes longer than what it does."""
    arguments = ("stack", command, *arguments, "--name", name)
    result = CliRunner().invoke(main, arguments, env={**world.variables, **environment}, prog_name="lookout")
    return Ended(result.exit_code, result.stdout, result.stderr)


def status(world: World, *arguments: str, name: str = "watched") -> tuple[int, dict]:
    answer = stack(world, "status", "--json", *arguments, name=name)
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout)


def log(world: World) -> list[dict]:
    answer = stack(world, "logs", "--json", "--since", "1h")
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def test_invoke_tells_what_is_found_and_what_lambda_reports(watched: World, pictures: Path):
    answer = stack(watched, "invoke", str(pictures), "--json")
    assert answer.returncode == 0, answer.stderr
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [Path(one["image"]).name for one in found] == ["0.jpg", "1.jpg", "2.jpg"]
    here = run("detect", str(pictures), "--model", str(watched.cfg), "--json", *THRESHOLD)
    assert [one["objects"] for one in found] == [json.loads(line)["objects"] for line in here.stdout.splitlines()]
    reports = [one["report"] for one in found]
    assert [report["init_ms"] is None for report in reports] == [False, True, True]
    assert all(report["memory_mb"] == 512 and 0 < report["used_mb"] <= 512 for report in reports)
    text = stack(watched, "invoke", str(pictures / "0.jpg")).stdout
    assert "0.jpg: " in text
    assert " of 512 MB, warm" in text
    assert "Emulated" in text


def test_an_image_that_is_none_and_one_that_is_too_large_fail_by_name_and_stop_no_other(
    watched: World, pictures: Path, tmp_path: Path
):
    (tmp_path / "bad.jpg").write_text("hello")
    (tmp_path / "large.jpg").write_bytes(make_picture(1) + bytes(6 << 20))
    paths = [str(path) for path in (tmp_path / "bad.jpg", tmp_path / "large.jpg", pictures / "0.jpg")]
    answer = stack(watched, "invoke", *paths)
    assert answer.returncode == 1
    bad, large = answer.stderr.splitlines()
    assert "bad.jpg: failed: not an image" in bad
    assert "large.jpg: failed: the image makes a payload of 8" in large
    assert "use the execution remote" in large
    assert "0.jpg: " in answer.stdout


def test_the_log_has_every_invocation_once_and_in_order(watched: World, pictures: Path):
    before = len(log(watched))
    assert stack(watched, "invoke", str(pictures)).returncode == 0
    lines = log(watched)
    added = [line["message"] for line in lines[before:]]
    assert [message.split()[0] for message in added] == ["START", '{"level":', "END", "REPORT"] * 3
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    people = stack(watched, "logs").stdout.splitlines()
    assert people[-1].split(maxsplit=1)[0] == lines[-1]["at"]
    assert "  Duration: " in people[-1]


def test_a_log_with_nothing_in_it_says_so_and_is_no_failure(world: World):
    answer = stack(world, "logs", "--since", "0s")
    assert (answer.returncode, answer.stdout) == (0, "")
    assert "Nothing was logged in /aws/lambda/watched within that time" in answer.stderr


def test_a_while_may_be_longer_than_there_are_logs(watched: World):
    assert stack(watched, "logs", "--since", "999999 D").returncode == 0


@pytest.mark.parametrize("since", ["", "15", "m", "-1m", "1y", "1.5h", "9999999d"])
def test_a_while_that_is_none_is_refused(since: str):
    result = CliRunner().invoke(main, ["stack", "logs", "--since", since])
    assert result.exit_code == 2
    assert "write 90s, 15m, 2h or 7d" in result.stderr


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_logged_meanwhile_is_followed_and_ctrl_c_ends_it_well(watched: World, pictures: Path, form: str):
    arguments = (
        "stack",
        "logs",
        "--name",
        "watched",
        "--follow",
        "--since",
        "1h",
        *(["--json"] if form == "json" else []),
    )
    known = len(log(watched))
    with Program(*arguments, **watched.variables) as follower:
        shown: list[bytes] = []
        reading = threading.Thread(target=lambda: shown.extend(follower.process.stdout), daemon=True)
        reading.start()
        follower.wait_for(lambda: len(shown) >= known)
        for _ in range(2):
            assert stack(watched, "invoke", str(pictures / "1.jpg")).returncode == 0
        follower.wait_for(lambda: len(shown) >= known + 8)
        assert follower.stop(signal.SIGINT) == 0
        reading.join()
        assert follower.process.stderr.read() == b""
    told = [json.loads(line)["message"] if form == "json" else line.decode().split(" ", 1)[1] for line in shown]
    reports = [message.split()[2] for message in told if message.startswith("REPORT")]
    assert len(reports) == len(set(reports))
    assert len(shown) == len(log(watched))


def test_a_reader_who_has_enough_ends_a_follower_quietly(watched: World, pictures: Path):
    stack(watched, "invoke", str(pictures))
    follower = subprocess.Popen(
        [sys.executable, "-m", "lookout", "stack", "logs", "--name", "watched", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **watched.variables},
    )
    with follower:
        assert follower.stdout.readline()
        follower.stdout.close()
        stack(watched, "invoke", str(pictures))
        assert follower.wait(60) == 141
        assert follower.stderr.read() == b""


def test_the_log_does_a_terminal_no_harm(watched: World):
    account = watched.account
    client, group = account.logs, "/aws/lambda/watched"
    client.create_log_stream(logGroupName=group, logStreamName="hostile")
    now_ms = int(time.time() * 1000)
    event = {"timestamp": now_ms, "message": "\x1b[2Jred\u202e\n  second line\ttab\n"}
    client.put_log_events(logGroupName=group, logStreamName="hostile", logEvents=[event])
    shown = stack(watched, "logs").stdout
    client.delete_log_stream(logGroupName=group, logStreamName="hostile")
    assert "\\x1b[2Jred\\u202e\n    second line  tab\n" in shown
    assert "\x1b" not in shown


def test_status_tells_of_every_resource_versions_activity_and_cost(watched: World, pictures: Path):
    assert stack(watched, "invoke", str(pictures)).returncode == 0
    code, document = status(watched)
    assert (code, document["troubles"], document["emulated"]) == (0, [], True)
    states = {one["logical_id"]: one["state"] for one in document["resources"]}
    assert states["Function"] == "Active"
    assert states["Table"] == "ACTIVE"
    assert states["Bucket"] == states["LogGroup"] == states["Repository"] == states["Role"] == "there"
    assert states["ErrorAlarm"] in ("OK", "INSUFFICIENT_DATA", "ALARM")  # what other tests here let fail
    (queue,) = (one for one in document["resources"] if one["logical_id"] == "FailureQueue")
    assert (queue["name"], queue["messages"]) == ("watched-failures", 0)
    reports = [line["message"] for line in log(watched) if line["message"].startswith("REPORT")]
    assert document["cost"]["invocations"] == document["activity"]["counts"]["invocations"] == len(reports)
    billed_ms = sum(int(report.split("Billed Duration: ")[1].split()[0]) for report in reports)
    assert document["cost"]["gb_seconds"] == pytest.approx(billed_ms / 1000 / 2)
    assert document["cost"]["exact"]
    assert document["template_is_ours"]
    text = stack(watched, "status")
    assert text.returncode == 0
    for words in (
        "watched: CREATE_COMPLETE",
        "0 failures",
        "512 MB, 15 s",
        "confidence 0.05",
        "by all its REPORT lines",
    ):
        assert words in text.stdout


def test_who_may_not_see_the_figures_is_shown_all_else(watched: World, monkeypatch: pytest.MonkeyPatch):
    def denied(*_arguments: object) -> None:
        with aws_errors("reading what CloudWatch counted"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "you may not"}}, "GetMetricData")

    monkeypatch.setattr("lookout.cloud.watching.figures.look_at_activity", denied)
    code, document = status(watched)
    assert (code, document["activity"], document["cost"]) == (0, None, None)
    assert document["hidden"] == "reading what CloudWatch counted: you may not"
    text = stack(watched, "status").stdout
    assert "watched-results" in text
    assert "and cost, may not be seen: reading what CloudWatch counted: you may not" in text


def test_status_fits_a_terminal(watched: World):
    answer = stack(watched, "status", COLUMNS="80")
    table = answer.stdout.split("\n\n")[1]
    assert max(map(len, table.splitlines())) <= 80


def test_a_change_behind_the_stacks_back_is_drift(watched: World):
    functions = watched.account.functions
    assert status(watched, "--drift")[1]["drift"] == []
    functions.update_function_configuration(FunctionName="watched", Timeout=7)
    try:
        code, document = status(watched, "--drift")
        text = stack(watched, "status", "--drift").stdout
    finally:
        functions.update_function_configuration(FunctionName="watched", Timeout=15)
    assert code == 0
    (drift,) = document["drift"]
    assert (drift["logical_id"], drift["state"]) == ("Function", "MODIFIED")
    assert drift["differences"] == [{"path": "/Timeout", "expected": "15", "actual": "7"}]
    assert "Drift: Function MODIFIED\n  /Timeout: 7 in place of 15" in text


def test_a_function_that_fails_shows_its_last_errors(watched: World, pictures: Path):
    functions = watched.account.functions
    settings = functions.get_function_configuration(FunctionName="watched")["Environment"]["Variables"]
    changed = {"Variables": {**settings, "LOOKOUT_MODEL": "/nowhere"}}
    functions.update_function_configuration(FunctionName="watched", Environment=changed)
    try:
        answer = stack(watched, "invoke", str(pictures / "0.jpg"))
        assert answer.returncode == 1
        assert "/nowhere holds no readable model" in answer.stderr
        _, document = status(watched)
        text = stack(watched, "status").stdout
    finally:
        functions.update_function_configuration(FunctionName="watched", Environment={"Variables": settings})
    assert document["activity"]["last_day"]["errors"] > 0
    assert any("/nowhere" in error["message"] for error in document["activity"]["errors"])
    assert "Last errors" in text


@pytest.mark.parametrize("command", ["status", "logs", "failures"])
def test_a_stack_that_is_not_there_is_a_sentence(world: World, command: str):
    answer = stack(world, command, name="absent")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == ("Error: there is no stack absent: make it with lookout stack up --name absent\n")


def test_a_stack_without_its_function_says_what_is_missing(world: World):
    account = world.account
    with aws_errors("making half a stack"):
        account.cloudformation.create_stack(
            StackName="half",
            TemplateBody=template_body(),
            Parameters=parameters(StackSettings(names=Names.of("half"), code=Code())),
            Capabilities=["CAPABILITY_IAM"],
        )
    wait_for(
        lambda: (
            account.cloudformation.describe_stacks(StackName="half")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        )
    )
    try:
        account.dynamodb.delete_table(TableName="half-results")
        code, document = status(world, name="half")
        text = stack(world, "status", name="half").stdout
    finally:
        Stack(account, "half").down()
    assert code == 1
    first, second = document["troubles"]
    assert first == "it has no function yet: lookout stack up --name half"
    assert second.startswith("Table half-results: it was deleted by another way than its stack; make all anew")
    assert document["activity"] is None
    assert "Function: none yet" in text
    assert "Not well: it has no function yet" in text


def test_prices_of_ones_own(watched: World, tmp_path: Path):
    prices = tmp_path / "prices.toml"
    prices.write_text('region = "mars-1"\nas_of = "2030-01"\nmillion_invocations = 1e6\nx86_64_gb_second = 0\n')
    _, document = status(watched, "--prices", str(prices))
    assert document["cost"]["dollars"] == document["cost"]["invocations"]
    assert document["cost"]["prices"] == {"region": "mars-1", "as_of": "2030-01"}
    prices.write_text("puts = 1")
    answer = stack(watched, "status", "--prices", str(prices))
    assert answer.returncode == 2
    assert "names puts, and the prices are" in answer.stderr


def test_help_has_an_example_and_no_line_is_too_long_for_a_terminal():
    for command in ("status", "logs", "invoke", "failures"):
        text = CliRunner().invoke(main, ["stack", command, "--help"], terminal_width=80).stdout
        assert f"Example: lookout stack {command}" in text
        assert max(map(len, text.splitlines())) <= 80
