"""Trains the network of a cfg on rendered pictures, and writes its weights file after every epoch.

    python -m training.train --renders /tmp/lookout-renders --out /tmp/lookout-training

AdamW with a cosine schedule; what is written are the running means of the weights (EMA), which detect better than
those of the last step. Two processes of one thread each learn from batches of their own and average their gradients:
a network this small leaves a second thread in one process little to do.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lookout.models.bundled import CFG
from training.augment import Batch, Batches
from training.dataset import load
from training.loss import DetectionLoss
from training.network import DarknetNetwork, export_weights, load_weights, read_plan

_SEED = 20261124
_RARE = -4.5  # the objectness of an untrained network, before its sigmoid: about one place in a hundred holds something


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn; the last part, from ``plain_from`` on, goes without mosaics.

    ``minutes`` are the most that it may take: on a machine that is too slow for the epochs, the schedule follows the
    clock, and ends early with the same last steps.
    """

    epochs: int = 20
    minutes: float = math.inf
    batch: int = 16  # of each process
    rate: float = 2e-3
    decay: float = 0.02
    warm_up_steps: int = 300
    plain_from: float = 0.8

    def factor(self, step: int, progress: float) -> float:
        """What the learning rate is multiplied by: up to 1 in the first steps, then down along a cosine to 0.01."""
        rise = min(1.0, (step + 1) / self.warm_up_steps)
        return rise * (0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)


def make_network(cfg: Path, seed: int = _SEED) -> DarknetNetwork:
    """The untrained network of a cfg."""
    torch.manual_seed(seed)
    network = DarknetNetwork(read_plan(cfg))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=0.1, nonlinearity="leaky_relu")
    for index, layer in enumerate(network.plan.layers):
        for head in network.plan.head_layers:
            if layer.operation is head:
                _start_head(network.convolutions[str(network.plan.layers[index].sources[0])][0], len(head.anchors))
    return network


def _start_head(convolution: nn.Conv2d, anchors: int) -> None:
    nn.init.normal_(convolution.weight, std=0.01)
    nn.init.zeros_(convolution.bias)
    with torch.no_grad():
        convolution.bias.view(anchors, -1)[:, 4] = _RARE
        convolution.bias.view(anchors, -1)[:, 5:] = -2


class Trainer:
    """A network that learns; ``average`` is the one to keep."""

    def __init__(
        self,
        network: DarknetNetwork,
        schedule: Schedule,
        precision: torch.dtype = torch.float32,
        agree: Callable[[Tensor], Tensor] = lambda values: values,
    ) -> None:
        self._network = network.to(memory_format=torch.channels_last).train()
        self._loss = DetectionLoss(network.plan)
        self._schedule = schedule
        self._precision = precision
        self._agree = agree  # gives the mean over all processes
        decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": schedule.decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.AdamW(groups, lr=schedule.rate)
        self._steps = 0
        self.average = copy.deepcopy(network).eval()

    def step(self, batch: Batch, progress: float) -> tuple[float, dict[str, float]]:
        """Learn from one batch, ``progress`` being how much is done, 0..1; progress as agreed, and the loss's parts."""
        images = torch.from_numpy(batch.images).float().div_(255).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", self._precision, enabled=self._precision != torch.float32):
            outputs = self._network(images)
        loss, parts = self._loss([output.float() for output in outputs], torch.from_numpy(batch.targets))
        self._optimizer.zero_grad()
        loss.backward()
        progress = self._average_gradients(progress)
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.rate * self._schedule.factor(self._steps, progress)
        nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        self._optimizer.step()
        self._steps += 1
        self._follow()
        return progress, parts

    def _average_gradients(self, progress: float) -> float:
        """Take the mean over all processes, of the progress too: their clocks differ, and their rates must not."""
        gradients = [parameter.grad for parameter in self._network.parameters()]
        sizes = [gradient.numel() for gradient in gradients]
        mean = self._agree(torch.cat([*(gradient.flatten() for gradient in gradients), torch.tensor([progress])]))
        for gradient, part in zip(gradients, mean[:-1].split(sizes), strict=True):
            gradient.copy_(part.view_as(gradient))
        return float(mean[-1])

    @torch.no_grad()
    def _follow(self) -> None:
        # A short memory at first, so that the untrained network is soon forgotten.
        keep = 0.9985 * (1 - math.exp(-self._steps / 500))
        current = self._network.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(current[name], 1 - keep)


@dataclass(frozen=True, slots=True)
class Task:
    """What to train, on what, and where to leave it."""

    renders: Path
    out: Path
    cfg: Path
    schedule: Schedule
    precision: torch.dtype
    processes: int
    start: Path | None = None  # weights to go on from


def train(task: Task) -> None:
    """Train in as many processes as asked for, writing ``<stem>.weights`` and a line in ``log.jsonl`` every epoch."""
    task.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_train_in_process, (task, Path(folder) / "meet"), task.processes)


def _train_in_process(rank: int, task: Task, meeting_place: Path) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    where = f"file://{meeting_place}"
    torch.distributed.init_process_group("gloo", init_method=where, rank=rank, world_size=task.processes)
    schedule, (pictures, boxes) = task.schedule, load(task.renders)
    share = slice(rank, None, task.processes)
    batches = Batches(pictures[share], boxes[share], read_plan(task.cfg).images.width, schedule.batch)
    network = make_network(task.cfg)
    if task.start:
        load_weights(network, task.start.read_bytes())
    trainer = Trainer(network, schedule, task.precision, _mean_of_all)
    random = np.random.default_rng([_SEED, rank])
    steps_in_all, steps, progress = schedule.epochs * (len(pictures) // task.processes // schedule.batch), 0, 0.0
    begin = time.perf_counter()
    for epoch in range(1, schedule.epochs + 1):
        losses = []
        for batch in _ahead(batches.epoch(random, plain=progress >= schedule.plain_from)):
            if progress >= 1:
                break
            minutes = (time.perf_counter() - begin) / 60
            progress, parts = trainer.step(batch, max((steps + 1) / steps_in_all, minutes / schedule.minutes))
            losses.append(parts)
            steps += 1
        if losses and rank == 0:
            seen = steps * schedule.batch * task.processes
            (task.out / f"{task.cfg.stem}.weights").write_bytes(export_weights(trainer.average, seen))
            _log(
                task.out / "log.jsonl",
                {"epoch": epoch, "pictures": seen, "minutes": round(minutes, 2), **_means(losses)},
            )
    torch.distributed.destroy_process_group()


def _mean_of_all(values: Tensor) -> Tensor:
    torch.distributed.all_reduce(values)
    return values / torch.distributed.get_world_size()


def _log(path: Path, row: dict[str, float]) -> None:
    with path.open("a") as log:
        log.write(json.dumps(row) + "\n")
    print(row, flush=True)


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), 5) for name in rows[0]}


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each made while the one before is learnt from."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def anchors(boxes: list[np.ndarray], side: int, count: int = 6) -> np.ndarray:
    """The sizes (count, 2), in pixels of the input, that the boxes gather around: k-means of their logarithms."""
    rows = np.concatenate(boxes)
    sizes = np.log((rows[:, 3:] - rows[:, 1:3]) * side)
    order = np.argsort(sizes.sum(axis=1))
    centres = sizes[order[np.linspace(0, len(order) - 1, 2 * count + 1).astype(int)[1::2]]]
    for _ in range(100):
        nearest = ((sizes[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.stack([sizes[nearest == index].mean(axis=0) for index in range(count)])
    return np.exp(centres[np.argsort(centres.sum(axis=1))])


def main() -> None:
    """Train what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renders", type=Path, required=True, help="what training.dataset wrote")
    parser.add_argument("--out", type=Path, required=True, help="the folder for weights and log")
    parser.add_argument("--cfg", type=Path, default=CFG)
    parser.add_argument("--epochs", type=int, default=Schedule().epochs)
    parser.add_argument("--minutes", type=float, default=math.inf, help="the most that it may take")
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--rate", type=float, default=Schedule().rate, help="the highest learning rate")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--float32", action="store_true", help="not bfloat16: for CPUs that don't compute in it")
    arguments = parser.parse_args()
    schedule = Schedule(epochs=arguments.epochs, minutes=arguments.minutes, rate=arguments.rate)
    precision = torch.float32 if arguments.float32 else torch.bfloat16
    plan = read_plan(arguments.cfg)
    fitting = anchors(load(arguments.renders)[1], plan.images.width).round().astype(int).tolist()
    print("anchors that would fit the boxes best:", fitting)
    print(DarknetNetwork(plan).parameter_count, "parameters;", schedule, flush=True)
    how = schedule, precision, arguments.processes, arguments.start
    train(Task(arguments.renders, arguments.out, arguments.cfg, *how))


if __name__ == "__main__":
    main()
