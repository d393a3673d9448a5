"""``lookout emulator`` as people and scripts run it: in the background, told to stop, refused with a sentence."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ministack", reason="the extra emulator is not installed")
pytest.importorskip("awslambdaric", reason="the extra emulator is not installed")

import lookout.cloud.emulator
from helpers.program import Program, run
from lookout.cloud.emulator import stopping
from lookout.cloud.emulator.workspace import identity
from lookout.errors import CloudError, UsageError


def about(url: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{url}/_lookout") as response:  # noqa: S310 - ours
        return json.load(response)


@pytest.fixture
def detached(tmp_path: Path) -> Iterator[str]:
    """The address of an emulator in the background."""
    answer = run("emulator", "--detach", "--port", "0", "--json", XDG_STATE_HOME=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    url = json.loads(answer.stdout)["url"]
    yield url
    run("emulator", "--stop", "--port", url.rpartition(":")[2])


def test_it_runs_in_the_background_until_it_is_stopped(detached: str):
    told = about(detached)
    process = told["process"]
    assert identity(process["pid"]) == process
    port = detached.rpartition(":")[2]
    answer = run("emulator", "--stop", "--port", port, "--json")
    assert (answer.returncode, json.loads(answer.stdout)) == (0, {"stopped": detached})
    assert identity(process["pid"]) is None
    again = run("emulator", "--stop", "--port", port)
    assert again.returncode == 1
    assert again.stderr == f"Error: no emulator runs at {detached}\n"


def test_its_folder_is_enough_to_stop_it_and_only_one_has_it(tmp_path: Path):
    data = tmp_path / "data"
    answer = run("emulator", "--detach", "--port", "0", "--data", str(data))
    assert answer.returncode == 0, answer.stderr
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in answer.stdout
    assert f"--stop --data {data} ends it" in answer.stderr
    assert (data / "log").exists()
    for mode in ((), ("--detach",)):
        second = run("emulator", "--port", "0", "--data", str(data), *mode)
        assert second.returncode == 1
        assert second.stderr.startswith("Error: another emulator keeps its data in")
    assert run("emulator", "--stop", "--data", str(data)).returncode == 0
    gone = run("emulator", "--stop", "--data", str(data))
    assert gone.returncode == 1
    assert "no emulator runs" in gone.stderr
    assert run("emulator", "--stop", "--data", str(tmp_path / "never")).returncode == 1


def test_a_port_in_use_is_told_by_one_in_the_background_too(detached: str, tmp_path: Path):
    port = detached.rpartition(":")[2]
    answer = run("emulator", "--detach", "--port", port, XDG_STATE_HOME=str(tmp_path))
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"Error: port {port} can't be listened on")
    assert len(answer.stderr.splitlines()) == 1


def test_only_the_process_that_it_is_gets_the_signal(detached: str, monkeypatch: pytest.MonkeyPatch):
    port = int(detached.rpartition(":")[2])
    killed: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(stopping, "identity", lambda pid: {"pid": pid, "began": "another time"})
        patch.setattr(os, "kill", lambda pid, number: killed.append(pid))
        with pytest.raises(CloudError, match="no process of this machine"):
            lookout.cloud.emulator.stop(port)
    assert killed == []


def test_without_cpu_limits_it_says_what_durations_are_worth():
    with Program("emulator", "--port", "0", "--memory-cpu", "none", "--json") as emulator:
        told = emulator.ready()
        assert told["limiter"] == "none"
        assert about(told["url"])["limiter"] == "none"
    with Program("emulator", "--port", "0", "--memory-cpu", "none") as emulator:
        _, kept = emulator.process.stderr.readline(), emulator.process.stderr.readline()
        assert kept == b"# what it holds ends with it: --data DIR would keep it\n"
        assert emulator.process.stderr.readline() == b"# CPU time is not limited: durations say nothing of Lambda's\n"
        assert emulator.stop(signal.SIGINT) == 0


def test_on_windows_it_names_wsl(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="WSL"):
        lookout.cloud.emulator.check_system()
