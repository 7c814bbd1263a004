"""What does not fit together in the ``[[alert]]`` tables, as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from softbounce_config.alerts import WAYS
from softbounce_config.complaints import NO_VALUE, Complaint, nearest

__all__ = ["alert_contradictions"]


def alert_contradictions(
    tables: Iterable[tuple[int, Mapping[str, Any]]], webhooks: Iterable[tuple[int, Mapping[str, Any]]]
) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place."""
    receivers = {str(table["name"]) for _, table in webhooks if table.get("name")}
    for number, table in tables:
        path = ("alert", number)
        if sum(bool(table.get(way)) for way in WAYS) != 1:
            yield Complaint(path, NO_VALUE, f"tells nobody, or by two ways: give one of {', '.join(WAYS)}")
        webhook = table.get("webhook")
        if isinstance(webhook, str) and webhook not in receivers:
            reason = f"no [[webhook]] has this name{nearest(webhook, sorted(receivers))}"
            yield Complaint((*path, "webhook"), webhook, reason)
