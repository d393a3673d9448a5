"""One comparison, from nothing to its samples: starts what is not running, measures, and stops what it started."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from lookout.cloud.reports import Invocation
from lookout.comparison.bench import Bench, Subject
from lookout.comparison.coco import Annotations
from lookout.comparison.conditions import Condition, Measure
from lookout.comparison.function_memory import MB_PER_VCPU
from lookout.comparison.machine import describe_machine
from lookout.comparison.results import (
    SAMPLES_FILE,
    AveragePrecision,
    Point,
    ResultsLog,
    Run,
    check_folder,
    read_runs,
    with_invocation,
)
from lookout.comparison.samples import OFFLOADED, Sample
from lookout.comparison.thumbnails import keep, telling
from lookout.engines import available_cores
from lookout.errors import CloudError, ExecutionError, UsageError

ENVIRONMENT_FILE = "environment.json"
_MOST_OBJECTS = 100  # of an image count, as COCO has it

Notify = Callable[[str | Sample], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, on which images. ``plan`` is given what measures a condition, and asks it for all it wants.

    ``annotations`` say what is to be found in the images. ``asked``: what else was asked for, which a report of the run
    needs to know; plain values.
    """

    paths: tuple[Path, ...]
    subject: Subject
    plan: Callable[[Measure], object]
    annotations: Annotations | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)


def compare(comparison: Comparison, folder: Path, notify: Notify) -> Run:
    """Measure; what is measured is appended to the samples in a folder, sample by sample.

    ``notify`` is told each step in words, then each sample as it comes. Raises ``LookoutError`` where
    something could not be started, or stopped answering; what was measured by then is in the file.
    """
    samples_path = folder / SAMPLES_FILE
    check_folder(folder)
    with Bench(comparison.subject, notify) as bench:
        cloud, started = bench.cloud, time.time()
        environment = {
            "emulated": cloud is not None and cloud.emulated,
            "machine": describe_machine(),
            "cloud": cloud.description if cloud else None,
        }
        run = {**_description(comparison), **environment}
        with ResultsLog(samples_path, run, started) as log:
            _write_environment(folder / ENVIRONMENT_FILE, {"run": log.run, "started": started, **run})

            first: Point | None = None

            def measure(condition: Condition) -> Point:
                nonlocal first
                point = _measure(bench, condition, _chosen(comparison.paths, condition), log, notify)
                if first is None:
                    first = point
                    _look_closer(comparison, point, folder, log)
                return point

            comparison.plan(measure)
            log.end()
    return next(run for run in read_runs([samples_path]) if run.id == log.run)


def _measure(bench: Bench, condition: Condition, paths: Sequence[Path], log: ResultsLog, notify: Notify) -> Point:
    samples: list[Sample] = []
    with bench.executions(condition) as executions:
        notify(f"measuring {condition.described()}")
        point = log.begin(condition)
        since, patience_s = time.time(), 2.0  # of who interrupts, little
        try:
            for sample in condition.load.samples(executions, paths):
                log.add_sample(point, sample)
                samples.append(sample)
                notify(sample)
            patience_s = 60.0
        finally:
            invocations = _invocations(bench, samples, since, patience_s, log)
            samples = [with_invocation(sample, invocations) for sample in samples]
            for sample in samples:
                log.add_invocation(point, sample)
    peaks_mb = bench.peaks_mb(condition.executions)
    for execution, peak_mb in peaks_mb.items():
        log.add_peak(point, execution, peak_mb)
    return Point(point, condition, tuple(samples), peaks_mb)


def _look_closer(comparison: Comparison, point: Point, folder: Path, log: ResultsLog) -> None:
    """Keep some pictures of a point, and say how well each execution detects where that can be said."""
    for picture in keep(telling(point.samples), folder, log.run):
        log.add_picture(picture)
    if comparison.annotations is None:
        return
    # Needs a package that a comparison without it does not.
    from lookout.comparison.accuracy import judge

    annotations = comparison.annotations
    known = {str(path): annotations.image_id(path) for path in comparison.paths}
    image_ids = {path: image_id for path, image_id in known.items() if image_id is not None}
    category_ids = annotations.category_ids(comparison.subject.model.labels)
    for execution in point.condition.executions:
        samples = [s for s in point.of(execution) if not s.warm_up and s.image in image_ids]
        accuracy = judge(annotations, image_ids, category_ids, samples, _MOST_OBJECTS)
        found = accuracy.precision
        log.add_precision(AveragePrecision(execution, found.ap, found.ap50, accuracy.images))


def _invocations(
    bench: Bench, samples: Sequence[Sample], since: float, patience_s: float, log: ResultsLog
) -> dict[str, Invocation]:
    """What Lambda reported; where that can't be had, the samples are kept, and counted as unreported."""
    request_ids = [sample.answer.request_id for sample in samples if sample.answer and sample.answer.request_id]
    if not bench.cloud or not request_ids:
        return {}
    try:
        return bench.cloud.invocations(request_ids, since, patience_s)
    except (CloudError, ExecutionError) as error:
        log.warn(str(error))
        return {}


def _chosen(paths: Sequence[Path], condition: Condition) -> Sequence[Path]:
    """So many of the images as the condition wants, by its seed; again and again, where there are not so many."""
    if condition.images is None:
        return paths
    order = random.Random(condition.load.seed).sample(paths, len(paths))  # noqa: S311  no secret
    return list(islice(cycle(order), condition.images))


def _description(comparison: Comparison) -> dict[str, Any]:
    subject = comparison.subject
    return {
        "model": subject.model.name,
        "model_digest": subject.model.digest,
        "engine": subject.engine,
        "threads": _threads(subject),
        "confidence": subject.confidence,
        "iou": subject.iou,
        "executions": list(subject.executions),
        "images": len(comparison.paths),
        "asked": dict(comparison.asked),
    }


def _threads(subject: Subject) -> dict[str, int]:
    """How many threads the engine has: here all cores for an image that is alone, in a function its whole vCPUs."""
    return {
        name: max(1, subject.memory_mb // MB_PER_VCPU) if name in OFFLOADED else available_cores()
        for name in subject.executions
    }


def _write_environment(path: Path, document: dict[str, Any]) -> None:
    """What a run was measured on, for people; its run's line has the same."""
    try:
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}): name another folder with --out") from error
