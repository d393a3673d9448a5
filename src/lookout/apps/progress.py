"""What shows on standard error that a long command gets on: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
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
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from lookout.apps.console import printable, put

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


class SendProgress:
    """A bar on a terminal: how many images are done, how many a second, the time left, and what failed.

    What is printed meanwhile goes through ``say``, so that it stands above the bar and not in it.
    """

    def __init__(self, total: int) -> None:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("left{task.fields[failed]}", markup=False),
        )
        self._console = Console(stderr=True)
        self._shown = self._console.is_terminal
        self._bar = progress.Progress(*columns, console=self._console, transient=True, redirect_stdout=False)
        self._task = self._bar.add_task("sending", total=total, failed="")

    def advance(self, failed: int) -> None:
        """One more is done; ``failed`` of all that are."""
        self._bar.update(self._task, advance=1, failed=f", {failed:,} failed" if failed else "")

    def say(self, line: str, *, error: bool = False) -> None:
        """A line of results, or of an error. Raises ``OutputError`` as ``console.put`` does."""
        if self._shown and (error or (sys.stdout is not None and sys.stdout.isatty())):
            self._console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
        elif error:
            click.echo(line, err=True)
        else:
            put(line)

    def __enter__(self) -> Self:
        if self._shown:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._bar.stop()


class _RateColumn(ProgressColumn):
    """Images a second, of late."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} images/s" if speed else "- images/s", style="progress.data.speed")


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
