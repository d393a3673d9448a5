"""Tensors of the Open Inference Protocol: as JSON, or as bytes behind the JSON (the binary tensor data extension).

https://github.com/kserve/open-inference-protocol, ``inference_rest.md``; the extension as Triton describes it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from lookout.apps.server.schemas import GivenTensor, InferenceRequest, Tensor
from lookout.errors import UsageError

Document = TypeVar("Document")

# Where the JSON ends and the bytes begin.
LENGTH_HEADER = "Inference-Header-Content-Length"
INPUT = "image"
# Python's lists of numbers take many times the memory of the numbers, and nothing else runs while JSON is read.
_MOST_JSON_BYTES = 16 * 1024 * 1024
_Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]
_Pixel = Annotated[list[_Byte], msgspec.Meta(min_length=3, max_length=3)]
_Row = Annotated[list[_Pixel], msgspec.Meta(min_length=1)]
# By how deep it is nested: flat, a picture, a batch of one.
_NESTED: dict[int, Any] = {1: list[_Byte], 3: list[_Row], 4: list[list[_Row]]}
_MOST_DIGITS = 12
_NO_DATA = msgspec.Raw(b"[]")
_BRACKETS = re.compile(rb"[\[\s]*")
_DTYPES: dict[str, Any] = {"FP32": np.float32, "INT64": np.int64}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read: its image (a file's bytes, or BGR pixels), and which outputs are wanted, and how."""

    id: str | None
    image: bytes | npt.NDArray[np.uint8]
    parameters: Mapping[str, Any]
    wanted: Mapping[str, bool]  # output -> whether in binary; empty for all of them
    binary: bool  # where nothing is said of an output


def read_request(body: bytes, header_length: str | None) -> Asked:
    """What is asked for. Raises ``UsageError`` with what is wrong with it."""
    length = _header_length(header_length, len(body))
    if length > _MOST_JSON_BYTES:
        raise UsageError(f"the JSON is over {_MOST_JSON_BYTES:,} bytes: send the tensor's data as bytes behind it")
    document = _decoded(body[:length], InferenceRequest, "the body is no inference request")
    if len(document["inputs"]) != 1:
        raise UsageError(f"give one input, named {INPUT}: UINT8 (height, width, 3), or BYTES (1)")
    parameters = document.get("parameters", {})
    wanted = {output["name"]: _flag(output, "binary_data") for output in document.get("outputs", [])}
    binary = parameters.get("binary_data_output") is True
    image = _image(document["inputs"][0], memoryview(body)[length:])
    return Asked(document.get("id"), image, parameters, wanted, binary)


def write_tensors(tensors: Mapping[str, Sequence[Any] | npt.NDArray[Any]], asked: Asked) -> tuple[list[Tensor], bytes]:
    """The outputs that are wanted as JSON, and the bytes of those that are wanted in binary."""
    unknown = asked.wanted.keys() - tensors.keys()
    if unknown:
        raise UsageError(f"there is no output {min(unknown)!r:.100}: ask for {', '.join(tensors)}")
    written: list[Tensor] = []
    binary = b""
    for name in asked.wanted or tensors:
        tensor, data = _write(name, tensors[name], binary=asked.wanted.get(name, asked.binary))
        written.append(tensor)
        binary += data
    return written, binary


def _header_length(text: str | None, size: int) -> int:
    if text is None:
        return size
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or int(text) > size:
        raise UsageError(f"{LENGTH_HEADER} is {text[:20]!r}: give the length of the JSON, at most the body's {size}")
    return int(text)


def _decoded(data: bytes | msgspec.Raw, kind: type[Document], complaint: str) -> Document:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{complaint}: {error}") from error


def _image(tensor: GivenTensor, binary: memoryview) -> bytes | npt.NDArray[np.uint8]:
    if tensor["name"] != INPUT:
        raise UsageError(f"there is no input {tensor['name']!r}: give {INPUT}")
    size = tensor.get("parameters", {}).get("binary_data_size")
    if size is not None and size != len(binary):
        raise UsageError(f"binary_data_size is {size!r:.40}, and {len(binary)} bytes follow the JSON")
    if tensor["datatype"] == "BYTES":
        return _file(tensor, None if size is None else binary)
    if tensor["datatype"] == "UINT8":
        return _pixels(tensor, None if size is None else binary)
    raise UsageError(f"the datatype {tensor['datatype'][:20]!r} is no image: give UINT8 or BYTES")


def _file(tensor: GivenTensor, binary: memoryview | None) -> bytes:
    if binary is not None:
        if len(binary) < 4 or int.from_bytes(binary[:4], "little") != len(binary) - 4:
            raise UsageError("a BYTES tensor has one element: its length in four bytes, then the image file")
        return bytes(binary[4:])
    complaint = "a BYTES tensor in JSON has one element: the image file in base64"
    data = _decoded(tensor.get("data", _NO_DATA), list[str], complaint)
    if len(data) != 1:
        raise UsageError(complaint)
    try:
        return base64.b64decode(data[0], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"the BYTES tensor is not base64: {error}") from error


def _pixels(tensor: GivenTensor, binary: memoryview | None) -> npt.NDArray[np.uint8]:
    shape = tuple(tensor["shape"][1:] if len(tensor["shape"]) == 4 and tensor["shape"][0] == 1 else tensor["shape"])
    if len(shape) != 3 or shape[2] != 3 or not all(shape):
        raise UsageError(f"the shape {tensor['shape']!r:.100} is no image: give (height, width, 3), in RGB")
    values = _numbers(bytes(tensor.get("data", _NO_DATA))) if binary is None else np.frombuffer(binary, np.uint8)
    if values.size != shape[0] * shape[1] * shape[2]:
        raise UsageError(f"the shape {shape} and the {values.size} values of data don't fit")
    return np.ascontiguousarray(values.reshape(shape)[..., ::-1])


def _numbers(data: bytes) -> npt.NDArray[np.uint8]:
    kind = _NESTED.get(len(_BRACKETS.match(data)[0].translate(None, b" \t\r\n")))  # type: ignore[index]  # it always matches
    if kind is None:
        raise UsageError("data is no tensor: give it flat, or nested as the shape says")
    numbers = _decoded(data, kind, "a UINT8 tensor has whole numbers from 0 to 255, flat or nested as its shape says")
    try:
        return np.array(numbers, np.uint8)
    except ValueError as error:  # rows of different lengths
        raise UsageError("data is no tensor: give it flat, or nested as the shape says") from error


def _write(name: str, values: Any, *, binary: bool) -> tuple[Tensor, bytes]:
    if isinstance(values, np.ndarray):
        datatype = next(datatype for datatype, dtype in _DTYPES.items() if values.dtype == dtype)
        data, shape = values.tobytes(), list(values.shape)
        listed = values.ravel().tolist()
    else:
        encoded = [text.encode() for text in values]
        datatype, data = "BYTES", b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
        listed, shape = list(values), [len(encoded)]
    tensor: Tensor = {"name": name, "datatype": datatype, "shape": shape}
    if binary:
        return {**tensor, "parameters": {"binary_data_size": len(data)}}, data
    return {**tensor, "data": listed}, b""


def _flag(output: Mapping[str, Any], name: str) -> bool:
    return output.get("parameters", {}).get(name) is True


def join(document: Mapping[str, Any], binary: bytes) -> tuple[bytes, int]:
    """A body of JSON and the bytes behind it, and where these begin."""
    head = json.dumps(document).encode()
    return head + binary, len(head)
