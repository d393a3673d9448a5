"""The limit: the detector in a loop, or the network alone, with nothing around it.

Told a plan as ``client`` is: ``order`` names images by number, ``clients`` is how many loops run beside each other,
and what comes out has the same form. One loop may use all cores for an image; each of several has one core, since two
cores finish two images sooner side by side.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
from client import Work, serve

from lookout import images
from lookout.core.framing import Frame
from lookout.detector import Detector
from lookout.engines import available_cores
from lookout.loading import load


def main() -> None:
    """Read a plan, and print what came of it."""
    plan = json.load(sys.stdin)
    loops = min(plan["clients"], available_cores())
    threads = available_cores() if loops == 1 else 1
    cv2.setNumThreads(threads)
    detector = load(plan["model"], threads=threads)
    detector.warm_up()
    pictures = [Path(path).read_bytes() for path in plan["requests"]]
    do = detecting(detector, pictures) if plan["what"] == "detector" else inferring(detector, pictures)
    json.dump(run(plan, loops, do), sys.stdout)


def detecting(detector: Detector, pictures: list[bytes]) -> Callable[[int], bytes]:
    """What detects in the picture of a number."""
    return lambda number: json.dumps(detector.detect(pictures[number]).to_json()).encode()


def inferring(detector: Detector, pictures: list[bytes]) -> Callable[[int], bytes]:
    """What runs the network on the picture of a number, which is decoded and framed beforehand."""

    def blob(data: bytes) -> images.ImageArray:
        wanted = detector.model.input_format
        decoded = images.decode(data, input_format=wanted)
        return images.fill(decoded.pixels_bgr, Frame.of(decoded.size_wh, wanted), wanted)

    blobs = [blob(data) for data in pictures]

    def infer(number: int) -> bytes:
        detector.engine.infer(blobs[number])
        return b"{}"

    return infer


def run(plan: dict, loops: int, do: Callable[[int], bytes]) -> dict:
    """Carry the plan out."""
    work = Work(plan["order"], plan.get("seconds"), None)
    ready = threading.Barrier(loops, action=work.start)
    arguments = work, lambda: do(0), do, ready
    threads = [threading.Thread(target=serve, args=arguments, kwargs={"is_open": False}) for _ in range(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if work.failure:
        raise work.failure
    return {"samples": work.samples, "refused": 0, "cpu_s": 0.0, "answers": work.answers}


if __name__ == "__main__":
    main()
