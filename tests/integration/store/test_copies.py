"""Copies of what a playground accepted: found again, bounded in number and octets, and forgotten."""

from __future__ import annotations

import secrets

import pytest
from mailbag import Mailbag

from softbounce.errors import InvalidArgument, NotFound
from softbounce.ids import new_message_id, parse_message_id
from softbounce.store.call import Operation, first
from softbounce.store.copies import CopyFacts, copy, forget_copies, read_copies, read_copy

MANY = 1 << 20


def keep(bag: Mailbag, octets: bytes, *, most: int = MANY, subject: str = "x") -> bytes:
    """Keep one; its message's id."""
    message = new_message_id(0)
    facts = CopyFacts(message=message, sender="a@b.test", recipients=("c@d.test",), subject=subject, tags=("eu",))
    bag.store.run(Operation((copy(facts, octets, most_octets=most),), first))
    return message


def test_copies_are_found_again_the_newest_first(one: Mailbag) -> None:
    """With what was known of them, by pages, and each by its id until all are forgotten."""
    ids = [keep(one, b"Subject: %d" % number, subject=str(number)) for number in range(3)]
    found = one.store.run(read_copies())
    assert [copy.facts.subject for copy in found] == ["2", "1", "0"]
    assert found[0].facts.tags == ("eu",)
    assert parse_message_id(found[0].message_id) == ids[2]
    assert [copy.facts.subject for copy in one.store.run(read_copies(before=found[1].cursor))] == ["0"]
    assert one.store.run(read_copy(ids[1])) == b"Subject: 1"
    one.store.run(forget_copies())
    assert one.store.run(read_copies()) == []
    with pytest.raises(NotFound):
        one.store.run(read_copy(ids[1]))
    with pytest.raises(InvalidArgument):
        one.store.run(read_copies(before="-"))


def test_the_oldest_go_where_they_are_too_much(one: Mailbag) -> None:
    """Octets are counted as they are kept; one that is too large by itself is not kept at all."""
    octets = secrets.token_bytes(10_000)
    ids = [keep(one, octets, most=35_000) for _ in range(5)]
    assert [copy.facts.message for copy in one.store.run(read_copies())] == ids[:1:-1]
    with pytest.raises(NotFound):
        one.store.run(read_copy(ids[1]))
    too_large = keep(one, secrets.token_bytes(36_000), most=35_000)
    assert len(one.store.run(read_copies())) == 3
    with pytest.raises(NotFound):
        one.store.run(read_copy(too_large))


def test_there_are_a_thousand_at_most(one: Mailbag) -> None:
    """However small they are."""
    for _ in range(1_010):
        keep(one, b"x")
    assert len(one.store.run(read_copies())) == 1_000
    assert one.raw.hlen(one.key("copied")) == 1_001  # and how many octets they are


def test_what_is_no_copy_is_passed_over(one: Mailbag) -> None:
    """A fact or a body that somebody else wrote is told of as missing."""
    message = keep(one, b"good")
    one.raw.xadd(one.key("copies"), {"m": b"x", "k": b"\xc1", "o": 1})
    one.raw.hset(one.key("copied"), message, b"no zstandard")
    assert [copy.facts.message for copy in one.store.run(read_copies())] == [message]
    with pytest.raises(NotFound, match="cannot be read"):
        one.store.run(read_copy(message))
