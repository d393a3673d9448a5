"""Functions in real sandboxes: what comes back, what is logged, what is kept warm."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from lookout.cloud.emulator.function import FunctionConfig, sandbox_environment
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.packages import BadCodeError, Packages
from lookout.cloud.emulator.polling import PollingLimiter, PollingLimits
from lookout.cloud.emulator.quotas import Limiter

from .conftest import InBackground, answer, fifo, invoke, limiters, running_host

pytest.importorskip("awslambdaric")

Make = Callable[..., FunctionConfig]
NewHost = Callable[..., FunctionHost]


@pytest.fixture(scope="module")
def host(limiter: Limiter) -> Iterator[FunctionHost]:
    """One host for each limiter."""
    with running_host(limiter, init_limit_s=60) as host:
        yield host


def test_cold_then_warm(host: FunctionHost, function: Make) -> None:
    config = function("handlers.echo", memory_mb=512, environment={"OWN": "value"})
    cold = invoke(host, config, {"a": ["ü", 1]})
    warm = invoke(host, config)
    assert answer(cold)["event"] == {"a": ["ü", 1]}
    assert answer(cold)["environment"]["OWN"] == "value"
    assert answer(cold)["pid"] == answer(warm)["pid"]
    assert not cold.error
    assert cold.init_ms is not None
    assert cold.init_ms > 0
    assert warm.init_ms is None
    assert cold.memory_mb > 5
    importing, start, hello, end, reported = cold.log_lines
    assert importing == "importing"
    assert hello.startswith("hello ")
    request_id = hello.split()[1]
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert end == f"END RequestId: {request_id}"
    assert f"\tInit Duration: {cold.init_ms:.2f} ms" in reported
    assert "importing" not in warm.log_lines
    assert "Init Duration" not in warm.log_lines[-1]


def test_a_handler_that_raises(host: FunctionHost, function: Make) -> None:
    failed = invoke(host, function("handlers.fail"))
    assert failed.error
    assert answer(failed)["errorType"] == "ValueError"
    assert answer(failed)["errorMessage"] == "no such thing"
    assert "about to fail" in failed.log_lines
    assert "[ERROR] ValueError: no such thing" in failed.log_lines
    assert invoke(host, function("handlers.fail")).init_ms is None  # the sandbox lives on


def test_a_handler_that_takes_too_long(host: FunctionHost, function: Make) -> None:
    config = function("handlers.hang", timeout_s=0.5)
    late = invoke(host, config)
    assert late.error
    assert answer(late)["errorType"] == "Sandbox.Timedout"
    assert answer(late)["errorMessage"].endswith(" Error: Task timed out after 0.50 seconds")
    assert "hanging" in late.log_lines
    assert late.log_lines[-1].endswith("\tStatus: timeout")
    assert late.memory_mb > 5
    assert invoke(host, config).init_ms is not None  # in a new sandbox


def test_a_process_that_ends(host: FunctionHost, function: Make) -> None:
    ended = invoke(host, function("handlers.exit"), 3)
    assert ended.error
    assert answer(ended)["errorType"] == "Runtime.ExitError"
    assert answer(ended)["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert "leaving" in ended.log_lines
    assert "\tStatus: error" in ended.log_lines[-1]


def test_memory_over_the_limit(host: FunctionHost, function: Make) -> None:
    killed = invoke(host, function("handlers.hog", memory_mb=256))
    assert killed.error
    assert answer(killed)["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert killed.memory_mb == 256


def test_a_module_that_cannot_be_imported(host: FunctionHost, function: Make) -> None:
    failed = invoke(host, function("bad_import.handler"))
    assert failed.error
    assert answer(failed)["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_module" in answer(failed)["errorMessage"]
    assert any(line.startswith("INIT_REPORT Init Duration: ") for line in failed.log_lines)


def test_init_that_ends_the_process(host: FunctionHost, function: Make) -> None:
    failed = invoke(host, function("exits.handler"))
    assert answer(failed)["errorMessage"].endswith("Runtime exited with error: exit status 7")


def test_init_that_fails_is_done_once_more_within_the_invocation(new_host: NewHost, function: Make) -> None:
    failed = invoke(new_host(), function("exits.handler"))
    lines = [line.partition(" Duration:")[0] for line in failed.log_lines]
    assert lines[:2] == ["INIT_REPORT Init", "INIT_REPORT Init"]
    assert [line.split("\t")[1:] for line in failed.log_lines[:2]] == [
        ["Phase: init", "Status: error", "Error Type: Runtime.ExitError"],
        ["Phase: invoke", "Status: error", "Error Type: Runtime.ExitError"],
    ]
    assert lines[2].startswith("START RequestId: ")
    assert "Init Duration" not in failed.log_lines[-1]
    assert failed.init_ms is None
    assert failed.duration_ms > 0  # the second init is a part of it


def test_init_that_works_at_the_second_time(new_host: NewHost, function: Make, tmp_path: Path) -> None:
    (tmp_path / "moody.py").write_text(
        "import os, pathlib\n"
        "try:\n    pathlib.Path(os.environ['MARK']).touch(exist_ok=False)\n"
        "except FileExistsError:\n    pass\n"
        "else:\n    os._exit(1)\n"
        "def handler(event, context): return 'at last'\n"
    )
    config = function("moody.handler", task_root=tmp_path, environment={"MARK": str(tmp_path / "mark")})
    host = new_host()
    worked = invoke(host, config)
    assert answer(worked) == "at last"
    assert "\tPhase: init\tStatus: error" in worked.log_lines[0]
    assert sum(line.startswith("INIT_REPORT") for line in worked.log_lines) == 1
    assert worked.init_ms is None
    assert answer(invoke(host, config)) == "at last"


def test_init_that_takes_too_long(new_host: NewHost, function: Make) -> None:
    host = new_host(init_limit_s=0.5)
    late = invoke(host, function("endless.handler", timeout_s=0.7))
    assert answer(late)["errorType"] == "Sandbox.Timedout"
    assert answer(late)["errorMessage"].endswith("Task timed out after 0.70 seconds")
    assert "\tPhase: init\tStatus: timeout" in late.log_lines[0]
    assert "\tPhase: invoke\tStatus: timeout" in late.log_lines[1]
    assert late.duration_ms >= 700


def test_init_has_longer_within_the_invocation(new_host: NewHost, function: Make, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.6)\ndef handler(event, context): return 1\n")
    worked = invoke(new_host(init_limit_s=0.3), function("slow.handler", task_root=tmp_path))
    assert answer(worked) == 1
    assert "\tPhase: init\tStatus: timeout" in worked.log_lines[0]
    assert worked.duration_ms >= 600


def test_the_log_is_complete_when_the_answer_comes(host: FunctionHost, function: Make) -> None:
    config = function("handlers.chatter")
    for count in (1, 500, 3):
        lines = invoke(host, config, count).log_lines
        assert [line for line in lines if line.startswith("line ")] == [f"line {n}" for n in range(count)]
        assert sum(line.startswith("error ") for line in lines) == count


def test_a_log_without_end_is_cut(new_host: NewHost, function: Make) -> None:
    lines = invoke(new_host(), function("handlers.chatter"), 100_000).log_lines
    assert sum(map(len, lines)) < 2 << 20
    assert any("more bytes of log were dropped" in line for line in lines)


def test_an_answer_that_is_too_large(new_host: NewHost, function: Make) -> None:
    host, config = new_host(), function("handlers.big")
    assert len(invoke(host, config, 5 << 20).payload) == (5 << 20) + 2
    assert answer(invoke(host, config, 7 << 20))["errorType"] == "Function.ResponseSizeTooLarge"


def test_what_the_handler_is_told(new_host: NewHost, function: Make) -> None:
    told = answer(invoke(new_host(), function("handlers.describe")))
    assert told["name"] == "handlers-describe"
    assert told["memory"] == "1769"
    assert 0 < told["left_ms"] <= 60_000
    assert told["argv"][1:] == ["handlers.describe"]


def test_the_environment_is_made_from_scratch(function: Make) -> None:
    inherited = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "TMPDIR": "/of/all",
        "AWS_ACCESS_KEY_ID": "REAL",
        "AWS_PROFILE": "REAL",
        "PYTHONSTARTUP": "REAL",
    }
    config = function("m.f", environment={"AWS_LAMBDA_LOG_STREAM_NAME": "own", "MINE": "1"})
    seen = sandbox_environment(config, "127.0.0.1:1", "stream", Path("/own"), inherited)
    assert "REAL" not in seen.values()
    assert seen["AWS_ACCESS_KEY_ID"] == "000000000000"
    assert seen["AWS_REGION"] == "eu-north-1"
    assert seen["TZ"] == ":UTC"
    assert seen["HOME"] == "/home/me"
    assert seen["TMPDIR"] == "/own"
    assert seen["MINE"] == "1"
    assert seen["AWS_LAMBDA_LOG_STREAM_NAME"] == "own"


def test_a_sandbox_has_temporary_files_of_its_own_as_long_as_it_lives(
    new_host: NewHost, function: Make, tmp_path: Path
) -> None:
    code, temporary = tmp_path / "code", tmp_path / "temporary"
    code.mkdir()
    temporary.mkdir()
    (code / "scratch.py").write_text(
        "import os, tempfile\n"
        "from pathlib import Path\n"
        "def handler(event, context):\n"
        "    folder = Path(tempfile.gettempdir())\n"
        "    seen = sorted(os.listdir(folder))\n"
        "    (folder / event['name']).mkdir()\n"
        "    (folder / event['name']).chmod(0)\n"
        "    if 'gate' in event:\n"
        "        open(event['gate']).read()\n"
        "    return seen\n"
    )
    host, config = new_host(cores=4, folder=temporary), function("scratch.handler", task_root=code)
    gate = fifo(tmp_path, "gate")
    other = InBackground(host, config, {"name": "other", "gate": gate})
    with Path(gate).open("w"):
        assert answer(invoke(host, config, {"name": "first"})) == []
        assert answer(invoke(host, config, {"name": "second"})) == ["first"]
        assert len(list(temporary.iterdir())) == 2
    assert answer(other.result()) == []
    host.close()
    assert list(temporary.iterdir()) == []


def test_a_changed_function_gets_a_new_sandbox(new_host: NewHost, function: Make) -> None:
    host, config = new_host(), function("handlers.echo")
    before = answer(invoke(host, config))["pid"]
    changed = invoke(host, replace(config, environment={"NEW": "1"}))
    assert changed.init_ms is not None
    assert answer(changed)["environment"]["NEW"] == "1"
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)


def test_idle_sandboxes_go(new_host: NewHost, function: Make) -> None:
    now_s = 1000.0
    host, config = new_host(idle_s=300, clock=lambda: now_s), function("handlers.echo")
    pid = answer(invoke(host, config))["pid"]
    now_s += 299
    host.reap()
    assert invoke(host, config).init_ms is None
    now_s += 301
    host.reap()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert invoke(host, config).init_ms is not None


def test_sandboxes_go_with_their_function_and_what_runs_ends_first(
    new_host: NewHost, function: Make, tmp_path: Path
) -> None:
    gone: set[str] = set()
    host = new_host(cores=4, is_current=lambda function: function.name not in gone)
    config, gate = function("handlers.wait"), fifo(tmp_path, "gate")
    idle = answer(invoke(host, function("handlers.echo")))["pid"]
    running = InBackground(host, config, gate)
    with Path(gate).open("w"):
        gone |= {"handlers-wait", "handlers-echo"}
        host.reap()
        with pytest.raises(ProcessLookupError):
            os.kill(idle, 0)
    assert not running.result().error
    with pytest.raises(ProcessLookupError):  # it was not kept
        os.kill(answer(running.result()), 0)
    assert host.sandboxes() == 0
    assert host._pools == {}


def test_invocations_at_the_same_time_have_their_own_sandboxes(
    new_host: NewHost, function: Make, tmp_path: Path
) -> None:
    host, config = new_host(cores=4), function("handlers.wait")
    gates = [fifo(tmp_path, name) for name in ("a", "b")]
    both = [InBackground(host, config, gate) for gate in gates]
    # Opening waits for the handler at the other end: both run now.
    with Path(gates[0]).open("w"), Path(gates[1]).open("w"):
        pass
    assert len({answer(running.result()) for running in both}) == 2


def test_closing_ends_what_is_in_flight(new_host: NewHost, function: Make, tmp_path: Path) -> None:
    host, gate = new_host(cores=4), fifo(tmp_path, "gate")
    running = InBackground(host, function("handlers.wait"), gate)
    with Path(gate).open("w"):
        waiting = InBackground(host, function("handlers.wait"), gate)
        host.close()
        host.close()
        assert answer(running.result())["errorType"] == "Runtime.ExitError"
        assert waiting.result().error
    assert answer(invoke(host, function("handlers.echo")))["errorType"] == "ServiceException"


def test_a_sandbox_that_cannot_be_started(new_host: NewHost, function: Make, caplog: pytest.LogCaptureFixture) -> None:
    host = new_host()
    failed = invoke(host, function("handlers.echo", python="/no/such/python"))
    assert failed.error
    assert answer(failed)["errorType"] == "Runtime.SandboxError"
    assert failed.log_lines[-1].endswith("Status: error\tError Type: Runtime.SandboxError")
    (told,) = caplog.messages
    assert "handlers-echo" in told
    assert "/no/such/python" in told
    assert not invoke(host, function("handlers.nothing")).error


def test_a_sandbox_that_cannot_be_limited_is_not_left(function: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: PollingLimits) -> None:
        raise OSError("no such group")

    monkeypatch.setattr(PollingLimits, "start_cpu_quota", refused)
    with running_host(PollingLimiter(2, throttle=False)) as host:
        assert answer(invoke(host, function("handlers.echo")))["errorType"] == "Runtime.SandboxError"
        assert host.sandboxes() == 0


@pytest.mark.parametrize(
    ("archive", "error"),
    [(b"no zip", BadCodeError), (b"", None), (b"full", OSError)],
)
def test_code_that_cannot_be_unpacked_leaves_nothing(
    archive: bytes, error: type[Exception] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    if archive == b"full":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as files:
            files.writestr("module.py", "")
        archive = packed.getvalue()
        monkeypatch.setattr(zipfile.ZipFile, "extractall", full)
    with pytest.raises(error) if error else nullcontext():
        Packages(tmp_path).code({"Runtime": "python3.12", "Handler": "m.f"}, archive)
    assert len(list(tmp_path.iterdir())) == (error is None)


@pytest.fixture(params=["awslambdaric", "runtime_client"])
def without_it(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """An environment without AWS's runtime client, or without its part in C++: as it is elsewhere than on Linux."""
    (tmp_path / f"{request.param}.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(tmp_path)}


def test_the_runtime_client_of_our_own(new_host: NewHost, function: Make, without_it: dict[str, str]) -> None:
    host = new_host()
    cold = invoke(host, function("handlers.echo", environment=without_it), {"a": "ü"})
    assert answer(cold)["event"] == {"a": "ü"}
    assert cold.log_lines[0] == "importing"
    failed = invoke(host, function("handlers.fail", environment=without_it))
    told = json.loads(failed.payload)
    assert (told["errorType"], told["errorMessage"]) == ("ValueError", "no such thing")
    assert told["requestId"] in failed.log_lines[-1]
    assert "in fail" in told["stackTrace"][0]
    assert "[ERROR] ValueError: no such thing" in failed.log_lines
    described = answer(invoke(host, function("handlers.describe", environment=without_it)))
    assert described["name"] == "handlers-describe"
    assert 0 < described["left_ms"] <= 60_000
    assert invoke(host, function("handlers.nothing", environment=without_it)).payload == b"null"


@pytest.mark.parametrize(
    ("handler", "error_type", "words"),
    [
        ("bad_import.handler", "Runtime.ImportModuleError", "no_such_module"),
        ("handlers.missing", "Runtime.HandlerNotFound", "'missing' missing on module 'handlers'"),
        ("nodot", "Runtime.MalformedHandlerName", "nodot"),
        ("bad_syntax.handler", "Runtime.UserCodeSyntaxError", "bad_syntax"),
        ("raises.handler", "ZeroDivisionError", "division by zero"),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_both_clients_tell_of_the_same_errors_in_init(
    own: bool, handler: str, error_type: str, words: str, new_host: NewHost, function: Make, tmp_path: Path
) -> None:
    if own:
        (tmp_path / "awslambdaric.py").write_text("raise ImportError\n")
    failed = invoke(new_host(), function(handler, environment={"PYTHONPATH": str(tmp_path)}))
    assert failed.error
    assert answer(failed)["errorType"] == error_type
    assert words in answer(failed)["errorMessage"]


def test_both_clients_refuse_what_is_no_json(new_host: NewHost, function: Make, without_it: dict[str, str]) -> None:
    host = new_host()
    for environment in ({}, without_it):
        failed = invoke(host, function("handlers.odd", environment=environment))
        assert answer(failed)["errorType"] == "Runtime.MarshalError"


def test_where_a_process_cannot_be_waited_for_unreaped(
    new_host: NewHost, function: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.waitid", raising=False)  # as on macOS before Python 3.13
    invocation = new_host().invoke(function("handlers.echo"), b"7", "a")
    assert not invocation.error


def test_what_does_not_fit_waits_and_that_is_no_part_of_its_duration(
    new_host: NewHost, function: Make, tmp_path: Path
) -> None:
    host, gate = new_host(cores=2), fifo(tmp_path, "gate")
    if next(iter(limiters().values())).name == "none":
        pytest.skip("CPU time can't be limited here")
    quick = function("handlers.nothing", memory_mb=1769)
    invoke(host, quick)  # it is warm from here on
    first = InBackground(host, function("handlers.wait", memory_mb=1769), gate)
    with Path(gate).open("w"):  # the first runs, and has one of two cores
        start = time.monotonic()
        second = InBackground(host, quick, None)
        assert not second.ended(0.5)
    first.result()
    duration_ms = second.result().duration_ms
    assert duration_ms <= (time.monotonic() - start - 0.5) * 1000


def test_a_share_that_the_machine_does_not_have_is_told(new_host: NewHost, function: Make) -> None:
    host = new_host(cores=2)
    if next(iter(limiters().values())).name == "none":
        pytest.skip("CPU time can't be limited here")
    *_, told, reported = invoke(host, function("handlers.nothing", memory_mb=10240)).log_lines
    assert reported.startswith("REPORT")
    request_id = reported.split()[2]
    assert told == f"LOOKOUT_HOST REPORT RequestId: {request_id}\tOversubscribed: 5.789 of 2 cores"
    lines = invoke(host, function("handlers.nothing", memory_mb=512)).log_lines
    assert not any(line.startswith("LOOKOUT_HOST") for line in lines)
