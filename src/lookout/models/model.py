"""A model, ready to run: one folder that holds ``network.onnx``, its weights, and its description, ``model.json``.

The weights lie in a file of their own: see :mod:`lookout.models.external_data`. The folder is all that an engine needs:
no Darknet file, no labels file, and no ``onnx`` package to read it with. It is what the importer makes, what the cache
keeps, and what a function carries.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookout.core.framing import InputFormat
from lookout.core.heads import FAMILIES, DarknetHead, Head, RegionLayer, YoloLayer, YoloxHead, family
from lookout.errors import ModelError

FORMAT = 2
_READABLE = (1, FORMAT)  # the first had its weights in the graph
NETWORK = "network.onnx"
WEIGHTS = "network.onnx.data"
DESCRIPTION = "model.json"


@dataclass(frozen=True, slots=True)
class Model:
    """A network in a folder, with how it is fed, how it is read, and what its classes are called.

    ``digest`` is the SHA-256 of everything that the folder was made from, ``network_bytes`` the length of the
    ONNX file, ``weights_bytes`` that of its weights' file, 0 where it has none.
    """

    name: str
    folder: Path
    digest: str
    input_format: InputFormat
    head: Head
    labels: tuple[str, ...]
    network_bytes: int | None = None
    weights_bytes: int = 0

    @property
    def network(self) -> Path:
        """The ONNX file."""
        return self.folder / NETWORK

    @property
    def files(self) -> tuple[Path, ...]:
        """All of it; the description, which tells what is whole, last."""
        names = (WEIGHTS, NETWORK, DESCRIPTION) if self.weights_bytes else (NETWORK, DESCRIPTION)
        return tuple(self.folder / name for name in names)

    def check_whole(self) -> None:
        """Raise ``ModelError`` where a file of the network is missing, or hasn't the length that it should have."""
        lengths = {WEIGHTS: self.weights_bytes, NETWORK: self.network_bytes}
        for path in self.files[:-1]:
            try:
                size_bytes = path.stat().st_size
            except OSError as error:
                raise ModelError(f"{path} can't be read: import the model again ({error.strerror})") from error
            if lengths[path.name] not in (None, size_bytes):
                raise ModelError(f"{path} is not whole: import the model again")

    @staticmethod
    def open(folder: Path) -> Model:
        """The model in a folder. Raises ``ModelError`` where there is none, or one that this version can't read."""
        try:
            document = json.loads((folder / DESCRIPTION).read_text("utf-8"))
            if document["format"] not in _READABLE:
                raise ModelError(f"{folder} is in format {document['format']}; this Lookout reads {FORMAT}")
            model = Model(
                name=document["name"],
                folder=folder,
                digest=document["digest"],
                input_format=InputFormat(**document["input"]),
                head=_head_from_json(document["head"]),
                labels=tuple(_texts(document["labels"])),
                network_bytes=document.get("network_bytes"),
                weights_bytes=document.get("weights_bytes", 0),
            )
            if len(model.labels) != model.head.classes:
                raise ValueError(f"{len(model.labels)} labels for {model.head.classes} classes")
            return model
        except (OSError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ModelError(f"{folder} holds no readable model: import it again ({error})") from error

    def description(self) -> str:
        """The text of ``model.json``."""
        document = {
            "format": FORMAT,
            "name": self.name,
            "network_bytes": self.network_bytes,
            "weights_bytes": self.weights_bytes,
            "digest": self.digest,
            "input": dataclasses.asdict(self.input_format),
            "head": _head_to_json(self.head),
            "labels": list(self.labels),
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _head_to_json(head: Head) -> dict[str, Any]:
    document = dataclasses.asdict(head)
    if isinstance(head, DarknetHead):
        for layer, fields in zip(head.layers, document["layers"], strict=True):
            fields["section"] = "region" if isinstance(layer, RegionLayer) else "yolo"
    return {"family": family(head), **document}


def _head_from_json(document: dict[str, Any]) -> Head:
    fields = dict(document)
    kind: Callable[..., Head] = FAMILIES[fields.pop("family")]
    if kind is DarknetHead:
        if not fields["layers"]:
            raise ValueError("a Darknet head without layers")
        return DarknetHead(tuple(_layer_from_json(layer) for layer in fields["layers"]))
    if kind is YoloxHead:
        return YoloxHead(_count(fields["classes"]), tuple(_count(stride) for stride in fields["strides"]))
    return kind(_count(fields["classes"]))


def _layer_from_json(document: dict[str, Any]) -> YoloLayer | RegionLayer:
    fields = dict(document)
    kind = RegionLayer if fields.pop("section", "yolo") == "region" else YoloLayer
    fields["anchors"] = tuple((float(width), float(height)) for width, height in fields["anchors"])
    fields["classes"] = _count(fields["classes"])
    if kind is YoloLayer:
        fields["scale_x_y"] = float(fields["scale_x_y"])
        fields["new_coords"] = bool(fields["new_coords"])
    return kind(**fields)


def _count(value: Any) -> int:
    """A whole number from 1. Raises ``ValueError``."""
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no number of things")
    return value


def _texts(values: Any) -> list[str]:
    """A list of texts. Raises ``ValueError``."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("its labels are no list of texts")
    return values
