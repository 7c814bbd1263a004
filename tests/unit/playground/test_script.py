from __future__ import annotations

from dataclasses import replace

import pytest
from softbounce_playground.point import Point
from softbounce_playground.script import ACCEPT, Script, Visits, script_of, sender_script_of

CASES = [
    ("accept@a.test", Script(kind="accept")),
    ("accept-17@a.test", Script(kind="accept")),
    ("alice@a.test", Script(kind="accept")),
    ("full-house@a.test", Script(kind="accept")),
    ("greylist@a.test", Script(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=1)),
    ("GreyList3@a.test", Script(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=3)),
    ("greylist2+17@a.test", Script(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=2)),
    ("greylist2-17@a.test", Script(kind="greylist", point=Point.RCPT, reply="450 4.7.1", times=2)),
    ("defer-5@a.test", Script(kind="defer", point=Point.RCPT, reply="450 4.2.0")),
    ("systemdown@a.test", Script(kind="systemdown", point=Point.RCPT, reply="451 4.3.0")),
    ("full@a.test", Script(kind="full", point=Point.RCPT, reply="452 4.2.2")),
    ("reject-1@a.test", Script(kind="reject", point=Point.RCPT, reply="550 5.1.1")),
    ("busy2@a.test", Script(kind="busy", point=Point.RCPT, reply="421 4.3.2", times=2)),
    ("dropdata@a.test", Script(kind="dropdata", point=Point.BODY, reply="drop")),
    ("dropdata2@a.test", Script(kind="dropdata", point=Point.BODY, reply="drop", times=2)),
    ("dropdot@a.test", Script(kind="dropdot", point=Point.DOT, reply="drop", times=1)),
    ("dotdefer@a.test", Script(kind="dotdefer", point=Point.DOT, reply="451 4.3.0")),
    ("dotreject@a.test", Script(kind="dotreject", point=Point.DOT, reply="554 5.7.1")),
    ("slow@a.test", Script(kind="slow", delay_seconds=0.5)),
    ("slow20-3@a.test", Script(kind="slow", delay_seconds=0.02)),
    ("tarpit@a.test", Script(kind="tarpit", delay_seconds=30)),
    ("dotslow@a.test", Script(kind="dotslow", dot_delay_seconds=0.3)),
    ("dotslow0+7@a.test", Script(kind="dotslow", dot_delay_seconds=0.0)),
    ("c450@a.test", Script(kind="c450at-rcpt", point=Point.RCPT, reply="450 4.0.0")),
    ("c450-x@a.test", Script(kind="c450at-rcpt", point=Point.RCPT, reply="450 4.0.0")),
    ("c552at-rcpt@a.test", Script(kind="c552at-rcpt", point=Point.RCPT, reply="552 5.0.0")),
    ("c554at-dot+9@a.test", Script(kind="c554at-dot", point=Point.DOT, reply="554 5.0.0")),
    ("c354at-data@a.test", Script(kind="c354at-data", point=Point.DATA, reply="354 As")),
    ("hangat-dot@a.test", Script(kind="hangat-dot", point=Point.DOT, reply="hang")),
    ("c550at-mail@a.test", Script(kind="accept")),
    ("c99@a.test", Script(kind="accept")),
    ("greylist", Script(kind="accept")),
]


@pytest.mark.parametrize(("recipient", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_recipients_local_part_chooses_its_script(recipient: str, expected: Script) -> None:
    """A known word, with its number, decides; what follows + or -NUMBER does not; all other words accept."""
    script = script_of(recipient)
    assert script.reply.startswith(expected.reply)
    assert replace(script, reply="") == replace(expected, reply="")


def test_only_a_sender_scripts_mail() -> None:
    """MAIL names no recipient, so only the sender's address can ask for a reply to it."""
    assert sender_script_of("c550at-mail+x@a.test").reply.startswith("550 5.0.0")
    assert sender_script_of("c550@a.test") is ACCEPT
    assert sender_script_of("reject@a.test") is ACCEPT
    assert sender_script_of("") is ACCEPT


def test_visits_count_for_each_pair_of_sender_and_recipient() -> None:
    """A script that acts twice does so for every pair by itself, and never again."""
    visits, script = Visits(), script_of("greylist2@a.test")
    assert [visits.still_applies(script, "a", "r") for _ in range(4)] == [True, True, False, False]
    assert visits.still_applies(script, "b", "r")
    assert all(visits.still_applies(script_of("defer@a.test"), "a", "r") for _ in range(5))
