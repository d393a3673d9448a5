"""Does the emulator give a function its share of CPU? The same network at two memory sizes, in one run.

    .venv/bin/python benchmarks/cpu_share.py --cfg yolov3-tiny.cfg --images photos/

The weights are made up (seeded), since only the arithmetic counts. Lambda's share is memory / 1769 MB of a core, so the
duration at 512 MB should be about three times that at 1769 MB. Prints one line a memory size, then the ratio.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.darknet_weights import make_weights

MEMORY_MB = (512, 1769)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cfg", type=Path, required=True, help="a Darknet cfg; its weights are made")
    parser.add_argument("--images", required=True, help="a folder of images")
    parser.add_argument("--engine", default="onnxruntime")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cfg = Path(folder) / arguments.cfg.name
        cfg.write_text(arguments.cfg.read_text())
        cfg.with_suffix(".weights").write_bytes(make_weights(cfg.read_text()))
        rows = {memory: measure(cfg, arguments.images, arguments.engine, memory) for memory in MEMORY_MB}
    for memory, row in rows.items():
        print(f"{arguments.engine}, {memory} MB: duration {row['mean']:.1f} ms (SD {row['sd']:.1f}, n {row['n']})")
    first, second = (rows[memory]["mean"] for memory in MEMORY_MB)
    print(f"ratio of the means: {first / second:.2f} (of the CPU shares: {MEMORY_MB[1] / MEMORY_MB[0]:.2f})")


def measure(cfg: Path, images: str, engine: str, memory_mb: int) -> dict[str, float]:
    """The row ``Remote execution, Duration`` at a memory size."""
    command = [sys.executable, "-m", "lookout", "compare", images, "--model", str(cfg), "--executions", "remote"]
    options = ["--engine", engine, "--memory", str(memory_mb), "--out", str(cfg.parent / str(memory_mb)), "--json"]
    answer = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True)
    rows = json.loads(answer.stdout)["rows"]
    return next(row for row in rows if (row["task"], row["metric"]) == ("Remote execution", "Duration"))


if __name__ == "__main__":
    main()
