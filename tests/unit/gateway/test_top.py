"""``softbounce top``: what keys are, what they do, and that what others wrote stays text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from softbounce_gateway.cli.top.keyboard import keys_of
from softbounce_gateway.cli.top.lines import Line, Target, of_message, of_now, of_site, of_sites
from softbounce_gateway.cli.top.pages import Page, Pages, pressed, shown

from softbounce.client.now.reading import without_store
from softbounce.client.now.sites import Closed, Said, SiteDetail, SiteView
from softbounce.client.now.view import AgeBand, Finding, Now, Recent
from softbounce.errors import StoreUnavailable

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
HOSTILE = "550 \x1b[2J\x1b]0;owned\x07 no\r\nsuch user"
LINES = [
    Line((("head", ""),)),
    Line((("a", ""),), Target("site", "a.test")),
    Line((("why", ""),)),
    Line((("b", ""),), Target("message", "0002")),
]


@pytest.mark.parametrize(
    ("octets", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOC\x1bOD", ["right", "left"]),
        (b"\r\n", ["enter", "enter"]),
        (b"\x1b", ["esc"]),
        (b"\x1b[5~s", ["pageup", "s"]),
        (b"j\x1b[200~q", ["j"]),
        (b"\x03", ["q"]),
        (b"\xff", ["\xff"]),
        (b"", []),
    ],
)
def test_issue15_7_keys_are_words(octets: bytes, keys: list[str]) -> None:
    """Sequences that are not known end what is read: none of their letters is a key."""
    assert keys_of(octets) == keys


def press(pages: Pages, *keys: str, lines: list[Line] = LINES, height: int = 3) -> Pages:
    """Press some keys one after another."""
    for key in keys:
        pages = pressed(pages, key, lines, height)
    return pages


def test_issue15_7_one_goes_into_a_site_and_a_message_and_back() -> None:
    """Enter opens what is chosen, Esc goes back and never beyond the first page, q ends."""
    assert press(Pages(), "enter").current == Page("site", "a.test")
    deep = press(Pages(), "down", "enter")
    assert deep.current == Page("message", "0002")
    assert press(deep, "esc").current.kind == "now"
    assert press(deep, "esc", "esc", "left").stack == press(deep, "esc").stack
    assert press(Pages(), "s").stack == (Page(), Page("sites"))
    assert press(deep, "n").stack == (Page(),)
    assert press(deep, "q").is_over
    assert press(deep, "x") == deep


def test_issue15_7_what_is_chosen_is_seen() -> None:
    """Choosing scrolls; beyond the last that can be entered the page scrolls on, and no further than its end."""
    below = press(Pages(), "down")
    assert [line.text for line, chosen in shown(below.current, LINES, 3) if chosen] == ["b"]
    assert press(below, "down", "down", "down").current.top == 1
    assert press(below, "up", "up", "up").current == Page(chosen=0, top=0)
    assert press(Pages(), "pagedown").current.top == 1
    assert press(Pages(), "pagedown", "pageup").current.top == 0
    assert press(Pages(), "enter", lines=[LINES[0]]) == Pages()
    assert [line.text for line, _ in shown(Page(chosen=9, top=99), LINES, 3)] == ["a", "why", "b"]
    assert shown(Page(), [], 3) == []


def text_of(lines: list[Line]) -> str:
    """Without styles."""
    return "\n".join(line.text for line in lines)


def finding(**changes: object) -> Finding:
    """A site that is closed."""
    given = {
        "kind": "site_closed", "scope": "site", "level": "bad", "what": f"a.test is closed {HOSTILE}", "why": HOSTILE,
        "since": NOW - timedelta(minutes=3), "waiting": 1200, "command": ("softbounce", "top", "a.test"),
        "act": "shows all", "place": "/ui/sites/a.test",
    }  # fmt: skip
    return Finding(**(given | changes))  # type: ignore[arg-type]


def test_issue15_7_trouble_is_shown_first_with_reason_age_and_act() -> None:
    """Everything that a finding says is there, and leads to its site; nothing that a host said moves the cursor."""
    now = Now(
        at=NOW, flows="partly", sentence="Yes, but not everywhere.", states={"ready": 1200, "ended": 7},
        recent=Recent(since=NOW, counts={"delivered": 3}),
        ages=(AgeBand(seconds=60, count=1000), AgeBand(seconds=None, count=200)),
        oldest=NOW - timedelta(days=4), is_estimate=True, reasons={"mailbox_full": 12},
        findings=(finding(), finding(place="/ui", level="note")),
        more=2, workers=2, lanes={"closed": 1},
    )  # fmt: skip
    lines = of_now(now, 80)
    text = text_of(lines)
    for words in ("for 3 min, 1,200 wait", "$ softbounce top a.test: shows all", "MISSING", "oldest seen 4 d", "about",
                  "over 1 min", "mailbox_full 12", "and 2 more", "1 site closed"):  # fmt: skip
        assert words in text
    assert [line.target for line in lines if line.target] == [Target("site", "a.test")]
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\r" not in text


def test_issue15_7_a_store_that_is_away_is_an_answer() -> None:
    """It says so, and why, and has nothing else."""
    text = text_of(of_now(without_store(StoreUnavailable("it refused"), NOW), 80))
    assert "No. The store cannot be asked" in text
    assert "it refused" in text
    assert "Backlog" not in text


def test_issue15_7_sites_and_messages_are_lines() -> None:
    """A site has its trouble, pace and what was said last; a message what explain says of it, broken to the width."""
    closed = Closed(name="a.test", why=HOSTILE, failures=1, next_at=NOW + timedelta(seconds=30), waiting=5)
    view = SiteView(
        site="a.test", lane="a.test~1", state="closed", trouble=closed, domains=(closed,), senders=(), owner=None,
        waiting=5, streams={"": 2, "otp": 3}, connections=20, rate_hour=360.0, rate_from="as lane[0] says",
        out_in_seconds=50,
        learned="It takes 2 connections.",
    )  # fmt: skip
    said = Said(at=NOW, kind="deferred", id="0002", recipient="r@a.test", host="mx", words=HOSTILE)
    detail = SiteDetail(name="a.test", at=NOW, lanes=(view,), said=(said,), waiting=("0003",))
    text = text_of(of_site(detail, 80))
    for words in ("after 1 failure in a row; 5 wait", "Next probe in 30 s", "360 messages an hour", "out in 50 s",
                  "no stream 2, otp 3", "No worker has it", "Closed for a.test alone"):  # fmt: skip
        assert words in text
    lines = of_site(detail, 80)
    assert [line.target for line in lines if line.target] == [Target("message", "0002"), Target("message", "0003")]
    nothing = text_of(of_site(SiteDetail(name="a.test", at=NOW, lanes=()), 80))
    assert "nothing that was seen" in nothing
    assert text_of(of_sites([view], 3, 80)).splitlines()[1].startswith("a.test")
    assert "and 3 more" in text_of(of_sites([view], 3, 80))
    assert "No site is known" in text_of(of_sites([], 0, 80))
    told = "Envelope x, from a to b\n(policy default).\n\n"
    told += "Now      Ready: it waits\n         for a slot.\nYou can  softbounce hold x"
    lines = of_message("x", told, 60)
    assert [line.text for line in lines] == [
        "Message x",
        "Envelope x, from a to b (policy default).",
        "",
        "Now      Ready: it waits for a slot.",
        "You can  softbounce hold x",
    ]
    assert "\x1b" not in text + nothing
