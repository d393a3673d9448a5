"""The commands that show, fetch and import models: ``lookout models``."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lookout.apps import console, options, tables
from lookout.apps.progress import Downloads
from lookout.errors import LookoutError, UsageError

if TYPE_CHECKING:
    from lookout.models.catalog import ModelSpec
    from lookout.models.model import Model
    from lookout.models.onnx_heads import OnnxFamily

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def models() -> None:
    """Show what models there are, fetch them, and import your own.

    They are kept in $XDG_CACHE_HOME/lookout, by default ~/.cache/lookout.
    """


@models.command("list")
@options.as_json
def list_(*, as_json: bool) -> None:
    """List the models that have a name.

    They come with Lookout, or are fetched from where they were published and then kept.
    AP and AP50 are the publishers' figures on COCO, in percent, at the input size beside them.

    \b
    Example: lookout models list
    """
    from lookout.models.catalog import CATALOG

    documents = [*_bundled(), *(_spec_document(spec) for spec in CATALOG.values())]
    if as_json:
        console.put(json.dumps(documents))
    else:
        tables.print_models(documents)


@models.command()
@click.argument("model", metavar="M")
@options.labels
@options.head
@options.as_json
def info(model: str, labels: Path | None, head: OnnxFamily | None, *, as_json: bool) -> None:
    """Tell all that is known of a model.

    M is a name (see lookout models list), a .cfg or .onnx file, which is imported for it, or an imported folder.
    Nothing is fetched.

    \b
    Example: lookout models info yolov3-tiny
             lookout models info mine.cfg --labels mine.txt
    """
    from lookout.models.catalog import CATALOG
    from lookout.models.store import load_model

    if model in CATALOG and not Path(model).exists():
        if labels is not None or head is not None:
            raise UsageError(f"{model} is a name of the catalog: --labels and --head are for files, leave them out")
        document = _full_document(CATALOG[model])
    else:
        document = _model_document(load_model(model, labels=labels, head=head, offline=True))
    console.put(json.dumps(document) if as_json else "\n".join(map(console.printable, _lines(document))))


@models.command(short_help="Fetch models of the catalog.")
@click.argument("names", metavar="M...", nargs=-1, required=True)
@options.offline
@options.as_json
def pull(names: tuple[str, ...], *, offline: bool, as_json: bool) -> None:
    """Fetch models of the catalog, so that they are here when they are needed.

    Each is verified, imported into the cache, and its folder printed. A download that was cut off is continued.
    HTTPS_PROXY and NO_PROXY are honoured.

    \b
    Example: lookout models pull yolov3-tiny yolox_nano
    """
    from lookout.models import store

    ours = store.bundled()
    for name in names:
        if not (ours and ours.name == name):
            store.find_spec(name)  # a misspelt name is said before anything is fetched
    failed = False
    for name in names:
        try:
            with Downloads() as downloads:
                model = store.pull(name, offline=offline, notify=downloads.notify)
        except LookoutError as error:  # the others may fare better
            console.complain(error)
            failed = True
        else:
            _print_model(model, as_json=as_json)
    sys.exit(1 if failed else 0)


@models.command("import")
@click.argument("cfg", type=_FILE)
@click.argument("weights", type=_FILE)
@options.labels
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to make of it. [default: one in the cache]",
)
@options.as_json
def import_(cfg: Path, weights: Path, labels: Path | None, out: Path | None, *, as_json: bool) -> None:
    """Import a Darknet network, whatever its two files are called.

    Prints the folder that it becomes, which --model takes; it needs the two files no more.

    \b
    Example: lookout models import yolov4-mine.cfg yolov4-mine_best.weights --labels mine.names --out mine
             lookout detect street.jpg --model mine
    """
    from lookout.models.store import import_darknet_pair

    _print_model(import_darknet_pair(cfg, weights, labels=labels, out=out), as_json=as_json)


def _print_model(model: Model, *, as_json: bool) -> None:
    """The folder is shown as it is, for --model to take."""
    console.put(json.dumps(_model_document(model)) if as_json else str(model.folder))


def _bundled() -> Iterator[dict[str, Any]]:
    """The model that comes with the package, if one does, as the catalog's are described."""
    from lookout.models.darknet import parse_cfg
    from lookout.models.store import bundled

    if ours := bundled():
        yield {
            "name": ours.name,
            "size": sum(path.stat().st_size for path in ours.cfg.parent.glob(f"{ours.cfg.stem}.*")),
            "licence": "Apache-2.0",  # the package's own
            "input_size": parse_cfg(ours.cfg.read_text("utf-8"), ours.cfg.name)[0].integer("width"),
            "accuracy": None,
            "here": "bundled",
        }


def _spec_document(spec: ModelSpec) -> dict[str, Any]:
    from lookout.models.store import cache_folder, presence

    return {
        "name": spec.name,
        "size": spec.size,
        "licence": spec.licence,
        "input_size": spec.input_size,
        "accuracy": dataclasses.asdict(spec.accuracy) if spec.accuracy else None,
        "here": presence(spec, cache_folder()),
    }


def _full_document(spec: ModelSpec) -> dict[str, Any]:
    """Of a model in the catalog, also its files, verified, and what was imported from them."""
    from lookout.models.download import read_copy
    from lookout.models.published import download_folder
    from lookout.models.store import cache_folder, find_imported

    folder = download_folder(spec, cache_folder())
    copies = [read_copy(file, folder / file.name) for file in spec.files]
    files = [
        {**dataclasses.asdict(copy.file), "path": str(copy.path), "state": copy.fault or "verified"} for copy in copies
    ]
    imported = find_imported(spec, None, cache_folder())
    return {**_spec_document(spec), "files": files, "imported": _model_document(imported) if imported else None}


def _model_document(model: Model) -> dict[str, Any]:
    description = json.loads(model.description())
    return {
        "name": model.name,
        "folder": str(model.folder),
        "digest": model.digest,
        "head": description["head"]["family"],
        "input": description["input"],
        "labels": list(model.labels),
    }


def _lines(document: dict[str, Any]) -> Iterator[str]:
    """What ``info`` shows."""
    yield document["name"]
    if "head" in document:
        yield from _network_lines(document)
        return
    yield f"  Licence   {document['licence']}"
    yield f"  Input     {document['input_size']} x {document['input_size']}"
    yield f"  Accuracy  {_accuracy(document['accuracy'])}"
    yield f"  Size      {document['size']:,} bytes"
    yield f"  Here      {document['here']}"
    for file in document["files"]:
        yield ""
        yield f"  {file['name']}: {file['state']}"
        yield f"    Size    {file['size']:,} bytes"
        yield f"    SHA-256 {file['sha256']}"
        yield f"    Place   {file['path']}"
        for url in file["urls"]:
            yield f"    From    {url}"
    if document["imported"]:
        yield ""
        yield "  As it was imported"
        yield from _network_lines(document["imported"])


def _network_lines(document: dict[str, Any]) -> Iterator[str]:
    wanted = document["input"]
    yield f"  Head      {document['head']}"
    yield f"  Input     {wanted['width']} x {wanted['height']}, {wanted['framing']}, {wanted['channels'].upper()}"
    yield f"  Labels    {len(document['labels'])}: {_shortened(document['labels'])}"
    yield f"  Digest    {document['digest']}"
    yield f"  Folder    {document['folder']}"


def _shortened(labels: list[str]) -> str:
    return ", ".join([*labels[:5], *(["..."] if len(labels) > 5 else [])])


def _accuracy(accuracy: dict[str, Any] | None) -> str:
    if accuracy is None:
        return "not known"
    figures = {"AP": accuracy["ap"], "AP50": accuracy["ap50"]}
    known = ", ".join(f"{name} {value}" for name, value in figures.items() if value is not None)
    return f"COCO {known} at {accuracy['input_size']} x {accuracy['input_size']} (the publisher's figure)"
