"""What an isolated function can see and reach. Needs bubblewrap and control groups."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lookout
from helpers.program import run
from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.isolation import check_isolation, shown_paths
from lookout.cloud.emulator.polling import PollingLimiter
from lookout.errors import UsageError

from .conftest import answer, create, image, invoke, limiters, running_emulator

Make = Callable[..., FunctionConfig]

ENDPOINT = "http://127.0.0.1:4566"  # opened in the sandbox alone

PROBE = """
import os, socket
from pathlib import Path

def attempt(call):
    try:
        call()
    except OSError as error:
        return type(error).__name__ + ": " + os.strerror(error.errno)
    return "worked"

def look(event, context):
    return {
        "write here": attempt(lambda: Path(__file__).with_name("mark").touch()),
        "write home": attempt(lambda: Path(event["home"], "mark").touch()),
        "write tmp": attempt(lambda: Path("/tmp/mark").touch()),
        "own tmp": attempt(lambda: __import__("tempfile").NamedTemporaryFile().close()),
        "of others": [path for path in event["others"] if os.path.exists(path)],
        "named": open(os.environ["NAMED"]).read(),
        "connect": attempt(lambda: socket.create_connection(("127.0.0.1", event["port"]), 5).close()),
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "pid": os.getpid(),
    }

def store(event, context):
    import boto3
    boto3.client("dynamodb").put_item(TableName="results", Item={"key": {"S": event}})
    return len(boto3.client("dynamodb").scan(TableName="results")["Items"])
"""


@pytest.fixture(scope="module")
def usable() -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    try:
        check_isolation(next(iter(limiters().values())))
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory, handlers: Path) -> Path:
    """The handlers' folder, with the probe."""
    (handlers / "probe.py").write_text(PROBE)
    return handlers


@pytest.fixture
def host(usable: None) -> Iterator[FunctionHost]:
    host = FunctionHost(next(iter(limiters().values())), isolated=True)
    yield host
    host.close()


@pytest.fixture
def hidden() -> Iterator[Path]:
    """A folder below /tmp with two files and a folder with a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        (folder / "named").write_text("content")
        (folder / "secret").touch()
        (folder / "sockets").mkdir()
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(folder / "sockets" / "agent"))
        yield folder


def test_it_sees_the_machine_read_only_and_no_network(
    host: FunctionHost, function: Make, outside: Path, hidden: Path
) -> None:
    variables = {"NAMED": f"{hidden}/named", "MORE": f"{hidden}/..:{hidden}/sockets:{hidden}/sockets/agent"}
    probe = function("probe.look", endpoint=ENDPOINT, memory_mb=512, environment=variables)
    with socket.create_server(("127.0.0.1", 0)) as other:
        others = [str(each) for each in hidden.iterdir() if each.name != "named"]
        event = {"home": str(Path.home()), "port": other.getsockname()[1], "others": others}
        seen = answer(invoke(host, probe, event))
    assert seen["write here"] == "OSError: Read-only file system"
    assert seen["write home"] == "OSError: Read-only file system"
    assert seen["write tmp"] == "worked"
    assert not Path("/tmp/mark").exists()  # noqa: S108 - the sandbox's own
    assert seen["own tmp"] == "worked"
    assert seen["of others"] == []
    assert seen["named"] == "content"
    assert seen["connect"] == "ConnectionRefusedError: Connection refused"
    assert seen["processes"] <= 3


def test_what_a_function_needs_of_a_hidden_place_is_shown(
    function: Make, hidden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("venv/lib", "python", "source/lookout", "modules", "code"):
        (hidden / name).mkdir(parents=True)
    (tmp_path / "model").symlink_to(hidden / "named")
    monkeypatch.setattr(sys, "prefix", str(hidden / "venv"))
    monkeypatch.setattr(sys, "base_prefix", str(hidden / "python"))
    monkeypatch.setattr(sys, "path", ["/tmp", str(hidden / "venv" / "lib"), str(hidden / "gone"), "/usr"])  # noqa: S108
    monkeypatch.setattr(lookout, "__file__", str(hidden / "source" / "lookout" / "__init__.py"))
    variables = {
        "PYTHONPATH": f"{hidden}/modules:relative",
        "LOOKOUT_MODEL": str(tmp_path / "model"),
        "URL": "http://127.0.0.1:1/tmp",
        "LONG": f"{hidden}/{'x' * 5000}",
    }
    needy = function("probe.look", environment=variables, task_root=hidden / "code")
    shown = {path for path in shown_paths(needy) if path.is_relative_to(hidden)}
    names = {"venv", "python", "source/lookout", "modules", "code", "named"}
    assert shown == {hidden / name for name in names}


def test_limits_and_ends_are_those_of_any_sandbox(host: FunctionHost, function: Make) -> None:
    cold = invoke(host, function("handlers.echo", endpoint=ENDPOINT, memory_mb=512), 1)
    warm = invoke(host, function("handlers.echo", endpoint=ENDPOINT, memory_mb=512), 2)
    assert (answer(cold)["event"], answer(warm)["event"]) == (1, 2)
    assert warm.init_ms is None
    assert cold.memory_mb > 5
    killed = invoke(host, function("handlers.hog", endpoint=ENDPOINT, memory_mb=128))
    assert answer(killed)["errorMessage"].endswith("Runtime exited with error: signal: killed")
    ended = invoke(host, function("handlers.exit", endpoint=ENDPOINT, memory_mb=256), 3)
    assert answer(ended)["errorMessage"].endswith("Runtime exited with error: exit status 3")
    late = invoke(host, function("handlers.hang", endpoint=ENDPOINT, memory_mb=256, timeout_s=0.5))
    assert answer(late)["errorType"] == "Sandbox.Timedout"
    share = answer(invoke(host, function("handlers.burn_both", endpoint=ENDPOINT, memory_mb=256), 0.6))["handler"]
    assert share < 0.25


def test_it_reaches_the_emulator(usable: None, outside: Path) -> None:
    with running_emulator(isolate=True) as emulator:
        functions, table = emulator.client("lambda"), emulator.client("dynamodb")
        table.create_table(
            TableName="results",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        )
        create(functions, "store", **image(outside, "probe.store"))
        for number in (1, 2, 3):
            payload = functions.invoke(FunctionName="store", Payload=json.dumps(str(number)))["Payload"].read()
            assert json.loads(payload) == number
        functions.close()
        table.close()
        emulator.stop()
        assert emulator.process.returncode == 0


def test_without_bubblewrap_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ministack")
    answer = run("emulator", "--isolate", "--port", "0", PATH=str(Path(sys.executable).parent))
    assert answer.returncode == 2
    assert answer.stderr.startswith("Error: --isolate needs bubblewrap: install it")


def test_where_nothing_can_be_measured_from_outside_it_is_refused(usable: None) -> None:
    with pytest.raises(UsageError, match="control groups"):
        check_isolation(PollingLimiter(2, throttle=False))
