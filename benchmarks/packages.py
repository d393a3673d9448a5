"""How large a function's zip is, how long it takes to build, and how fast a function starts from it.

    .venv/bin/python benchmarks/packages.py --model ../shared/models/yolo-fastest-1.1-xl.cfg

Two tables. *Sizes*: zips for Lambda, of every engine and architecture; the build's time is that with all wheels in the
cache. *Starts*: zips for this Python, as functions in the emulator's host that find nothing else; the init duration,
which has no CPU limit, with the zip's bytecode and without it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.tiny import make_model, make_picture
from lookout.cloud.emulator.function import FunctionConfig
from lookout.cloud.emulator.host import FunctionHost
from lookout.cloud.emulator.limits import choose_limiter
from lookout.cloud.emulator.packages import ISOLATED, Packages
from lookout.cloud.packages import ARCHITECTURES, Recipe, ZipPackage, build_zip, deployable_python, running_recipe
from lookout.engines import NAMES as ENGINES
from lookout.errors import PackageError, UsageError
from lookout.executions.contract import request_document
from lookout.models.store import load_model

_MIB = 1 << 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="by default a tiny one, so that the sizes are those of the code")
    parser.add_argument("--engines", nargs="+", default=ENGINES)
    parser.add_argument("--architectures", nargs="+", default=ARCHITECTURES)
    parser.add_argument("--python", default=deployable_python(), help="of the zips for Lambda")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--memory", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = load_model(arguments.model or make_model(folder / "model")).folder
        print(
            "| engine | architecture | zip (MB) | unpacked (MB) | build (s) | SHA-256 |\n|---|---|---:|---:|---:|---|"
        )
        for engine in arguments.engines:
            for architecture in arguments.architectures:
                print(f"| {engine} | {architecture} | {size(model, engine, architecture, arguments.python, folder)} |")
        print("\n| engine | init with bytecode (ms) | without (ms) |\n|---|---:|---:|")
        for engine in arguments.engines:
            print(f"| {engine} | {starts(model, engine, folder, arguments.starts, arguments.memory)} |", flush=True)


def size(model: Path, engine: str, architecture: str, python: str, folder: Path) -> str:
    """A row's end: sizes, time and digest, or what is in the way."""
    try:
        recipe = Recipe(model, engine, architecture, python)
        build_zip(recipe, folder, _tell)  # which fetches what is missing
        start = time.perf_counter()
        built = build_zip(recipe, folder, _tell)
        elapsed_s = time.perf_counter() - start
    except (PackageError, UsageError) as error:
        return str(error)
    return (
        f"{built.size_bytes / _MIB:.0f} | {built.unpacked_bytes / _MIB:.0f} | {elapsed_s:.1f} | {built.sha256[:12]} ..."
    )


def starts(model: Path, engine: str, folder: Path, count: int, memory_mb: int) -> str:
    """A row's end: the median init durations, or what is in the way."""
    try:
        built = build_zip(running_recipe(model, engine), folder, _tell)
    except (PackageError, UsageError) as error:
        return str(error)
    with_bytecode, without = unpacked(built, folder / f"{engine}-with"), unpacked(built, folder / f"{engine}-without")
    for file in without.rglob("*.pyc"):
        file.unlink()
    medians = [
        statistics.median(inits(task_root, engine, folder, count, memory_mb)) for task_root in (with_bytecode, without)
    ]
    return " | ".join(f"{median:.0f}" for median in medians)


def unpacked(package: ZipPackage, folder: Path) -> Path:
    """The zip's files."""
    with zipfile.ZipFile(package.path) as archive:
        archive.extractall(folder)
    return folder


def inits(task_root: Path, engine: str, folder: Path, count: int, memory_mb: int) -> Iterator[float]:
    """Init durations of cold starts, in milliseconds; before them one that brings the files into memory."""
    clients = folder / "clients"
    clients.mkdir(exist_ok=True)
    function = FunctionConfig(
        name="packages",
        arn="arn:aws:lambda:us-east-1:000000000000:function:packages",
        handler="lookout.apps.handler.handle",
        memory_mb=memory_mb,
        timeout_s=60,
        environment={
            "LOOKOUT_MODEL": "model",
            "LOOKOUT_ENGINE": engine,
            "LOOKOUT_CONFIDENCE": "0.25",
            "LOOKOUT_IOU": "0.45",
            "LOOKOUT_TABLE": "table",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_MMAP_THRESHOLD_": "1048576",
            "PYTHONDONTWRITEBYTECODE": "1",  # which nobody can under Lambda's /var/task
        },
        task_root=task_root,
        python=sys.executable,
        region="us-east-1",
        endpoint="http://127.0.0.1:9",  # which nobody asks
        client_folder=Packages(clients).client_folder({}, {ISOLATED: "1"}),
    )
    payload = json.dumps(request_document("7", make_picture(1))).encode()
    for number in range(count + 1):
        host = FunctionHost(choose_limiter())
        try:
            answer = host.invoke(function, payload, f"request-{number}")
        finally:
            host.close()
        if answer.error or answer.init_ms is None:
            raise SystemExit("\n".join(answer.log_lines))
        if number:
            yield answer.init_ms


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
