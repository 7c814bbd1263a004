"""A suppression as it is shown, and as it is given; and under which name its address is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from softbounce.address import ascii_domain, parse_address
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms
from softbounce.errors import InvalidAddress
from softbounce.ids import format_id
from softbounce.suppression import Entry, Source, name_of

__all__ = ["NewSuppression", "Suppression", "kept_name", "name_by_hand", "shown_entry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One reason why an address, or a whole domain, gets no mail.

    :ivar address: in lower case; ``@example.com`` is a domain.
    :ivar source: ``verdict complaint streak operator import``.
    :ivar stream: only mail of this stream is stopped (``""``: that without one); ``None``: all.
    :ivar tenant: only mail of this tenant; ``None``: of all.
    :ivar expires_at: ``None``: it stays until it is taken off.
    :ivar envelope: the envelope that caused it.
    """

    address: str
    source: str
    reason: str
    since: datetime
    stream: str | None = None
    tenant: str | None = None
    expires_at: datetime | None = None
    envelope: str | None = None

    @property
    def scope(self) -> str:
        """``address`` or ``domain``."""
        return "domain" if self.address.startswith("@") else "address"

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "address": self.address,
            "scope": self.scope,
            "stream": self.stream,
            "tenant": self.tenant,
            "source": self.source,
            "reason": self.reason,
            "since": rfc3339(self.since),
            "expires_at": None if self.expires_at is None else rfc3339(self.expires_at),
            "envelope": self.envelope,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSuppression:
    """What is to be added; as :class:`Suppression`, but for what is made where it is left out.

    :ivar since: when it began, where that was before now.
    :ivar expires: when it ends, or after how long; ``None``: when it is taken off.
    """

    address: str
    stream: str | None = None
    tenant: str | None = None
    reason: str = ""
    source: str = Source.OPERATOR
    since: datetime | None = None
    expires: datetime | timedelta | None = None
    envelope: str | None = None


def shown_entry(name: str, entry: Entry) -> Suppression:
    """The public form of a stored entry."""
    return Suppression(
        address=name,
        source=entry.source,
        reason=entry.reason,
        since=from_epoch_ms(entry.since_ms),
        stream=entry.stream,
        tenant=entry.tenant,
        expires_at=from_epoch_ms(entry.expires_ms) if entry.expires_ms else None,
        envelope=format_id(entry.envelope) if entry.envelope else None,
    )


def kept_name(address: str) -> str:
    """Under which name an address, or ``@`` and a domain, is kept.

    :raises InvalidAddress: it is none.
    """
    text = str(address).strip()
    if not text.startswith("@"):
        return name_of(parse_address(text, field="address").canonical)
    try:
        return f"@{ascii_domain(text[1:])}"
    except ValueError as error:
        raise InvalidAddress("address", str(error)) from None


def name_by_hand(address: str) -> str:
    """The same of what a person asks for, who may take it for a glob: a mailbox can be called ``*``, and none is.

    :raises InvalidAddress: it is none, or would be a glob.
    """
    name = kept_name(address)
    if name.startswith("*@"):
        raise InvalidAddress("address", f"{name} is no glob here; a whole domain is {name[1:]}")
    return name
