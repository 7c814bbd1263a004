"""What each ``[[alert]]`` table has standing: kept, so that it is told once, and again when it is over.

One entry for each table. Who tells holds the entry for a while, and it is compared before it is replaced: of two
processes one tells.
"""

from __future__ import annotations

import msgspec

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.scripts import script

__all__ = ["MOST_BOOKS", "MOST_STANDING", "AlertBook", "Standing", "keep_alerts", "read_alerts"]

MOST_BOOKS = 64
REVISION_OCTETS = 4
MOST_STANDING = 200
"""Of one table, each of at most 2 KiB."""


class Standing(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One trouble that stands, or has ended and is not told yet.

    :ivar key: by which it is the same trouble as before.
    :ivar first_ms: when it was seen first; ``seen_ms``: last.
    :ivar told_ms: when it was told; 0: it was not.
    :ivar failures: how often it could not be told in a row; ``next_ms``: when that is tried again.
    :ivar quiet_ms: until when it is not told anew, because it was told lately; ``times``: how often it came back since.
    :ivar maybe: 1: it could not be told, and may have been heard all the same.
    :ivar gone_ms: since when looks miss it; 0: the last one saw it, or could not tell.
    """

    key: str
    kind: str
    level: str
    scope: str
    what: str
    why: str
    first_ms: int
    seen_ms: int
    told_ms: int = 0
    failures: int = 0
    next_ms: int = 0
    quiet_ms: int = 0
    times: int = 0
    gone_ms: int = 0
    maybe: int = 0


class AlertBook(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What a table has standing.

    :ivar revision: grows by one with each change; 0: nothing is known of it.
    :ivar owner: who tells, until ``until_ms`` by the store's clock.
    :ivar told: when something was told within the last hour, ms.
    :ivar summed_up: the day of the last summary, as ``2026-11-28``; empty: there was none.
    :ivar failures: so many letters in a row could not be told; ``failed_ms``: the first of these; ``failed_why``: why
        the last one.
    """

    revision: int = 0
    owner: str = ""
    until_ms: int = 0
    standing: tuple[Standing, ...] = ()
    told: tuple[int, ...] = ()
    summed_up: str = ""
    failures: int = 0
    failed_ms: int = 0
    failed_why: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AlertBook).decode


def read_alerts() -> Operation[dict[str, AlertBook]]:
    """Those of all tables, by their names. One that nobody can read is begun anew, in the place of what is there."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "alerts"))

    def read(answers: list[StoreAnswer]) -> dict[str, AlertBook]:
        flat = of_type(answers[0], "alerts", [])
        found = ((name, _book(name, octets)) for name, octets in zip(flat[::2], flat[1::2], strict=True))
        return {name.decode(): one for name, one in found if one is not None}

    return Operation((call,), read)


def _book(name: bytes, octets: bytes) -> AlertBook | None:
    try:
        name.decode()
    except UnicodeDecodeError:
        ignore("alerts", name)
        return None
    revision = int.from_bytes(octets[:4]) if len(octets) >= REVISION_OCTETS else 0
    try:
        return msgspec.structs.replace(_decode(octets[REVISION_OCTETS:]), revision=revision)
    except (msgspec.DecodeError, ValueError):
        ignore("alerts", name)
        return AlertBook(revision=revision)


def keep_alerts(table: str, seen: AlertBook, new: AlertBook | None) -> Operation[bool]:
    """Put a table's book in place of what was seen there. False: another change came first, or there are too many.

    :param new: ``None``: forget the table.
    """
    revision = seen.revision % 0xFFFFFFFF + 1  # 0 is for what is not there
    entry = b"" if new is None else revision.to_bytes(REVISION_OCTETS) + _encode(new)
    arguments = (table, seen.revision, entry, MOST_BOOKS, 0, 0, b"")
    call = Call(HOME, script("health"), keys.of(HOME, "alerts", "events", "totals"), arguments)
    return Operation((call,), lambda answers: first(answers) == 1)
