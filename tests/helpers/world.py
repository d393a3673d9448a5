"""All that executions need, running: an emulator with a stack, and a server that offloads to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.program import Program, run
from helpers.tiny import CONFIDENCE, make_model

THRESHOLD = ("--confidence", str(CONFIDENCE))


@dataclass(frozen=True)
class World:
    """The model's file, the server's address, and the emulator's variables."""

    cfg: Path
    url: str
    variables: dict[str, str]

    @property
    def account(self) -> Any:
        from lookout.cloud.account import account_of_emulator

        return account_of_emulator(self.variables)

    @property
    def deployment(self) -> Any:
        from lookout.cloud.stack import Stack

        return Stack(self.account, "lookout").find()


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """A world of the tiny model, which is written into the folder."""
    cfg = make_model(folder)
    with Program("emulator", "--port", "0", "--json") as emulator:
        variables = emulator.ready()["environment"]
        deployed = run("stack", "up", "--model", str(cfg), "--yes", *THRESHOLD, **variables)
        assert deployed.returncode == 0, deployed.stderr
        serve = ("serve", "--model", str(cfg), "--port", "0", "--json", "--stack", "lookout", "--log-level", "error")
        with Program(*serve, *THRESHOLD, **variables) as server:
            yield World(cfg, server.ready()["url"], variables)
