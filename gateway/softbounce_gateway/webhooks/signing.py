"""What is sent for an event: the body, and the three headers of Standard Webhooks 1.0 that prove who sent it. Pure.

The id is the event's own, so that a receiver that gets it twice can tell. The time is that of the attempt: receivers
take none that is older than five minutes, so that nobody can send again what he overheard.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from softbounce.client.shown import rfc3339

__all__ = ["body_of", "headers_of", "signature_of"]

VERSION = "v1"
_encode = msgspec.json.Encoder().encode


def body_of(kind: str, at: datetime, data: dict[str, Any]) -> bytes:
    """The body.

    :param kind: its ``type``.
    """
    return _encode({"type": kind, "timestamp": rfc3339(at), "data": data})


def headers_of(identity: str, seconds: int, body: bytes, secrets: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The headers.

    :param seconds: since 1970, of this attempt.
    """
    return [
        (b"content-type", b"application/json"),
        (b"user-agent", b"softbounce"),
        (b"webhook-id", identity.encode()),
        (b"webhook-timestamp", b"%d" % seconds),
        (b"webhook-signature", signature_of(identity, seconds, body, secrets).encode()),
    ]


def signature_of(identity: str, seconds: int, body: bytes, secrets: Sequence[bytes]) -> str:
    """One signature for each secret, with a blank between them: a receiver takes either while they are changed."""
    signed = b"%s.%d.%s" % (identity.encode(), seconds, body)
    return " ".join(f"{VERSION},{b64encode(hmac.digest(secret, signed, sha256)).decode()}" for secret in secrets)
