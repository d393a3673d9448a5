"""docker, podman, finch and buildah: what each is told, and running it.

Lambda takes an image's manifest, but no index with attestations, which BuildKit adds by itself. Who is logged in is
kept in a temporary folder of ours, so that nothing of it stays in the user's own; only finch may keep it in its virtual
machine, and is logged out like all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookout.cloud.packages.wheels import Say
from lookout.errors import PackageError

_TOLD_LINES = 12
_CHECK_S = 30.0  # a daemon may hang

Which = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class ContainerTool:
    """A program that builds images, by the arguments of its commands.

    ``checks`` succeed where it can build. ``has_auth_file``: it takes a file for who is logged in; else it takes a
    folder, from ``DOCKER_CONFIG``. ``pushes_platform``: it must be told which platform's image to push.
    """

    name: str
    checks: tuple[tuple[str, ...], ...]
    build: tuple[str, ...]
    has_auth_file: bool = False
    pushes_platform: bool = False

    def build_command(self, image: str, platform: str, base: str, folder: Path) -> list[str]:
        """Build the folder's Dockerfile under an image's name."""
        options = ["--platform", platform, "--build-arg", f"BASE={base}", "--tag", image]
        return [self.name, *self.build, *options, str(folder)]

    def login_command(self, registry: str, config: Path) -> list[str]:
        """Log in with the password that standard input has."""
        return [self.name, "login", *self._auth(config), "--username", "AWS", "--password-stdin", registry]

    def push_command(self, image: str, platform: str, config: Path) -> list[str]:
        """Push an image that was built."""
        options = ["--platform", platform] if self.pushes_platform else []
        return [self.name, "push", *self._auth(config), *options, image]

    def logout_command(self, registry: str, config: Path) -> list[str]:
        """Forget who was logged in."""
        return [self.name, "logout", *self._auth(config), registry]

    def _auth(self, config: Path) -> list[str]:
        return ["--authfile", str(config / "auth.json")] if self.has_auth_file else []


TOOLS = (
    ContainerTool(
        "docker",
        checks=(("version",), ("buildx", "version")),
        build=("buildx", "build", "--load", "--provenance=false", "--sbom=false"),
    ),
    ContainerTool("podman", checks=(("info",),), build=("build", "--format", "docker"), has_auth_file=True),
    ContainerTool("finch", checks=(("info",),), build=("build",), pushes_platform=True),
    ContainerTool("buildah", checks=(("info",),), build=("build", "--format", "docker"), has_auth_file=True),
)


_NOT_INSTALLED = "not installed"


def find_tool(which: Which = shutil.which) -> tuple[ContainerTool | None, Mapping[str, str]]:
    """The first tool that is installed and can build, None where none can; and why those before it can't."""
    faults: dict[str, str] = {}
    for tool in TOOLS:
        reason = fault(tool) if which(tool.name) else _NOT_INSTALLED
        if reason is None:
            return tool, faults
        faults[tool.name] = reason
    return None, faults


def describe_faults(faults: Mapping[str, str]) -> str:
    """Why there is no tool, in words.

    >>> describe_faults({"docker": "its daemon does not run.", "podman": "not installed"})
    "docker is here and can't build an image (its daemon does not run)"
    """
    broken = [
        f"{name} is here and can't build an image ({reason.rstrip('. ')})"
        for name, reason in faults.items()
        if reason != _NOT_INSTALLED
    ]
    return ", and ".join(broken) or "no container tool is here: neither docker nor podman, finch or buildah"


def fault(tool: ContainerTool) -> str | None:
    """Why an installed tool can't build, such as a daemon that does not run; None where it can."""
    for check in tool.checks:
        status, output = _run([tool.name, *check], timeout_s=_CHECK_S)
        if status:
            return _last_line(output)
    return None


def build_image(tool: ContainerTool, image: str, platform: str, base: str, folder: Path, say: Say) -> None:
    """Build a folder's image. Raises ``PackageError``, after ``say`` was told what the tool said last."""
    say(f"Building the image for {platform} with {tool.name} ...")
    command = tool.build_command(image, platform, base, folder)
    remedy = f"see whether {tool.name} gets the base image, {base}"
    _run_or_raise(command, f"{tool.name} can't build the image", remedy, say)


def push_image(tool: ContainerTool, image: str, platform: str, password: str, say: Say) -> None:
    """Push an image to its registry, logged in only meanwhile. Raises ``PackageError`` as ``build_image`` does."""
    registry = image.partition("/")[0]
    with tempfile.TemporaryDirectory(prefix="lookout-registry-") as name:  # which nobody else can read
        config = Path(name)
        variables = {} if tool.has_auth_file else _docker_config(config, registry, os.environ)
        say(f"Pushing the image to {registry} ...")
        login = tool.login_command(registry, config)
        remedy = "see whether these credentials may push to the repository"
        try:
            _run_or_raise(login, f"{tool.name} can't log in to {registry}", remedy, say, variables, password)
            push = tool.push_command(image, platform, config)
            _run_or_raise(push, f"{tool.name} can't push the image", remedy, say, variables)
        finally:
            _run(tool.logout_command(registry, config), variables)


def _docker_config(config: Path, registry: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Fill a folder so that docker keeps a password there, and the variables that name it.

    Without a registry in the file docker would look for the system's key chain and put the password there. What the
    user's own folder says of where docker's daemon is stays true.
    """
    own = Path(environment.get("DOCKER_CONFIG") or Path.home() / ".docker")
    (config / "config.json").write_text(json.dumps({"auths": {registry: {}}}), "utf-8")
    variables = {"DOCKER_CONFIG": str(config)}
    if (own / "contexts").is_dir():
        (config / "contexts").symlink_to((own / "contexts").resolve())
    try:
        context = json.loads((own / "config.json").read_text("utf-8")).get("currentContext")
    except (OSError, ValueError, AttributeError):  # there is none, or none that docker would read
        context = None
    if context and "DOCKER_HOST" not in environment and "DOCKER_CONTEXT" not in environment:
        variables["DOCKER_CONTEXT"] = str(context)
    return variables


def _run_or_raise(
    command: Sequence[str],
    what: str,
    remedy: str,
    say: Say,
    variables: Mapping[str, str] | None = None,
    password: str | None = None,
) -> None:
    status, output = _run(command, variables, password)
    if status == 0:
        return
    if password:
        output = output.replace(password, "***")
    for line in output.strip().splitlines()[-_TOLD_LINES:]:
        say(f"  {line}")
    raise PackageError(f"{what}: {_last_line(output)}; {remedy}")


def _run(
    command: Sequence[str],
    variables: Mapping[str, str] | None = None,
    password: str | None = None,
    timeout_s: float | None = None,
) -> tuple[int, str]:
    """A program's exit status and all that it says."""
    try:
        done = subprocess.run(
            command,
            input=password or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **(variables or {})},
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        return 1, f"it can't be started ({error.strerror})"
    except subprocess.TimeoutExpired:
        return 1, f"it does not answer within {timeout_s:.0f} s"
    return done.returncode, done.stdout


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it gives no reason"
