"""COCO's two files: annotations, as they are read, and results, as they are written.

The one is ``{"images", "categories", "annotations"}``, the other a list of ``{"image_id", "category_id", "bbox",
"score"}``; a box is x, y, width and height in pixels in both. See https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from lookout.core.detections import Detection
from lookout.errors import UsageError
from lookout.models.labels import COCO_CATEGORY_IDS, canonical


@dataclass(frozen=True, slots=True)
class Truth:
    """One object that somebody marked: ``bbox`` is x, y, width, height; a ``crowd`` is many in one box."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    crowd: bool


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a file says is to be found: image ids by file name, category names by id, and the objects.

    ``strays`` counts the annotations of images that it does not list.
    """

    path: Path
    image_ids: Mapping[str, int]
    categories: Mapping[int, str]
    objects: tuple[Truth, ...]
    strays: int = 0

    @staticmethod
    def read(path: Path) -> Annotations:
        """The annotations in a file. Raises ``UsageError`` where it holds none, or can't be read."""
        try:
            document = json.loads(path.read_text("utf-8"))
            images = {str(image["file_name"]): _id(image["id"]) for image in document["images"]}
            categories = {_id(category["id"]): str(category["name"]) for category in document["categories"]}
            objects = tuple(_truth(annotation) for annotation in document["annotations"])
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise UsageError(
                f"{path} holds no annotations of objects in COCO's form ({reason}): it needs images, categories, and "
                "annotations with a bbox"
            ) from error
        if len(set(images.values())) != len(document["images"]):
            raise UsageError(f"{path} names an image twice: give every image one file name and one id")
        unknown = next((truth.category_id for truth in objects if truth.category_id not in categories), None)
        if unknown is not None:
            raise UsageError(f"{path} marks an object of category {unknown}, and lists no such category: add it")
        listed = set(images.values())
        kept = tuple(truth for truth in objects if truth.image_id in listed)
        return Annotations(path, images, categories, kept, len(objects) - len(kept))

    def image_id(self, image: Path) -> int | None:
        """The id of an image, by as much of its path as the file has; None where the file lacks it.

        >>> Annotations(Path("a.json"), {"val/1.jpg": 7}, {}, ()).image_id(Path("coco/val/1.jpg"))
        7
        """
        parts = image.as_posix().split("/")
        names = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self.image_ids[name] for name in names if name in self.image_ids), None)

    def category_ids(self, labels: Iterable[str]) -> dict[str, int]:
        """The category of each label that the file has, by its name: COCO's, or Darknet's."""
        exact = {name: category_id for category_id, name in self.categories.items()}
        alike = {canonical(name): category_id for category_id, name in self.categories.items()}
        found = {label: exact.get(label, alike.get(canonical(label))) for label in labels}
        return {label: category_id for label, category_id in found.items() if category_id is not None}

    def locate(self, folder: Path) -> tuple[dict[Path, int], list[str]]:
        """The images that lie in the folder, with their ids, in order of path; and the names of those that don't.

        Raises ``UsageError`` where two names lead to one file.
        """
        found: dict[Path, int] = {}
        missing = []
        for name, image_id in self.image_ids.items():
            path = _inside(folder, name)
            if path is None:
                missing.append(name)
                continue
            if path in found:
                other = next(other for other, other_id in self.image_ids.items() if other_id == found[path])
                raise UsageError(
                    f"{self.path} names {other} and {name}, and {folder} has one file for both, {path.name}: "
                    "keep the images in the folders that their names begin with"
                )
            found[path] = image_id
        return dict(sorted(found.items())), sorted(missing)


def default_category_ids(labels: Sequence[str]) -> dict[str, int]:
    """Where no file says otherwise: COCO's own ids when all labels are COCO's, else the classes counted from 1.

    >>> default_category_ids(["tvmonitor", "person"]), default_category_ids(["person", "helmet"])
    ({'tvmonitor': 72, 'person': 1}, {'person': 1, 'helmet': 2})
    """
    own = {label: COCO_CATEGORY_IDS.get(canonical(label)) for label in labels}
    known = {label: category_id for label, category_id in own.items() if category_id is not None}
    if len(known) == len(own):
        return known
    return {label: labels.index(label) + 1 for label in labels}


def default_image_ids(images: Sequence[Path]) -> list[int]:
    """Where no file says otherwise: the numbers that are the images' names, else 1, 2, 3 in their order.

    >>> default_image_ids([Path("000000000009.jpg"), Path("30.jpg")]), default_image_ids([Path("9.jpg"), Path("a.jpg")])
    ([9, 30], [1, 2])
    """
    return [int(image.stem) for image in images] if ids_are_numbers(images) else list(range(1, len(images) + 1))


def ids_are_numbers(images: Sequence[Path]) -> bool:
    """Whether every image has a number for a name, and each another, so that the numbers are their ids."""
    stems = [image.stem for image in images]
    numbered = all(stem.isascii() and stem.isdigit() and len(stem) <= 18 for stem in stems)
    return numbered and len({int(stem) for stem in stems}) == len(stems)


def result_entry(image_id: int, category_id: int, detection: Detection) -> dict[str, Any]:
    """A line of a results file."""
    document = detection.to_json()
    return {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": document["box"],
        "score": document["accuracy"],
    }


def _inside(folder: Path, name: str) -> Path | None:
    """The file of that name in the folder, with or without the folders that the name begins with."""
    relative = PurePosixPath(name)
    strays = relative.is_absolute() or ".." in relative.parts
    candidates = [folder / relative.name] if strays else [folder / relative, folder / relative.name]
    try:
        return next((candidate for candidate in candidates if candidate.is_file()), None)
    except (OSError, ValueError):  # a name that is too long, or no name at all
        return None


def _id(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no id")
    return value


def _truth(annotation: Mapping[str, Any]) -> Truth:
    x, y, width, height = (float(side) for side in annotation["bbox"])
    area = float(annotation.get("area", width * height))
    if not all(map(math.isfinite, (x, y, width, height, area))) or min(width, height) < 0:
        raise ValueError(f"{annotation['bbox']} is no box")
    ids = _id(annotation["image_id"]), _id(annotation["category_id"])
    return Truth(*ids, (x, y, width, height), area, bool(annotation.get("iscrowd", False)))
