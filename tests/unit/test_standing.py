"""Standing holds: of one exact thing each; what meets them, and until when."""

from __future__ import annotations

from glob import escape
from typing import Any

import pytest

from softbounce import InvalidArgument
from softbounce.envelope import STANDING, Body, Envelope, Flag, Record, State
from softbounce.settings import Settings
from softbounce.standing import NO_HOLDS, StandingHold, StandingHolds, digest_of, name_as_given, read_name
from softbounce.transitions import expiry_ms, hold_standing, release

NOW_MS = 1_700_000_000_000
HOLD = StandingHold(since_ms=1, reason="they closed us out")


def record(lane: str = "mx.example.net#0123456789abcdef", **said: Any) -> Record:  # noqa: ANN401 - fields of an envelope
    """One that was just accepted."""
    new = Record(id=bytes(16), lane=lane, stream="news", created_ms=NOW_MS)
    given: dict[str, Any] = {"sender": "App@shop.example", "domain": "example.net", "tags": ("Spring",)}
    new.envelope = Envelope(recipient="b@example.net", key="k", body=Body(octets=1), **{**given, **said})
    return new


@pytest.mark.parametrize(
    ("of", "value", "other"),
    [
        ("domain", "Example.NET", "example.com"),
        ("sender", "app@SHOP.example", "other@shop.example"),
        ("sender", "shop.example", "example"),
        ("stream", "news", "otp"),
        ("tenant", "Shop.example", "acme"),
        ("tag", "spring", "summer"),
    ],
)
def test_issue15_2_a_hold_meets_what_it_is_of(of: str, value: str, other: str) -> None:
    """Case aside, and nothing else."""
    name = read_name(of, value)
    assert StandingHolds({name: HOLD}).meet(record(), NOW_MS) == (name, HOLD)
    assert StandingHolds({read_name(of, other): HOLD}).meet(record(), NOW_MS) is None


@pytest.mark.parametrize("sender", ["what?@shop.test", "a*b@shop.test", '"a[1]b"@shop.test', '"[*]"@shop.test'])
def test_issue15_2_whatever_signs_a_name_has_it_can_be_held(sender: str) -> None:
    """Written as ``glob.escape`` does, it is held alone, and goes on by the name that it is listed by."""
    for of, mail in (("sender", record(sender=sender)), ("tag", record(tags=(sender,)))):
        name = read_name(of, escape(sender))
        assert name == name_as_given(name) == f"{of}:{sender}"
        assert StandingHolds({name: HOLD}).meet(mail, NOW_MS) == (name, HOLD)
        assert StandingHolds({name: HOLD}).meet(record(sender="whatx@shop.test", tags=()), NOW_MS) is None


def test_issue15_2_a_site_is_met_when_it_is_known() -> None:
    """While its domain is not resolved an envelope is of no site; the lane that it is to go to may be told."""
    known = record().lane
    site = known.partition("#")[0] if "#" in known else known
    holds = StandingHolds({read_name("site", "Google.com"): HOLD})
    assert holds.meet(record("?google.com"), NOW_MS) is None
    assert holds.meet(record("google.com"), NOW_MS) is not None
    assert holds.meet(record("?gmail.com"), NOW_MS, "google.com") is not None
    assert holds.meet(record(site), NOW_MS) is None


def test_issue15_2_it_ends_at_its_end() -> None:
    """By the clock, whether or not somebody has written down that it did; one that has ended is asked nothing."""
    name = read_name("stream", "news")
    holds = StandingHolds({name: StandingHold(since_ms=1, until_ms=NOW_MS)})
    assert holds.meet(record(), NOW_MS - 1) is not None
    assert holds.meet(record(), NOW_MS) is None
    ended = StandingHolds({name: StandingHold(since_ms=1, ended_ms=5)})
    assert not ended
    assert ended.digests == frozenset()
    assert not NO_HOLDS
    assert NO_HOLDS.meet(record(), NOW_MS) is None


@pytest.mark.parametrize(
    ("of", "value", "why"),
    [
        ("lane", "x", "of: 'lane' is nothing that is held"),
        ("domain", "*.example.net", "domain"),
        ("tag", "spring*", "tag: is a name, not a glob"),
        ("sender", "*@shop.test", r"put it in brackets: \[\*\]"),
        ("stream", "news[*]?", "stream: is a name, not a glob"),
        ("site", "", "site: is not one name"),
        ("site", "x" * 321, "site: is not one name"),
        ("tag", "a\nb", "tag: is not one name"),
        ("sender", "a@b@", "sender"),
    ],
)
def test_issue15_2_what_cannot_be_held_is_named(of: str, value: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(InvalidArgument, match=why):
        read_name(of, value)


def test_issue15_2_a_hold_that_ended_says_what_it_was() -> None:
    """Not that it holds; and a reason that ends as a sentence does ends the sentence once."""
    hold = StandingHold(since_ms=1, reason="They closed us out.")
    assert hold.why("stream:news") == "All mail of the stream news is held: They closed us out."
    assert hold.why_ended("stream:news") == "All mail of the stream news was held: They closed us out."


def test_issue15_2_what_is_held_says_so_and_its_window_stands_still() -> None:
    """Its reason, whose it is, and on it goes as it was; asked to be cancelled it ends instead."""
    name, settings = read_name("stream", "news"), Settings()
    one = record()
    before = expiry_ms(one, settings, NOW_MS)
    change = hold_standing(one, name, HOLD, NOW_MS)
    held = change.record
    assert (held.state, held.envelope.held_why, held.envelope.held_by) == (State.HELD, STANDING, digest_of(name))
    assert b"All mail of the stream news is held: they closed us out." in change.event
    assert expiry_ms(held, settings, NOW_MS + 5000) == before + 5000
    on = release(held, settings, NOW_MS + 5000).record
    assert (on.state, on.envelope.held_by, on.envelope.held_why) == (State.SCHEDULED, b"", None)
    asked = record()
    asked.flags |= Flag.CANCEL_ASKED
    assert hold_standing(asked, name, HOLD, NOW_MS).record.state is State.CANCELLED
