"""API keys: where a client puts one, and whether it is the right one."""

from __future__ import annotations

import hmac
from hashlib import sha256

ADVICE = "give the API key, as Authorization: Bearer KEY or as X-API-Key: KEY"


def given_key(authorization: str, x_api_key: str) -> str:
    """The key in a request's headers; empty where there is none."""
    scheme, _, token = authorization.partition(" ")
    return (token.strip() if scheme.lower() == "bearer" else "") or x_api_key


def key_is(given: str, key: str) -> bool:
    """Whether a key is the right one, in a time that tells nothing of it."""
    return hmac.compare_digest(sha256(given.encode()).digest(), sha256(key.encode()).digest())
