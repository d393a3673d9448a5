"""What Lambda refuses and ministack takes: payloads that are too large or no JSON, and versions beyond the reserve."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_PAYLOAD_BYTES = 6_291_456
MOST_EVENT_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that is answered, by its name on Lambda."""

    status: int
    name: str
    message: str


def refusal_of(payload: bytes, *, is_event: bool) -> Refusal | None:
    """Why Lambda would not take a payload; None where it would."""
    most_bytes = MOST_EVENT_BYTES if is_event else MOST_PAYLOAD_BYTES
    if len(payload) > most_bytes:
        told = (
            f"{len(payload)} byte payload is too large for the {'Event' if is_event else 'RequestResponse'} invocation"
        )
        return Refusal(413, "RequestTooLargeException", f"{told} type (limit {most_bytes} bytes)")
    try:
        json.loads(payload or b"null", parse_constant=_no_json)
    except ValueError as error:  # also where it is no UTF-8
        return Refusal(400, "InvalidRequestContentException", f"Could not parse request body into json: {error}")
    return None


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def refuse_as_lambda_does() -> None:
    """Change ministack so."""
    from ministack.services import lambda_svc

    handle, reserved_for = lambda_svc.handle_request, lambda_svc._reserved_concurrency

    async def checked(method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> Any:
        if method == "POST" and path.endswith("/invocations"):
            is_event = headers.get("x-amz-invocation-type") == "Event"
            if (refusal := refusal_of(body or b"", is_event=is_event)) is not None:
                return lambda_svc.error_response_json(refusal.name, refusal.message, refusal.status)
        return await handle(method, path, headers, body, query)

    def reserved_concurrency(record: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
        """Versions share what is reserved for their function; their own records don't have it."""
        base, _, _ = lambda_svc._get_base_func_record_for_ref(config.get("FunctionName", ""))
        return reserved_for(base or record, config)  # type: ignore[no-any-return]

    lambda_svc.handle_request, lambda_svc._reserved_concurrency = checked, reserved_concurrency
