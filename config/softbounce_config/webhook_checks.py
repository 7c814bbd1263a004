"""What does not fit together in the ``[[webhook]]`` tables, as they were written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from softbounce_config.complaints import NO_VALUE, Complaint, nearest
from softbounce_config.webhooks import MOST_WEBHOOKS, is_in_clear, name_of

__all__ = ["webhook_contradictions"]

SECRETS = ("secret", "secret_file", "secret_env")


def webhook_contradictions(
    tables: Iterable[tuple[int, Mapping[str, Any]]], policies: Collection[str]
) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place."""
    names: dict[str, int] = {}
    for number, table in tables:
        path = ("webhook", number)
        if number == MOST_WEBHOOKS:
            yield Complaint(path, NO_VALUE, f"there may be {MOST_WEBHOOKS} at most")
        if sum(bool(table.get(key)) for key in SECRETS) != 1:
            yield Complaint(path, NO_VALUE, f"needs its secret: give one of {', '.join(SECRETS)}")
        policy = table.get("policy")
        if isinstance(policy, str) and policy not in policies:
            yield Complaint((*path, "policy"), policy, f"no such policy{nearest(policy, sorted(policies))}")
        name = _name(table)
        if name is not None and names.setdefault(name.lower(), number) != number:
            reason = f"webhook[{names[name.lower()]}] has this name already, by which is kept how far it was told"
            yield Complaint((*path, "name"), name, reason)
        yield from _in_clear((*path, "url"), table)


def _name(table: Mapping[str, Any]) -> str | None:
    name, url = table.get("name"), table.get("url")
    if isinstance(name, str):
        return name
    with suppress(ValueError):
        return name_of(url) if isinstance(url, str) else None
    return None


def _in_clear(path: tuple[str | int, ...], table: Mapping[str, Any]) -> Iterator[Complaint]:
    url = table.get("url")
    if not isinstance(url, str) or table.get("allow_http") is True:
        return
    with suppress(ValueError):
        if url.lower().startswith("http:") and is_in_clear(url):
            yield Complaint(path, url, "would be told in clear: write https://, or allow_http = true beside it")
