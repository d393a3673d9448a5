"""``docs/performance.md``, made from results: the same results make the same page.

Why a goal is met or missed is no figure: it is written in the results' ``notes.json``, by a goal's key.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lookout.comparison.statistics import Interval
from peers import results, words
from peers.contenders import settings
from peers.environments import ROOT
from peers.figures import Function, Line, Place, images_per_s, mean_ms, percentile
from peers.goals import NO_PEERS, Run, goals

PAGE = ROOT / "docs" / "performance.md"
NOTES = "notes.json"


def page_of(folder: Path) -> str:
    """The page of a run."""
    run = Run.read(folder)
    lines = results.read(folder, "local-*")
    parts = [
        _head(folder),
        _goals(run, folder),
        *(_load_table(run, network, pictures) for network, pictures in _conditions(run)),
        _remote(run),
        _starts(run),
        _sends(run),
        words.HOW.format(settings=_settings(folder)),
        _contenders(lines),
        _agreement(lines),
    ]
    return "\n".join(part for part in parts if part)


def _head(folder: Path) -> str:
    machine = results.machine(folder)
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if name in _TOLD)
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mb']:,} MB, {machine['system']}"
    told = f"{where}, Python {machine['python']}, {folder.name[:10]}"
    return words.HEAD.format(folder=folder.name, machine=told, commit=machine["commit"], packages=packages)


_TOLD = ("numpy", "opencv-python-headless", "onnxruntime")


def _goals(run: Run, folder: Path) -> str:
    notes = json.loads((folder / NOTES).read_text()) if (folder / NOTES).is_file() else {}
    rows = []
    for goal in goals():
        found, verdict = goal.judge(run)
        measured = _interval(found, goal.unit)
        rows.append(
            [goal.what, goal.wanted(goal.bound), goal.wanted(goal.stretch), *measured, verdict, notes.get(goal.key, "")]
        )
    heads = ["what", "goal", "stretch", "measured", "95 % interval", "", "what limits it"]
    return "\n".join(["## Goals", *_table(heads, rows, numbers=5), ""])


def _interval(found: Interval | None, unit: str) -> tuple[str, str]:
    if found is None:
        return "", ""
    spread = "" if found.low == found.high else f"{found.low:.2f} to {found.high:.2f}"
    return f"{found.value:.2f}{unit}", spread


def _conditions(run: Run) -> Iterable[tuple[str, str]]:
    return dict.fromkeys((place.network, place.pictures) for place in run.turns.places())


def _load_table(run: Run, network: str, pictures: str) -> str:
    loads = [place.load for place in run.turns.places() if (place.network, place.pictures) == (network, pictures)]
    loads = sorted(dict.fromkeys(loads), key=lambda load: ("capacity" in load, int(load.split()[0].rstrip("%"))))
    heads = ["contender"]
    for load in loads:
        heads += _heads_of(load)
    rows = [
        [name, *(cell for load in loads for cell in _cells(run, Place(network, pictures, load), keys))]
        for name, keys in _names(run, network, pictures).items()
    ]
    told = [words.LOADS, f"{_client_cpu(run, network, pictures)} {_others(run, network, pictures)}".strip()]
    return "\n".join([f"## Local execution: {network}, {pictures}", *_table(heads, rows), "", *told, ""])


def _heads_of(load: str) -> list[str]:
    if "capacity" in load:
        return [f"{load}: median", "p99"]
    return [f"{load}: mean (ms)"] if load == "1 client" else [f"{load} (/s)", "p99 (ms)"]


def _names(run: Run, network: str, pictures: str) -> dict[str, list[str]]:
    """The rows: a contender's name, and the keys of its settings; those without one first."""
    keys = run.turns.contenders(Place(network, pictures, "1 client"))
    rows: dict[str, list[str]] = {key: [key] for key in NO_PEERS if key in keys}
    for key in keys:
        if key not in NO_PEERS:
            rows.setdefault(key.partition(",")[0], []).append(key)
    return rows


def _cells(run: Run, place: Place, keys: Sequence[str]) -> list[str]:
    """A contender's figures under a load, in its better setting."""
    turns = run.turns
    if "capacity" in place.load:
        best = turns.best(place, keys, lambda turn: percentile(turn["ms"], 50), least=True)
        return ["", ""] if best is None else _quantiles(turns.pooled_ms(place, best), best)
    if place.load == "1 client":
        best = turns.best(place, keys, mean_ms, least=True)
        return [""] if best is None else [f"{turns.median(place, best, mean_ms):.1f}{_mark(best)}"]
    best = turns.best(place, keys, images_per_s, least=False)
    if best is None:
        return ["", ""]
    tail = f"{percentile(turns.pooled_ms(place, best), 99):.0f}"
    return [f"{turns.median(place, best, images_per_s):.1f}{_mark(best)}", tail]


def _quantiles(values: Sequence[float], key: str) -> list[str]:
    if not values:
        return ["", ""]
    return [f"{percentile(values, 50):.1f}{_mark(key)}", f"{percentile(values, 99):.0f}"]


def _mark(key: str) -> str:
    return {" wide": " w", " narrow": " n"}.get(key.partition(",")[2], "")


def _others(run: Run, network: str, pictures: str) -> str:
    """Whether the machine was quiet."""
    places = [place for place in run.turns.places() if (place.network, place.pictures) == (network, pictures)]
    turns = [turn for place in places for one in run.turns.contenders(place) for turn in run.turns.of(place, one)]
    shares = [100 * turn["others"] for turn in turns if "others" in turn]
    if not shares:
        return "What others on the machine took was not measured."
    return f"Others on the machine took {statistics.median(shares):.0f} % of a core, {max(shares):.0f} % at the worst."


def _client_cpu(run: Run, network: str, pictures: str) -> str:
    place = Place(network, pictures, "8 clients")
    told = []
    for contender in ("lookout", "reference"):
        turns = run.turns.of(place, contender)
        if turns:
            images = sum(len(turn["ms"]) for turn in turns)
            told.append(f"{1000 * sum(turn['client_cpu_s'] for turn in turns) / images:.2f} ms ({contender})")
    return f"The client's own CPU time an image, eight clients: {', '.join(told)}." if told else ""


def _remote(run: Run) -> str:
    functions = run.invocations.functions()
    if not functions:
        return ""
    rows = [
        [f"{function.network}, {function.memory_mb} MB", contender, *_invocation_cells(run, function, contender)]
        for function in functions
        for contender in ("reference", "lookout, remote", "lookout, direct")
    ]
    heads = ["function", "", "warm (ms)", "/ reference's", "cold (ms)", "init (ms)", "memory (MB)", "around (ms)"]
    return "\n".join(["## Remote execution, emulated", *_table(heads, rows, numbers=6, texts=2), "", words.REMOTE, ""])


def _invocation_cells(run: Run, function: Function, contender: str) -> Iterator[str]:
    warm = run.invocations.of(function, contender, cold=False)
    cold = run.invocations.of(function, contender, cold=True)
    yield _median(line["duration_ms"] for line in warm)
    ratio = run.invocations.ratio(function, contender, "reference", "duration_ms")
    yield "" if ratio is None else f"{ratio.value:.3f}"
    yield _median(line["duration_ms"] for line in cold)
    yield _median(line["init_ms"] for line in cold)
    yield str(max((line["used_mb"] for line in [*warm, *cold]), default=""))
    around = [line["elapsed_ms"] - line["duration_ms"] for line in warm if line["elapsed_ms"] is not None]
    yield _median(around, 1)


def _median(values: Iterable[float], digits: int = 0) -> str:
    known = list(values)
    return f"{statistics.median(known):.{digits}f}" if known else ""


def _starts(run: Run) -> str:
    names = dict.fromkeys(line["contender"] for line in run.starts)
    rows = []
    for name in sorted(names):
        seconds = [line["seconds"] for line in run.starts if line["contender"] == name]
        rows.append([name, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f} to {max(seconds):.2f}"])
    heads = ["contender", "first image answered (s)", "range"]
    return "\n".join(["## Ready after start", *_table(heads, rows), ""]) if rows else ""


def _sends(run: Run) -> str:
    rows = [[f"{line['files']:,}", f"{line['ms']:.3f}", f"{line['peak_mb']:.1f}"] for line in run.sends]
    heads = ["files", "an image (ms)", "peak memory (MB)"]
    title = "## `lookout send`: many files and few, small pictures and a tiny network"
    return "\n".join([title, *_table(heads, rows), ""]) if rows else ""


def _settings(folder: Path) -> str:
    cores = results.machine(folder)["cores"]
    wide, narrow = settings(cores)
    one = f"{wide.workers} copy of the detector on {wide.threads} threads"
    return f"*wide*, {one}, and *narrow*, {narrow.workers} copies on {narrow.threads} each"


def _contenders(lines: Sequence[Line]) -> str:
    known = {line["contender"].partition(",")[0]: line for line in lines if line["what"] == "contender"}
    memory = {line["contender"]: line["mb"] for line in lines if line["what"] == "memory"}
    idle = {name: share for line in lines if line["what"] == "idle" for name, share in line.items()}
    rows = [
        [
            name,
            f"{line['package']} {line['version']}",
            line["licence"],
            _of_settings(memory, name),
            _of_idle(idle, name),
        ]
        for name, line in known.items()
    ]
    heads = ["contender", "version", "licence", "memory after load (MB)", "idle (% of a core)"]
    return "\n".join(["## Contenders", *_table(heads, rows, texts=3), ""]) if rows else ""


def _of_settings(memory: dict[str, float], name: str) -> str:
    return ", ".join(f"{memory[key]:.0f}{_mark(key)}" for key in memory if key.partition(",")[0] == name)


def _of_idle(idle: dict[str, float], name: str) -> str:
    return ", ".join(f"{100 * idle[key]:.1f}{_mark(key)}" for key in idle if key.partition(",")[0] == name)


def _agreement(lines: Sequence[Line]) -> str:
    found = [line for line in lines if line["what"] == "agreement"]
    rows = [
        [
            line["network"],
            line["pictures"],
            line["contender"],
            f"{line['agree']} of {line['images']}",
            f"{line['worst']:.4f}",
        ]
        for line in found
        if line["contender"] == "reference" or line["agree"] < line["images"]
    ]
    heads = ["network", "pictures", "contender", "images with the same objects", "largest difference of confidence"]
    return "\n".join(["## The same answer", *_table(heads, rows, texts=3), "", words.SAME, ""]) if found else ""


def _table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None, texts: int = 1
) -> list[str]:
    """A table of Markdown; the first columns are texts, so many that follow are numbers."""
    rights = len(heads) - texts if numbers is None else numbers
    lines = ["---"] * texts + ["---:"] * rights
    lines += ["---"] * (len(heads) - len(lines))
    return [_row(heads), "|" + "|".join(lines[: len(heads)]) + "|", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
