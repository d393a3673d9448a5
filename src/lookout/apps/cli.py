"""The command line. Each command gathers its settings, hands them to the house, and shows what came of it.

Heavy modules are imported within the commands that need them, so that ``lookout --help`` is there at once.
"""

from __future__ import annotations

import click

from lookout import __version__
from lookout.apps import console
from lookout.apps.compare_commands import compare, demo
from lookout.apps.detect_commands import detect
from lookout.apps.emulator_command import emulator
from lookout.apps.evaluate_commands import evaluate
from lookout.apps.model_commands import models
from lookout.apps.report_command import report
from lookout.apps.send_command import send
from lookout.apps.serve_commands import serve
from lookout.apps.shape_command import shape
from lookout.apps.stack_commands import stack
from lookout.apps.stack_watching import failures, invoke, logs, status
from lookout.apps.tune_command import tune


@click.group(cls=console.Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lookout")
def main() -> None:
    """Detect objects with YOLO: here, or offloaded to the cloud, and measure which is better."""


main.add_command(detect)
main.add_command(evaluate)
main.add_command(serve)
main.add_command(send)
main.add_command(compare)
main.add_command(report)
main.add_command(tune)
main.add_command(demo)
main.add_command(emulator)
main.add_command(stack)
main.add_command(models)
main.add_command(shape)

stack.add_command(status)
stack.add_command(logs)
stack.add_command(invoke)
stack.add_command(failures)
