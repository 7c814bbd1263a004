"""Which replies no rule knew but the bare code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from softbounce_gateway.unknown_replies import unknown_replies

from softbounce.events import Event
from softbounce.settings import BUILT_IN, Settings

AT = datetime(2026, 3, 1, tzinfo=UTC)


def event(number: int, code: int | None, text: str, *, kind: str = "bounced", host: str = "mx.example.org") -> Event:
    """One that tells of a reply."""
    return Event(
        cursor="",
        at=AT + timedelta(seconds=number),
        kind=kind,
        id="",
        message_id="",
        recipient="a@example.org",
        stream="",
        attempt=1,
        host=host,
        stage="rcpt",
        code=code,
        enhanced=None,
        text=text,
        reason=None,
        cause=None,
        why="",
        next_attempt_at=None,
    )


def test_replies_that_differ_in_numbers_and_addresses_are_one_and_the_most_frequent_comes_first() -> None:
    """Its latest text stands for all."""
    events = [
        event(1, 550, "Qwertz 17 for a@example.org"),
        event(2, 451, "Frobnicated"),
        event(3, 550, "Qwertz 18 for b@example.org"),
        event(4, 550, "No such user"),
        event(5, None, "the connection was lost"),
        event(6, 250, "Qwertz", kind="delivered"),
    ]
    found = unknown_replies(events, BUILT_IN)
    assert [(one.count, one.code, one.text, one.rule) for one in found] == [
        (2, 550, "Qwertz 18 for b@example.org", "builtin:code-550"),
        (1, 451, "Frobnicated", "builtin:code-451"),
    ]
    assert found[0].last_at == AT + timedelta(seconds=3)


def test_what_a_providers_own_rule_knows_is_not_unknown() -> None:
    """Its host tells the site."""
    events = [
        event(1, 421, "HL:ICC 163 mx1,abc", host="163mx01.mxmail.netease.com"),
        event(2, 421, "HL:ICC 163 mx1,abc"),
    ]
    assert [one.host for one in unknown_replies(events, BUILT_IN)] == ["mx.example.org"]


def test_a_rule_of_ones_own_makes_a_reply_known() -> None:
    """Today's rules judge, not those of the day."""
    pack = (
        'version = "1"\n[[rule]]\nname = "mine"\nreason = "system"\nfault = "receiver_system"\n'
        'phrases = "frobnicated"\nexample = "451 Frobnicated"\nunlike = "451 no"'
    )
    assert not unknown_replies([event(1, 451, "Frobnicated")], Settings(rule_pack=pack))
