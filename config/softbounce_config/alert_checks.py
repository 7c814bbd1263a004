"""What does not fit together in the ``[[alert]]`` tables, as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from softbounce_config.alerts import MOST_ALERTS, WAYS
from softbounce_config.complaints import NO_VALUE, Complaint, nearest

__all__ = ["alert_contradictions"]


def alert_contradictions(
    tables: Iterable[tuple[int, Mapping[str, Any]]], webhooks: Iterable[tuple[int, Mapping[str, Any]]]
) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place."""
    receivers = {str(table["name"]) for _, table in webhooks if table.get("name")}
    names: dict[str, int] = {}
    for number, table in tables:
        path = ("alert", number)
        if number == MOST_ALERTS:
            yield Complaint(path, NO_VALUE, f"there may be {MOST_ALERTS} at most")
        if sum(bool(table.get(way)) for way in WAYS) != 1:
            yield Complaint(path, NO_VALUE, f"tells nobody, or by two ways: give one of {', '.join(WAYS)}")
        name = table.get("name")
        if isinstance(name, str) and names.setdefault(name.lower(), number) != number:
            yield Complaint((*path, "name"), name, f"alert[{names[name.lower()]}] has this name already")
        webhook = table.get("webhook")
        if isinstance(webhook, str) and webhook not in receivers:
            reason = f"no [[webhook]] has this name{nearest(webhook, sorted(receivers))}"
            yield Complaint((*path, "webhook"), webhook, reason)
