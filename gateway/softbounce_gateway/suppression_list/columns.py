"""The columns of a suppression list: their names, those that other services give them, and what a cell means.

What says when is RFC 3339, seconds since 1970, or a date as mail has it; without a zone it is UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from softbounce.client import NewSuppression, Suppression
from softbounce.client.shown import rfc3339
from softbounce.errors import InvalidArgument
from softbounce.suppression import Source

__all__ = ["COLUMNS", "cells_of", "columns_of", "suppression_of"]

COLUMNS = ("address", "stream", "tenant", "source", "reason", "since", "expires_at", "envelope")
NO_STREAM = "(none)"
"""In the column ``stream``: mail without one. Empty: all mail."""
CALLED = {
    "email": "address",
    "e-mail": "address",
    "emailaddress": "address",
    "recipient": "address",
    "domain": "address",
    "created": "since",
    "createdat": "since",
    "bouncedat": "since",
    "lastupdatetime": "since",
    "date": "since",
    "error": "reason",
    "description": "reason",
    "details": "reason",
    "expires": "expires_at",
    "expiresat": "expires_at",
}
FORMULA = ("=", "+", "-", "@")
"""With these a spreadsheet takes a cell for a formula: a reason is a host's words, and harms nobody who looks at it."""
LATEST_SECONDS = 100_000_000_000


def columns_of(names: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Where each column stands, by its name here; and the names that mean nothing here.

    :raises ValueError: there is none of addresses, or one is there twice.
    """
    found: dict[str, int] = {}
    unknown: list[str] = []
    for position, text in enumerate(names):
        plain = text.strip().lower()
        name = plain if plain in COLUMNS else CALLED.get(plain.replace("_", "").replace(" ", ""))
        if name is None:
            unknown.append(text.strip()[:40])
        elif name in found:
            raise ValueError(f"two of its columns are `{name}`")
        else:
            found[name] = position
    if "address" not in found:
        raise ValueError("the first line names the columns, and one of them is `address`, such as `address,reason`")
    return found, unknown


def suppression_of(cells: Sequence[str], columns: dict[str, int]) -> NewSuppression:
    """What a line says.

    :raises InvalidArgument: naming the column.
    """

    def cell(name: str) -> str:
        position = columns.get(name)
        return cells[position].strip() if position is not None and position < len(cells) else ""

    stream, source = cell("stream"), cell("source").lower()
    return NewSuppression(
        address=cell("address"),
        stream=None if not stream else "" if stream == NO_STREAM else stream,
        tenant=cell("tenant") or None,
        reason=cell("reason"),
        source=source if source in set(Source) else Source.IMPORT,
        since=_instant("since", cell("since")),
        expires=_instant("expires_at", cell("expires_at")),
        envelope=cell("envelope") or None,
    )


def cells_of(one: Suppression) -> list[str]:
    """A suppression as a line; read again it is the same."""
    stream = "" if one.stream is None else one.stream or NO_STREAM
    reason = f"'{one.reason}" if one.reason.startswith(FORMULA) else one.reason
    ends = "" if one.expires_at is None else rfc3339(one.expires_at)
    since = rfc3339(one.since)
    return [one.address, stream, one.tenant or "", one.source, reason, since, ends, one.envelope or ""]


def _instant(name: str, text: str) -> datetime | None:
    if not text or text == "0":
        return None
    for read in READ:
        with suppress(ValueError, OverflowError, TypeError):
            found = read(text)
            return found if found.utcoffset() is not None else found.replace(tzinfo=UTC)
    raise InvalidArgument(name, f"{text[:40]!r} is no time: write it as 2026-01-31T08:00:00Z")


def _seconds(text: str) -> datetime:
    if not text.isascii() or not text.isdecimal() or int(text[:20]) > LATEST_SECONDS:
        raise ValueError(text)
    return datetime.fromtimestamp(int(text), UTC)


READ: tuple[Callable[[str], datetime], ...] = (_seconds, datetime.fromisoformat, parsedate_to_datetime)
