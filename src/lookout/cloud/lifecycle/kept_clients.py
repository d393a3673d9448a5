"""An account for work of many calls: its clients are made once, and have patience.

Each new client would open a connection of its own; and who deploys is not to be stopped half-way by AWS's limits.
Elsewhere whoever takes a client from an account has it alone, and may close it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import boto3

from lookout.cloud.account import Account

# Who is throttled so often in a row has waited for a minute or two: botocore waits twice as long each time, up to 20 s.
_ATTEMPTS = 14


class _Kept:
    """In place of a session. Not for several threads at a time."""

    def __init__(self, session: boto3.Session) -> None:
        self.session = session
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, **settings: Any) -> Any:
        """See ``boto3.Session``."""
        options = {name: getattr(value, "_user_provided_options", value) for name, value in settings.items()}
        key = (service, repr(options))
        if key not in self._clients:
            make = cast(Callable[..., Any], self.session.client)
            self._clients[key] = make(service, **settings)
        return self._clients[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def keeping(account: Account) -> Account:
    """The same account, with clients that are made once and have patience."""
    if isinstance(account.session, _Kept):
        return account
    return replace(account, session=cast(boto3.Session, _Kept(account.session)), attempts=_ATTEMPTS)
