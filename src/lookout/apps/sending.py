"""``lookout send``, image by image: what is done with each, and what is said and written of it."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lookout import images
from lookout.apps.console import describe_objects, failure_line, printable
from lookout.apps.ending import Ending
from lookout.apps.picture_folder import PictureFolder
from lookout.apps.progress import SendProgress
from lookout.apps.streams import Stream
from lookout.apps.writers import UnixLines
from lookout.comparison.in_order import in_order
from lookout.comparison.journal import Identity, Journal
from lookout.comparison.load import take_sample
from lookout.comparison.samples import Sample, objects_json
from lookout.comparison.tally import Tally
from lookout.errors import HOPELESS, LookoutError
from lookout.executions.protocol import Answer, Earlier

DetectNoted = Callable[[bytes, str, Callable[[str], None], Earlier | None], Answer]

COLUMNS = ("image", "error", "round_trip", "inference_time", "transfer_time", "retries", "count", "objects")


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of an image, and the picture with boxes as JPEG where one is wanted.

    ``resumed``: it was an earlier run that it came of.
    """

    sample: Sample
    jpeg: bytes | None = None
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends an image, from many threads at once. ``execution`` is the name of what ``detect`` is of.

    With a ``journal``, what an earlier run came to is taken from there, and what this one comes to is kept there;
    ``detect_noted`` then is that of an execution that uploads.
    """

    execution: str
    detect: Callable[[bytes, str], Answer]
    draws: bool = False
    journal: Journal | None = None
    detect_noted: DetectNoted | None = None

    def send(self, image: str) -> Sent:
        """One image. Raises the ``HOPELESS`` and ``OutputError``; any other error is the sample's."""
        kept: list[bytes] = []  # a pipe can't be read again

        def read(image: Path | str) -> bytes:
            kept.append(images.read(image))
            return kept[-1]

        identity = Identity.of(Path(image)) if self.journal else None
        if self.journal is None or identity is None:
            return self._drawn(Sent(take_sample(self.execution, image, self.detect, read=read)), kept)
        known = self.journal.known(identity, Path(image))
        if known.sample:
            return self._drawn(Sent(known.sample, resumed=True), kept)
        place = _Place(self.journal, identity, known.earlier.place if known.earlier else None)
        sample = take_sample(self.execution, image, self._noting(place, known.earlier), read=read)
        if kept:  # what can't be read costs nothing, and may be readable next time
            self.journal.note_outcome(identity, sample, place.name)
        return self._drawn(Sent(sample), kept)

    def _noting(self, place: _Place, earlier: Earlier | None) -> Callable[[bytes, str], Answer]:
        if self.detect_noted is None:
            return self.detect
        detect_noted = self.detect_noted
        return lambda data, name: detect_noted(data, name, place.note, earlier)

    def _drawn(self, sent: Sent, kept: list[bytes]) -> Sent:
        """With the picture, where one is wanted; an earlier run's image is read for it."""
        sample = sent.sample
        if not self.draws or sample.answer is None:
            return sent
        try:
            data = kept[-1] if kept else images.read(sample.image)
            pixels_bgr = images.draw(images.decode(data).pixels_bgr, sample.answer.objects)
        except LookoutError as error:  # the server reads what this machine doesn't: told like any other failure
            return Sent(Sample.failed(sample.execution, sample.image, sample.started, error))
        return replace(sent, jpeg=images.encode_jpeg(pixels_bgr))


@dataclass(slots=True)
class _Place:
    """Where an image is uploaded to, told to the journal before it is."""

    journal: Journal
    identity: Identity
    name: str | None

    def note(self, name: str) -> None:
        self.journal.note_place(self.identity, name)
        self.name = name


class SampleTable:
    """For spreadsheets and data frames: a row an image, in the columns ``COLUMNS``.

    Times are in milliseconds, ``count`` is that of the objects, and ``objects`` are they, as JSON.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._rows = csv.writer(UnixLines(stream))
        self._rows.writerow(COLUMNS)

    def write(self, sample: Sample) -> None:
        """Add a row. Raises ``OutputError``."""
        document = sample_document(sample)
        objects = document.get("objects")
        more = {} if objects is None else {"count": len(objects), "objects": json.dumps(objects, separators=(",", ":"))}
        row = {**document, **more}
        self._rows.writerow([row.get(column, "") for column in COLUMNS])

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()


@dataclass(slots=True)
class Reception:
    """Takes what came back: says it, writes it, counts it, and keeps none of it."""

    progress: SendProgress
    as_json: bool = False
    table: SampleTable | None = None
    pictures: PictureFolder | None = None
    tally: Tally = field(default_factory=Tally)

    def take(self, sent: Sent) -> None:
        """One image. Raises ``OutputError`` and ``UsageError`` where it can't be written."""
        sample = sent.sample
        self.tally.add(sample, resumed=sent.resumed)
        if self.as_json:
            self.progress.say(json.dumps(sample_document(sample)))
        elif sample.error is None:
            self.progress.say(sample_line(sample))
        if sample.error is not None:
            self.progress.say(failure_line(sample.image, sample.error), error=True)
        if self.table:
            self.table.write(sample)
        if self.pictures and sent.jpeg is not None:
            self.pictures.save(Path(sample.image).stem, sent.jpeg)
        self.progress.advance(self.tally.failed)


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended: after so many seconds, at its end, or before it by ``error`` or a signal."""

    seconds: float
    interrupted: bool = False
    error: LookoutError | None = None


def run(
    sender: Sender,
    paths: Iterable[str],
    concurrency: int,
    reception: Reception,
    ending: Ending,
    clock: Callable[[], float] = time.perf_counter,
) -> End:
    """Send images, at most so many at once, and take what comes back in their order."""
    start = clock()
    try:
        with closing(in_order(sender.send, paths, concurrency, HOPELESS)) as stream, reception.progress:
            for sent in stream:
                with ending.held():
                    reception.take(sent)
    except KeyboardInterrupt:
        return End(clock() - start, interrupted=True)
    except HOPELESS as error:
        return End(clock() - start, error=error)
    return End(clock() - start)


def sample_document(sample: Sample) -> dict[str, Any]:
    """A sample, for programs."""
    if sample.answer is None:
        return {"image": sample.image, "error": sample.error, "retries": sample.retries}
    document = {
        "image": sample.image,
        "objects": objects_json(sample.answer.objects),
        "inference_time": round(sample.answer.inference_ms, 3),
        "timings": {stage: round(ms, 3) for stage, ms in sample.answer.timings_ms.items()},
        # Of an image that an earlier run sent nobody knows it.
        "round_trip": None if sample.answer.fetched else round(sample.answer.elapsed_ms, 3),
        "retries": sample.retries,
    }
    upload_ms = sample.answer.upload_ms
    return document if upload_ms is None else {**document, "transfer_time": round(upload_ms, 3)}


def sample_line(sample: Sample) -> str:
    """A sample, for people."""
    answer = sample.answer
    if answer is None:
        return failure_line(sample.image, sample.error)
    upload = "" if answer.upload_ms is None else f", upload {answer.upload_ms:.1f}"
    retries = f", {answer.retries} retries" if answer.retries else ""
    times = f"inference {answer.inference_ms:.1f}{upload}{retries}"
    whole = f"sent earlier ({times} ms)" if answer.fetched else f"in {answer.elapsed_ms:.1f} ms ({times})"
    return f"{printable(sample.image)}: {describe_objects(answer.objects)} {whole}"
