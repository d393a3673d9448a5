"""What shows on standard error that a long command gets on: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich import progress
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from lookout.apps.console import printable

if TYPE_CHECKING:
    from lookout.comparison.samples import Sample
    from lookout.models.download import Received


class Progress:
    """How far a long command is: a bar on a terminal, a line a step elsewhere; always on standard error.

    ``total`` is None where nobody knows. A bar that is not ``shown`` leaves the terminal to what else is written there.
    """

    def __init__(self, total: int | None, *, shown: bool = True) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._console = Console(stderr=True)
        self._shown = shown and self._console.is_terminal
        self._bar = progress.Progress(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("starting", total=total)

    def notify(self, news: str | Sample) -> None:
        """Take a step in words, or a sample."""
        if not isinstance(news, str):
            self.advance(f"{news.execution} {Path(news.image).name}")
        elif self._shown:
            self._bar.update(self._task, description=news)
        else:
            click.echo(f"{news} ...", err=True)

    def advance(self, description: str) -> None:
        """One is done."""
        self._bar.update(self._task, advance=1, description=printable(description))

    def __enter__(self) -> Self:
        if self._shown:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.stop()


class Downloads:
    """What is being fetched: on a terminal a bar, elsewhere lines; on standard error, and only where there is news."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        self._console = Console(stderr=True)
        self._bar = progress.Progress(*columns, console=self._console, transient=True)
        self._tasks: dict[str, progress.TaskID] = {}

    def notify(self, news: str | Received) -> None:
        """Take news in words, or how much of a file is here."""
        if isinstance(news, str):
            self._console.print(news, markup=False, highlight=False, soft_wrap=True)
        elif self._console.is_terminal:
            if news.file.name not in self._tasks:
                self._bar.start()
                self._tasks[news.file.name] = self._bar.add_task(news.file.name, total=news.file.size)
            self._bar.update(self._tasks[news.file.name], completed=news.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tasks:
            self._bar.stop()
