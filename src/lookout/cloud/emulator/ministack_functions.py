"""Functions as ministack records them, run on our host.

ministack is imported within functions: what it reads from the environment must be there first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lookout.cloud.emulator import report
from lookout.cloud.emulator.event_queue import Attempt, Policy, Verdict
from lookout.cloud.emulator.failure_record import Message
from lookout.cloud.emulator.function import FunctionConfig, Invocation
from lookout.cloud.emulator.function_runner import FunctionRunner, revision
from lookout.cloud.emulator.journal import Event


class MinistackFunctions:
    """Runs ministack's functions on our host, for whoever waits (``execute``) and for events.

    ``on_change`` is called when an event was given to its function.
    """

    def __init__(self, runner: FunctionRunner, on_change: Callable[[], None]) -> None:
        self._runner = runner
        self._on_change = on_change

    def execute(self, record: Mapping[str, Any], event: object, request_id: str) -> dict[str, object]:
        """Stand in for ministack's function of the same arguments and result."""
        return _result(self._runner.invoke(record, json.dumps(event).encode(), request_id))

    def policy(self, function: str) -> Policy | None:
        """See ``Functions``."""
        return _in_scope(function, self._policy, function)  # type: ignore[no-any-return]

    def attempt(self, event: Event) -> Attempt:
        """See ``Functions``."""
        try:
            return _in_scope(event.function, self._attempt, event)  # type: ignore[no-any-return]
        finally:
            self._on_change()

    @staticmethod
    def is_current(function: FunctionConfig) -> bool:
        """Whether a function is there still, as it was."""
        from ministack.services import lambda_svc

        _, config, _ = _in_scope(function.arn, lambda_svc._get_func_record_for_ref, function.arn)
        return config is not None and revision(config) == function.revision

    def send(self, event: Event, destination: str, message: Message) -> None:
        """See ``Functions``. Destinations are SQS queues."""
        _in_scope(event.function, self._send, destination, message)

    @staticmethod
    def _policy(function: str) -> Policy | None:
        from ministack.services import lambda_svc

        base, _, _ = lambda_svc._get_base_func_record_for_ref(function)
        _, config, _ = lambda_svc._get_func_record_for_ref(function)
        if base is None or config is None:
            return None
        qualifier = ":".join(function.split(":")[7:]) or "$LATEST"
        found = lambda_svc._event_invoke_config(base, qualifier)
        if found is None and qualifier == "$LATEST":  # one that was put without a qualifier
            found = lambda_svc._event_invoke_config(base, None)
        settings = found or {}
        return Policy(
            most_retries=int(settings.get("MaximumRetryAttempts", 2)),
            most_age_s=float(settings.get("MaximumEventAgeInSeconds", 21_600)),
            on_failure=((settings.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination", ""),
            dead_letter=(config.get("DeadLetterConfig") or {}).get("TargetArn", ""),
        )

    def _attempt(self, event: Event) -> Attempt:
        """What ministack does for whoever waits, but under the request id that all attempts of an event share."""
        from ministack.services import lambda_svc

        found, config, name = lambda_svc._get_func_record_for_ref(event.function)
        if found is None or config is None:
            return Attempt(Verdict.FAULT)  # deleted just now; there is no policy for it next time
        record = {**found, "config": {**config, "FunctionArn": event.function}}
        slot, _ = lambda_svc._acquire_execution_slot(record, config)
        if slot is None:
            lambda_svc._emit_lambda_metrics(name, duration_ms=0.0, error=False, throttle=True)
            return Attempt(Verdict.THROTTLED)
        try:
            with _shown_as_running(config, event.request_id):
                invocation = self._runner.invoke(record, event.payload, event.request_id)
                log, duration_ms = "\n".join(invocation.log_lines), round(invocation.duration_ms)
                if lambda_svc._get_func_record_for_ref(event.function)[0]:
                    # Of a function that was deleted meanwhile the log group is gone, and must not come again.
                    lambda_svc._emit_lambda_logs(
                        record, event.request_id, log, invocation.error, duration_ms, log_source="rie"
                    )
            if invocation.host_fault:
                return Attempt(Verdict.FAULT)
            lambda_svc._emit_lambda_metrics(
                name, duration_ms=invocation.duration_ms, error=invocation.error, throttle=False
            )
        finally:
            lambda_svc._release_execution_slot(slot)
        return Attempt(Verdict.FAILED, invocation.payload) if invocation.error else Attempt(Verdict.DONE)

    @staticmethod
    def _send(destination: str, message: Message) -> None:
        from ministack.services import sqs

        if sqs._queue_by_arn(destination) is None:
            raise LookupError("there is no such queue")
        attributes = {
            name: {"DataType": kind, "StringValue": text} for name, (kind, text) in message.attributes.items()
        }
        queue = destination.rpartition(":")[2]
        sqs._act_send_message({"QueueUrl": queue, "MessageBody": message.body, "MessageAttributes": attributes}, "")


@contextmanager
def _shown_as_running(config: Mapping[str, Any], request_id: str) -> Iterator[None]:
    """Have START in the function's log while it runs: its whole log comes at once, at its end."""
    from ministack.services import cloudwatch_logs

    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
    stream = {"logGroupName": group, "logStreamName": f"running/{request_id}"}
    started = {"message": report.start_line(request_id, config.get("Version") or "$LATEST")}
    # Each answers with an error where it is not needed, or the group not there; nothing hangs on it.
    cloudwatch_logs._create_log_group({"logGroupName": group})
    cloudwatch_logs._create_log_stream(stream)
    cloudwatch_logs._put_log_events({**stream, "logEvents": [started]})
    try:
        yield
    finally:
        cloudwatch_logs._delete_log_stream(stream)


def _in_scope(function: str, call: Callable[..., Any], *arguments: object) -> Any:
    """Call with the account and region of a function's ARN, as ministack does for a request that names them."""
    from ministack.services import lambda_svc

    return lambda_svc._run_with_function_config_scope({"FunctionArn": function}, call, *arguments)


def _result(invocation: Invocation) -> dict[str, object]:
    """What ministack expects; ``rie`` tells it that the log has Lambda's own lines already."""
    try:
        body = json.loads(invocation.payload)
    except ValueError:
        body = invocation.payload.decode("utf-8", "replace")
    log = "\n".join(invocation.log_lines)
    return {"body": body, "error": invocation.error, "log": log, "log_source": "rie"}
