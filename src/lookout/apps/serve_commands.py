"""The commands that stay: ``lookout serve``, the local execution, and ``lookout emulator``, the cloud here."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import click

from lookout.apps import console, opening, options


@click.command()
@options.detection
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=5001, show_default=True, help="0 takes a free one.")
@options.as_json
@options.stop_on_eof
def serve(host: str, port: int, *, as_json: bool, stop_on_eof: bool, **settings: Any) -> None:
    """Run the local execution, a web server.

    POST /object-detection takes an image as the body (image/* or application/octet-stream), as the file image of
    a form (multipart/form-data), or in JSON: {"id", "image_data"}, the image in base64. It answers id, objects (each
    with label, accuracy and box: x, y, width, height in pixels), inference_time and timings, in milliseconds.
    GET /healthz names the model and the engine.

    \b
    Example: lookout serve --model yolov3-tiny.cfg
             curl --data-binary @street.jpg -H 'Content-Type: image/jpeg' \\
                  http://127.0.0.1:5001/object-detection
    """
    console.require("server", "lookout serve", "flask", "waitress")
    from lookout.apps import server

    if stop_on_eof:
        console.stop_on_eof()
    with closing(opening.load_detector(**settings)) as detector:
        detector.warm_up()

        def on_ready(url: str) -> None:
            text = f"{detector.model.name} on {detector.engine.name} at {url}/object-detection (Ctrl-C ends it)"
            console.put(json.dumps({"url": url}) if as_json else text)

        server.serve(detector, host, port, on_ready)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4566, show_default=True, help="0 takes a free one.")
@options.as_json
@options.stop_on_eof
@click.option("--sweep", is_flag=True, hidden=True, help="Remove what killed emulators left, and end.")
def emulator(port: int, *, as_json: bool, stop_on_eof: bool, sweep: bool) -> None:
    """Run the embedded cloud on this machine.

    S3, Lambda, DynamoDB and what they need, with no account. It listens on loopback only, and prints the
    variables that point AWS's tools, and Lookout, at it: paste them into another terminal.

    \b
    Example: lookout emulator
    """
    console.require("emulator", "the emulator", "ministack", "awslambdaric", "boto3")
    from lookout.cloud.emulator import EmulatorConfig, environment, leave
    from lookout.cloud.emulator import serve as serve_emulator
    from lookout.cloud.emulator import sweep as sweep_up

    if sweep:
        sweep_up()
        return
    if stop_on_eof:
        console.stop_on_eof()
    config = EmulatorConfig(port=port)

    def on_ready(url: str) -> None:
        variables = environment(url, config.region)
        if as_json:
            console.put(json.dumps({"url": url, "environment": variables}))
            return
        # Real keys that lie about in the terminal must not go to the emulator.
        console.put("unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN")
        for name, value in variables.items():
            console.put(f"export {name}={value}")
        click.echo(f"# the emulator listens at {url}; Ctrl-C ends it, and all that it holds", err=True)

    serve_emulator(config, on_ready)
    leave()
