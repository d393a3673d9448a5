"""``lookout evaluate``: how well a model finds what people marked, and how quickly."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, opening, options, tables
from lookout.apps.progress import Progress
from lookout.errors import ImageError, NoImagesError, UsageError

if TYPE_CHECKING:
    from lookout.apps.streams import Stream
    from lookout.comparison.accuracy import Accuracy
    from lookout.comparison.coco import Annotations
    from lookout.comparison.samples import Sample
    from lookout.detector import Detector

# As COCO's benchmark has them: everything that may be an object, and a hundred of them.
CONFIDENCE = 0.001
MAX_DETECTIONS = 100


@click.command()
@click.option("--images", "folder", required=True, type=click.Path(path_type=Path), help="The folder of images.")
@click.option("--annotations", required=True, type=click.Path(path_type=Path), help="COCO's file of what is in them.")
@options.model
@options.engine
@options.threads
@options.confidence_over(CONFIDENCE)
@options.iou
@options.classes
@options.at_most(MAX_DETECTIONS)
@click.option("--subset", is_flag=True, help="Evaluate the images that are there, where the file names more.")
@click.option("--out", "--output", type=click.Path(path_type=Path), help="A file for the results, in COCO's form.")
@options.as_json
def evaluate(
    folder: Path, annotations: Path, out: Path | None, *, subset: bool, as_json: bool, **settings: Any
) -> None:
    """Measure a model's accuracy, and its speed, on annotated images.

    Accuracy is COCO's average precision (AP) over IoUs from 0.50 to 0.95, from 0 to 1, of at most
    --max-detections objects an image (COCO's benchmark has 100). Labels and categories are matched by
    name, also by Darknet's names of COCO's categories. Categories that the model has no label for, or that
    --classes leaves out, are left out of the average, and named. An image that can't be read counts as one in
    which nothing was found, is told on standard error, and makes the exit status 1.

    A box counts as every class that scores over --confidence, not only as its best (as in the evaluations of
    Darknet and its successors). So low a confidence also makes the stage postprocess longer than in lookout detect.

    \b
    Example: lookout evaluate --images val2017/ --annotations instances_val2017.json --model yolov3-tiny.cfg
    """
    console.require("evaluate", "lookout evaluate", "faster_coco_eval")
    from lookout.comparison.coco import Annotations

    console.end_with_signal()
    truth = Annotations.read(annotations)
    image_ids, missing = _located(truth, folder, subset=subset)
    _spare(out, [annotations, *map(Path, image_ids)], folder, settings)
    with ExitStack() as stack:
        results = _opened(stack, out)
        detector = stack.enter_context(closing(opening.load_detector(**settings)))
        category_ids = _category_ids(truth, detector)
        samples = _samples(detector, [Path(name) for name in image_ids])
        _print_failures(samples)
        try:
            accuracy = _judged(truth, image_ids, category_ids, samples, settings["max_detections"])
            names = {"model": detector.model.name, "engine": detector.engine.name}
            if as_json:
                console.put(json.dumps({**accuracy.to_json(), "missing_images": missing, **names}))
            else:
                title = f"{names['model']} on {names['engine']}: {_counts(accuracy)}."
                notes = _notes(accuracy, truth, missing, _spare_images(folder, image_ids))
                console.put("\n".join([_table(accuracy), *map(console.printable, [title, *notes])]))
        finally:  # neither loses the other: the figures are shown by now, or can't be
            if results:
                _write(results, samples, image_ids, category_ids)
    sys.exit(1 if accuracy.failed else 0)


def _spare(out: Path | None, inputs: Sequence[Path], folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse to write over what is read, and over the folder's other images."""
    from lookout.apps import sparing
    from lookout.images import SUFFIXES

    if out is None:
        return
    if out == Path("-"):
        raise UsageError("standard output is for the figures: name a file with --out")
    images = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    sparing.spare(out, chain(inputs, sparing.model_files(settings["model"], settings["labels"]), images))


def _opened(stack: ExitStack, out: Path | None) -> Stream | None:
    """The file of the results; that it can't be made is said before the work, and a half of it doesn't stay."""
    from lookout.apps.streams import Stream

    if out is None:
        return None
    stream = Stream(out, whole=True)
    stack.callback(stream.discard)
    return stream


def _print_failures(samples: Sequence[Sample]) -> None:
    """Raises ``ImageError`` where nothing else is left."""
    for sample in samples:
        if sample.error:
            click.echo(console.failure_line(sample.image, sample.error), err=True)
    if all(sample.error for sample in samples):
        raise ImageError(f"none of the {len(samples)} images could be read")


def _judged(
    truth: Annotations, image_ids: dict[str, int], category_ids: dict[str, int], samples: Sequence[Sample], most: int
) -> Accuracy:
    from lookout.comparison.accuracy import judge

    accuracy = judge(truth, image_ids, category_ids, samples, most)
    if accuracy.precision.ap is None:
        raise UsageError(f"{truth.path} marks no object of the model's classes in these images")
    return accuracy


def _located(truth: Annotations, folder: Path, *, subset: bool) -> tuple[dict[str, int], int]:
    """The images to evaluate with their ids, and how many others are missing.

    Raises ``NoImagesError`` where some are, but for a ``subset``.
    """
    if not folder.is_dir():
        raise NoImagesError(f"{folder} is no folder: name the one that holds the images of {truth.path}")
    found, missing = truth.locate(folder)
    if not found:
        raise NoImagesError(f"{folder} holds none of the {len(missing)} images that {truth.path} names")
    if missing and not subset:
        names = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise NoImagesError(
            f"{folder} lacks {len(missing)} of the {len(missing) + len(found)} images that {truth.path} names "
            f"({names}): add them, or evaluate the others with --subset"
        )
    return {str(path): image_id for path, image_id in found.items()}, len(missing)


def _category_ids(truth: Annotations, detector: Detector) -> dict[str, int]:
    """The categories of the labels that the detector may find."""
    wanted = detector.selection.class_ids
    labels = [label for number, label in enumerate(detector.model.labels) if wanted is None or number in wanted]
    category_ids = truth.category_ids(labels)
    if not category_ids:
        raise UsageError(
            f"none of the model's labels ({', '.join(labels[:3])}, ...) is a category of {truth.path} "
            f"({', '.join(list(truth.categories.values())[:3])}, ...): name the right labels with --labels"
        )
    return category_ids


def _samples(detector: Detector, paths: list[Path]) -> list[Sample]:
    from lookout.comparison.load import closed_loop, in_turns
    from lookout.executions.in_process import InProcessExecution

    detector.selection = dataclasses.replace(detector.selection, every_class=True)
    detector.warm_up()
    samples = []
    with Progress(len(paths)) as progress:
        for sample in closed_loop(in_turns([InProcessExecution(detector)], paths)):
            progress.advance(Path(sample.image).name)
            samples.append(sample)
    return samples


def _write(stream: Stream, samples: Sequence[Sample], image_ids: dict[str, int], category_ids: dict[str, int]) -> None:
    from lookout.comparison.accuracy import result_entries

    stream.write(json.dumps(result_entries(samples, image_ids, category_ids)) + "\n")
    stream.close()


def _spare_images(folder: Path, image_ids: dict[str, int]) -> int:
    """How many images of the folder the annotations don't name."""
    from lookout.images import find

    return len({str(path) for path in find([folder])} - image_ids.keys())


def _table(accuracy: Accuracy) -> str:
    from rich import box
    from rich.table import Table

    table = Table("Metric", box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("Value", justify="right")
    for row in _rows(accuracy):
        table.add_row(*row)
    shown = tables.standard_output()
    with shown.capture() as text:
        tables.print_fitting(shown, [table])
    return text.get().rstrip("\n")


def _rows(accuracy: Accuracy) -> Iterator[tuple[str, str]]:
    precision, times = accuracy.precision, accuracy.milliseconds
    for text, value in (
        ("AP", precision.ap),
        ("AP50", precision.ap50),
        ("AP75", precision.ap75),
        ("AP small", precision.ap_small),
        ("AP medium", precision.ap_medium),
        ("AP large", precision.ap_large),
    ):
        yield text, "-" if value is None else f"{value:.3f}"
    if times:
        yield "ms per image, mean", f"{times.mean:.1f}"
        yield "ms per image, p50", f"{times.p50:.1f}"
    for stage, ms in accuracy.stages_ms.items():
        yield f"  {stage}, mean", f"{ms:.1f}"


def _counts(accuracy: Accuracy) -> str:
    counts = _count(accuracy.images, "image"), _count(accuracy.objects, "object")
    return f"{counts[0]} with {counts[1]} of {_count(accuracy.categories, 'category', 'categories')}"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _notes(accuracy: Accuracy, truth: Annotations, missing: int, spare: int) -> Iterator[str]:
    """What a reader must know to read the figures rightly."""
    if accuracy.unknown:
        names = ", ".join(accuracy.unknown[:5]) + (", ..." if len(accuracy.unknown) > 5 else "")
        count = _count(len(accuracy.unknown), "category", "categories")
        yield f"Left out of the average: {count} that no wanted label names ({names})."
    if accuracy.failed:
        yield f"Counted as images without detections, since they failed: {len(accuracy.failed)}."
    if missing:
        are = "is" if missing == 1 else "are"
        yield f"A subset: {_count(missing, 'image')} that the annotations name {are} not in the folder."
    if spare:
        yield f"Passed over: {_count(spare, 'image')} in the folder that the annotations don't name."
    if truth.strays:
        yield f"Passed over: {_count(truth.strays, 'annotation')} of images that the annotations don't list."
