"""Which envelopes a page is about: its filters as fields of a form, as a query, and as the options of a command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import escape
from urllib.parse import urlencode

from softbounce.client.shown import HELD_HOW
from softbounce.envelope import HELD_WHY
from softbounce_gateway.http.models import QueueQuery

__all__ = ["FIELDS", "HELD_FOR", "STATES", "act_of", "exactly", "given", "options", "query"]

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
AT_HAND = frozenset({"retry", "hold", "release"})
"""The acts that a page may lead to from beside a command: each shows first what it would do."""
NOTHING = "''"
"""As a shell has the name of mail without a stream, which no field of a form can say."""


def exactly(name: str) -> str:
    """A name as the glob that nothing else fits: an address may have signs in it that globs know."""
    return escape(name)


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


def act_of(command: Sequence[str]) -> tuple[str, str]:
    """The page on which what a command does can be done, and in which words; empty: there is none.

    :param command: of a finding: ``softbounce hold --site example.net --stream newsletter``.
    """
    words = command[1:]
    if words[:1] == ("doctor",):
        return "/ui/health", "Look at the machine's health"
    act, pairs = words[0] if words else "", list(zip(words[1::2], words[2::2], strict=False))
    is_filter = len(words) % 2 and all(name.startswith("--") and value != NOTHING for name, value in pairs)
    if act not in AT_HAND or not pairs or not is_filter:
        return "", ""
    filters = [(name[2:].replace("-", "_"), value) for name, value in pairs]
    which = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in filters if name != "held_for")
    held = "".join(f" held {HELD_HOW.get(value, value)}" for name, value in filters if name == "held_for")
    whose = f"all{held}" + (f" of {which}" if which else "")
    return f"/ui/act?{urlencode([('action', act), *filters])}", f"{act.capitalize()} {whose}…"
