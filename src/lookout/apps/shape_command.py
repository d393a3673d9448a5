"""``lookout shape`` (hidden): the proxy that a comparison starts, to reach what it measures over a slower network."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import click

from lookout.apps import console, options


@click.command(hidden=True)
@click.option("--to", "url", required=True, help="The server behind it.")
@click.option("--network", required=True, help="As of lookout compare.")
@options.as_json
@options.stop_on_eof
def shape(url: str, network: str, *, as_json: bool, stop_on_eof: bool) -> None:
    """Let a server of this machine's be reached as over another network, until it is ended."""
    from lookout.comparison.network import read_network
    from lookout.comparison.shaping import run

    if stop_on_eof:
        console.stop_on_eof()

    def ready(port: int) -> None:
        here = f"http://127.0.0.1:{port}"
        console.put(json.dumps({"url": here}) if as_json else f"{url} is reached by {here} (Ctrl-C ends it)")

    address = urlsplit(url)
    run((address.hostname or "", address.port or 80), read_network(network), ready)
