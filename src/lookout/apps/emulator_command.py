"""``lookout emulator``: the cloud on this machine, before one's eyes or in the background."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lookout.apps import console, options
from lookout.errors import CloudError, UsageError

if TYPE_CHECKING:
    from lookout.cloud.emulator import EmulatorConfig


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4566, show_default=True, help="0 takes a free one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder that keeps buckets, tables, stacks and events over a restart.  [default: all is forgotten]",
)
@click.option(
    "--memory-cpu",
    type=click.Choice(["lambda", "none"]),
    default="lambda",
    show_default=True,
    help="CPU time in proportion to memory, or as much as there is: then durations say nothing of Lambda's.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Invocations at once; beyond it callers are throttled (429), and events wait.",
)
@click.option(
    "--isolate",
    is_flag=True,
    help="Functions see this machine read-only, and no network but the emulator (needs bubblewrap).",
)
@click.option("--detach", is_flag=True, help="Run in the background; end it with --stop.")
@click.option("--stop", is_flag=True, help="End the emulator that has this --data, or listens on this --port.")
@options.as_json
@options.stop_on_eof
@click.option("--sweep", is_flag=True, hidden=True, help="Remove what killed emulators left, and end.")
def emulator(  # noqa: PLR0913 - each option by its name
    port: int,
    *,
    data: Path | None,
    memory_cpu: str,
    concurrency: int,
    isolate: bool,
    detach: bool,
    stop: bool,
    as_json: bool,
    stop_on_eof: bool,
    sweep: bool,
) -> None:
    """Run the embedded cloud on this machine.

    S3, Lambda, DynamoDB and what they need, with no account. It listens on loopback only, and prints the
    variables that point AWS's tools, and Lookout, at it: paste them into another terminal.

    \b
    Example: lookout emulator
             eval "$(lookout emulator --detach --data ~/cloud)"; lookout emulator --stop --data ~/cloud
    """
    from lookout.cloud.emulator import EmulatorConfig, check_system
    from lookout.cloud.emulator import stop as stop_emulator
    from lookout.cloud.emulator import sweep as sweep_up

    check_system()
    console.require("emulator", "the emulator", "ministack", "boto3")
    if sweep:
        sweep_up()
        return
    if stop:
        endpoint = stop_emulator(port, data)
        console.put(json.dumps({"stopped": endpoint}) if as_json else f"The emulator at {endpoint} has ended.")
        return
    config = EmulatorConfig(
        port=port, data=data, cpu_limits=memory_cpu == "lambda", concurrency=concurrency, isolate=isolate
    )
    if detach:
        if stop_on_eof:
            raise UsageError("--detach and --stop-on-eof exclude each other")
        _detach(config, as_json=as_json)
        return
    if stop_on_eof:
        console.stop_on_eof()
    _serve(config, as_json=as_json)


def _serve(config: EmulatorConfig, *, as_json: bool) -> None:
    from lookout.cloud.emulator import leave, serve

    serve(config, lambda url, limiter: _announce(config, url, limiter, as_json=as_json))
    leave()


def _announce(config: EmulatorConfig, url: str, limiter: str, *, as_json: bool, ending: str = "Ctrl-C ends it") -> None:
    """Print what points clients at an emulator, and to people what it is."""
    from lookout.cloud.emulator import environment

    variables = environment(url, config.region)
    if as_json:
        console.put(json.dumps({"url": url, "limiter": limiter, "environment": variables}))
        return
    # Real keys that lie about in the terminal must not go to the emulator.
    console.put("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN")
    for name, value in variables.items():
        console.put(f"export {name}={value}")
    click.echo(f"# the emulator listens at {url}; {ending}", err=True)
    kept = f"is kept in {config.data}" if config.data else "ends with it: --data DIR would keep it"
    click.echo(f"# what it holds {kept}", err=True)
    if config.isolate:
        click.echo("# functions see this machine read-only, and no network but the emulator", err=True)
    if limiter == "none":
        click.echo("# CPU time is not limited: durations say nothing of Lambda's", err=True)
    else:
        click.echo(f"# CPU time and memory are limited by {limiter}", err=True)


def _detach(config: EmulatorConfig, *, as_json: bool) -> None:
    """Start an emulator in the background and wait until it answers. Raises ``CloudError`` where it doesn't."""
    log = _log_file(config)
    command = [sys.executable, "-m", "lookout", "emulator", "--json", "--port", str(config.port)]
    command += ["--memory-cpu", "lambda" if config.cpu_limits else "none", "--concurrency", str(config.concurrency)]
    if config.data is not None:
        command += ["--data", str(config.data.absolute())]
    if config.isolate:
        command.append("--isolate")
    with log.open("ab") as errors:
        began = errors.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    with process.stdout:
        line = process.stdout.readline()
    if not line:
        process.wait()
        raise CloudError(_last_error(log, began))
    told = json.loads(line)
    ending = f"--stop {_which(config, told['url'])} ends it; its log is {log}"
    _announce(config, told["url"], told["limiter"], as_json=as_json, ending=ending)


def _log_file(config: EmulatorConfig) -> Path:
    """Where an emulator in the background writes what it says. Raises ``UsageError`` where that can't be made."""
    if config.data is not None:
        folder = config.data
    else:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        folder = Path(state) / "lookout"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if config.data is not None:
            return folder / "log"
        descriptor, name = tempfile.mkstemp(".log", "emulator-", folder)
    except OSError as error:
        raise UsageError(f"{folder} can't hold the emulator's log: {error.strerror}") from error
    os.close(descriptor)
    return Path(name)


def _last_error(log: Path, began: int) -> str:
    """What an emulator said that did not come up."""
    said = log.read_bytes()[began:].decode("utf-8", "replace").strip()
    with suppress(IndexError):
        return said.splitlines()[-1].removeprefix("Error: ")
    return f"the emulator did not start, and {log} does not say why"


def _which(config: EmulatorConfig, url: str) -> str:
    return f"--data {config.data}" if config.data else f"--port {url.rpartition(':')[2]}"
