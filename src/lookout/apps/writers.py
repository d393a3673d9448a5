"""The forms in which ``lookout detect`` writes what it found, each behind one protocol.

Rows leave as they come, except for COCO's list, which is only a list when it is whole. What failed is no row without
objects: it has an ``error`` in JSON lines, and is absent from the others.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from lookout import images
from lookout.apps.console import describe_objects, printable
from lookout.apps.picture_folder import PictureFolder, make_folder, remove_empty
from lookout.apps.pictures import Outcome
from lookout.apps.streams import Stream
from lookout.comparison.coco import result_entry
from lookout.core.detections import Detection
from lookout.errors import OutputError, UsageError
from lookout.video import VideoFile

BOX = ("x", "y", "width", "height")
LABELS_FILE = "classes.txt"


class Writer(Protocol):
    """Takes what came of the pictures, one by one."""

    def write(self, outcome: Outcome) -> None:
        """Take one. Raises ``OutputError`` or ``UsageError`` where it can't be written."""
        ...

    def close(self) -> None:
        """Finish; only called when nothing went wrong."""
        ...

    def discard(self) -> None:
        """Leave nothing half-done behind; called at the end in any case."""
        ...


class _ToStream:
    """What writers to a stream have in common."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def close(self) -> None:
        self.stream.close()

    def discard(self) -> None:
        self.stream.discard()


class TextWriter(_ToStream):
    """For people: a line an image, its objects by label."""

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        if outcome.result:
            times = f"{outcome.elapsed_ms:.1f} ms (inference {outcome.result.timings['inference']:.1f})"
            self.stream.write(f"{_title(outcome)}: {describe_objects(outcome.objects)} in {times}\n")


class TableWriter(_ToStream):
    """For people: a line an object, in columns, with its box."""

    def __init__(self, stream: Stream, names: Sequence[str], labels: Sequence[str], *, video: bool = False) -> None:
        super().__init__(stream)
        frame = " frame 000000 (0000.00 s)" if video else ""
        self._name_width = max(map(len, (printable(name) + frame for name in ("image", *names))))
        self._label_width = max(map(len, map(printable, ("label", *labels))))
        self.stream.write(self._line("image", "label", "confidence", *BOX))

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        name = _title(outcome)
        for found in outcome.objects:
            box = (f"{getattr(found.box, side):.1f}" for side in BOX)
            self.stream.write(self._line(name, printable(found.label), f"{found.confidence:.3f}", *box))
        if outcome.result and not outcome.objects:
            self.stream.write(self._line(name, "no objects"))

    def _line(self, name: str, label: str, *numbers: str) -> str:
        cells = "".join(f"{number:>12}" if at == 0 else f"{number:>8}" for at, number in enumerate(numbers))
        return f"{name:<{self._name_width}}  {label:<{self._label_width}}{cells}".rstrip() + "\n"


class JsonWriter(_ToStream):
    """For programs: a JSON object an image, one a line."""

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        self.stream.write(json.dumps(_document(outcome)) + "\n")


class CsvWriter(_ToStream):
    """For spreadsheets and data frames: a row an object.

    Text is written as it is, quoted where it must be: a name that begins with ``=`` stays that name.
    """

    def __init__(self, stream: Stream, *, video: bool = False) -> None:
        super().__init__(stream)
        self._rows = csv.writer(UnixLines(stream))
        self._rows.writerow([*(("video", "frame", "time") if video else ("image",)), "label", "confidence", *BOX])

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        where = _place(outcome)
        for found in outcome.objects:
            document = found.to_json()
            self._rows.writerow([*where.values(), document["label"], document["accuracy"], *document["box"]])


class UnixLines:
    """Ends csv's rows as other tools here end lines; told so itself, csv would leave a carriage return unquoted."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, row: str) -> None:
        """Take a row, as csv makes it."""
        self._stream.write(row.removesuffix("\r\n") + "\n")


class CocoWriter(_ToStream):
    """COCO's results file: one list of all objects. ``image_ids``: of the images by name; a frame is its own."""

    def __init__(self, stream: Stream, image_ids: Mapping[str, int], category_ids: Mapping[str, int]) -> None:
        super().__init__(stream)
        self._image_ids = image_ids
        self._category_ids = category_ids
        self._entries: list[str] = []

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        image_id = self._image_ids[outcome.name] if outcome.frame is None else outcome.frame
        for found in outcome.objects:
            if found.label in self._category_ids:
                entry = result_entry(image_id, self._category_ids[found.label], found)
                self._entries.append(json.dumps(entry))

    def close(self) -> None:
        """See ``Writer``."""
        self.stream.write("[" + ",\n ".join(self._entries) + "]\n")
        super().close()


class YoloWriter:
    """A text file an image, with a line an object: class, centre, size (as parts of the image), confidence.

    An image without objects has an empty file, one that failed has none. ``classes.txt`` holds the labels.
    Raises ``UsageError`` for a folder with text files that no run of this kind has made, such as a dataset's.
    """

    def __init__(self, folder: Path, labels: Sequence[str]) -> None:
        self._folder = folder
        self._class_ids = {label: class_id for class_id, label in reversed(list(enumerate(labels)))}
        text = "".join(f"{label}\n" for label in labels)
        self._spare_others(text)
        self._write(LABELS_FILE, text)

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        name = f"{outcome.stem}.txt"
        if outcome.result:
            self._write(name, "".join(self._line(found, outcome.result.image_wh) for found in outcome.objects))
        else:
            (self._folder / name).unlink(missing_ok=True)  # an earlier run's would be taken for this one's

    def close(self) -> None:
        """See ``Writer``."""

    def discard(self) -> None:
        """See ``Writer``."""

    def _line(self, found: Detection, image_wh: tuple[int, int]) -> str:
        (width, height), box = image_wh, found.box
        centre = (box.x + box.width / 2) / width, (box.y + box.height / 2) / height
        numbers = (*centre, box.width / width, box.height / height, found.confidence)
        return f"{self._class_ids[found.label]} {' '.join(f'{number:.6f}' for number in numbers)}\n"

    def _spare_others(self, labels: str) -> None:
        """Refuse a folder whose text files are somebody else's: they would be written over."""
        try:
            texts = [path for path in self._folder.glob("*.txt") if path.name != LABELS_FILE]
            labels_path = self._folder / LABELS_FILE
            known = labels_path.read_bytes() if texts or labels_path.exists() else labels.encode("utf-8")
            ours = known == labels.encode("utf-8") and all(map(_is_ours, texts))
        except OSError:
            ours = False
        if not ours:
            raise UsageError(f"{self._folder} holds text files of another kind: name another folder with --out")

    def _write(self, name: str, text: str) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_text(text, "utf-8")
        except FileExistsError as error:
            raise UsageError(f"{self._folder} is a file: name a folder with --out") from error
        except OSError as error:
            raise OutputError(f"{self._folder / name} can't be written: {error.strerror}") from error


def _is_ours(path: Path) -> bool:
    """Whether a text file has the lines of ``YoloWriter``: those that mark what is true lack the confidence."""
    with path.open("rb") as file:
        first = file.readline(1000)
    return not path.is_symlink() and (not first or len(first.split()) == 6)


class PictureWriter:
    """A picture with boxes an image, ``<stem>.jpg``; of several of one name the others are numbered."""

    def __init__(self, folder: Path) -> None:
        self._folder = PictureFolder(folder)

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        if outcome.result:
            self._folder.save(outcome.stem, images.encode_jpeg(outcome.result.annotated()))

    def close(self) -> None:
        """See ``Writer``."""

    def discard(self) -> None:
        """See ``Writer``."""
        self._folder.discard()


class VideoWriter:
    """A video with boxes."""

    def __init__(self, path: Path, fps: float) -> None:
        self._made = make_folder(path.parent)
        self._file = VideoFile(path, fps)

    def write(self, outcome: Outcome) -> None:
        """See ``Writer``."""
        if outcome.result:
            self._file.write(outcome.result.annotated())

    def close(self) -> None:
        """See ``Writer``."""
        self._file.close()

    def discard(self) -> None:
        """See ``Writer``."""
        self._file.discard()
        remove_empty(self._made)


def _title(outcome: Outcome) -> str:
    frame = "" if outcome.frame is None else f" frame {outcome.frame} ({outcome.time_s:.2f} s)"
    return printable(outcome.name) + frame


def _place(outcome: Outcome) -> dict[str, Any]:
    """Which picture it was."""
    if not outcome.of_video:
        return {"image": outcome.name}
    if outcome.frame is None:
        return {"video": outcome.name}
    return {"video": outcome.name, "frame": outcome.frame, "time": round(outcome.time_s or 0.0, 3)}


def _document(outcome: Outcome) -> dict[str, Any]:
    if outcome.result is None:
        return {**_place(outcome), "error": outcome.error}
    width, height = outcome.result.image_wh
    size = {"width": width, "height": height}
    return {**_place(outcome), **size, **outcome.result.to_json(), "round_trip": round(outcome.elapsed_ms, 3)}
