"""What does not fit together in the ``[[quota]]`` and ``[[quiet]]`` tables, as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from softbounce.quiet import is_never_open
from softbounce.settings import QuietRule
from softbounce_config.complaints import NO_VALUE, Complaint
from softbounce_config.quotas import QuietSection

__all__ = ["quiet_contradictions", "quota_contradictions"]

LIMITS = ("messages", "octets", "waiting")


def quota_contradictions(tables: Iterable[tuple[int, Mapping[str, Any]]], store: object) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place.

    :param store: the table ``[store]``: each shard has its part of a quota.
    """
    shards = store.get("shards", 1) if isinstance(store, dict) else 1
    for number, table in tables:
        path = ("quota", number)
        waiting = table.get("waiting")
        if not any(table.get(limit) for limit in LIMITS):
            yield Complaint(path, NO_VALUE, f"limits nothing: give at least one of {', '.join(LIMITS)}")
        if isinstance(waiting, int) and isinstance(shards, int) and 0 < waiting < shards:
            reason = f"is less than one for each of the {shards} shards of the store: it has to be {shards} at least"
            yield Complaint((*path, "waiting"), waiting, reason)
        if "over" in table and not (table.get("messages") or table.get("octets")):
            reason = "has no meaning without messages or octets: what is over waiting is always refused"
            yield Complaint((*path, "over"), table["over"], reason)


def quiet_contradictions(tables: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place."""
    together: dict[tuple[object, ...], list[QuietRule]] = {}
    for number, table in tables:
        path = ("quiet", number)
        if table.get("from") == table.get("to") and table.get("to") is not None:
            reason = 'is the same as from: for a whole day write from = "00:00", to = "24:00"'
            yield Complaint((*path, "to"), table["to"], reason)
            continue
        try:
            rule = QuietSection.model_validate(dict(table)).rule()
        except ValidationError:
            continue  # which is complained of already
        same = together.setdefault((rule.stream, rule.sender, rule.tenant), [])
        same.append(rule)
        if is_never_open(same):
            reason = "leaves no time at all" if len(same) == 1 else "leaves no time at all, with those before it"
            yield Complaint(path, NO_VALUE, f"{reason}: this mail would never go")
            same.pop()
