"""A message of Django's as ``send`` takes it: its octets, its envelope, and what it asks for.

What is asked for stands in ``message.softbounce``, a dict of ``send``'s arguments, or in ``X-Softbounce-*`` fields of
the header, which are taken out; else the settings say it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage as WholeMessage
from typing import Any, cast

from django.core.mail import EmailMessage

from softbounce.client import Outgoing
from softbounce.errors import InvalidAddress, InvalidMessage
from softbounce.mailbox import part_mailbox
from softbounce.message.own_fields import BadField, take_out
from softbounce.message.serialise import serialise

__all__ = ["outgoing_of"]

OURS = frozenset({"sender", "recipients", "message"})


def outgoing_of(
    message: EmailMessage, defaults: Mapping[str, Any], *, envelope: tuple[str, Sequence[str]] | None = None
) -> Outgoing | None:
    """The arguments; ``None``: it has no recipients.

    :param envelope: sender and recipients, of whoever read them already.
    :raises InvalidMessage: it cannot be sent; names what is wrong.
    """
    sender, recipients = _envelope(message) if envelope is None else envelope
    if not recipients:
        return None
    asked = getattr(message, "softbounce", None) or {}
    if not isinstance(asked, Mapping) or OURS & asked.keys():
        raise InvalidMessage("softbounce", "no dict of send's arguments but for sender, recipients and message")
    try:
        said, octets = take_out(_octets(message), datetime.now(UTC))
    except BadField as error:
        raise InvalidMessage(error.name, error.reason) from error
    by_fields = {
        "stream": said.stream,
        "key": said.key,
        "at": said.at,
        "window": said.window,
        "tenant": said.tenant,
        "tags": said.tags,
        "metadata": said.metadata,
    }
    made = {
        **defaults,
        **{name: value for name, value in by_fields.items() if value},
        **asked,
        "sender": sender,
        "recipients": recipients,
        "message": octets,
    }
    return cast("Outgoing", made)


def _envelope(message: EmailMessage) -> tuple[str, Sequence[str]]:
    recipients = [_address(str(one), f"recipients[{at}]") for at, one in enumerate(message.recipients())]
    return _address(str(message.from_email), "from_email", is_sender=True) if recipients else "", recipients


def _octets(message: EmailMessage) -> bytes:
    """As Django's own backend for SMTP writes it; from 6.0 on its messages are the standard library's, and we write."""
    made: Any = message.message()
    return serialise(made) if isinstance(made, WholeMessage) else bytes(made.as_bytes(linesep="\r\n"))


def _address(text: str, field: str, *, is_sender: bool = False) -> str:
    """The address alone; what else is wrong with it ``send`` says."""
    if "\r" in text or "\n" in text:
        raise InvalidAddress(field, "has a line end")
    try:
        bare = part_mailbox(text)[1].strip()
    except ValueError as error:
        raise InvalidAddress(field, str(error)) from None
    if not bare and not is_sender:
        raise InvalidAddress(field, "is empty")
    return bare
