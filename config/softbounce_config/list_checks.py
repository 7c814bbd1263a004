"""What is wrong with a list of tables as a whole, whatever its tables are of: too many of them, and a name twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from softbounce_config.alerts import MOST_ALERTS
from softbounce_config.complaints import NO_VALUE, Complaint
from softbounce_config.webhooks import MOST_WEBHOOKS, name_of

__all__ = ["LISTS", "NamedTables", "list_contradictions"]

Table = Mapping[str, Any]


def _name(table: Table) -> str | None:
    name = table.get("name")
    return name if isinstance(name, str) else None


def _webhook_name(table: Table) -> str | None:
    """Its own, or that which is made of its URL."""
    name, url = _name(table), table.get("url")
    if name is not None or not isinstance(url, str):
        return name
    with suppress(ValueError):
        return name_of(url)
    return None


class NamedTables(NamedTuple):
    """One such list.

    :ivar most: so many tables there may be; 0: as many as somebody writes.
    :ivar name_of: what a table is called; ``None``: it has no name that is one.
    :ivar ignores_case: names that differ by case only are one: something is kept by them, and read by people.
    :ivar because: why a name is given once only.
    """

    key: str
    most: int = 0
    name_of: Callable[[Table], str | None] = _name
    ignores_case: bool = False
    because: str = ""


LISTS = (
    NamedTables("reply"),
    NamedTables("quota"),
    NamedTables("route", because=", by which mail is sent this way"),
    NamedTables(
        "webhook", MOST_WEBHOOKS, _webhook_name, ignores_case=True, because=", by which is kept how far it was told"
    ),
    NamedTables("alert", MOST_ALERTS, ignores_case=True, because=", by which is kept what was told"),
)


def list_contradictions(of: NamedTables, tables: Iterable[tuple[int, Table]]) -> Iterator[Complaint]:
    """What of a list does not fit together, with its place."""
    names: dict[str, int] = {}
    for number, table in tables:
        path = (of.key, number)
        if of.most and number == of.most:
            yield Complaint(path, NO_VALUE, f"there may be {of.most} at most")
        name = of.name_of(table)
        if name is None:
            continue
        first = names.setdefault(name.lower() if of.ignores_case else name, number)
        if first != number:
            yield Complaint((*path, "name"), name, f"{of.key}[{first}] has this name already{of.because}")
