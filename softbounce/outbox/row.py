"""What a row of the outbox holds: the message's octets as they will leave, its key, and the other arguments as JSON.

All is checked before there is a row, with what can be known without the store: its own settings may be stricter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from softbounce.client.send.arguments import Outgoing, check
from softbounce.deliver_by import DeliverBy
from softbounce.errors import InvalidMessage
from softbounce.settings import BUILT_IN

__all__ = ["MAX_MESSAGE_OCTETS", "Arguments", "NewRow", "NewerRow", "Row", "new_row", "outgoing_of", "outgoing_of_new"]

T = TypeVar("T")
MAX_MESSAGE_OCTETS = BUILT_IN.max_message_octets
MOST_ELEMENTS = 1_000
"""Of any list among the arguments, as of recipients: a generator may have no end."""
APART = ("message", "key")
"""What has a column of its own."""


class Arguments(msgspec.Struct, omit_defaults=True, frozen=True, kw_only=True):
    """The arguments of a send that a row keeps as JSON. Fields are only ever added, with a default."""

    sender: str
    recipients: list[str]
    stream: str = ""
    at: datetime | None = None
    window: timedelta | None = None
    dsn: dict[str, Any] | None = None
    require_tls: bool = False
    tenant: str = ""
    spread: timedelta | None = None
    tags: list[str] = msgspec.field(default_factory=list)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    force: bool = False
    warn_after: timedelta | None = None
    deliver_by: DeliverBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRow:
    """A send that can become a row."""

    key: str
    arguments: str
    message: bytes


class Row(NamedTuple):
    """A row as the relay has it."""

    id: int
    key: str
    arguments: str
    message: bytes


class NewerRow(Exception):
    """A newer softbounce wrote it, with arguments that this one does not know."""


def new_row(outgoing: Outgoing, *, max_message_octets: int = MAX_MESSAGE_OCTETS) -> NewRow:
    """Check the arguments of a send and make a row of them.

    :raises InvalidMessage: as ``send`` does, naming the argument and the reason.
    """
    whole = {name: value if name in APART else _plain(name, value) for name, value in outgoing.items()}
    checked = check(cast("Outgoing", whole), max_octets=max_message_octets)
    octets = checked.prepared.octets
    if len(octets) > max_message_octets:  # with the fields that were added; the relay hands over what is stored
        raise InvalidMessage(
            "message", f"has {len(octets)} octets with Date and Message-ID, above {max_message_octets}"
        )
    if "\0" in checked.key:
        raise InvalidMessage("key", "has a NUL character, which databases do not keep")
    kept: dict[str, Any] = {name: value for name, value in whole.items() if name not in APART}
    arguments = json.dumps(msgspec.to_builtins(Arguments(**kept)))  # ASCII: whatever the database's encoding is
    return NewRow(key=checked.key, arguments=arguments, message=octets)


def outgoing_of(row: Row) -> Outgoing:
    """The arguments of the send that a row stands for.

    :raises NewerRow: it has arguments that this version does not know.
    :raises InvalidMessage: it is no row that any version wrote.
    """
    try:
        told = msgspec.json.decode(row.arguments, type=dict[str, Any])
        unknown = set(told) - set(Arguments.__struct_fields__)
        kept = msgspec.convert(told, Arguments)
    except msgspec.MsgspecError as error:
        raise InvalidMessage("arguments", f"cannot be read: {error}") from None
    if unknown:
        raise NewerRow(f"it has the arguments {', '.join(sorted(unknown))[:200]}, of a newer softbounce")
    given = {name: getattr(kept, name) for name in told}
    return cast("Outgoing", {**given, "message": row.message, "key": row.key})


def outgoing_of_new(row: NewRow) -> Outgoing:
    """The arguments of the send that a row would stand for."""
    return outgoing_of(Row(0, row.key, row.arguments, row.message))


def _plain(name: str, value: object) -> object:
    """The same in plain types, with what can be gone through only once as a list."""
    if isinstance(value, Mapping):
        return {_plain(name, key): _plain(name, one) for key, one in _bounded(name, value.items())}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return [_plain(name, one) for one in _bounded(name, value)]
    return str(value) if isinstance(value, str) else value  # frameworks have strings of their own


def _bounded(name: str, elements: Iterable[T]) -> list[T]:
    found = list(islice(elements, MOST_ELEMENTS + 1))
    if len(found) > MOST_ELEMENTS:
        raise InvalidMessage(name, f"more than {MOST_ELEMENTS}")
    return found
