"""A request's body and query: bounded in size, time and form before anything is made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

import msgspec
import pytest
from litestar import Request
from softbounce_gateway.http import body
from softbounce_gateway.http.body import Bodies, content_type, read_json, read_query
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.submission.budget import Budget


def request(*chunks: bytes, headers: Iterable[tuple[str, str]] = (), query: str = "") -> Request[Any, Any, Any]:
    """One whose body comes in these chunks, and which then says nothing more."""

    async def come() -> AsyncIterator[dict[str, Any]]:
        for number, chunk in enumerate(chunks):
            yield {"type": "http.request", "body": chunk, "more_body": number + 1 < len(chunks)}
        await asyncio.Event().wait()

    waiting = come()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    return Request(scope, receive=waiting.__anext__)  # type: ignore[arg-type]


def read(asked: Request[Any, Any, Any], most: int, budget: Budget) -> bytes:
    """The body."""

    async def all_of_it() -> bytes:
        async with Bodies(budget).read(asked, most) as octets:
            return octets

    return asyncio.run(all_of_it())


def test_A13_a_body_is_bounded_by_what_it_says_and_by_what_comes() -> None:
    """To the octet; what says too much is refused before any of it is read."""
    budget = Budget(1_000)
    assert read(request(b"x" * 60, b"y" * 40), 100, budget) == b"x" * 60 + b"y" * 40
    for refused in (request(b"x" * 60, b"y" * 41), request(headers=[("content-length", "101")])):
        with pytest.raises(Problem) as told:
            asyncio.run(asyncio.wait_for(_read(refused, budget), 2))
        assert (told.value.status, told.value.details.field) == (413, "body")
    assert budget.take(1_000)


async def _read(asked: Request[Any, Any, Any], budget: Budget) -> bytes:
    async with Bodies(budget).read(asked, 100) as octets:
        return octets


def test_A13_all_bodies_together_are_bounded_and_give_back() -> None:
    """What finds no room is told to come again; what was read has its room back, however it ended."""
    budget = Budget(100)
    with pytest.raises(Problem) as told:
        read(request(b"x" * 60, b"y" * 41), 1_000, budget)
    assert (told.value.status, told.value.headers["Retry-After"]) == (503, "5")
    assert read(request(b"x" * 100), 1_000, budget) == b"x" * 100
    assert budget.take(100)


def test_A13_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, and its room is given back."""
    monkeypatch.setattr(body, "FIRST_SECONDS", 0.05)
    budget = Budget(100)
    with pytest.raises(Problem) as told:
        asyncio.run(asyncio.wait_for(_read(_stuck(), budget), 5))
    assert told.value.status == 408
    assert budget.take(100)


def _stuck() -> Request[Any, Any, Any]:
    """One that says a length, and then nothing."""
    return request(headers=[("content-length", "10")])


def test_A13_a_packed_body_is_refused() -> None:
    """What it unpacks to would have no bound."""
    assert content_type(request(headers=[("content-type", "Application/JSON; charset=utf-8")])) == "application/json"
    with pytest.raises(Problem) as told:
        content_type(request(headers=[("content-encoding", "gzip")]))
    assert told.value.status == 415


class Letter(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for."""

    to: list[str] = []
    any: Any = None


@pytest.mark.parametrize(
    ("octets", "field"),
    [
        (b'{"to": [7]}', "to[0]"),
        (b'{"cc": []}', "cc"),
        (b'{"any": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
        (b"\xff", None),
        (b"{", None),
        (b"", None),
    ],
    ids=["type", "unknown", "deep", "no text", "cut", "empty"],
)
def test_a_body_that_cannot_be_read_is_said(octets: bytes, field: str | None) -> None:
    """As a problem of the client's, which names the field."""
    with pytest.raises(Problem) as told:
        read_json(octets, msgspec.json.Decoder(Letter))
    assert (told.value.status, told.value.details.field) == (400, field)


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What may be asked."""

    state: str = ""
    limit: int = 1
    tag: list[str] = msgspec.field(default_factory=list)


def test_a_query_is_read_as_it_was_meant_or_refused() -> None:
    """A list may be given often, all else once; what is unknown is named."""
    assert read_query(request(query="state=held&limit=5&tag=a&tag=b"), Asked) == Asked("held", 5, ["a", "b"])
    for query, field in (
        ("state=a&state=b", "state"),
        ("stat=held", "stat"),
        ("limit=x", "limit"),
        ("state=%00", "state"),
    ):
        with pytest.raises(Problem) as told:
            read_query(request(query=query), Asked)
        assert (told.value.status, told.value.details.field) == (400, field)


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ('"content": "aGk\\r\\naGk="', "in one line"),
        ('"content": "data:image/png;base64,aGk="', "no `data:` before it"),
        ('"content": "aGk"', "with its padding"),
        ('"at": "in 1 hour"', "like 2026-01-31T08:00:00Z"),
    ],
)
def test_report_what_is_not_as_it_should_be_is_said_so_that_it_helps(member: str, words: str) -> None:
    """sendgrid-java 407 (line ends in base64), sendgrid-csharp 1012 (a data: URL): refused by name, with the way."""
    name = member.split('"')[1]
    kind = msgspec.defstruct("Asked", [("content", bytes, b""), ("at", datetime | None, None)])
    with pytest.raises(Problem) as refused:
        read_json(f"{{{member}}}".encode(), msgspec.json.Decoder(kind))
    assert (refused.value.status, refused.value.details.field) == (400, name)
    assert refused.value.details.detail is not None
    assert words in refused.value.details.detail


MEMBERS = msgspec.json.Decoder(dict[str, Any])


@pytest.mark.parametrize(
    ("octets", "field"),
    [
        (b'{"to": ["a@x.test"], "to": ["b@x.test"]}', "to"),
        (b'{"to": [], "t\\u006f": []}', "to"),
        (b'{"a": 1, "headers": {"X-A": "1", "X-B": "2", "X-A": "1"}}', "X-A"),
        (b'{"list": [{"a": 1}, {"b": 1, "b": 2}]}', "b"),
    ],
)
def test_report_gson_649_a_member_that_is_there_twice_is_refused(octets: bytes, field: str) -> None:
    """Else who writes ``to`` once for each recipient has mail for the last one only, and nobody says so."""
    with pytest.raises(Problem) as told:
        read_json(octets, MEMBERS)
    assert (told.value.status, told.value.details.field) == (400, field)
    assert "twice" in told.value.details.detail


def test_report_members_of_the_same_name_in_several_objects_are_no_repetition() -> None:
    """Nor a mark of the order of octets, which some write (RFC 8259 §8.1)."""
    assert read_json(b'\xef\xbb\xbf{"a": {"b": 1}, "c": {"b": [{"b": 2}, {"b": 3}]}}', MEMBERS)["a"] == {"b": 1}


def test_A13_members_without_number_are_not_looked_through() -> None:
    """To look whether one is there twice takes memory for each."""
    octets = b"{" + b'"a":1,' * (body.MOST_MEMBERS + 1) + b'"b":1}'
    assert read_json(octets, MEMBERS) == {"a": 1, "b": 1}


@pytest.mark.parametrize("octets", [b'{"a": "x\\ud83d"}', b'{"a": "\\uD83D\\n"}'])
def test_report_a_text_that_was_cut_within_a_character_is_said_to_be_one(octets: bytes) -> None:
    """As JavaScript cuts an emoji in two: "truncated" would send people after their network."""
    with pytest.raises(Problem) as told:
        read_json(octets, MEMBERS)
    assert "half of a character" in told.value.details.detail
