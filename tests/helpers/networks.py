"""Imported networks as one file."""

from __future__ import annotations

from typing import Protocol

import onnx

from lookout.models.external_data import WeightsFile


class Network(Protocol):
    """What an importer gives."""

    def graph(self, weights: WeightsFile) -> bytes: ...


def whole(network: Network) -> bytes:
    """The bytes of an ONNX file that holds its weights itself."""
    weights = WeightsFile("weights")
    model = onnx.load_model_from_string(network.graph(weights))
    data = b"".join(weights.pieces)
    for tensor in model.graph.initializer:
        if tensor.data_location == tensor.EXTERNAL:
            place = {entry.key: entry.value for entry in tensor.external_data}
            start = int(place["offset"])
            tensor.raw_data = data[start : start + int(place["length"])]
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
    return model.SerializeToString()
