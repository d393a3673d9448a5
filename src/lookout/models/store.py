"""Where models come from: a file, a folder, the package, or the catalog; imported once, then kept in the cache.

The cache is ``$XDG_CACHE_HOME/lookout`` (``~/.cache/lookout``)::

    downloads/<model>/<file>             as published, verified by its SHA-256 whenever it is used
                      <file>.part        what has come of it, to be continued
    networks/<digest>/network.onnx       imported, under the digest of all it was made from
                      network.onnx.data  its weights
                      model.json

Everything is written beside its place and moved there whole, so an interrupted or a parallel run leaves
nothing broken behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from lookout.errors import ModelError, UnknownModelError, UsageError
from lookout.models.catalog import CATALOG, ModelSpec
from lookout.models.darknet import ImportedNetwork, import_darknet
from lookout.models.download import Notify, read_copy, silent
from lookout.models.external_data import WeightsFile
from lookout.models.labels import check_labels, labels_file, read_labels
from lookout.models.model import DESCRIPTION, NETWORK, WEIGHTS, Model
from lookout.models.onnx_file import OnnxNetwork, read_onnx
from lookout.models.onnx_heads import ONNX_FAMILIES, OnnxFamily
from lookout.models.published import download_folder, is_downloaded, obtain

# Part of every digest: change it when the importer makes another network of the same files.
IMPORTER = "lookout-importer 4"


@dataclass(frozen=True, slots=True)
class Bundled:
    """The network that comes with the package: its name, and its cfg, with weights and labels beside it."""

    name: str
    cfg: Path


@dataclass(frozen=True, slots=True)
class _Source:
    """A file that a network is made of."""

    name: str
    data: bytes
    sha256: str


def cache_folder() -> Path:
    """Lookout's cache: ``$XDG_CACHE_HOME/lookout``, by default ``~/.cache/lookout``; absolute.

    Raises ``UsageError`` for a user who has no home.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "lookout"
    except RuntimeError as error:
        raise UsageError("this user has no home to keep models in: set XDG_CACHE_HOME") from error


def load_model(
    reference: str | Path,
    *,
    labels: str | Path | None = None,
    head: OnnxFamily | None = None,
    cache: Path | None = None,
    offline: bool | None = None,
    notify: Notify = silent,
) -> Model:
    """The model that a reference names, ready to run.

    ``reference`` is a Darknet ``.cfg`` (its ``.weights`` beside it, of the same stem), an ``.onnx`` file, a
    folder that an import made, or a name (see ``pull``). ``labels``: a file with one label a line, in place of
    those found beside the network. ``head``: the family of an ``.onnx`` file's head, where its shapes don't tell.
    ``offline``: fetch nothing; None leaves it to ``LOOKOUT_OFFLINE``.

    Raises ``UnknownModelError``, ``ModelError`` and ``UsageError``.
    """
    path, labels = Path(reference), None if labels is None else Path(labels)
    if head is not None and head not in ONNX_FAMILIES:
        raise UsageError(f"there is no head {head!r}: name one of {', '.join(ONNX_FAMILIES)}")
    try:
        if path.is_dir() and ((path / DESCRIPTION).exists() or not _is_name(reference)):
            if labels is not None or head is not None:
                raise UsageError(f"{path} is an imported model and has its labels: leave --labels and --head out")
            return Model.open(path.resolve())
        there = path.is_file()
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be read
        raise UnknownModelError(f"the model {reference!r} can't be looked at: {error}") from error
    if there:
        return _imported(path, _sources(path), labels_file(path, labels), cache or cache_folder(), head=head)
    model = pull(str(reference), labels=labels, cache=cache, offline=offline, notify=notify)
    if head is not None:
        raise UsageError(f"the head of {reference} is known: leave --head out")
    return model


def pull(
    name: str,
    *,
    labels: Path | None = None,
    cache: Path | None = None,
    offline: bool | None = None,
    notify: Notify = silent,
) -> Model:
    """The model of that name, which comes with the package, or is in the catalog and fetched where it is not here.

    ``notify`` is told what is fetched. ``offline``: nothing is. Raises as ``load_model`` does.
    """
    cache = cache or cache_folder()
    ours = bundled()
    if ours and ours.name == name:
        return _imported(ours.cfg, _sources(ours.cfg), labels_file(ours.cfg, labels), cache)
    spec = find_spec(name)
    if model := find_imported(spec, labels, cache):
        return model
    if offline is None:
        offline = os.environ.get("LOOKOUT_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")
    copies = obtain(spec, download_folder(spec, cache), offline=offline, notify=notify)
    sources = [_Source(copy.file.name, copy.data, copy.file.sha256) for copy in copies if copy.file in spec.network]
    network = copies[0].path
    return _imported(network, sources, labels_file(network, labels), cache)


def import_darknet_pair(
    cfg: Path, weights: Path, *, labels: Path | None = None, out: Path | None = None, cache: Path | None = None
) -> Model:
    """Import a Darknet network whose files have any names, into the folder ``out``, or into the cache.

    Raises ``ModelError``, and ``UsageError`` where ``out`` holds something else.
    """
    sources = [_source(cfg), _source(weights)]
    labels_path = labels_file(cfg, labels)
    return _imported(cfg, sources, labels_path, cache or cache_folder(), out=out and out.resolve())


def _is_name(reference: str | Path) -> bool:
    """Whether it is the name of a model, which a folder of that name does not hide."""
    ours = bundled()
    return str(reference) in CATALOG or (ours is not None and str(reference) == ours.name)


def find_spec(name: str) -> ModelSpec:
    """The catalog's model of that name. Raises ``UnknownModelError``."""
    if name not in CATALOG:
        ours = bundled()
        names = [*([ours.name] if ours else []), *CATALOG]
        raise UnknownModelError(
            f"there is no model {name!r}: name a .cfg or .onnx file that exists, or one of {', '.join(names)}"
        )
    return CATALOG[name]


def presence(spec: ModelSpec, cache: Path) -> Literal["downloaded", "imported", "partly", "no"]:
    """What is here of a model: all its files, what was imported from them, some of it, or nothing.

    By names and sizes alone; checksums are looked at where a file is used.
    """
    folder = download_folder(spec, cache)
    if is_downloaded(spec, folder):
        return "downloaded"
    if find_imported(spec, None, cache):
        return "imported"
    return "partly" if folder.is_dir() and any(folder.iterdir()) else "no"


def find_imported(spec: ModelSpec, labels: Path | None, cache: Path) -> Model | None:
    """What was imported before from these published files; None where that was not done yet.

    That needs no look at the network's files, as their checksums are known.
    """
    folder = download_folder(spec, cache)
    if any(read_copy(file, folder / file.name).fault for file in spec.files if file not in spec.network):
        return None
    network = folder / spec.files[0].name
    labels_path = labels_file(network, labels)
    checksums = [file.sha256 for file in spec.network]
    imported = cache / "networks" / _digest(network.name, checksums, read_labels(labels_path) if labels_path else None)
    return Model.open(imported) if _is_whole(imported) else None


def bundled() -> Bundled | None:
    """The network that comes with the package; None where none does."""
    try:
        module = import_module("lookout.models.bundled")
    except ModuleNotFoundError as error:
        if error.name != "lookout.models.bundled":
            raise
        return None
    return Bundled(module.NAME, module.CFG)


def _imported(
    network: Path,
    sources: Sequence[_Source],
    labels_path: Path | None,
    cache: Path,
    *,
    out: Path | None = None,
    head: OnnxFamily | None = None,
) -> Model:
    """The model that a network becomes: imported before, or now, into ``out`` or into the cache."""
    labels = read_labels(labels_path) if labels_path else None
    digest = _digest(network.name, [source.sha256 for source in sources], labels, head)
    folder = out or cache / "networks" / digest
    if out:
        _check_free(out, digest)
    if not _is_whole(folder):
        made = _convert(sources, labels, head)
        known = check_labels(made.labels if labels is None else labels, made.head.classes, network)
        name = network.stem.encode("utf-8", "replace").decode()  # a file's name may be any bytes
        weights = WeightsFile(WEIGHTS)
        graph = made.graph(weights)
        model = Model(name, folder, digest, made.input_format, made.head, known, len(graph), weights.size_bytes)
        contents: dict[str, list[bytes | memoryview]]
        contents = {WEIGHTS: weights.pieces, NETWORK: [graph], DESCRIPTION: [model.description().encode()]}
        with _whole_folder(folder, in_cache=out is None) as draft:
            for path in model.files:
                _write_through(draft / path.name, contents[path.name])
    return Model.open(folder)


def _check_free(out: Path, digest: str) -> None:
    """Raise ``UsageError`` where a folder holds anything but the model of that digest."""
    try:
        taken = any(out.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{out} can't be written ({error.strerror}): name another folder with --out") from error
    if taken and not (_is_whole(out) and Model.open(out).digest == digest):
        raise UsageError(f"{out} holds something else already: name another folder with --out")


def _sources(network: Path) -> list[_Source]:
    """The files that a network is made of."""
    if network.suffix.lower() == ".onnx":
        return [_source(network)]
    if network.suffix.lower() != ".cfg":
        raise UnknownModelError(
            f"{network} is no model: name a Darknet .cfg (with its .weights beside it) or an .onnx file"
        )
    weights = network.with_suffix(".weights")
    if not weights.is_file():
        raise ModelError(f"{network} has no weights: put {weights.name} beside it")
    return [_source(network), _source(weights)]


def _source(path: Path) -> _Source:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
    return _Source(path.name, data, hashlib.sha256(data).hexdigest())


def _convert(
    sources: Sequence[_Source], labels: tuple[str, ...] | None, head: OnnxFamily | None
) -> OnnxNetwork | ImportedNetwork:
    if len(sources) == 1:
        classes = None if labels is None else len(labels)
        return read_onnx(sources[0].data, sources[0].name, family=head, classes=classes)
    if head:
        raise UsageError(f"{sources[0].name} says itself what head it has: leave --head out")
    cfg, weights = sources
    text = cfg.data.decode("utf-8", "replace")
    return import_darknet(text, weights.data, cfg_name=cfg.name, weights_name=weights.name)


def _digest(name: str, checksums: Sequence[str], labels: tuple[str, ...] | None, head: str | None = None) -> str:
    """SHA-256 of all that goes into an imported model, each part with its length, so that none runs into the next."""
    digest = hashlib.sha256()
    for part in (IMPORTER, name, *checksums, repr(labels), repr(head)):
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def _write_through(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file to the disk itself, so that it is whole before its folder takes its place."""
    with path.open("wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _is_whole(folder: Path) -> bool:
    """Whether a folder holds a model whose network has its full length."""
    try:
        Model.open(folder).check_whole()
    except ModelError:
        return False
    return True


@contextmanager
def _whole_folder(folder: Path, *, in_cache: bool) -> Iterator[Path]:
    """A folder to fill beside ``folder``, moved there once it is filled. Raises ``ModelError``.

    In the cache it takes the place of a broken one; elsewhere only that of an empty one.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        try:
            draft = workplace / "new"
            draft.mkdir()
            yield draft
            _move_in(draft, folder, in_cache=in_cache)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    except OSError as error:
        if _is_whole(folder):  # somebody was quicker between the look and the move
            return
        place = f"the cache {folder.parent}" if in_cache else str(folder)
        remedy = "set XDG_CACHE_HOME" if in_cache else "name another folder with --out"
        raise ModelError(f"{place} can't be written ({error}): {remedy}") from error


def _move_in(draft: Path, folder: Path, *, in_cache: bool) -> None:
    """Give a filled folder its name. Raises ``OSError``.

    What is there already is never moved away, as somebody else may just have made it, and be reading it.
    """
    try:
        draft.rename(folder)  # which also takes the place of an empty one
    except OSError:
        if _is_whole(folder):  # somebody was quicker, with the same content
            return
        if not in_cache:
            raise
        for path in Model.open(draft).files:  # mended file by file
            path.replace(folder / path.name)
