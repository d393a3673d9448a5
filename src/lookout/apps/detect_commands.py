"""``lookout detect``: the pictures, the form of the output, and where it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, opening, options
from lookout.apps.progress import Progress
from lookout.errors import UsageError

if TYPE_CHECKING:
    from lookout.apps.pictures import Outcome
    from lookout.apps.writers import Writer

FORMS = ("text", "table", "json", "csv", "coco", "yolo")


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go, and in which form. ``out`` is None for standard output."""

    form: str
    out: Path | None
    save: Path | None
    annotations: Path | None


@click.command(short_help="Detect objects in images or a video.")
@click.argument("images", nargs=-1, metavar="[IMAGES]...")
@click.option("--video", type=click.Path(path_type=Path), help="A video file, instead of images.")
@click.option("--every", type=click.IntRange(min=1), default=1, show_default=True, help="Each n-th frame of the video.")
@options.detection
@click.option("--format", "form", type=click.Choice(FORMS), help="The form of the results.  [default: text]")
@click.option("--out", "--output", type=click.Path(path_type=Path), help="A file for them; a folder for yolo.")
@click.option("--save", type=click.Path(path_type=Path, file_okay=False), help="A folder for pictures with boxes.")
@click.option(
    "--annotations", type=click.Path(path_type=Path), help="COCO's file to take the ids of images and categories from."
)
@options.as_json
def detect(
    images: tuple[str, ...],
    video: Path | None,
    every: int,
    form: str | None,
    *,
    as_json: bool,
    **settings: Any,
) -> None:
    """Detect the objects in images, in this process.

    IMAGES are files, folders (not the folders in them) or quoted patterns ('photos/**/*.jpg'); - is an image on
    standard input. A box is x, y, width and height in pixels, from the top left corner. An image that fails is
    told on standard error, and makes the exit status 1.

    \b
    Forms:  text   a line an image
            table  a line an object, with its box
            json   a JSON object an image, one a line (also --json)
            csv    image,label,confidence,x,y,width,height: a row an object
            coco   COCO's results: [{"image_id", "category_id", "bbox", "score"}, ...]
            yolo   <image>.txt an image, a line an object: class, centre x, centre y, width
                   and height as parts of the image, confidence; and classes.txt

    COCO's image_id is the number that names the image (000000000009.jpg is 9) where all images have one, else
    1, 2, 3 in their order; of a video, the frame. Its category_id is COCO's own where all labels are COCO's, else
    the class, from 1. --annotations takes both from a file. Videos have columns or fields video, frame (from 0)
    and time (in seconds); --save makes an MP4 of one.

    \b
    Example: lookout detect street.jpg --model yolov3-tiny.cfg
             lookout detect photos/ --model yolov3-tiny.cfg --classes person,dog --save out/
             lookout detect photos/ --model yolov3-tiny.cfg --format csv --out found.csv
             lookout detect --video street.mp4 --every 5 --model yolov3-tiny.cfg --json
    """
    target = Target(_form(form, as_json=as_json), *(settings.pop(name) for name in ("out", "save", "annotations")))
    target = _checked(target)
    console.end_with_signal()
    if video is None and not images:
        raise UsageError("name images to look at, or a video with --video")
    if video is not None and images:
        raise UsageError("images are named, and a video with --video: look at the ones, then at the other")
    if "" in images:
        raise UsageError("an image is named by nothing: a variable may be empty")
    if video is None and every != 1:
        raise UsageError("--every is for videos: name one with --video")
    failed = _detect_in_video(video, every, target, settings) if video else _detect_in_images(images, target, settings)
    sys.exit(1 if failed else 0)


def _form(form: str | None, *, as_json: bool) -> str:
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json is --format json, and --format {form} is another: choose one")
    return "json" if as_json else form or "text"


def _checked(target: Target) -> Target:
    out = None if target.out == Path("-") else target.out
    if target.form == "yolo" and out is None:
        raise UsageError("--format yolo writes a file an image: name a folder for them with --out")
    if target.annotations and target.form != "coco":
        raise UsageError("--annotations is for --format coco")
    return Target(target.form, out, target.save, target.annotations)


def _detect_in_images(arguments: Sequence[str], target: Target, settings: dict[str, Any]) -> int:
    """Detect in images and write what is found; how many failed."""
    from lookout.apps import pictures
    from lookout.apps.writers import PictureWriter

    names = pictures.find(arguments)
    _spare(names, target, settings)
    with closing(opening.load_detector(**settings)) as detector, ExitStack() as stack:
        writers = [_kept(stack, _writer(target, detector.model.labels, names))]
        if target.save:
            writers.append(_kept(stack, PictureWriter(target.save)))
        outcomes = pictures.look_at_images(detector, names)
        return _write(outcomes, writers, target, Progress(len(names), shown=_terminal_is_free(target)))


def _detect_in_video(path: Path, every: int, target: Target, settings: dict[str, Any]) -> int:
    """Detect in a video's frames and write what is found; 1 where it breaks off."""
    from lookout.apps import pictures
    from lookout.apps.writers import VideoWriter
    from lookout.video import Video

    _spare([str(path)], target, settings, video=True)
    saved = target.save / f"{path.stem}.mp4" if target.save else None
    if saved and saved.resolve() == path.resolve():
        raise UsageError(f"{target.save} holds the video itself: name another folder with --save")
    with Video(path) as video, closing(opening.load_detector(**settings)) as detector, ExitStack() as stack:
        count = f"{video.frames} frames" if video.frames else "an unknown number of frames"
        size = f"{video.width} x {video.height} pixels, {video.fps:g} a second"
        click.echo(console.printable(f"{path}: {count} of {size}"), err=True)
        writers = [_kept(stack, _writer(target, detector.model.labels, [str(path)], video=True))]
        if saved:
            writers.append(_kept(stack, VideoWriter(saved, video.fps / every)))
        total = -(-video.frames // every) if video.frames else None
        progress = Progress(total, shown=_terminal_is_free(target))
        failed = _write(pictures.look_at_video(detector, video, every), writers, target, progress)
        if not failed and video.frames and video.decoded < video.frames:
            click.echo(f"Note: {video.frames} frames were announced, {video.decoded} could be read", err=True)
        return failed


def _write(outcomes: Iterable[Outcome], writers: Sequence[Writer], target: Target, progress: Progress) -> int:
    """Hand everything to every writer; how many failed."""
    looked_at = found = failed = 0
    with progress:
        for outcome in outcomes:
            if outcome.error:
                click.echo(console.failure_line(outcome.name, outcome.error), err=True)
                failed += 1
            else:
                looked_at += 1
            for writer in writers:
                writer.write(outcome)
            found += len(outcome.objects)
            progress.advance(Path(outcome.name).name)
    for writer in writers:
        writer.close()
    places = [str(place) for place in (target.out, target.save) if place]
    if places:
        text = f"Pictures: {looked_at}, objects: {found}, failed: {failed}; see {' and '.join(places)}"
        click.echo(console.printable(text), err=True)
    return failed


def _kept(stack: ExitStack, writer: Writer) -> Writer:
    """The writer, which will leave nothing half-done behind, however the command ends."""
    stack.callback(writer.discard)
    return writer


def _writer(target: Target, labels: Sequence[str], names: Sequence[str], *, video: bool = False) -> Writer:
    from lookout.apps import writers
    from lookout.apps.streams import Stream

    if target.form == "yolo" and target.out:
        return writers.YoloWriter(target.out, labels)
    if target.form == "coco":
        ids = _coco_ids(target.annotations, labels, names, video=video)
        return writers.CocoWriter(Stream(target.out, whole=True), *ids)
    stream = Stream(target.out)
    match target.form:
        case "table":
            return writers.TableWriter(stream, names, labels, video=video)
        case "json":
            return writers.JsonWriter(stream)
        case "csv":
            return writers.CsvWriter(stream, video=video)
        case _:
            return writers.TextWriter(stream)


def _coco_ids(
    annotations: Path | None, labels: Sequence[str], names: Sequence[str], *, video: bool
) -> tuple[dict[str, int], dict[str, int]]:
    """The ids of the images by name, and of the categories by label."""
    from lookout.comparison.coco import Annotations, default_category_ids, default_image_ids, ids_are_numbers

    paths = [Path(name) for name in names]
    if annotations is None:
        if not video and not ids_are_numbers(paths) and any(path.stem.isdecimal() for path in paths):
            text = "Note: image ids are 1, 2, 3 in order, since not every image has a number of its own for a name"
            click.echo(text, err=True)
        return dict(zip(names, default_image_ids(paths), strict=True)), default_category_ids(labels)
    read = Annotations.read(annotations)
    category_ids = read.category_ids(labels)
    lacking = [label for label in labels if label not in category_ids]
    if lacking:
        text = f"Note: left out, for {annotations} has no such category: {', '.join(lacking)}"
        click.echo(console.printable(text), err=True)
    found = {} if video else {name: read.image_id(path) for name, path in zip(names, paths, strict=True)}
    known: dict[int, str] = {}
    for name, image_id in found.items():
        if image_id is None:
            raise UsageError(f"{annotations} does not name {name}: name only images that it has")
        if (other := known.setdefault(image_id, name)) != name:
            raise UsageError(
                f"{other} and {name} are both image {image_id} of {annotations}: detect in them one after the other"
            )
    return {name: image_id for image_id, name in known.items()}, category_ids


def _spare(names: Sequence[str], target: Target, settings: Mapping[str, Any], *, video: bool = False) -> None:
    """Refuse to write over what is read, and two results into one file."""
    from lookout.apps import sparing
    from lookout.apps.pictures import Outcome
    from lookout.apps.writers import LABELS_FILE

    what = "the video itself" if video else "the images themselves"
    if target.out and target.form == "yolo":
        sparing.spare_folder(target.out, names, "--out", what)
        if not video:
            sparing.spare_each_other(names, [Outcome(name).stem for name in names], LABELS_FILE)
    elif target.out:
        annotations = [target.annotations] if target.annotations else []
        read = sparing.model_files(settings["model"], settings["labels"])
        sparing.spare(target.out, [*map(Path, names), *annotations, *read])
    if target.save and not video:
        sparing.spare_folder(target.save, names, "--save", what)


def _terminal_is_free(target: Target) -> bool:
    """Whether a progress bar would not get between the results."""
    return target.out is not None or not sys.stdout.isatty()
