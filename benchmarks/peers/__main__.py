"""The command line: ``python -m peers measure`` and ``python -m peers page``, in ``benchmarks/``."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from peers import commands, environments, inputs, offloading, rounds
from peers.contenders import Contender, everyone
from peers.environments import ROOT, python_of
from peers.results import RESULTS, Recorder, folder_of_today, newest
from peers.rounds import Condition

_MAIN_MODEL = "Yolo-Fastest-1.1-xl"
_SEED = 20261125
# So many photographs, one after the other, in each turn of a function.
_OFFLOADED = 8
_FILES = [1_000] * 4 + [100_000] + [1_000] * 4


def main() -> None:
    """Measure, or tell."""
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_measure(commands.add_parser("measure", help="measure; all of it, or the parts named"))
    page = commands.add_parser("page", help="write docs/performance.md from results")
    page.add_argument("folder", type=Path, nargs="?", help="the results' folder [default: the newest]")
    arguments = parser.parse_args()
    if arguments.command == "page":
        from peers.page import PAGE, page_of

        PAGE.write_text(page_of(arguments.folder or newest()))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # with the servers that it started
    folder = folder_of_today(arguments.results)
    with tempfile.TemporaryDirectory() as work:
        for part in arguments.only or PARTS:
            begun_s = time.monotonic()
            PARTS[part](arguments, Path(work), folder)
            tell(f"{part}: {(time.monotonic() - begun_s) / 60:.1f} min, in {folder}")


def add_measure(parser: argparse.ArgumentParser) -> None:
    """What can be said of a measurement."""
    parser.add_argument("--only", nargs="*", choices=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--shared",
        type=Path,
        default=os.environ.get("LOOKOUT_SHARED") or ROOT.parent / "shared",
        help="holds coco/ and models/",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    parser.add_argument("--models", nargs="*", default=list(inputs.MODELS), help="names, or files of networks")
    parser.add_argument("--contenders", nargs="*", help="names: lookout, reference, LitServe, ...")
    parser.add_argument("--images", type=int, default=64, help="how many photographs (64)")
    parser.add_argument("--large", type=int, default=8, help="how many of them enlarged to 12 MP as well (8)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5); fewer where a round is long")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each closed loop of many clients (1.5)")
    parser.add_argument("--memory", type=int, nargs="*", default=[512, 1024, 1769], help="MB of functions")
    parser.add_argument("--files", type=int, nargs="*", default=_FILES, help="in folders to be sent")
    parser.add_argument("--seed", type=int, default=_SEED)


def local(arguments: argparse.Namespace, work: Path, folder: Path) -> None:
    """Local execution, each network in turn."""
    paths = sorted((arguments.shared / "coco" / "images").iterdir())[: arguments.images]
    large = inputs.enlarged(paths[: arguments.large], work / "12 MP")
    for name in arguments.models:
        network = inputs.network(name, source_of(name, arguments.shared), work)
        conditions = conditions_of(name, arguments, paths, large)
        with Recorder(folder, f"local-{Path(network.path).stem}") as recorder:
            rounds.measure(
                network, chosen(arguments, network), conditions, finder(), work, recorder, arguments.seed, tell
            )


def remote(arguments: argparse.Namespace, work: Path, folder: Path) -> None:
    """Remote execution in the emulator; the networks that the reference's function reads."""
    paths = sorted((arguments.shared / "coco" / "images").iterdir())[:_OFFLOADED]
    opencv4 = environments.packages_of(python_of("reference", tell))
    for name in arguments.models:
        source = source_of(name, arguments.shared)
        if source.suffix == ".cfg":
            network = inputs.network(name, source, work)
            rounds = max(1, round(arguments.rounds * 3 / 5))
            with Recorder(folder, f"remote-{network.path.stem}") as recorder:
                variables = offloading.reference_variables_of(network, opencv4)
                memory = arguments.memory
                offloading.measure(network, variables, paths, memory, rounds, recorder, arguments.seed, tell)


def start(arguments: argparse.Namespace, work: Path, folder: Path) -> None:
    """How soon each server answers."""
    first = next((arguments.shared / "coco" / "images").iterdir()).read_bytes()
    network = inputs.network(_MAIN_MODEL, source_of(arguments.models[0], arguments.shared), work)
    with Recorder(folder, "start") as recorder:
        # A second copy of the detector tells nothing of a start.
        taking_part = [one for one in chosen(arguments, network) if one.setting is None or one.setting.workers == 1]
        commands.starts(network, taking_part, finder(), first, work, arguments.rounds, recorder, arguments.seed)


def send(arguments: argparse.Namespace, work: Path, folder: Path) -> None:
    """``lookout send`` of few files and of many."""
    with Recorder(folder, "send") as recorder:
        commands.sends(arguments.files, work, recorder, tell)


def conditions_of(
    name: str, arguments: argparse.Namespace, paths: Sequence[Path], large: Sequence[Path]
) -> list[Condition]:
    """All loads for the main network; for others, and for large pictures, one client and eight."""
    most, seconds = arguments.rounds, arguments.seconds
    few = max(1, round(most * 3 / 5))
    if name in inputs.MODELS and name != _MAIN_MODEL:
        return [Condition("640 x 480", paths, (1, 8), few, seconds)]
    all_loads = Condition("640 x 480", paths, (1, 2, 8, 32), most, seconds, (0.5, 0.9), few, 1.5 * seconds)
    return [all_loads, Condition("12 MP", large, (1, 8), few, seconds)] if large else [all_loads]


def chosen(arguments: argparse.Namespace, network: inputs.Network) -> list[Contender]:
    """Who takes part."""
    names = arguments.contenders
    return [one for one in everyone(network.path) if names is None or one.key in names or one.name in names]


def finder() -> Callable[[str], Path]:
    """What gives the Python of an environment, and makes it the first time."""
    return functools.cache(lambda name: python_of(name, tell))


def source_of(name: str, shared: Path) -> Path:
    """A network's file."""
    return shared / "models" / inputs.MODELS[name] if name in inputs.MODELS else Path(name).resolve()


def tell(line: str) -> None:
    """To whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


PARTS: dict[str, Callable[[argparse.Namespace, Path, Path], None]] = {
    "local": local,
    "remote": remote,
    "start": start,
    "send": send,
}

if __name__ == "__main__":
    main()
