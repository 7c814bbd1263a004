from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from softbounce.client.explain.explanation import explanation
from softbounce.client.explain.situation import Situation
from softbounce.deliver_by import DeliverBy
from softbounce.duration import to_epoch_ms
from softbounce.envelope import Attempt, Body, Envelope, Final, Flag, Record, State
from softbounce.ids import format_id
from softbounce.road import Road, RouteRule
from softbounce.settings import LaneRule, Policy, Settings
from softbounce.store.lanes import DomainState, LaneState, LearnedState, SenderState

NOW_MS = to_epoch_ms(datetime(2026, 1, 31, 8, tzinfo=UTC))
SECOND = 1000
MINUTE = 60 * SECOND
IDENTITY = bytes.fromhex("0000018bcfe568000102030405060000")
SITE = "mx.test~0123456789abcdef"
SETTINGS = Settings(
    policies={"default": Policy(name="default"), "once": Policy(name="once", on_uncertain="hold")},
    lane=(LaneRule(site="mx.test", connections=5, rate=10.0),),
)

LEARNED = LearnedState(rate=1 / 3, span=60.0, addresses={"192.0.2.1": 3}, learnt_ms=NOW_MS - 1000)


def record(state: State, *, lane: str = SITE, payload: dict[str, Any] | None = None, **header: Any) -> Record:  # noqa: ANN401
    """A record as the store has it, accepted ten minutes ago."""
    envelope = Envelope(
        sender="app@example.com",
        recipient="bob@example.net",
        domain="example.net",
        key="k",
        body=Body(octets=100),
        site=None if lane.startswith("?") else "mx.test",
        **(payload or {}),
    )
    one = Record(id=IDENTITY, state=state, lane=lane, stream="otp", created_ms=NOW_MS - 10 * MINUTE, **header)
    one.envelope = envelope
    return one


def attempt(number: int, **other: Any) -> Attempt:  # noqa: ANN401
    """A greylisted attempt, ten minutes ago and later."""
    facts: dict[str, Any] = {
        "number": number,
        "started_ms": NOW_MS - (11 - number) * MINUTE,
        "ended_ms": NOW_MS - (11 - number) * MINUTE + 1200,
        "host": "mx1.mx.test",
        "address": "192.0.2.1",
        "stage": "rcpt",
        "code": 451,
        "enhanced": "4.7.1",
        "text": "Greylisted, try again",
        "verdict": "soft",
        "reason": "greylist",
        "fault": "system",
        "rule": "builtin:greylist",
        "why": "Attempt 1 failed for now (rule builtin:greylist); policy default waits 5 min before attempt 2.",
    }
    return Attempt(**(facts | other))


def explain(one: Record, **around: Any) -> str:  # noqa: ANN401
    """The explanation, with two workers alive unless said otherwise."""
    facts: dict[str, Any] = {"lane_name": one.lane, "workers": 2}
    return explanation(Situation(record=one, settings=SETTINGS, now_ms=NOW_MS, **(facts | around)))


def joined(text: str) -> str:
    """The text with its line breaks undone."""
    return " ".join(text.split())


def test_a_deferred_envelope_in_full() -> None:
    """What is so, why, what binds, what comes when, how it ends, what can be done, and what was tried."""
    one = record(State.SCHEDULED, next_ms=NOW_MS + 2 * MINUTE, charged=1, payload={"attempts": [attempt(1)]})
    assert explain(one) == textwrap.dedent("""\
        Envelope 000032yfwnm000820c20a1g000, from app@example.com to bob@example.net (stream otp, policy
        default), accepted 10 min ago (2026-01-31 07:50:00 UTC).

        Now      Scheduled: it waits for its time.
        Why      Attempt 1 failed for now (rule builtin:greylist); policy default waits 5 min before attempt
                 2.
        Said     mx1.mx.test [192.0.2.1] answered RCPT 9 min 59 s ago (2026-01-31 07:50:01 UTC): 451 4.7.1
                 Greylisted, try again. Read as soft, greylist, the fault of the system (rule
                 builtin:greylist).
        Binds    Its own clock, nothing else.
        Next     Attempt 2 in 2 min (2026-01-31 08:02:00 UTC).
        Ends     As a hard bounce in 4 d 23 h (2026-02-05 07:50:00 UTC) if nothing takes it before: then its
                 window of 5 d (policy default) closes.
        You can  softbounce retry 000032yfwnm000820c20a1g000 (now) | hold 000032yfwnm000820c20a1g000 |
                 cancel 000032yfwnm000820c20a1g000

        Attempts
          #  when (UTC)      took   host         stage  verdict  reply
          1  01-31 07:50:00  1.2 s  mx1.mx.test  rcpt   soft     451 4.7.1 Greylisted, try again""")


CLOSED = LaneState(
    closed_until_ms=NOW_MS + 40 * SECOND, failures=3, code=421, text="Busy", stage="greeting", host="mx1.mx.test"
)
SICK = DomainState(
    closed_until_ms=NOW_MS + 40 * SECOND,
    failures=2,
    code=452,
    text="No space",
    stage="rcpt",
    senders=("a.test", "b.test"),
)
REFUSED = SenderState(
    closed_until_ms=NOW_MS + 40 * SECOND, failures=2, code=451, enhanced="4.7.26", text="No DMARC", stage="mail"
)
PROBE = IDENTITY[:-2] + bytes((0, 7))
SCHEDULED = record(State.SCHEDULED, next_ms=NOW_MS + MINUTE)
READY = record(State.READY)


@pytest.mark.parametrize(
    ("one", "around", "says"),
    [
        pytest.param(SCHEDULED, {}, "No attempt was made yet.", id="new"),
        pytest.param(
            record(State.SCHEDULED, next_ms=NOW_MS + MINUTE, payload={"at_ms": NOW_MS + MINUTE}),
            {},
            "The app asked for it not before 2026-01-31 08:01:00 UTC.",
            id="at",
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=1, payload={"deliver_by": DeliverBy(within_ms=20 * MINUTE, returns=True)}),
            {},
            "By when By 2026-01-31 08:10:00 UTC or not at all (DELIVERBY).",
            id="BY, returned",
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=1, payload={"deliver_by": DeliverBy(within_ms=0)}),
            {},
            "Its sender wants it delivered by 2026-01-31 07:50:00 UTC (DELIVERBY), and hears of it if it is not.",
            id="BY, told",
        ),
        pytest.param(
            SCHEDULED,
            {"lane": CLOSED},
            "Its own clock. Besides, the lane to the site mx.test is closed and opens in 40 s (2026-01-31 08:00:40",
            id="scheduled, lane closed",
        ),
        pytest.param(SCHEDULED, {"workers": 0}, "no worker process is alive: nothing is tried before", id="no worker"),
        pytest.param(
            record(State.SCHEDULED, next_ms=NOW_MS - MINUTE),
            {},
            "Attempt 1, due 1 min ago (2026-01-31 07:59:00 UTC): the scheduler moves it to its lane",
            id="overdue",
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=0), {}, "no further attempt fits into what is left", id="nothing planned"
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=NOW_MS, payload={"window_ms": 900_000, "held_ms": 60_000}),
            {},
            "in 6 min (2026-01-31 08:06:00 UTC) if nothing takes it before: then its window of 15 min "
            "(given with the send, not counting 1 min on hold) closes.",
            id="own window and a hold",
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=NOW_MS, payload={"window_ms": 60_000}),
            {},
            "Its window of 1 min (given with the send) closed 9 min ago",
            id="window closed",
        ),
        pytest.param(
            READY,
            {"waiting": 120, "before": 80, "owner": "w1"},
            "The lane to the site mx.test is open, with up to 5 connections and 10 messages a second. "
            "80 wait before this one, 120 in all; other tenants and streams have turns of their own. Worker w1 has it.",
            id="in line",
        ),
        pytest.param(READY, {"waiting": 30_000}, "30000 wait in its line.", id="far back in line"),
        pytest.param(
            READY,
            {"lane": CLOSED},
            "The lane opens in 40 s (2026-01-31 08:00:40 UTC): one envelope goes ahead, and on any answer that does "
            "not blame the lane all that wait follow at once, this one included.",
            id="lane closed",
        ),
        pytest.param(
            READY,
            {"lane": CLOSED},
            "after 3 failures in a row. Seen last, at greeting mx1.mx.test: 421 Busy. No attempt is charged",
            id="why closed",
        ),
        pytest.param(
            READY,
            {"lane": LaneState(closed_until_ms=NOW_MS - 1, failures=1, why="no route")},
            "feels its way: after 1 failure in a row one envelope goes ahead. Seen last, at connect: no route.",
            id="lane probing",
        ),
        pytest.param(
            SCHEDULED,
            {"lane": LaneState(domains={"example.net": SICK})},
            "The domain example.net is closed at the site mx.test, after 2 failures in a row, and is asked again in "
            "40 s (2026-01-31 08:00:40 UTC). Seen last, at rcpt: 452 No space. Others' mail to that site goes on.",
            id="domain closed",
        ),
        pytest.param(
            SCHEDULED,
            {"lane": LaneState(senders={"example.com": REFUSED})},
            "The site mx.test is closed for the sender domain example.com, after 2 failures in a row, and is tried "
            "again in 40 s (2026-01-31 08:00:40 UTC). Seen last, at mail: 451 4.7.26 No DMARC. One envelope goes "
            "ahead, and when it is not refused for its sender all that wait follow at once, uncharged until then. "
            "Mail of other senders goes on.",
            id="sender closed",
        ),
        pytest.param(
            SCHEDULED,
            {"lane": LaneState(senders={"example.com": REFUSED})},
            "Attempt 1 when that gets through, at the latest in 1 min (2026-01-31 08:01:00 UTC).",
            id="sender closed, next",
        ),
        pytest.param(
            SCHEDULED,
            {"lane": LaneState(senders={"another.test": REFUSED})},
            "Its own clock, nothing else.",
            id="another sender closed",
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=NOW_MS + MINUTE, payload={"behind": PROBE}),
            {},
            f"Address memory: bob@example.net said to try later, and envelope {format_id(PROBE)} is tried there first. "
            "This one is not charged meanwhile, and follows at once when that gets through.",
            id="address memory",
        ),
        pytest.param(
            record(State.SCHEDULED, next_ms=NOW_MS + MINUTE, payload={"behind": IDENTITY}),
            {},
            "Its own clock, nothing else.",
            id="an operator asked for it",
        ),
        pytest.param(
            record(State.READY, lane="?example.net"),
            {},
            "waits for a worker to look up which hosts take mail for the domain example.net.",
            id="unresolved",
        ),
        pytest.param(
            record(State.READY, lane="?example.net"),
            {"lane_name": SITE, "lane": CLOSED},
            "Ready: its time has come, and it waits in the lane to the site mx.test, which is closed.",
            id="resolved meanwhile",
        ),
        pytest.param(
            record(State.ATTEMPTING, flags=Flag.MARKED),
            {},
            "it is sent again, even if the recipient may then get it twice (on_uncertain = resend).",
            id="marked",
        ),
        pytest.param(
            record(State.ATTEMPTING, flags=Flag.CANCEL_ASKED | Flag.HOLD_ASKED),
            {},
            "To be cancelled:",
            id="cancel asked",
        ),
        pytest.param(record(State.ATTEMPTING, flags=Flag.HOLD_ASKED), {}, "To be held:", id="hold asked"),
        pytest.param(record(State.ATTEMPTING, claims=3), {}, "were lost with it 2 times", id="claims"),
        pytest.param(
            record(State.HELD, payload={"held_why": "operator", "held_since_ms": NOW_MS - MINUTE}),
            {},
            "Held for 1 min: nothing is tried. An operator holds it.",
            id="held",
        ),
        pytest.param(
            record(State.HELD, payload={"held_why": "operator", "held_since_ms": NOW_MS - MINUTE}),
            {},
            "Its window stands still meanwhile.",
            id="hold pauses",
        ),
        pytest.param(
            record(State.HELD, payload={"held_why": "quarantined", "held_since_ms": NOW_MS}),
            {},
            "worker processes died while they had it, three times in a row. Why No attempt was made yet. "
            "Binds The hold. Its window runs on.",
            id="quarantined",
        ),
        pytest.param(
            record(State.BOUNCED, payload={"final": Final(at_ms=NOW_MS, cause="promoted", code=421, text="Busy")}),
            {},
            "It had no attempt of its own. Its lane failed last with: 421 Busy",
            id="promoted without an attempt",
        ),
        pytest.param(
            record(
                State.BOUNCED,
                payload={
                    "final": Final(at_ms=NOW_MS, cause="promoted"),
                    "attempts": [attempt(1), attempt(2), attempt(3, code=None, enhanced=None, reason="network")],
                },
            ),
            {},
            "Replies 2 x 451 4.7.1 (greylist, at RCPT), 1 x no reply (network, at RCPT) "
            "Advice The address is not known to be dead",
            id="promoted, with what was said",
        ),
        pytest.param(
            record(State.READY),
            {"waiting": 3000, "before": 600, "owner": "w1"},
            "Ceiling 36,000 messages an hour, as the rule says: the 600 before it are out in 1 min "
            "(2026-01-31 08:01:00 UTC) at the earliest.",
            id="ceiling of a rule",
        ),
        pytest.param(
            record(State.READY),
            {"waiting": 40, "before": 20, "lane": LaneState(learned=LEARNED)},
            "with up to 5 connections, of which it takes 3 and 10 messages a second. 20 wait before this one, 40 in "
            "all; other tenants and streams have turns of their own. No worker has taken it up yet. Ceiling 1,200 "
            "messages an hour, as the site mx.test was found to take them by what it refused: the 20 before it are "
            "out in 1 min (2026-01-31 08:01:00 UTC) at the earliest.",
            id="ceiling of what was learned",
        ),
        pytest.param(
            record(State.READY),
            {"lane": LaneState(learned=msgspec.structs.replace(LEARNED, learnt_ms=NOW_MS - 2 * 86_400_000))},
            "with up to 5 connections and 10 messages a second.",
            id="what was learned long ago",
        ),
        pytest.param(
            record(State.BOUNCED, payload={"final": Final(at_ms=NOW_MS, cause="rejected", suppress=True)}),
            {},
            "The address is dead",
            id="dead address",
        ),
        pytest.param(
            record(State.DELIVERED, flags=Flag.OVERLAPPED, payload={"final": Final(at_ms=NOW_MS, replaced="bounced")}),
            {},
            "It had ended as bounced before: the host's answer was recorded late, and it wins.",
            id="delivered late",
        ),
        pytest.param(
            record(State.CANCELLED, flags=Flag.UNCERTAIN, payload={"final": Final(at_ms=NOW_MS)}),
            {},
            "Cancelled 0 ms ago (2026-01-31 08:00:00 UTC), by the app or an operator. "
            "Note An attempt ended unanswered: the recipient may have got it all the same.",
            id="cancelled, uncertain",
        ),
    ],
)
def test_what_is_said(one: Record, around: dict[str, Any], says: str) -> None:
    """Each thing that binds an envelope has its words."""
    assert says in joined(explain(one, **around))


@pytest.mark.parametrize(
    ("tried", "says"),
    [
        pytest.param(
            attempt(1, stage="route", host=None, address=None, code=None, enhanced="4.4.3", text="no answer"),
            "The DNS, at route, 9 min 59 s ago (2026-01-31 07:50:01 UTC): 4.4.3 no answer. Read as soft",
            id="dns",
        ),
        pytest.param(
            attempt(1, stage="end_of_data", code=None, enhanced=None, text="lost", verdict=None, uncertain=True),
            "at end_of_data, 9 min 59 s ago (2026-01-31 07:50:01 UTC): lost. Counted as unanswered",
            id="unanswered",
        ),
        pytest.param(attempt(1, charged=False), "not charged to this envelope.", id="uncharged"),
        pytest.param(attempt(1, text="so sorry " * 200), "so sorry so sorry ... Read as", id="long"),
    ],
)
def test_how_the_last_attempt_is_told(tried: Attempt, says: str) -> None:
    """Who said what, when, and how it was read."""
    text = joined(explain(record(State.SCHEDULED, next_ms=NOW_MS + 1, payload={"attempts": [tried]})))
    assert says in text
    assert len(text) < 2500


def test_only_the_latest_attempts_are_listed() -> None:
    """The others are counted."""
    attempts = [attempt(number, charged=number % 3 > 0) for number in range(1, 14)]
    text = explain(record(State.SCHEDULED, next_ms=NOW_MS + 1, charged=9, payload={"attempts": attempts}))
    assert "Attempts (3 earlier left out; `softbounce show` has all)" in text
    assert "\n  12*  " in text
    assert text.endswith("  * uncharged: it did not advance the envelope's backoff")


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained_in_lines_that_fit(state: State) -> None:
    """With a width that a terminal has."""
    text = explain(record(state, next_ms=NOW_MS + timedelta(minutes=1) // timedelta(milliseconds=1)))
    assert "\nNow      " in text
    assert "\nNext     " in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_issue12_a_road_is_named_with_its_route() -> None:
    """Which smarthost it waits for, and by which table."""
    road = Road(host="relay.test", port=587)
    settings = Settings(route=(RouteRule(domain="x.test"), RouteRule(road=road)))
    lane = road.lane_of("")
    state = LaneState(
        closed_until_ms=NOW_MS + MINUTE, failures=2, stage="auth", code=535, text="wrong", host="relay.test"
    )
    one = record(State.READY, lane=lane)
    said = explanation(Situation(record=one, settings=settings, now_ms=NOW_MS, lane_name=lane, lane=state, workers=1))
    assert "the lane to the smarthost relay.test (route[1])" in said
    assert "Seen last, at auth relay.test: 535 wrong." in said
