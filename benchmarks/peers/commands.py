"""Lookout's own commands: how soon servers are ready, and whether ``lookout send`` minds how many files there are."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from helpers.program import Program
from helpers.tiny import make_model, make_picture
from lookout.comparison.machine import peak_memory_mb
from peers.contenders import Contender
from peers.inputs import Network
from peers.results import Recorder
from peers.rounds import serving

_PICTURES = 50
_LOOK_EVERY = 100
_CONCURRENCY = 4


def starts(
    network: Network,
    contenders: Sequence[Contender],
    python_of: Callable[[str], Path],
    first: bytes,
    work: Path,
    rounds: int,
    recorder: Recorder,
    seed: int,
) -> None:
    """Each contender started, until it answered its first image, and ended again; in turns."""
    chance = random.Random(seed)  # noqa: S311  no secret
    taking_part = [one for one in contenders if one.server is None]
    for number in range(rounds):
        for one in chance.sample(taking_part, len(taking_part)):
            with serving(network, one, python_of, first, work) as server:
                ready_s = round(server.ready_s, 4)
                recorder.write(what="start", network=network.name, contender=one.key, round=number, seconds=ready_s)


def sends(counts: Sequence[int], work: Path, recorder: Recorder, tell: Callable[[str], None]) -> None:
    """``lookout send`` of folders with so many files, to a server with a tiny network.

    ``counts``, in the order in which they are sent: many files take long, few go before them and after.
    """
    folders = {count: folder_of(count, work / f"{count} files") for count in sorted(set(counts))}
    serve = ["serve", "--model", str(make_model(work / "tiny")), "--port", "0", "--json", "--log-level", "error"]
    with Program(*serve, stderr=work / "server.log") as server:
        url = server.ready()["url"]
        for count in counts:
            found = send(folders[count], url)
            recorder.write(what="send", files=count, **found)
            tell(f"{count:,} files: {found}")


def folder_of(count: int, folder: Path) -> Path:
    """A folder of so many small pictures; many are the same file by another name."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < _PICTURES:
            path.write_bytes(make_picture(number))
        else:
            os.link(folder / f"{number % _PICTURES:06}.jpg", path)
    return folder


def send(folder: Path, url: str) -> dict[str, float]:
    """``ms`` an image, from the first answer to the last, and the client's ``peak_mb``.

    Its start is no part of that: it takes as long for one file. Raises ``subprocess.CalledProcessError``.
    """
    command = [sys.executable, "-m", "lookout", "send", str(folder), "--to", url, "--json"]
    command += ["--concurrency", str(_CONCURRENCY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        answers, first_s, last_s, peak_mb = 0, 0.0, 0.0, 0.0
        for line in process.stdout or ():
            if line.startswith(b'{"summary"'):
                continue
            last_s = time.perf_counter()
            first_s = first_s or last_s
            answers += 1
            if answers % _LOOK_EVERY == 0:
                peak_mb = max(peak_mb, peak_memory_mb(process.pid) or 0.0)
    if process.returncode or answers < 2:
        raise subprocess.CalledProcessError(process.returncode, command)
    return {"ms": round((last_s - first_s) * 1000 / (answers - 1), 4), "peak_mb": round(peak_mb, 2)}
