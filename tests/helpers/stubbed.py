"""AWS's clients with recorded answers, for what neither the emulator nor anything else here answers as AWS does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.stub import Stubber

Answer = Mapping[str, Any] | tuple[str, int] | tuple[str, int, str]


def stubbed(service: str, *answers: tuple[str, Answer]) -> Any:
    """A client that gives these answers in this order: a method's, or an error's code, HTTP status and message.

    botocore holds every answer, and what is asked, to AWS's own description of the service.
    """
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    client = session.create_client(
        service,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106 - nobody's
        config=Config(retries={"total_max_attempts": 1}),
    )
    stubber = Stubber(client)
    for method, answer in answers:
        if isinstance(answer, tuple):
            code, status, message = (*answer, "told by AWS")[:3]
            stubber.add_client_error(method, code, message, status)
        else:
            stubber.add_response(method, answer)
    stubber.activate()
    client.answers = stubber
    return client
