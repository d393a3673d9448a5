"""How well a network finds what people marked: COCO's average precision, by faster-coco-eval.

Its figures are those of pycocotools, COCO's own evaluator, to the last digits, in an eighth of the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lookout.comparison.coco import Annotations, result_entry
from lookout.comparison.samples import Sample
from lookout.comparison.stages import DETECTOR
from lookout.comparison.statistics import Summary, summarise

# Where COCO's evaluator keeps, in the order of its areas, what counts: precision is (IoUs, recalls, categories,
# areas, limits); its IoUs are 0.50, 0.55 ... 0.95; it holds -1 where there is no object to be found.
_AREAS = {"all": 0, "small": 1, "medium": 2, "large": 3}
_AP50, _AP75 = slice(0, 1), slice(5, 6)
_ALL = slice(None)


@dataclass(frozen=True, slots=True)
class Precision:
    """COCO's average precision over the categories that have an object, 0..1; None where none has one.

    ``ap`` is the mean over the IoUs 0.50, 0.55 ... 0.95; ``small`` objects have less than 32 x 32 pixels, ``large``
    ones more than 96 x 96.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What an evaluation tells. ``objects`` and ``categories`` count what there was to be found.

    ``unknown`` are the categories that the model has no label for: they are left out of the average.
    ``milliseconds`` and ``stages_ms`` are of the images that were answered.
    """

    precision: Precision
    images: int
    objects: int
    categories: int
    unknown: tuple[str, ...]
    failed: tuple[Sample, ...]
    milliseconds: Summary | None
    stages_ms: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The evaluation for programs."""
        times = self.milliseconds
        precision = self.precision
        return {
            "ap": precision.ap,
            "ap50": precision.ap50,
            "ap75": precision.ap75,
            "ap_small": precision.ap_small,
            "ap_medium": precision.ap_medium,
            "ap_large": precision.ap_large,
            "images": self.images,
            "objects": self.objects,
            "categories": self.categories,
            "unknown_categories": list(self.unknown),
            "failed": [{"image": sample.image, "error": sample.error} for sample in self.failed],
            "ms_per_image": times.mean if times else None,
            "p50_ms_per_image": times.p50 if times else None,
            "stages_ms": dict(self.stages_ms),
        }


def judge(
    annotations: Annotations,
    image_ids: Mapping[str, int],
    category_ids: Mapping[str, int],
    samples: Sequence[Sample],
    most: int,
) -> Accuracy:
    """The accuracy of samples, one an image.

    ``image_ids``: of each sample's image. ``category_ids``: of the labels that count; what has another label is
    passed over. ``most``: how many objects of an image count, the most confident. An image that failed counts as
    one in which nothing was found, so that it can't make the figures better.
    """
    wanted, images = set(category_ids.values()), set(image_ids.values())
    truths = [truth for truth in annotations.objects if truth.category_id in wanted and truth.image_id in images]
    answers = [sample.answer for sample in samples if sample.answer is not None]
    return Accuracy(
        precision=precision_of(
            _truth_document(annotations, images, wanted), result_entries(samples, image_ids, category_ids), most
        ),
        images=len(images),
        objects=sum(not truth.crowd for truth in truths),
        categories=len({truth.category_id for truth in truths if not truth.crowd}),
        unknown=tuple(
            name for category_id, name in sorted(annotations.categories.items()) if category_id not in wanted
        ),
        failed=tuple(sample for sample in samples if sample.answer is None),
        milliseconds=summarise([answer.elapsed_ms for answer in answers]),
        stages_ms={stage: float(np.mean([a.timings_ms[stage] for a in answers])) for stage in DETECTOR if answers},
    )


def result_entries(
    samples: Iterable[Sample], image_ids: Mapping[str, int], category_ids: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The samples' objects as a results file has them."""
    return [
        result_entry(image_ids[sample.image], category_ids[detection.label], detection)
        for sample in samples
        if sample.answer
        for detection in sample.answer.objects
        if detection.label in category_ids
    ]


def precision_of(truth: Mapping[str, Any], entries: Iterable[Mapping[str, Any]], most: int) -> Precision:
    """The average precision of results, at most ``most`` of an image and category, against annotations."""
    from faster_coco_eval import COCO, COCOeval_faster

    there = COCO(dict(truth))
    found = there.loadRes([dict(entry) for entry in entries])
    evaluation = COCOeval_faster(there, found, "bbox")
    evaluation.params.maxDets = [most]
    evaluation.evaluate()
    evaluation.accumulate()
    precision = np.asarray(evaluation.eval["precision"], np.float64)
    return Precision(
        ap=_mean(precision, _ALL, "all"),
        ap50=_mean(precision, _AP50, "all"),
        ap75=_mean(precision, _AP75, "all"),
        ap_small=_mean(precision, _ALL, "small"),
        ap_medium=_mean(precision, _ALL, "medium"),
        ap_large=_mean(precision, _ALL, "large"),
    )


def _mean(precision: npt.NDArray[np.float64], ious: slice, area: str) -> float | None:
    values = precision[ious, :, :, _AREAS[area], -1]
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _truth_document(annotations: Annotations, images: Collection[int], categories: Collection[int]) -> dict[str, Any]:
    """The part of the annotations that counts, in their file's form."""
    truths = [t for t in annotations.objects if t.image_id in images and t.category_id in categories]
    return {
        "images": [{"id": image_id} for image_id in sorted(images)],
        "categories": [{"id": category_id, "name": str(category_id)} for category_id in sorted(categories)],
        "annotations": [
            {
                "id": number,  # from 1: the evaluator takes 0 for none
                "image_id": truth.image_id,
                "category_id": truth.category_id,
                "bbox": list(truth.bbox),
                "area": truth.area,
                "iscrowd": int(truth.crowd),
            }
            for number, truth in enumerate(truths, 1)
        ],
    }
