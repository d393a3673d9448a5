"""Where a function's initialisation goes: what each part of it takes, one after the other, in fresh processes.

    .venv/bin/python benchmarks/initialisation.py --model ../shared/models/cfg/yolov3-tiny.cfg

A network without weights gets some that are made up. All cores are there, as Lambda's initialisation has them, and
there is no emulator in between. In the function itself AWS's clients are made beside the network; here one follows the
other, so that each can be seen. What the published system's function needs at its start is marked.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers import inputs

from lookout.models.store import load_model

REFERENCES = ("Python", "numpy", "OpenCV", "boto3, imported", "AWS's clients")

PROGRAM = """
import sys, time
now, laps = time.time, {}
def lap(name):
    global last
    laps[name], last = now() - last, now()
last = float(sys.argv[1])
lap("Python")
import numpy
lap("numpy")
import cv2
lap("OpenCV")
import onnxruntime
lap("ONNX Runtime")
import lookout.apps.handler as handler
from lookout.detector import open_detector
from lookout.models.model import Model
lap("Lookout")
import boto3
lap("boto3, imported")
handler._clients()
lap("AWS's clients")
detector = open_detector(Model.open(handler.Path(sys.argv[2])), "onnxruntime", threads=1)
lap("the network, opened")
detector.warm_up()
lap("the network, run once")
import json
print(json.dumps(laps))
"""
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "ORT_DISABLE_TELEMETRY": "1",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--starts", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        model = load_model(inputs.network("", arguments.model.resolve(), Path(work)).path)
        start(model.folder)  # which reads files that are not yet in memory
        laps = [start(model.folder) for _ in range(arguments.starts)]
    medians_ms = {part: statistics.median(lap[part] for lap in laps) * 1000 for part in laps[0]}
    print("| part | ms | the reference's, too |\n|---|---:|---|")
    for part, ms in medians_ms.items():
        print(f"| {part} | {ms:.0f} | {'yes' if part in REFERENCES else ''} |")
    reference_ms = sum(medians_ms[part] for part in REFERENCES)
    print(f"| all | {sum(medians_ms.values()):.0f} | {reference_ms:.0f} |")


def start(folder: Path) -> dict[str, float]:
    """Seconds by part, of one start."""
    command = [sys.executable, "-c", PROGRAM, str(time.time()), folder]
    answer = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


if __name__ == "__main__":
    main()
