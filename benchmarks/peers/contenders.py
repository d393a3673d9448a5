"""Who takes part in local execution: how each is started, how it is asked, and how it is set."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lookout.engines import available_cores
from peers.environments import REQUIREMENTS

_SERVERS = Path(__file__).resolve().parent / "servers"
_BOUNDARY = "lookout-benchmark"


def jpeg(picture: bytes) -> tuple[str, bytes]:
    """The picture itself."""
    return "image/jpeg", picture


def base64_json(picture: bytes) -> tuple[str, bytes]:
    """The published contract."""
    document = {"id": "7", "image_data": base64.b64encode(picture).decode()}
    return "application/json", json.dumps(document).encode()


def form(field: str) -> Callable[[bytes], tuple[str, bytes]]:
    """The picture as a file in a form."""

    def of(picture: bytes) -> tuple[str, bytes]:
        head = f'Content-Disposition: form-data; name="{field}"; filename="image.jpg"\r\nContent-Type: image/jpeg'
        body = f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return f"multipart/form-data; boundary={_BOUNDARY}", body

    return of


@dataclass(frozen=True, slots=True)
class Setting:
    """How many copies of the detector there are, and on how many threads each runs the network."""

    name: str
    workers: int
    threads: int


def settings(cores: int) -> tuple[Setting, Setting]:
    """The two that make use of all cores: one copy on all of them, or a copy on each."""
    return Setting("wide", 1, cores), Setting("narrow", cores, 1)


@dataclass(frozen=True, slots=True)
class Contender:
    """A server. ``command`` follows its environment's Python, for a port; ``environment`` None: that of Lookout itself.

    ``request``: what a picture is sent as, a content type and a body. ``darknet``: it takes Darknet files alone.
    ``server``: the key of the contender whose server it asks; its own where there is none. ``rests``: it is held while
    nobody asks it, since it would take CPU time from the others.
    """

    name: str
    package: str
    licence: str
    environment: str | None
    command: Callable[[int], Sequence[str]]
    request: Callable[[bytes], tuple[str, bytes]]
    path: str = "/object-detection"
    setting: Setting | None = None
    darknet: bool = False
    server: str | None = None
    rests: bool = False

    @property
    def key(self) -> str:
        """Name and setting."""
        return f"{self.name}, {self.setting.name}" if self.setting else self.name

    def http(self, picture: bytes) -> bytes:
        """All that is sent for a picture."""
        kind, body = self.request(picture)
        fields = {"Host": "127.0.0.1", "Content-Type": kind, "Content-Length": str(len(body)), "Accept": "*/*"}
        head = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return "\r\n".join(head).encode() + body

    def variables(self, model: Path, labels: Path, port: int) -> dict[str, str]:
        """What tells its program its work."""
        setting = self.setting or Setting("", 1, 1)
        told = {"MODEL": model, "LABELS": labels, "PORT": port, "WORKERS": setting.workers, "THREADS": setting.threads}
        # A peer's OpenCV has no more threads than its network: beside others they would wait awake.
        tuned = {"OPENCV_FOR_THREADS_NUM": str(setting.threads)} if self.setting else {}
        return {f"BENCHMARK_{name}": str(value) for name, value in told.items()} | tuned | _QUIET


# None of them is to report its use to anybody, nor to keep a secret in the user's home.
_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "ORT_DISABLE_TELEMETRY": "1",
}


def lookout_command(model: Path) -> Callable[[int], Sequence[str]]:
    """``lookout serve``, as it is."""
    return lambda port: ["-m", "lookout", "serve", "--model", str(model), "--port", str(port), "--log-level", "error"]


def everyone(model: Path, cores: int | None = None) -> list[Contender]:
    """All contenders; the peers in both settings. Lookout takes part twice, by what it is sent."""
    found = [
        Contender("lookout", "lookout-vision", "Apache-2.0", None, lookout_command(model), jpeg),
        Contender(
            "lookout, base64",
            "lookout-vision",
            "Apache-2.0",
            None,
            lookout_command(model),
            base64_json,
            server="lookout",
        ),
        Contender(
            "reference", "flask", "BSD-3-Clause", "reference", _script("reference_server"), base64_json, darknet=True
        ),
    ]
    for setting in settings(cores or available_cores()):
        found += peers(setting)
    return found


def peers(setting: Setting) -> list[Contender]:
    """The peers in one setting."""
    litserve, ray = _script("litserve_server"), _script("ray_server")
    return [
        Contender("LitServe", "litserve", "Apache-2.0", "litserve", litserve, base64_json, "/predict", setting),
        Contender("BentoML", "bentoml", "Apache-2.0", "bentoml", _bentoml, form("image"), "/predict", setting),
        Contender("FastAPI", "fastapi", "MIT", "fastapi", _uvicorn(setting), form("file"), setting=setting),
        # It takes a tenth of a core while nobody asks it.
        Contender("Ray Serve", "ray", "Apache-2.0", "ray", ray, jpeg, "/", setting, rests=True),
    ]


def interpreter(contender: Contender, python_of: Callable[[str], Path]) -> Path:
    """The Python that runs it."""
    return Path(sys.executable) if contender.environment is None else python_of(contender.environment)


def version_of(contender: Contender) -> str:
    """The version that takes part."""
    if contender.environment is None:
        return version(contender.package)
    pins = (REQUIREMENTS / f"{contender.environment}.txt").read_text().lower().splitlines()
    return next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{contender.package}=="))


def _script(name: str) -> Callable[[int], Sequence[str]]:
    return lambda _: [str(_SERVERS / f"{name}.py")]


def _bentoml(port: int) -> Sequence[str]:
    where = ["--working-dir", str(_SERVERS), "--host", "127.0.0.1", "--port", str(port)]
    return ["-m", "bentoml", "serve", "bentoml_service:Detection", *where]


def _uvicorn(setting: Setting) -> Callable[[int], Sequence[str]]:
    def command(port: int) -> Sequence[str]:
        where = ["--app-dir", str(_SERVERS), "--host", "127.0.0.1", "--port", str(port)]
        return ["-m", "uvicorn", "fastapi_app:app", *where, "--workers", str(setting.workers), "--no-access-log"]

    return command
