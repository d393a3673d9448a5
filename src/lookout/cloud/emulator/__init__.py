"""The emulator: the AWS services that Lookout uses, on this machine, spoken to with AWS's own clients.

Importing this package is cheap and needs no extra, so that clients may use ``environment``; ``serve`` needs
the extra ``emulator``.
"""

from __future__ import annotations

from collections.abc import Callable

from lookout.cloud.emulator.config import ACCOUNT, EmulatorConfig, environment, leave

__all__ = ["ACCOUNT", "EmulatorConfig", "environment", "leave", "serve", "sweep"]


def serve(config: EmulatorConfig, on_ready: Callable[[str], None]) -> None:
    """Run the emulator in this process, which should do nothing else, until SIGTERM or SIGINT.

    ``on_ready`` is called once, in a thread, with the endpoint's address, when requests are answered. AWS settings are
    removed from this process's environment: no real key can reach the emulator or its functions. Threads of
    the control plane may still run on return: end the process with ``leave``.

    Raises ``MissingExtraError`` and ``PortInUseError``.
    """
    from lookout.cloud.emulator.server import run  # it imports the control plane

    run(config, on_ready)


def sweep() -> None:
    """Remove what emulators that were killed left behind: control groups and folders. ``serve`` does so too."""
    from lookout.cloud.emulator.limits import choose_limiter
    from lookout.cloud.emulator.workspace import sweep_folders

    choose_limiter()  # sweeps the groups
    sweep_folders()
