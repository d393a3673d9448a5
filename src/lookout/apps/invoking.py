"""``lookout stack invoke``, image by image: what was found, and what Lambda reports of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict

import click

from lookout import images
from lookout.apps.console import failure_line, put
from lookout.apps.sending import sample_document, sample_line
from lookout.cloud.account import Account, aws_errors
from lookout.cloud.reports import Invocation, wait_for_reports
from lookout.cloud.stack import Deployment
from lookout.comparison.load import take_sample
from lookout.comparison.samples import Sample
from lookout.executions.direct import DirectExecution

# CloudWatch shows a line some seconds after it was logged.
_PATIENCE_S = 20.0
# This machine's clock and AWS's differ a little.
_SKEW_S = 60.0


def invoke_each(
    account: Account, deployment: Deployment, execution: DirectExecution, paths: Iterable[str], *, as_json: bool
) -> int:
    """Invoke the function with each image, and say what came of it; how many failed.

    Raises ``UnreachableError`` where no further image would fare better.
    """
    failed = 0
    for path in paths:
        sample = take_sample(execution.name, path, execution.detect, time.time, images.read)
        report = _report(account, deployment, sample)
        if as_json:
            put(json.dumps({**sample_document(sample), "report": asdict(report) if report else None}))
        elif sample.error is None:
            put(f"{sample_line(sample)}\n  {describe_report(report)}")
        if sample.error is not None:
            failed += 1
            click.echo(failure_line(sample.image, sample.error), err=True)
    return failed


def _report(account: Account, deployment: Deployment, sample: Sample) -> Invocation | None:
    """What Lambda reports of an image that was answered, None where it does not in time."""
    request_id = sample.answer.request_id if sample.answer else None
    if request_id is None:
        return None
    with aws_errors(f"reading the log group {deployment.log_group}"):
        since = sample.started - _SKEW_S
        found = wait_for_reports(account.logs, deployment.log_group, [request_id], since, _PATIENCE_S)
    return found.get(request_id)


def describe_report(report: Invocation | None) -> str:
    """What an invocation took, in a line."""
    if report is None:
        return f"Lambda's report did not come within {_PATIENCE_S:.0f} s: see lookout stack logs"
    start = "warm" if report.init_ms is None else f"cold start {report.init_ms:.0f} ms"
    return (
        f"Lambda: {report.duration_ms:.1f} ms, billed {report.billed_ms:.0f} ms, "
        f"{report.used_mb} of {report.memory_mb} MB, {start}"
    )
