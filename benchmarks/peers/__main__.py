"""The command line: ``python -m peers measure`` and ``python -m peers page``, in ``benchmarks/``."""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from peers import inputs
from peers.contenders import everyone
from peers.environments import ROOT, python_of
from peers.results import RESULTS, Recorder, folder_of_today, newest
from peers.rounds import Condition, measure

_MAIN_MODEL = "Yolo-Fastest-1.1-xl"
_SEED = 20261125


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
    parts = arguments.only or list(PARTS)
    folder = folder_of_today(arguments.results)
    with tempfile.TemporaryDirectory() as work:
        for part in parts:
            begun_s = time.monotonic()
            with Recorder(folder, part) as recorder:
                PARTS[part](arguments, Path(work), recorder)
            tell(f"{part}: {(time.monotonic() - begun_s) / 60:.1f} min, in {folder}")


def add_measure(parser: argparse.ArgumentParser) -> None:
    """What can be said of a measurement."""
    parser.add_argument("--only", nargs="*", choices=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared", help="holds coco/ and models/")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    parser.add_argument("--models", nargs="*", default=list(inputs.MODELS), help="names, or files of networks")
    parser.add_argument("--contenders", nargs="*", help="names: lookout, reference, LitServe, ...")
    parser.add_argument("--images", type=int, default=64, help="how many photographs (64)")
    parser.add_argument("--large", type=int, default=8, help="how many of them enlarged to 12 MP as well (8)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (7); fewer where a round is long")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each closed loop of many clients (1.5)")
    parser.add_argument("--seed", type=int, default=_SEED)


def local(arguments: argparse.Namespace, work: Path, recorder: Recorder) -> None:
    """Local execution, each network in turn."""
    paths = sorted((arguments.shared / "coco" / "images").iterdir())[: arguments.images]
    large = inputs.enlarged(paths[: arguments.large], work / "12 MP")
    find_python = functools.cache(lambda name: python_of(name, tell))
    for name in arguments.models:
        network = inputs.network(name, source_of(name, arguments.shared), work)
        taking_part = [
            one
            for one in everyone(network.path)
            if arguments.contenders is None or one.key in arguments.contenders or one.name in arguments.contenders
        ]
        conditions = conditions_of(name, arguments, paths, large)
        measure(network, taking_part, conditions, find_python, work, recorder, arguments.seed, tell)


def conditions_of(
    name: str, arguments: argparse.Namespace, paths: Sequence[Path], large: Sequence[Path]
) -> list[Condition]:
    """All loads for the main network; for others, and for large pictures, one client and eight."""
    rounds, seconds = arguments.rounds, arguments.seconds
    few = max(1, round(rounds * 4 / 7))
    if name in inputs.MODELS and name != _MAIN_MODEL:
        return [Condition("640 x 480", paths, (1, 8), few, seconds)]
    most = Condition("640 x 480", paths, (1, 2, 8, 32), rounds, seconds, (0.5, 0.9), few, 2 * seconds)
    return [most, Condition("12 MP", large, (1, 8), few, 2 * seconds)] if large else [most]


def source_of(name: str, shared: Path) -> Path:
    """A network's file."""
    return shared / "models" / inputs.MODELS[name] if name in inputs.MODELS else Path(name).resolve()


def tell(line: str) -> None:
    """To whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


PARTS: dict[str, Callable[[argparse.Namespace, Path, Recorder], None]] = {"local": local}

if __name__ == "__main__":
    main()
