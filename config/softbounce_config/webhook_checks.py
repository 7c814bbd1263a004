"""What does not fit together in the ``[[webhook]]`` tables, as they were written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from softbounce_config.complaints import NO_VALUE, Complaint, nearest
from softbounce_config.webhooks import is_in_clear

__all__ = ["webhook_contradictions"]

SECRETS = ("secret", "secret_file", "secret_env")


def webhook_contradictions(
    tables: Iterable[tuple[int, Mapping[str, Any]]], policies: Collection[str]
) -> Iterator[Complaint]:
    """Each thing that contradicts another, with its place."""
    for number, table in tables:
        path = ("webhook", number)
        if sum(bool(table.get(key)) for key in SECRETS) != 1:
            yield Complaint(path, NO_VALUE, f"needs its secret: give one of {', '.join(SECRETS)}")
        policy = table.get("policy")
        if isinstance(policy, str) and policy not in policies:
            yield Complaint((*path, "policy"), policy, f"no such policy{nearest(policy, sorted(policies))}")
        yield from _in_clear((*path, "url"), table)


def _in_clear(path: tuple[str | int, ...], table: Mapping[str, Any]) -> Iterator[Complaint]:
    url = table.get("url")
    if not isinstance(url, str) or table.get("allow_http") is True:
        return
    with suppress(ValueError):
        if url.lower().startswith("http:") and is_in_clear(url):
            yield Complaint(path, url, "would be told in clear: write https://, or allow_http = true beside it")
