"""Small copies of some of a run's images, beside its samples: what was found is drawn into them when it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from lookout import images
from lookout.comparison.results import Picture
from lookout.comparison.samples import Sample
from lookout.errors import ImageError, NoImagesError

_MOST = 6
_LONGEST_SIDE = 480
_FOLDER = "pictures"


def telling(samples: Iterable[Sample], most: int = _MOST) -> list[str]:
    """The images in which the most kinds of object were found, the most objects of those; each once."""
    found = {sample.image: sample.answer.objects for sample in samples if sample.answer and sample.answer.objects}
    ranked = sorted(found, key=lambda image: (-len({o.label for o in found[image]}), -len(found[image]), image))
    return ranked[:most]


def keep(paths: Sequence[str], folder: Path, mark: str) -> Iterator[Picture]:
    """Write a small copy of each into a folder of the run's ``folder``; those that are gone meanwhile are left out.

    ``mark`` keeps the names of one run's apart from another's.
    """
    for number, path in enumerate(paths, 1):
        try:
            image = images.decode(images.read(Path(path)))
        except (ImageError, NoImagesError):
            continue
        scale = min(1.0, _LONGEST_SIDE / max(image.size_wh))
        width, height = (max(1, round(side * scale)) for side in image.size_wh)
        small = cv2.resize(image.pixels_bgr, (width, height), interpolation=cv2.INTER_AREA)
        file = Path(_FOLDER) / f"{mark}-{number}.jpg"
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(images.encode_jpeg(np.asarray(small, np.uint8)))
        yield Picture(path, file.as_posix(), image.size_wh)
