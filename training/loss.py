"""What training makes smaller: boxes that don't overlap the true ones, wrong objectness, wrong classes.

Every anchor of a similar size to a true box learns it, in the cell of the box's centre and in the two cells nearest
to that (``scale_x_y=2`` lets a centre lie half a cell outside), so that there is enough to learn from. Objectness
learns how well the box fits, so that a better box gets a higher confidence.

Sources: Zheng et al., *Distance-IoU Loss* (2020), for CIoU; the neighbouring cells are an idea of YOLOv5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lookout.core.heads import YoloLayer
from lookout.models.darknet.layers import Plan

_LARGEST_RATIO = 3.5  # between a side of a box and of an anchor that learns it
_BOX, _OBJECTNESS, _CLASS = 0.05, 0.3, 0.08


@dataclass(frozen=True, slots=True)
class _Matches:
    """Which places of a map learn which boxes; all (n,), but ``offsets`` and ``sizes`` (n, 2) in cells, ``anchors``."""

    pictures: Tensor
    anchor_ids: Tensor
    rows: Tensor
    columns: Tensor
    offsets: Tensor
    sizes: Tensor
    anchors: Tensor
    class_ids: Tensor


class DetectionLoss:
    """The loss of a network's raw maps against true boxes."""

    def __init__(self, plan: Plan) -> None:
        self._heads = plan.head_layers
        self._input_wh = (plan.images.width, plan.images.height)

    def __call__(self, outputs: list[Tensor], targets: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The loss, and its parts; ``targets`` float32 (m, 6): picture, class, x and y of the centre, size, in 0..1."""
        totals = torch.zeros(3)
        for head, output in zip(self._heads, outputs, strict=True):
            totals = totals + self._of_head(head, output.float(), targets)
        parts = dict(zip(("box", "objectness", "class"), totals.tolist(), strict=True))
        return totals.sum(), parts

    def _of_head(self, head: YoloLayer, output: Tensor, targets: Tensor) -> Tensor:
        pictures, _, height, width = output.shape
        maps = output.view(pictures, len(head.anchors), 5 + head.classes, height, width)
        cell_wh = torch.tensor([self._input_wh[0] / width, self._input_wh[1] / height])
        found = _match(targets, torch.tensor(head.anchors) / cell_wh, (width, height))
        wanted = torch.zeros_like(maps[:, :, 4])
        box = maps.new_zeros(())
        kind = maps.new_zeros(())
        if len(found.pictures):
            rows = maps[found.pictures, found.anchor_ids, :, found.rows, found.columns]
            centres = rows[:, :2].sigmoid() * head.scale_x_y - 0.5 * (head.scale_x_y - 1)
            sizes = rows[:, 2:4].clamp(max=6).exp() * found.anchors
            overlap = ciou(torch.cat([centres, sizes], dim=1), torch.cat([found.offsets, found.sizes], dim=1))
            box = (1 - overlap).mean()
            fit = overlap.detach().clamp(0)
            order = fit.argsort()  # where two boxes want one place, the better has it
            places = found.pictures[order], found.anchor_ids[order], found.rows[order], found.columns[order]
            wanted[places] = fit[order]
            truth = functional.one_hot(found.class_ids, head.classes).float()
            kind = functional.binary_cross_entropy_with_logits(rows[:, 5:], truth)
        objectness = functional.binary_cross_entropy_with_logits(maps[:, :, 4], wanted)
        # A finer map has as many objects among more cells.
        balance = height * width / 256
        return torch.stack([_BOX * box, _OBJECTNESS * balance**0.8 * objectness, _CLASS * kind])


def _match(targets: Tensor, anchors: Tensor, grid_wh: tuple[int, int]) -> _Matches:
    """Pair the true boxes with anchors of a similar size and with three cells."""
    grid = torch.tensor(grid_wh, dtype=torch.float32)
    centres, sizes = targets[:, 2:4] * grid, targets[:, 4:6] * grid
    ratios = sizes[:, None] / anchors[None]
    box_ids, anchor_ids = torch.nonzero(torch.maximum(ratios, 1 / ratios).amax(dim=2) < _LARGEST_RATIO, as_tuple=True)
    centres, sizes = centres[box_ids], sizes[box_ids]
    within = centres % 1
    side = torch.where(within < 0.5, -1, 1)
    zero = torch.zeros_like(side[:, 0])
    steps = torch.stack(
        [torch.stack([zero, zero], 1), torch.stack([side[:, 0], zero], 1), torch.stack([zero, side[:, 1]], 1)]
    )
    cells = centres.floor().long()[None] + steps
    inside = ((cells >= 0) & (cells < grid.long())).all(dim=2)
    _, pick = torch.nonzero(inside, as_tuple=True)
    cells = cells[inside]
    return _Matches(
        pictures=targets[box_ids[pick], 0].long(),
        anchor_ids=anchor_ids[pick],
        rows=cells[:, 1],
        columns=cells[:, 0],
        offsets=centres[pick] - cells,
        sizes=sizes[pick],
        anchors=anchors[anchor_ids[pick]],
        class_ids=targets[box_ids[pick], 1].long(),
    )


def ciou(first: Tensor, second: Tensor) -> Tensor:
    """The complete IoU (n,) of boxes (n, 4), each a centre and a size: IoU less distance and difference of shape."""
    (low_a, high_a), (low_b, high_b) = _corners(first), _corners(second)
    common = (torch.minimum(high_a, high_b) - torch.maximum(low_a, low_b)).clamp(0).prod(dim=1)
    union = first[:, 2:].prod(dim=1) + second[:, 2:].prod(dim=1) - common + 1e-7
    iou = common / union
    hull = (torch.maximum(high_a, high_b) - torch.minimum(low_a, low_b)).square().sum(dim=1) + 1e-7
    distance = (first[:, :2] - second[:, :2]).square().sum(dim=1)
    angles = torch.atan(first[:, 2] / first[:, 3]) - torch.atan(second[:, 2] / second[:, 3])
    shape = 4 / math.pi**2 * angles.square()
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-7)
    return iou - distance / hull - weight * shape


def _corners(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
