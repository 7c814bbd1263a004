"""Fair share, on the running service: what waits by the thousands stands in front of nobody else's mail."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from conftest import StartService
from service import Service, until

from softbounce.client import Client, Shown
from softbounce.client.send.arguments import Outgoing

CONFIG = """
[[lane]]
site = "*"
connections = 10
rate = "{rate}/s"

[[stream]]
name = "otp"
weight = 10
"""
SECOND = timedelta(seconds=1)


def outgoing(number: int, stream: str, sender: str = "app", at: datetime | None = None, to: str = "fair") -> Outgoing:
    """A small message of its own."""
    return {
        "sender": f"{sender}@{sender}.test",
        "recipients": [f"accept-{number}@{to}.test"],
        "message": b"Subject: %d\r\n\r\nHi\r\n" % number,
        "stream": stream,
        "at": at,
    }


def flood(mail: Client, number: int, *, sender: str = "app") -> None:
    """Newsletters that come due all at once, when all are there."""
    due_at = datetime.now(UTC) + SECOND * (2 + number / 1000)
    for start in range(0, number, 1000):
        some = range(start, min(start + 1000, number))
        mail.send_many(outgoing(one, "news", sender, due_at) for one in some)
    until(lambda: datetime.now(UTC) > due_at, 60, "they are due")


def delivered(mail: Client, identities: Sequence[str]) -> list[Shown]:
    """Them, once they are."""
    shown: list[Shown] = []
    for identity in identities:
        until(lambda one=identity: mail.show(one).state == "delivered", 60, f"{identity} is delivered", 0.01)  # type: ignore[misc]
        shown.append(mail.show(identity))
    return shown


def waited(shown: Shown) -> timedelta:
    """From its acceptance to the host's 250."""
    return shown.attempts[-1].ended_at - shown.created_at


def sent(mail: Client, messages: list[Outgoing]) -> list[str]:
    """The ids of their envelopes."""
    return [next(iter(receipt.envelopes.values())) for receipt in mail.send_many(messages)]


@pytest.fixture
def service(start: StartService) -> Service:
    """One whose lanes carry fifteen messages a second."""
    return start(CONFIG.format(rate=15))


def test_issue13_6_a_login_code_waits_for_no_newsletter_to_the_same_site(service: Service) -> None:
    """Fifteen a second and two thousand before it: from the moment they come due it has a turn at once."""
    waits = []
    with service.client() as mail:
        delivered(mail, sent(mail, [outgoing(0, "otp")]))
        flood(mail, 2000)
        for number in range(25):
            (code,) = delivered(mail, sent(mail, [outgoing(number, "otp")]))
            waits.append(waited(code))
            time.sleep(0.05)
        assert mail.queue(stream="news", state="delivered").total < 200
    assert max(waits) < SECOND


def test_A31_issue13_6_a_tenant_gets_half_of_a_lane_beside_another_s_thousands(service: Service) -> None:
    """In one stream and lane, from its first message on."""
    with service.client() as mail:
        flood(mail, 2000, sender="noisy")
        until(lambda: mail.queue(stream="news", state="delivered").total > 10, 20, "the lane is at work")
        few = sent(mail, [outgoing(one, "news", "quiet") for one in range(40)])
        soonest = min(map(waited, delivered(mail, few)))
        share = served(mail, set(few))
    assert soonest < SECOND
    assert 0.35 < share < 0.65


def test_issue13_6_what_an_outage_left_behind_waits_for_no_fresh_mail_and_holds_none_back(start: StartService) -> None:
    """What was tried before and what never was go side by side, three first tries to one."""
    service = start(CONFIG.format(rate=15) + '\n[policy.default]\ndelays = ["1h"]\n')
    with service.client() as mail:
        old = sent(mail, [{**outgoing(one, "news"), "recipients": [f"greylist-{one}@fair.test"]} for one in range(120)])
        until(lambda: mail.queue(state="scheduled").total == len(old) == count(mail, "deferred"), 40, "all were tried")
        assert mail.act_on_matching("retry") == {"scheduled": len(old)}
        fresh = sent(mail, [outgoing(one, "news") for one in range(40)])
        soonest = min(map(waited, delivered(mail, fresh)))  # whichever of them went first
        share = served(mail, set(fresh))
        delivered(mail, old)
    assert soonest < SECOND
    assert 0.6 < share < 0.9


def served(mail: Client, some: set[str]) -> float:
    """What these had of all that was delivered between the first and the last of them."""
    ended = [event.id for event in mail.events() if event.kind == "delivered"]
    places = [at for at, one in enumerate(ended) if one in some]
    return len(places) / (places[-1] - places[0] + 1)


def count(mail: Client, kind: str) -> int:
    """How many such events there are."""
    return sum(event.kind == kind for event in mail.events())
