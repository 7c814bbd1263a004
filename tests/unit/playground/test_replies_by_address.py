from __future__ import annotations

from dataclasses import replace

import pytest
from softbounce_playground.point import Point
from softbounce_playground.replies_by_address import ACCEPT, AskedReply, Visits, asked_by_recipient, asked_by_sender

CASES = [
    ("accept@a.test", AskedReply(kind="accept")),
    ("accept-17@a.test", AskedReply(kind="accept")),
    ("alice@a.test", AskedReply(kind="accept")),
    ("full-house@a.test", AskedReply(kind="accept")),
    ("greylist@a.test", AskedReply(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=1)),
    ("GreyList3@a.test", AskedReply(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=3)),
    ("greylist2+17@a.test", AskedReply(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=2)),
    ("greylist2-17@a.test", AskedReply(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=2)),
    ("defer-5@a.test", AskedReply(kind="defer", point=Point.RCPT, reply="450 4.2.0")),
    ("systemdown@a.test", AskedReply(kind="systemdown", point=Point.RCPT, reply="451 4.3.0")),
    ("full@a.test", AskedReply(kind="full", point=Point.RCPT, reply="452 4.2.2")),
    ("reject-1@a.test", AskedReply(kind="reject", point=Point.RCPT, reply="550 5.1.1")),
    ("busy2@a.test", AskedReply(kind="busy", point=Point.RCPT, reply="421 4.3.2", times=2)),
    ("dropdata@a.test", AskedReply(kind="dropdata", point=Point.BODY, reply="drop")),
    ("dropdata2@a.test", AskedReply(kind="dropdata", point=Point.BODY, reply="drop", times=2)),
    ("dropdot@a.test", AskedReply(kind="dropdot", point=Point.DOT, reply="drop", times=1)),
    ("dotdefer@a.test", AskedReply(kind="dotdefer", point=Point.DOT, reply="451 4.3.0")),
    ("dotreject@a.test", AskedReply(kind="dotreject", point=Point.DOT, reply="554 5.7.1")),
    ("slow@a.test", AskedReply(kind="slow", delay_seconds=0.5)),
    ("slow20-3@a.test", AskedReply(kind="slow", delay_seconds=0.02)),
    ("tarpit@a.test", AskedReply(kind="tarpit", delay_seconds=30)),
    ("dotslow@a.test", AskedReply(kind="dotslow", dot_delay_seconds=0.3)),
    ("dotslow0+7@a.test", AskedReply(kind="dotslow", dot_delay_seconds=0.0)),
    ("c450@a.test", AskedReply(kind="c450at-rcpt", point=Point.RCPT, reply="450 4.0.0")),
    ("c450-x@a.test", AskedReply(kind="c450at-rcpt", point=Point.RCPT, reply="450 4.0.0")),
    ("c552at-rcpt@a.test", AskedReply(kind="c552at-rcpt", point=Point.RCPT, reply="552 5.0.0")),
    ("c554at-dot+9@a.test", AskedReply(kind="c554at-dot", point=Point.DOT, reply="554 5.0.0")),
    ("c354at-data@a.test", AskedReply(kind="c354at-data", point=Point.DATA, reply="354 As")),
    ("hangat-dot@a.test", AskedReply(kind="hangat-dot", point=Point.DOT, reply="hang")),
    ("c550at-mail@a.test", AskedReply(kind="accept")),
    ("c99@a.test", AskedReply(kind="accept")),
    ("greylist", AskedReply(kind="accept")),
]


@pytest.mark.parametrize(("recipient", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_recipients_local_part_chooses_its_reply(recipient: str, expected: AskedReply) -> None:
    """A known word, with its number, decides; what follows + or -NUMBER does not; all other words accept."""
    asked = asked_by_recipient(recipient)
    assert asked.reply.startswith(expected.reply)
    assert replace(asked, reply="") == replace(expected, reply="")


def test_only_a_sender_scripts_mail() -> None:
    """MAIL names no recipient, so only the sender's address can ask for a reply to it."""
    assert asked_by_sender("c550at-mail+x@a.test").reply.startswith("550 5.0.0")
    assert asked_by_sender("c550@a.test") is ACCEPT
    assert asked_by_sender("reject@a.test") is ACCEPT
    assert asked_by_sender("") is ACCEPT


def test_visits_count_for_each_pair_of_sender_and_recipient() -> None:
    """A word that acts twice does so for every pair by itself, and never again."""
    visits, asked = Visits(), asked_by_recipient("greylist2@a.test")
    assert [visits.still_applies(asked, "a", "r") for _ in range(4)] == [True, True, False, False]
    assert visits.still_applies(asked, "b", "r")
    assert all(visits.still_applies(asked_by_recipient("defer@a.test"), "a", "r") for _ in range(5))
