"""What goes into a package, as a value: the same recipe makes the same package."""

from __future__ import annotations

import hashlib
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

from lookout.cloud.packages.contents import lookout_files, model_files
from lookout.cloud.packages.wheels import wanted
from lookout.engines import NAMES as ENGINES
from lookout.errors import UsageError

ARCHITECTURES = ("x86_64", "arm64")
# Those that wheels.toml has wheels for. Lambda runs all but the first: its Python 3.11 has glibc 2.26, and today's
# wheels need 2.28.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
_ON_LAMBDA = PYTHONS[1:]
_DEFAULT_PYTHON = "3.13"

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}

_OWN_FOLDER = Path(__file__).parent
# What makes a package: with other code it may become another.
_MAKERS = ("contents.py", "image.py", "pack.py", "bytecode.py", "zip_package.py", "Dockerfile")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a package is made of: an imported model, an engine, and the platform that runs it.

    ``base_image`` is what an image is built on, in place of AWS's own for that Python: a copy in a registry of one's
    own, or one that is named by its digest. ``offline``: no wheel is fetched, which changes nothing of the package.
    Raises ``UsageError``.
    """

    model_folder: Path
    engine: str
    architecture: str
    python: str = _DEFAULT_PYTHON
    base_image: str = ""
    offline: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        _check("architecture", self.architecture, ARCHITECTURES)
        _check("Python", self.python, PYTHONS)
        _check("engine", self.engine, ENGINES)

    @property
    def compiled(self) -> bool:
        """Whether a package holds bytecode, which only the Python that it is for can make."""
        return self.python == running_python()

    def digest(self, kind: str) -> str:
        """SHA-256 of all that a package of this kind (``image``, ``zip``) is made of; no wheel is looked at.

        Raises ``ModelError`` and ``UsageError``.
        """
        digest = hashlib.sha256()
        parts = [kind, self.engine, self.architecture, self.python, str(self.compiled)]
        parts += [self.base_image] if kind == "image" else []
        parts += [wheel.sha256 for wheel in wanted(self.engine, self.python, self.architecture)]
        files = {**{name: _OWN_FOLDER / name for name in _MAKERS}, **lookout_files(), **model_files(self.model_folder)}
        for name, path in sorted(files.items()):
            with path.open("rb") as file:
                parts += [name, hashlib.file_digest(file, "sha256").hexdigest()]
        for part in parts:
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()


def running_python() -> str:
    """The version of the Python that runs this, such as 3.13."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def running_architecture() -> str:
    """The processor of this machine, as Lambda calls it; as it calls itself, where Lambda has none of its kind."""
    machine = platform.machine().lower()
    return _MACHINES.get(machine, machine)


def running_recipe(model_folder: Path, engine: str, *, offline: bool = False) -> Recipe:
    """The recipe for this machine and this Python: what an emulator that runs here can run.

    Raises ``UsageError`` where there are no wheels for them.
    """
    return Recipe(model_folder, engine, running_architecture(), running_python(), offline=offline)


def deployable_python() -> str:
    """The Python for a function on Lambda: the one that runs this where Lambda has it, as its zip can hold bytecode."""
    return running_python() if running_python() in _ON_LAMBDA else _DEFAULT_PYTHON


def check_deployable(recipe: Recipe) -> None:
    """Raise ``UsageError`` for a Python that Lambda can't run these wheels in."""
    if recipe.python not in _ON_LAMBDA:
        raise UsageError(
            f"a function can't run in Python {recipe.python} on Lambda, whose glibc is too old there for the wheels: "
            f"take one of {', '.join(_ON_LAMBDA)}"
        )


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"there is no package for the {what} {value!r}: take one of {', '.join(known)}")
