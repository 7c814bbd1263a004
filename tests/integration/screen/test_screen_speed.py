"""How long a page takes where there is much: of envelopes, sites and events."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest
import redis
from screens import Screen, quiet_screen

from softbounce.events import StoredEvent, encode_events
from softbounce.store.keys import HOME, key
from softbounce.store.lanes import DomainState, LaneState, LearnedState

ENVELOPES = 100_000
AT_ONCE = 500
SITES = 500
EVENTS, AN_ENTRY = 1_000_000, 5
SECONDS = 0.3
TRIES = 5
KINDS = ("deferred", "delivered", "bounced", "accepted", "deferred")
LONG = (
    "our systems have seen an unusual rate of mail from your address; please look at https://postmaster.test/help " * 4
)


@pytest.fixture(scope="module")
def crowded(store_binary: object) -> Iterator[Screen]:
    """A store with as many events as it may keep; no worker."""
    del store_binary
    with quiet_screen("[store]\nkeep_events_max = 2_000_000\n") as screen:
        yield screen


def fill(screen: Screen) -> str:
    """Much of everything; the id of one envelope."""
    store = redis.Redis.from_url(screen.service.url)
    pipe = store.pipeline(transaction=False)
    now_ms = round(time.time() * 1000)
    for number in range(SITES):
        domains = {f"d{one}.site{number}.test": DomainState(failures=2, why=LONG, noted_ms=now_ms) for one in range(5)}
        state = LaneState(
            closed_until_ms=now_ms + 600_000 if number % 2 else 0,
            failures=number % 7 if number % 2 else 0,
            why=LONG,
            code=421,
            text=LONG,
            domains=domains,
            learned=LearnedState(rate=0.5, learnt_ms=now_ms),
        )
        pipe.hset(key(HOME, "lane"), f"site{number}.test~{number:016x}", msgspec.msgpack.encode(state))
    pipe.execute()
    with screen.service.client() as mail:
        for first in range(0, ENVELOPES, AT_ONCE):
            mail.send_many(
                {
                    "sender": "app@shop.test",
                    "recipients": [f"user{first + number}@d{number}.test"],
                    "message": b"From: app@shop.test\r\n\r\nHello\r\n",
                    "tags": ["spring"],
                }
                for number in range(AT_ONCE)
            )
        (one, *_) = mail.page(recipient="user7@*", limit=1).envelopes
    events = [
        StoredEvent(
            kind=kind, id=bytes(14), recipient="a@b.test", host="mx.b.test", code=451, text=LONG, reason="greylisted"
        )
        for kind in KINDS
    ]
    octets = encode_events(events[:AN_ENTRY])
    for _ in range(0, EVENTS // AN_ENTRY, 5000):
        for _ in range(5000):
            pipe.xadd(key(HOME, "events"), {b"e": octets})
        pipe.execute()
    return one.id


@pytest.mark.thorough
def test_issue15_1_a_page_takes_no_longer_where_there_is_much(crowded: Screen) -> None:
    """With 100,000 envelopes, 500 sites and a million events each page is made within 300 ms, once it was not of five.

    A search goes on by itself.
    """
    one = fill(crowded)
    slow: dict[str, float] = {}
    for path in (
        "/ui",
        "/ui/sites",
        "/ui/sites/site7.test",
        f"/ui/message/{one}",
        "/ui/search",
        "/ui/search?recipient=user7@d7.test",
        "/ui/search?tag=nothing",
        "/ui/events",
        "/ui/events?kind=bounced",
        "/ui/events?kind=complained",
        "/ui/bounces",
        "/ui/suppressed",
        "/ui/holds",
        "/ui/policies",
        "/ui/actions",
        "/ui/health",
    ):
        took: list[float] = []
        for _ in range(TRIES):
            answer = crowded.http.get(path)
            assert answer.status_code == 200, path
            took.append(answer.elapsed.total_seconds())
        slow[path] = sorted(took)[-2]
    assert {path: seconds for path, seconds in slow.items() if seconds > SECONDS} == {}
