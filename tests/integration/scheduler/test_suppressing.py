"""The scheduler's part of suppression: what the event logs tell, whoever reads them, and however often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from mailbag import Mailbag, open_bag
from servers import Valkey
from softbounce_scheduler.pruning import is_old_suppression
from softbounce_scheduler.store_view import StoreView
from softbounce_scheduler.suppressing import PAGE_ENTRIES, Suppressing
from structlog.testing import capture_logs

from softbounce import Client, NewSuppression, StoreFull
from softbounce.events import StoredEvent, encode_event
from softbounce.settings import Settings
from softbounce.store.late_delivery import tell
from softbounce.store.published import publish_settings
from softbounce.store.shards import AsyncShards
from softbounce.suppression import SuppressRules

DAY_MS = 86_400_000
FULL = {"cause": "promoted", "fault": "recipient", "reason": "mailbox_full", "code": 452, "text": "full"}


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store."""
    with open_bag(store_server.url) as opened:
        yield opened


@pytest.fixture
def mail(bag: Mailbag) -> Iterator[Client]:
    """A client of it."""
    with Client(bag.store.url) as client:
        yield client


def event(kind: str, address: str, number: int = 1, **more: object) -> StoredEvent:
    """An event of an envelope to an address."""
    fields = {"recipient": address, "stream": "news", "tenant": "acme", **more}
    return StoredEvent(kind=kind, id=bytes(14) + number.to_bytes(2), **fields)  # type: ignore[arg-type]


def tells(bag: Mailbag, *events: StoredEvent) -> None:
    """Write events into the log, each in an entry of its own."""
    for one in events:
        bag.store.run(tell(0, [(one.id, encode_event(one))], keep_events=100_000))


def tells_at(bag: Mailbag, at_ms: int, one: StoredEvent) -> None:
    """The same, with a time that is over."""
    bag.raw.xadd("sb:{0}:events", {"b": b"\x91" + encode_event(one), "n": 1}, id=f"{at_ms}-*")


def follow(bag: Mailbag, rules: SuppressRules | None = None) -> None:
    """A scheduler that begins, follows the log to its end, and dies."""

    async def run() -> None:
        store = AsyncShards(bag.store.url)
        try:
            view = StoreView(store, 1)
            view.settings = Settings(suppress=rules or SuppressRules())
            await Suppressing(view).follow()
        finally:
            await store.close()

    asyncio.run(run())


def sources(mail: Client) -> dict[str, list[str]]:
    """Who says of which address that it gets no mail."""
    found: dict[str, list[str]] = {}
    for one in mail.suppressions():
        found.setdefault(one.address, []).append(one.source)
    return found


def test_issue14_10_what_the_log_tells_is_kept_however_often_it_is_read(bag: Mailbag, mail: Client) -> None:
    """A bounce, a complaint, and what was taken back; read once more from its beginning it says the same."""
    tells(
        bag,
        event("bounced", "Dead@a.test", 1, cause="rejected", suppress=True, code=550, text="gone"),
        event("complained", "angry@a.test", 2, reason="abuse"),
        event("bounced", "storm@a.test", 3, cause="rejected", suppress=True),
        event("unsuppressed", "storm@a.test", 3),
        event("bounced", "full@a.test", 4, cause="rejected", suppress=False),
        event("bounced", "dead@a.test", 5, cause="suppressed"),
    )
    for _ in range(2):
        follow(bag)
        bag.raw.delete("sb:{0}:followed")
        assert sources(mail) == {"dead@a.test": ["verdict"], "angry@a.test": ["complaint"]}
    (angry,) = mail.suppressions(address="angry@a.test")
    assert (angry.stream, angry.tenant, angry.reason, angry.expires_at) == ("news", None, "abuse", None)


def test_issue14_10_a_storm_takes_back_only_what_it_had_suppressed(bag: Mailbag, mail: Client) -> None:
    """Not what a person said meanwhile, nor what another envelope's bounce did."""
    tells(bag, event("bounced", "a@a.test", 1, suppress=True), event("bounced", "b@a.test", 2, suppress=True))
    follow(bag)
    mail.suppress("a@a.test")
    tells(bag, event("unsuppressed", "a@a.test", 1), event("unsuppressed", "b@a.test", 9))
    follow(bag)
    assert sources(mail) == {"a@a.test": ["operator"], "b@a.test": ["verdict"]}


def test_issue14_10_who_was_taken_off_stays_off_though_the_log_is_read_again(bag: Mailbag, mail: Client) -> None:
    """A scheduler that died before it noted how far it had read puts nobody back; a new bounce does."""
    tells(bag, event("bounced", "dead@a.test", suppress=True))
    follow(bag)
    assert mail.unsuppress("dead@a.test") == 1
    bag.raw.delete("sb:{0}:followed")
    follow(bag)
    assert sources(mail) == {}
    tells(bag, event("bounced", "dead@a.test", 2, suppress=True))
    follow(bag)
    assert sources(mail) == {"dead@a.test": ["verdict"]}


def test_issue14_10_a_streak_of_promotions_suppresses_and_a_delivery_ends_it(bag: Mailbag, mail: Client) -> None:
    """Three on three days, for the address's sake; not where mail was delivered between."""
    now_ms = int(bag.raw.time()[0]) * 1000
    for day in (9, 6, 3):
        at_ms = now_ms - day * DAY_MS
        tells_at(bag, at_ms, event("bounced", "full@a.test", day, **FULL))
        tells_at(bag, at_ms, event("bounced", "outage@a.test", day, **(FULL | {"fault": "system"})))
        tells_at(bag, at_ms, event("bounced", "well@a.test", day, **FULL))
        if day == 6:
            tells_at(bag, at_ms + 1, event("delivered", "Well@a.test", 70))
    for _ in range(2):
        follow(bag)
        bag.raw.delete("sb:{0}:followed")
    assert sources(mail) == {"full@a.test": ["streak"]}
    (one,) = mail.suppressions(address="full@a.test")
    assert one.reason == "3 times within 30 days, last: 452 full"
    assert one.expires_at == one.since + timedelta(days=30)
    assert bag.raw.hkeys("sb:{0}:streak") == [b"well@a.test"]
    tells(bag, event("delivered", "well@a.test", 71))
    follow(bag)
    assert bag.raw.hget("sb:{0}:streak", b"well@a.test") is None


@pytest.mark.parametrize("noted", [b"nonsense", b"9999999999999-0", b"9" * 20 + b"-0", b"1-" + b"9" * 20])
def test_issue14_10_a_long_log_is_read_to_its_end(bag: Mailbag, mail: Client, noted: bytes) -> None:
    """More than a page; and what is no event in it, or no entry of the list, stops nobody."""
    tells(bag, *(event("bounced", f"{number}@a.test", number, suppress=True) for number in range(PAGE_ENTRIES + 50)))
    bag.raw.xadd("sb:{0}:events", {"b": b"bounced nonsense", "n": 1})
    bag.raw.hset("sb:{0}:suppressed", "7@a.test", b"\xffnonsense")
    bag.raw.hset("sb:{0}:followed", "0", noted)
    tells(bag, event("bounced", "last@a.test", 500, suppress=True))
    follow(bag)
    assert len(sources(mail)) == PAGE_ENTRIES + 51
    assert mail.send(sender="a@b.test", recipients=["7@a.test"], message=b"Subject: x\r\n\r\nx\r\n").suppressed


def test_issue10_what_a_new_primary_has_before_a_place_is_read(bag: Mailbag, mail: Client) -> None:
    """While a primary is replaced both servers take writes: what the new one says of an address is heard as well."""
    name = bag.key("events")
    tells(bag, event("bounced", "both@a.test", 1, suppress=True))
    follow(bag)
    both = bag.raw.dump(name)
    ((identity, _),) = bag.raw.xrevrange(name, count=1)
    last_ms = int(identity.partition(b"-")[0])
    tells_at(bag, last_ms + 10, event("bounced", "old@a.test", 2, suppress=True))
    follow(bag)
    bag.raw.restore(name, 0, both, replace=True)
    tells_at(bag, last_ms + 5, event("bounced", "new@a.test", 3, suppress=True))
    follow(bag)
    assert set(sources(mail)) == {"both@a.test", "old@a.test", "new@a.test"}


def test_issue14_10_there_are_as_many_as_are_allowed(bag: Mailbag, mail: Client) -> None:
    """Beyond them nobody is taken in, by the log nor by hand; the log says so once, and mail goes on."""
    rules = SuppressRules(most=3)
    assert bag.store.run(publish_settings(Settings(version=1, suppress=rules), over=0))
    tells(bag, *(event("bounced", f"{number}@a.test", number, suppress=True) for number in range(5)))
    with capture_logs() as logs:
        follow(bag, rules)
    assert len(sources(mail)) == 3
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["suppressions_full"]
    with pytest.raises(StoreFull, match="there are 3 suppressions"):
        mail.suppress("more@a.test")
    known = next(iter(sources(mail)))
    assert mail.suppress(known) == (1, 0)


def test_issue14_10_what_is_over_stops_no_mail_and_is_forgotten(bag: Mailbag, mail: Client) -> None:
    """By its time at once, by the sweep later."""
    soon = timedelta(milliseconds=1)
    mail.suppress_many([NewSuppression(address="a@a.test", expires=soon), NewSuppression(address="b@a.test")])
    mail.suppress("gone@a.test")
    mail.unsuppress("gone@a.test")
    assert not mail.send(sender="a@b.test", recipients=["a@a.test"], message=b"Subject: x\r\n\r\nx\r\n").suppressed
    assert sources(mail) == {"b@a.test": ["operator"]}
    now_ms = int(bag.raw.time()[0]) * 1000 + 1000
    kept = {name.decode(): octets for name, octets in bag.raw.hgetall("sb:{0}:suppressed").items()}
    assert kept.keys() == {"a@a.test", "b@a.test", "gone@a.test"}
    assert {name for name, octets in kept.items() if is_old_suppression(octets, 3, now_ms)} == {"a@a.test"}
    later_ms = now_ms + DAY_MS
    assert {name for name, octets in kept.items() if is_old_suppression(octets, 3, later_ms)} == kept.keys() - {
        "b@a.test"
    }
    assert is_old_suppression(b"nonsense", 3, now_ms)
