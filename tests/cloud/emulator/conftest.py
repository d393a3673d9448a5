"""Small handlers to run, hosts to run them in, and emulators as processes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lookout
from lookout.cloud.emulator.function import FunctionConfig, Invocation
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.limits import usable_limiters
from lookout.cloud.emulator.quotas import Limiter

HANDLERS = '''
import os, sys, time

print("importing")

def burn(seconds):
    """The share of one CPU that a busy loop gets."""
    wall, cpu = time.monotonic(), time.process_time()
    while time.monotonic() - wall < seconds:
        pass
    return (time.process_time() - cpu) / (time.monotonic() - wall)

if "BURN_IN_INIT" in os.environ:
    SHARE = burn(0.6)

def echo(event, context):
    print("hello", context.aws_request_id)
    return {"event": event, "pid": os.getpid(), "environment": dict(os.environ)}

def describe(event, context):
    return {
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "left_ms": context.get_remaining_time_in_millis(),
        "argv": sys.argv,
    }

def nothing(event, context):
    return None

def fail(event, context):
    print("about to fail")
    raise ValueError("no such thing")

def odd(event, context):
    return object()

def hang(event, context):
    print("hanging")
    while True:
        time.sleep(60)

def exit(event, context):
    print("leaving")
    os._exit(event)

def hog(event, context):
    kept = []
    while True:
        kept.append(bytearray(b"x") * (8 << 20))

def chatter(event, context):
    for number in range(event):
        print("line", number)
        os.write(2, b"error %d\\n" % number)
    return event

def big(event, context):
    return "x" * event

def burn_both(event, context):
    return {"init": globals().get("SHARE"), "handler": burn(event)}

def wait(event, context):
    """Wait until the other end of a FIFO is opened and closed."""
    with open(event) as fifo:
        fifo.read()
    return os.getpid()
'''


@pytest.fixture(scope="session")
def handlers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handlers")
    (folder / "handlers.py").write_text(HANDLERS)
    (folder / "bad_import.py").write_text("import no_such_module\n")
    (folder / "bad_syntax.py").write_text("def\n")
    (folder / "raises.py").write_text("1 / 0\n")
    (folder / "endless.py").write_text("import threading\nthreading.Event().wait()\n")
    (folder / "exits.py").write_text("import os\nos._exit(7)\n")
    return folder


@pytest.fixture(scope="session")
def function(handlers: Path) -> Callable[..., FunctionConfig]:
    pytest.importorskip("awslambdaric")
    template = FunctionConfig(
        name="",
        arn="",
        handler="",
        memory_mb=1769,
        timeout_s=60,
        environment={},
        task_root=handlers,
        python=sys.executable,
        region="eu-north-1",
        endpoint="http://127.0.0.1:1",
    )

    def make(handler: str, **changes: Any) -> FunctionConfig:
        name = handler.replace(".", "-")
        arn = f"arn:aws:lambda:eu-north-1:000000000000:function:{name}"
        return replace(template, **{"name": name, "arn": arn, "handler": handler, **changes})

    return make


@cache
def limiters() -> dict[str, Limiter]:
    """The ways of limiting that work here, the best first."""
    return {limiter.name: limiter for limiter in usable_limiters()}


def limiter_or_skip(name: str) -> Limiter:
    if name not in limiters():
        pytest.skip(f"no {name} on this machine, or not for this user")
    return limiters()[name]


@pytest.fixture(scope="session", params=["cgroup v2", "cgroup v1", "sigstop", "none"])
def limiter(request: pytest.FixtureRequest) -> Limiter:
    return limiter_or_skip(request.param)


@contextmanager
def running_host(limiter: Limiter, **options: Any) -> Iterator[FunctionHost]:
    host = FunctionHost(limiter, **options)
    try:
        yield host
    finally:
        host.close()


@pytest.fixture
def new_host() -> Iterator[Callable[..., FunctionHost]]:
    """Makes hosts under the best limiter, and closes them."""
    hosts = []

    def make(**options: Any) -> FunctionHost:
        hosts.append(FunctionHost(next(iter(limiters().values())), **options))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


def fifo(folder: Path, name: str) -> str:
    os.mkfifo(folder / name)
    return str(folder / name)


@dataclass
class InBackground:
    """An invocation in a thread."""

    host: FunctionHost
    config: FunctionConfig
    event: object

    def __post_init__(self) -> None:
        self._result: list[Invocation] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._result.append(invoke(self.host, self.config, self.event))

    def ended(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> Invocation:
        self._thread.join(60)
        return self._result[0]


def wait_for_end(pid: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 30)[0], f"process {pid} still runs"
    finally:
        os.close(descriptor)


def invoke(host: FunctionHost, config: FunctionConfig, event: object = None) -> Invocation:
    return host.invoke(config, json.dumps(event).encode(), str(uuid.uuid4()))


def answer(invocation: Invocation) -> Any:
    return json.loads(invocation.payload)


_SERVE = """
import json, sys
from pathlib import Path
from lookout.cloud.emulator import EmulatorConfig, leave, serve
options = json.loads(sys.argv[1])
if "data" in options:
    options["data"] = Path(options["data"])
serve(EmulatorConfig(**options), lambda endpoint, limiter: print(endpoint, flush=True))
leave()
"""

REGION = "eu-north-1"


@dataclass
class Emulator:
    """An emulator's process."""

    process: subprocess.Popen[str]
    endpoint: str

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def client(self, service: str, config: Any = None) -> Any:
        """A client of AWS's own library, that knows the endpoint, the region and the keys, and nothing else."""
        boto3 = pytest.importorskip("boto3")
        session = boto3.Session("000000000000", "emulator", region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint, config=config)


@contextmanager
def running_emulator(
    region: str = REGION,
    variables: Mapping[str, str] | None = None,
    errors: Path | None = None,
    **options: Any,
) -> Iterator[Emulator]:
    """``errors`` is where its standard error goes; None, to the tests' own."""
    for package in ("ministack", "awslambdaric"):
        pytest.importorskip(package)
    source = str(Path(lookout.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": source, **(variables or {})}
    settings = {"port": 0, "region": region, **options}
    command = [sys.executable, "-c", _SERVE, json.dumps(settings, default=str)]
    with (
        errors.open("w") if errors else nullcontext() as stderr,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout
        try:
            yield Emulator(process, process.stdout.readline().strip())
        finally:
            process.kill() if process.poll() is None else None


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    with running_emulator() as emulator:
        yield emulator
        emulator.stop()


def image(handlers: Path, *command: str) -> dict[str, Any]:
    """What ``create`` takes for a function of an image: the handler of this name in this folder."""
    return {
        "PackageType": "Image",
        "Code": {"ImageUri": "any:thing"},
        "ImageConfig": {"Command": list(command)} if command else {},
        "Environment": {"Variables": {"PYTHONPATH": str(handlers)}},
    }


def create(functions: Any, name: str, **how: Any) -> None:
    """Create a function, and wait for it."""
    role = "arn:aws:iam::000000000000:role/any"
    functions.create_function(**{"FunctionName": name, "Role": role, "MemorySize": 1769, "Timeout": 60, **how})
    waiter = functions.get_waiter("function_active_v2")
    waiter.wait(FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
