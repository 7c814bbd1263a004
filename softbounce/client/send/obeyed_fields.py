"""What the ``X-Softbounce-*`` fields of a message ask for becomes arguments of its send, and the fields are taken out.

On each way in, so that none of them ever does nothing and reaches a mail host: a key that nobody obeys would let a
repeated send go out twice, and tags would be read by strangers. What the call itself says goes before a field.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message
from typing import TYPE_CHECKING, Any, cast

from softbounce.errors import InvalidMessage
from softbounce.message.own_fields import BadField, is_own, take_out
from softbounce.message.serialise import serialise

if TYPE_CHECKING:
    from softbounce.client.send.arguments import Outgoing

__all__ = ["obey_fields"]

ASKED = ("stream", "key", "at", "window", "tenant", "tags", "metadata")


def obey_fields(outgoing: Outgoing) -> tuple[Outgoing, frozenset[str]]:
    """The arguments with what the message's fields ask for, and the names of those that they say.

    :raises InvalidMessage: naming the field that cannot be read.
    """
    octets = _with_fields(outgoing["message"])
    if octets is None:
        return outgoing, frozenset()
    try:
        said, rest = take_out(octets, datetime.now(UTC))
    except BadField as error:
        raise InvalidMessage(error.name, error.reason) from None
    if rest is octets:
        return outgoing, frozenset()
    values = {name: getattr(said, name) for name in ASKED}
    asked = {name: value for name, value in values.items() if value and not outgoing.get(name)}
    return cast("Outgoing", {**outgoing, **asked, "message": rest}), frozenset(asked)


def _with_fields(message: object) -> bytes | None:
    """The octets of a message that may have such fields; ``None``: it has none, or is no message."""
    if isinstance(message, Message):
        names: Any = message.keys()
        return serialise(message) if any(is_own(name) for name in names) else None
    return bytes(message) if isinstance(message, (bytes, bytearray, memoryview)) else None
