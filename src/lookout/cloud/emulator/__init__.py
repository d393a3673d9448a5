"""The emulator: the AWS services that Lookout uses, on this machine, spoken to with AWS's own clients.

Importing this package is cheap and needs no extra, so that clients may use ``environment``; ``serve`` needs
the extra ``emulator``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from lookout.cloud.emulator.config import ACCOUNT, EmulatorConfig, environment, leave
from lookout.errors import UsageError

__all__ = ["ACCOUNT", "EmulatorConfig", "environment", "leave", "serve", "stop", "sweep"]


def serve(config: EmulatorConfig, on_ready: Callable[[str, str], None]) -> None:
    """Run the emulator in this process, which should do nothing else, until SIGTERM or SIGINT.

    ``on_ready`` is called once, in a thread, when requests are answered: with the endpoint's address, and the name of
    the way in which sandboxes are limited. AWS settings are removed from this process's environment: no real key can
    reach the emulator or its functions. Threads of the control plane may still run on return: end the process with
    ``leave``.

    Raises ``UsageError`` on Windows and where ``data`` is no folder, ``MissingExtraError``, ``PortInUseError`` and
    ``FolderInUseError``.
    """
    check_system()
    from lookout.cloud.emulator.server import run  # it imports the control plane

    sweep()
    run(config, on_ready)


def check_system() -> None:
    """Raise ``UsageError`` where the emulator can't run."""
    if sys.platform == "win32":
        raise UsageError("the emulator needs Linux or macOS: on Windows run it in WSL (wsl --install)")


def stop(port: int, data: Path | None = None) -> str:
    """End the emulator that keeps its data in a folder, or that listens on a port, and give its address.

    Raises ``UnreachableError`` where none answers, ``LookoutError`` where it can't be ended.
    """
    check_system()
    from lookout.cloud.emulator.stopping import stop as stop_it

    return stop_it(port, data)


def sweep() -> None:
    """Remove what emulators that were killed left behind: control groups and folders. ``serve`` does so too."""
    from lookout.cloud.emulator.cgroups import sweep_groups
    from lookout.cloud.emulator.workspace import sweep_folders

    sweep_groups()
    sweep_folders()
