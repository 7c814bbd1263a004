"""Which envelopes a page is about: its filters as fields of a form, as a query, and as the options of a command."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from softbounce.envelope import HELD_WHY
from softbounce_gateway.http.models import QueueQuery

__all__ = ["FIELDS", "HELD_FOR", "STATES", "given", "options", "query"]

FIELDS = (
    ("recipient", "To", "ann@example.net, *@example.net"),
    ("sender", "From", "app@shop.example"),
    ("domain", "Recipient's domain", "example.net"),
    ("site", "Site", "google.com"),
    ("stream", "Stream", "newsletter"),
    ("tenant", "Tenant", ""),
    ("tag", "Tag", ""),
    ("meta", "Metadata", "order=1042"),
    ("reply", "Words of the last reply", "try again later"),
    ("older", "Accepted longer ago than", "2h"),
    ("younger", "Accepted since", "30m"),
)
"""What is typed, with its name for people and an example."""
STATES = ("scheduled", "ready", "attempting", "held", "delivered", "bounced", "cancelled")
HELD_FOR = tuple(HELD_WHY)


def given(asked: QueueQuery) -> list[tuple[str, str]]:
    """The filters that something was asked of, by name; one of metadata is there once for each."""
    return list(_given(asked))


def _given(asked: QueueQuery) -> Iterator[tuple[str, str]]:
    for name in (*(one for one, _, _ in FIELDS if one != "meta"), "state", "held_for"):
        value = getattr(asked, name)
        if value is not None:
            yield name, value
    for pair in asked.meta:
        yield "meta", pair


def query(asked: QueueQuery, **more: str) -> str:
    """The filters in an address."""
    return urlencode([*_given(asked), *more.items()])


def options(asked: QueueQuery) -> list[str]:
    """The filters as options of a command."""
    return [word for name, value in _given(asked) for word in (f"--{name.replace('_', '-')}", value)]
