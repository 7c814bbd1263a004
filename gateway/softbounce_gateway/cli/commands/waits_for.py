"""What a retry says beforehand of mail that waits all the same, because where it goes is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce.client import Client, Filters, Shown
    from softbounce.client.closed_sites import ClosedSite

__all__ = ["closed_sites", "closed_words", "waits_for"]


def closed_sites(mail: Client, filters: Filters) -> list[ClosedSite]:
    """What is closed where mail may go that these fit."""
    return mail.closed_sites(site=filters.get("site") or filters.get("domain"))


def closed_words(closed: Sequence[ClosedSite]) -> str:
    """That in words."""
    from softbounce.client.closed_sites import closed_words as words  # noqa: PLC0415 - redis takes its time

    return words(closed)


def waits_for(mail: Client, shown: Shown) -> str:
    """What one envelope waits for, in words; empty: nothing is closed for it."""
    domain, sender = (one.rpartition("@")[2].lower() for one in (shown.recipient, shown.sender))
    closed = [one for one in mail.closed_sites(site=domain) if one.binds(domain=domain, sender=sender)]
    return closed_words(closed)
