"""Where models come from: a file, a folder, or the catalog; imported once, then kept in the cache.

The cache is ``$XDG_CACHE_HOME/lookout`` (``~/.cache/lookout``)::

    downloads/<model>/<file>             as published, verified by its SHA-256
    networks/<digest>/network.onnx       imported, under the digest of all it was made from
                      model.json

Everything is written beside its place and moved there whole, so an interrupted or a parallel run leaves
nothing broken behind.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import urllib3

from lookout.errors import ModelError, UnknownModelError, UsageError
from lookout.models.catalog import CATALOG, ModelSpec, RemoteFile
from lookout.models.darknet import import_darknet
from lookout.models.labels import check_labels, labels_file, read_labels
from lookout.models.model import DESCRIPTION, NETWORK, Model
from lookout.models.onnx_file import OnnxNetwork, read_onnx

# Part of every digest: change it when the importer makes another network of the same files.
IMPORTER = "lookout-importer 2"

_TIMEOUT = urllib3.Timeout(connect=10, read=60)


def cache_folder() -> Path:
    """Lookout's cache: ``$XDG_CACHE_HOME/lookout``, by default ``~/.cache/lookout``; absolute.

    Raises ``UsageError`` for a user who has no home.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "lookout"
    except RuntimeError as error:
        raise UsageError("this user has no home to keep models in: set XDG_CACHE_HOME") from error


def load_model(reference: str | Path, *, labels: Path | None = None, cache: Path | None = None) -> Model:
    """The model that a reference names, ready to run.

    ``reference`` is a Darknet ``.cfg`` (its ``.weights`` beside it, of the same stem), an ``.onnx`` file, a
    folder that an import made, or a name in the catalog. ``labels``: a file with one label a line, in place of
    those found beside the network.

    Raises ``UnknownModelError``, ``ModelError`` and ``UsageError``.
    """
    cache = cache or cache_folder()
    path = Path(reference)
    try:
        if path.is_dir():
            if labels is not None:
                raise UsageError(f"{path} is an imported model and has its labels: leave --labels out")
            return Model.open(path.resolve())
        there = path.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be read
        raise UnknownModelError(f"the model {reference} can't be looked at: {error.strerror}") from error
    if not there:
        path = _fetch(_spec(str(reference)), cache / "downloads")
    return _imported(path, labels_file(path, labels), cache)


def _imported(network: Path, labels_path: Path | None, cache: Path) -> Model:
    """The model that a network file becomes: from the cache, or imported into it now."""
    sources = _sources(network)
    labels = read_labels(labels_path) if labels_path else None
    digest = _digest(network.name, sources, labels)
    folder = cache / "networks" / digest
    if not _is_whole(folder):
        made = _convert(network, sources, labels)
        known = check_labels(made.labels if labels is None else labels, made.head.classes, network)
        model = Model(network.stem, folder, digest, made.input_format, made.head, known)
        with _whole_folder(folder) as draft:
            (draft / NETWORK).write_bytes(made.onnx)
            (draft / DESCRIPTION).write_text(model.description(), "utf-8")
    return Model.open(folder)


def _sources(network: Path) -> list[bytes]:
    """The contents of the files that a network is made of."""
    if network.suffix == ".onnx":
        return [_read(network)]
    if network.suffix != ".cfg":
        raise UnknownModelError(
            f"{network} is no model: name a Darknet .cfg (with its .weights beside it) or an .onnx file"
        )
    weights = network.with_suffix(".weights")
    if not weights.is_file():
        raise ModelError(f"{network} has no weights: put {weights.name} beside it")
    return [_read(network), _read(weights)]


def _convert(network: Path, sources: list[bytes], labels: tuple[str, ...] | None) -> OnnxNetwork:
    if network.suffix == ".onnx":
        return read_onnx(sources[0], network.name, classes=None if labels is None else len(labels))
    cfg, weights = sources
    names = network.name, network.with_suffix(".weights").name
    imported = import_darknet(cfg.decode("utf-8", "replace"), weights, cfg_name=names[0], weights_name=names[1])
    return OnnxNetwork(imported.onnx, imported.input_format, imported.head, None)


def _digest(name: str, sources: list[bytes], labels: tuple[str, ...] | None) -> str:
    """SHA-256 of all that goes into an imported model, each part with its length, so that none runs into the next."""
    digest = hashlib.sha256()
    for part in (IMPORTER.encode(), name.encode(), *sources, repr(labels).encode()):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _is_whole(folder: Path) -> bool:
    try:
        return Model.open(folder).network.is_file()
    except ModelError:
        return False


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill beside ``folder``, moved there once it is filled. Raises ``ModelError``."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
        try:
            draft = workplace / "new"
            draft.mkdir()
            yield draft
            # Somebody else may have been quicker with the same content; then theirs stays.
            if not _is_whole(folder):
                if folder.exists():
                    folder.rename(workplace / "broken")
                draft.rename(folder)
        finally:
            shutil.rmtree(workplace, ignore_errors=True)
    except OSError as error:
        if _is_whole(folder):  # somebody was quicker between the look and the move
            return
        raise ModelError(f"the cache {folder.parent} can't be written ({error}): set XDG_CACHE_HOME") from error


def _spec(name: str) -> ModelSpec:
    if name not in CATALOG:
        raise UnknownModelError(
            f"there is no model {name!r}: name a .cfg or .onnx file that exists, or one of {', '.join(CATALOG)}"
        )
    return CATALOG[name]


def _fetch(spec: ModelSpec, downloads: Path) -> Path:
    """The first of a model's files, all of them being there. Raises ``ModelError``."""
    folder = downloads / spec.name
    for file in spec.files:
        if not (folder / file.name).is_file():
            _download(file, folder / file.name)
    return folder / spec.files[0].name


def _download(file: RemoteFile, target: Path) -> None:
    """Fetch a file from the first of its addresses that gives what was promised. Raises ``ModelError``."""
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f"the cache {target.parent} can't be written ({error}): set XDG_CACHE_HOME") from error
    for url in file.urls:
        try:
            _download_from(url, file.sha256, target)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
        else:
            return
    raise ModelError(
        f"{file.name} is not here and could not be fetched ({'; '.join(failures)}): "
        f"get it from one of these addresses and put it at {target}"
    )


def _download_from(url: str, sha256: str, target: Path) -> None:
    """Fetch, verify, and move into place. Raises ``ValueError`` for a wrong answer or a wrong checksum."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        with (
            urllib3.PoolManager(timeout=_TIMEOUT, retries=urllib3.Retry(2)) as pool,
            draft.open("wb") as file,
        ):
            answer = pool.request("GET", url, preload_content=False)
            if answer.status != 200:
                raise ValueError(f"the server answered {answer.status}")
            for chunk in answer.stream(1 << 20):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise ValueError("what came has another SHA-256 than the published file")
        draft.replace(target)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} can't be read: {error.strerror}") from error
