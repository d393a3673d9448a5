"""The emulator as a process: alone on its port, and gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import lookout.cloud.emulator
from lookout.cloud.emulator import ACCOUNT, EmulatorConfig, environment, serve
from lookout.errors import MissingExtraError, PortInUseError

from .conftest import Emulator, running_emulator, wait_for_end

boto3 = pytest.importorskip("boto3")
pytest.importorskip("ministack")
pytest.importorskip("awslambdaric")


def client(emulator: Emulator, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=emulator.endpoint,
        region_name="eu-north-1",
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="emulator",  # noqa: S106 - opens nothing
    )


def sandbox_environment(emulator: Emulator, handlers: Path) -> dict[str, Any]:
    """What ``handlers.echo`` answers in this emulator."""
    functions = client(emulator, "lambda")
    functions.create_function(
        FunctionName="echo",
        PackageType="Image",
        Code={"ImageUri": "any:thing"},
        Role=f"arn:aws:iam::{ACCOUNT}:role/any",
        ImageConfig={"Command": ["handlers.echo"]},
        Environment={"Variables": {"PYTHONPATH": str(handlers)}},
        MemorySize=1769,
    )
    functions.get_waiter("function_active_v2").wait(
        FunctionName="echo", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    answered: dict[str, Any] = json.loads(functions.invoke(FunctionName="echo")["Payload"].read())
    functions.close()
    return answered


def groups_of(emulator: Emulator) -> list[Path]:
    return list(Path("/sys/fs/cgroup").rglob(f"lookout-{emulator.process.pid}-*"))


def test_the_package_shows_few_names_and_imports_little() -> None:
    names = ["ACCOUNT", "EmulatorConfig", "environment", "leave", "serve", "stop", "sweep"]
    assert lookout.cloud.emulator.__all__ == names
    check = "import sys, lookout.cloud.emulator; sys.exit(bool({'ministack', 'asyncio'} & set(sys.modules)))"
    source = str(Path(lookout.__file__).parent.parent)
    subprocess.run([sys.executable, "-c", check], check=True, env={**os.environ, "PYTHONPATH": source})


def test_clients_are_pointed_at_it_by_the_environment() -> None:
    assert environment("http://127.0.0.1:1", "eu-north-1") == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "eu-north-1",
        "AWS_ACCESS_KEY_ID": "000000000000",
        "AWS_SECRET_ACCESS_KEY": "emulator",
    }


def test_clients_recognise_it(emulator: Emulator) -> None:
    with urllib.request.urlopen(f"{emulator.endpoint}/_lookout") as response:  # noqa: S310 - ours
        told = json.load(response)
    assert told["emulator"] == "lookout"
    assert told["version"] == lookout.__version__
    assert told["region"] == "eu-north-1"
    assert told["account"] == ACCOUNT
    assert told["limiter"] in {"cgroup v2", "cgroup v1", "sigstop", "none"}


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} .*in use.*--port"):
            serve(EmulatorConfig(port=port), print)


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ministack" else object())
    with pytest.raises(MissingExtraError, match=r"\[emulator\]"):
        serve(EmulatorConfig(port=0), print)


def test_real_keys_do_not_reach_a_function(handlers: Path, tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = REAL\n")
    real = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE", "WEB_IDENTITY_TOKEN_FILE")
    variables = {f"AWS_{name}": "REAL" for name in real} | {"HOME": str(tmp_path), "SECRET_OF_MINE": "REAL"}
    with running_emulator(variables=variables) as emulator:
        seen = sandbox_environment(emulator, handlers)["environment"]
        emulator.stop()
    assert "REAL" not in seen.values()
    assert seen["AWS_ACCESS_KEY_ID"] == ACCOUNT
    assert seen["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert seen["AWS_ENDPOINT_URL"] == emulator.endpoint


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_without_a_trace(handlers: Path, number: signal.Signals) -> None:
    with running_emulator() as emulator:
        pid = sandbox_environment(emulator, handlers)["pid"]
        emulator.process.send_signal(number)
        assert emulator.process.wait(30) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert groups_of(emulator) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(emulator.endpoint.rpartition(":")[2])))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can end a process with its parent")
def test_sandboxes_die_with_an_emulator_that_is_killed(handlers: Path, tmp_path: Path) -> None:
    with running_emulator(variables={"TMPDIR": str(tmp_path)}) as killed:  # where it leaves its folder
        pid = sandbox_environment(killed, handlers)["pid"]
        killed.process.kill()
    wait_for_end(pid)
    with running_emulator() as next_one:  # sweeps what the other left
        assert groups_of(killed) == []
        next_one.stop()


def test_two_side_by_side(emulator: Emulator, handlers: Path) -> None:
    here = client(emulator, "s3")
    here.create_bucket(Bucket="here", CreateBucketConfiguration={"LocationConstraint": "eu-north-1"})
    with running_emulator() as other:
        there = client(other, "s3")
        assert [bucket["Name"] for bucket in there.list_buckets()["Buckets"]] == []
        there.close()
        assert sandbox_environment(other, handlers)["environment"]["AWS_ENDPOINT_URL"] == other.endpoint
        other.stop()
    assert "here" in [bucket["Name"] for bucket in here.list_buckets()["Buckets"]]
    here.delete_bucket(Bucket="here")
    here.close()
