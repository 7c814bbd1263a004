"""The scheduler's part of notices: what the event logs tell, however often it is read, and wherever a reader dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import TypeVar, cast

import pytest
import zstandard
from mailbag import Mailbag, open_bag
from servers import Valkey
from softbounce_gateway.returns.reading.reading import read_report
from softbounce_scheduler.notices.following import PAGE_ENTRIES, Noticing
from softbounce_scheduler.store_view import StoreView
from structlog.testing import capture_logs

from softbounce import Client, transitions
from softbounce.classify import classify
from softbounce.dsn import DsnOptions
from softbounce.envelope import Record, State
from softbounce.errors import StoreUnavailable
from softbounce.events import StoredEvent, encode_event
from softbounce.ids import parse_id
from softbounce.reply import Reply
from softbounce.settings import Notices, Settings
from softbounce.stage import Stage
from softbounce.store import keys
from softbounce.store.call import Operation
from softbounce.store.kept_bodies import free_bodies
from softbounce.store.late_delivery import tell
from softbounce.store.moving import Move
from softbounce.store.notices import BEGINS_MS
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Seen

T = TypeVar("T")
LETTER = (
    b"From: app@shop.test\r\nTo: gone@b.test\r\nSubject: Your order\r\nMessage-ID: <o1@shop.test>\r\n\r\nHello.\r\n"
)
GONE = Reply(code=550, enhanced="5.1.1", lines=("no such user",))


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store that keeps bodies, as a scheduler has it do; its books are audited afterwards."""
    with open_bag(store_server.url) as opened:
        opened.store.run(free_bodies(0, opened.settings))
        yield opened
        opened.audit()


class Desk:
    """Hands mail over by a way of its choice, has it end, and reads the notices about it."""

    def __init__(self, bag: Mailbag) -> None:
        self.bag = bag

    def send(
        self, *to: str, way: str = "smtp", message: bytes = LETTER, sender: str = "app@shop.test", **said: str
    ) -> list[bytes]:
        """Hand one over; its envelopes."""
        dsn = cast("DsnOptions", said) if said else None
        with Client(self.bag.store.url, way=way) as mail:
            receipt = mail.send(sender=sender, recipients=to, message=message, dsn=dsn)
        return [parse_id(receipt.envelopes[one]) for one in to]

    def end(self, *ids: bytes, reply: Reply = GONE, takes_dsn: bool = False) -> None:
        """One attempt of each ends by a reply; all of them in one step."""
        moves = []
        for record in self.bag.records(ids):
            version = record.version
            seen = Seen(
                what=reply, stage=Stage.RCPT, started_ms=1, ended_ms=2, host="mx.b.test", tells_sender=takes_dsn
            )
            settings = self.bag.settings
            verdict = classify(reply, stage=Stage.RCPT, site=None, settings=settings)
            change = transitions.conclude(record, seen, verdict, settings, self.now_ms)
            moves.append(Move(record=change.record, version=version, event=change.event))
        assert set(self.bag.move(*moves)) == {1}

    def warn(self, identity: bytes) -> None:
        """It is told to be late."""
        event = transitions.warned_event(self.bag.record(identity), self.bag.settings, self.now_ms)
        self.bag.store.run(tell(0, [(identity, event)], keep_events=100_000))

    @property
    def now_ms(self) -> int:
        """The store's time."""
        return int(self.bag.raw.time()[0]) * 1000

    def notices(self) -> list[Record]:
        """All that there are, in the order of what they are about."""
        stored = self.bag.raw.hgetall(self.bag.key("e"))
        records = [Record.unpack(identity, octets) for identity, octets in stored.items()]
        return sorted((one for one in records if one.envelope.way == "notice"), key=lambda one: one.envelope.key)

    def octets(self, record: Record) -> bytes:
        """A notice's message."""
        stored = self.bag.raw.get(keys.body(record.message))
        return zstandard.ZstdDecompressor().decompress(stored) if record.envelope.body.codec else stored

    def told(self) -> list[tuple[str, str, list[str]]]:
        """To whom each notice is, what it says, and of which recipients."""
        out = []
        for one in self.notices():
            report = read_report(self.octets(one))
            out.append(
                (one.envelope.recipient, str(report.kind), [outcome.addresses[-1] for outcome in report.outcomes])
            )
        return out


@pytest.fixture
def desk(bag: Mailbag) -> Desk:
    """One."""
    return Desk(bag)


class Mortal(AsyncShards):
    """A store that is used by a scheduler which dies at one of its calls: before it, or behind it and unheard."""

    def __init__(self, url: str, last: int, *, is_done: bool) -> None:
        super().__init__(url)
        self._left = last
        self._is_done = is_done

    async def run(self, operation: Operation[T]) -> T:
        """Carry it out, unless it is the last."""
        self._left -= 1
        if self._left == -1 and not self._is_done:
            raise KilledError
        answer = await super().run(operation)
        if self._left == -1:
            raise KilledError
        return answer


class KilledError(BaseException):
    """The process is no more."""


def follow(bag: Mailbag, notices: Notices | None = None, store: AsyncShards | None = None) -> None:
    """A scheduler that begins, follows the log to its end, and dies."""

    async def run() -> None:
        shards = store or AsyncShards(bag.store.url)
        try:
            view = StoreView(shards, 1)
            view.settings = Settings(notices=notices or Notices())
            noticing = Noticing(view, "mail.shop.test")
            await (noticing.leave_off() if view.settings.notices.about == "none" else noticing.follow())
        finally:
            await shards.close()

    asyncio.run(run())


def test_issue14_8_a_bounce_is_told_once_however_often_it_is_read(bag: Mailbag, desk: Desk) -> None:
    """By the null sender, to the sender, in a stream of its own; read from the beginning again it is the same one."""
    desk.end(*desk.send("gone@b.test"))
    for _ in range(2):
        follow(bag)
        bag.raw.delete(bag.key("noticed"))
    (notice,) = desk.notices()
    assert desk.told() == [("app@shop.test", "failed", ["gone@b.test"])]
    assert (notice.envelope.sender, notice.stream, notice.envelope.tenant) == ("", "notices", "shop.test")
    message = cast("EmailMessage", message_from_bytes(desk.octets(notice), policy=default))
    parts = cast("list[EmailMessage]", list(message.iter_parts()))
    assert [one.get_content_type() for one in parts] == ["text/plain", "message/delivery-status", "message/rfc822"]
    assert parts[2].get_content()["Subject"] == "Your order"


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "behind"])
def test_issue14_8_a_scheduler_that_dies_anywhere_loses_no_notice_and_makes_none_twice(
    bag: Mailbag, desk: Desk, is_done: bool
) -> None:
    """At each of its calls of the store, before it is done and behind it; whoever comes then goes on."""
    ids = [desk.send(f"gone{number}@b.test")[0] for number in range(25)]
    for one in ids:
        desk.end(one)
    deaths = 0
    while True:
        try:
            follow(bag, store=Mortal(bag.store.url, deaths, is_done=is_done))
        except KilledError:
            deaths += 1
        else:
            break
    assert deaths > 8
    follow(bag)
    assert sorted(addresses[0] for _, _, addresses in desk.told()) == sorted(f"gone{n}@b.test" for n in range(25))


def test_issue14_8_recipients_that_end_in_one_step_are_told_together(bag: Mailbag, desk: Desk) -> None:
    """Each as its sender asked for it; those that end later are told then."""
    first, second, never, later = desk.send(
        "a@b.test",
        "b@b.test",
        "c@b.test",
        "d@b.test",
        notify={"b@b.test": ["failure"], "c@b.test": ["never"]},
        envid="order 7",
        orcpt={"b@b.test": "old@b.test"},
    )  # type: ignore[arg-type]
    desk.end(first, second, never)
    follow(bag)
    desk.end(later)
    follow(bag)
    assert sorted(desk.told()) == [
        ("app@shop.test", "failed", ["a@b.test", "b@b.test"]),
        ("app@shop.test", "failed", ["d@b.test"]),
    ]
    assert b"Original-Envelope-Id: order 7\r\n" in desk.octets(desk.notices()[0])
    assert sum(b"Original-Recipient: rfc822; old@b.test" in desk.octets(one) for one in desk.notices()) == 1


def test_M28_a_delay_and_a_delivery_are_told_where_they_are_wanted(bag: Mailbag, desk: Desk) -> None:
    """A delivery where its host cannot tell it; a delay of what says nothing as the configuration has it."""
    late, quiet = desk.send("late@b.test", "quiet@b.test", notify={"quiet@b.test": ["failure"]})  # type: ignore[arg-type]
    desk.warn(late)
    desk.warn(quiet)
    relayed, passed, unasked = desk.send(
        "r@b.test",
        "p@b.test",
        "u@b.test",
        notify={"r@b.test": ["success"], "p@b.test": ["success", "failure"]},
    )  # type: ignore[arg-type]
    taken = Reply(code=250, enhanced="2.0.0", lines=("ok",))
    desk.end(relayed, unasked, reply=taken)
    desk.end(passed, reply=taken, takes_dsn=True)
    follow(bag, Notices(delay=True))
    assert sorted(desk.told()) == [
        ("app@shop.test", "delayed", ["late@b.test"]),
        ("app@shop.test", "delivered", ["r@b.test"]),
    ]
    (about_late,) = (desk.octets(one) for one in desk.notices() if b"Action: delayed" in desk.octets(one))
    assert b"Will-Retry-Until: " in about_late
    assert b"Content-Type: text/rfc822-headers" in about_late
    assert b"Hello." not in about_late


@pytest.mark.parametrize("way", ["python", "http", "command", "outbox", "resend"])
def test_A28_who_hands_over_by_api_gets_none_unless_asked_for(bag: Mailbag, desk: Desk, way: str) -> None:
    """The app hears of it by events."""
    desk.end(*desk.send("gone@b.test", way=way))
    follow(bag)
    assert desk.notices() == []
    bag.raw.delete(bag.key("noticed"))
    follow(bag, Notices(about="all", to="ops@shop.test", sent_from="bounces@shop.test"))
    assert desk.told() == [("ops@shop.test", "failed", ["gone@b.test"])]
    assert b"<bounces@shop.test>" in desk.octets(desk.notices()[0])


def test_M20_nothing_is_written_about_a_notice_or_the_null_sender(bag: Mailbag, desk: Desk) -> None:
    """A bounce of a bounce ends silently, with its event; also where notices go to somebody else, who bounces too."""
    notices = Notices(about="all", to="reject@ops.test")
    desk.end(*desk.send("a@b.test", sender=""))
    follow(bag, notices)
    assert desk.notices() == []
    desk.end(*desk.send("a@b.test"))
    follow(bag, notices)
    (first,) = desk.notices()
    desk.end(first.id)
    follow(bag, notices)
    assert [one.id for one in desk.notices()] == [first.id]
    assert bag.record(first.id).state is State.BOUNCED
    assert [one.kind for one in bag.events() if one.id == first.id] == ["accepted", "bounced"]


def test_issue14_8_two_services_tell_each_other_nothing_for_ever(bag: Mailbag, desk: Desk) -> None:
    """A notice that is handed over to another service, as it left the first, and fails there is told to nobody."""
    notices = Notices(about="all", to="reject@ops.test")
    desk.end(*desk.send("a@b.test"))
    follow(bag, notices)
    (first,) = desk.notices()
    there = desk.send("reject@ops.test", sender=first.envelope.sender, message=desk.octets(first))
    desk.warn(there[0])
    desk.end(*there)
    follow(bag, notices)
    assert [one.id for one in desk.notices()] == [first.id]


def test_issue14_8_what_is_sent_again_came_in_as_before(bag: Mailbag, desk: Desk) -> None:
    """So its bounce is told too, apart from the first one's."""
    (one,) = desk.send("gone@b.test")
    desk.end(one)
    with Client(bag.store.url) as mail:
        again = mail.resend(mail.page(state="bounced").envelopes[0].id)
    assert again.envelope_id is not None
    desk.end(parse_id(again.envelope_id))
    follow(bag)
    assert len(desk.told()) == 2


def test_issue14_8_of_a_large_message_the_header_comes_back(bag: Mailbag, desk: Desk) -> None:
    """Of ten megabytes a notice of some kilobytes is made; RET=HDRS has that of any size."""
    large = LETTER + (b"0123456789" * 7 + b"\r\n") * 145_000
    desk.end(*desk.send("gone@b.test", message=large))
    desk.end(*desk.send("gone@b.test", ret="headers"))
    follow(bag)
    assert len(desk.notices()) == 2
    for one in desk.notices():
        octets = desk.octets(one)
        assert len(octets) < 4000
        assert b"Content-Type: text/rfc822-headers\r\n\r\nFrom: app@shop.test" in octets
        assert b"Subject: Your order" in octets


def test_issue14_8_a_message_that_is_gone_is_told_of_all_the_same(bag: Mailbag, desk: Desk) -> None:
    """By its id."""
    (one,) = desk.send("gone@b.test")
    desk.end(one)
    bag.raw.delete(keys.body(one[:-2]), bag.key("kept"), bag.key("kept_octets"))
    bag.raw.hdel(bag.key("totals"), "kept_octets")
    follow(bag)
    assert desk.told() == [("app@shop.test", "failed", ["gone@b.test"])]
    octets = desk.octets(desk.notices()[0])
    assert b"Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <o1@shop.test>\r\n" in octets
    assert b"no longer stored" in octets


def test_A28_so_many_an_hour_and_no_more(bag: Mailbag, desk: Desk) -> None:
    """The last one says so, the log says how many were left out, and another sender's are written."""
    for number in range(6):
        desk.end(*desk.send(f"gone{number}@b.test"))
    desk.end(*desk.send("gone@b.test", sender="other@shop.test"))
    with capture_logs() as logs:
        follow(bag, Notices(most_an_hour=3))
    assert [to for to, _, _ in desk.told()].count("app@shop.test") == 3
    assert [to for to, _, _ in desk.told()].count("other@shop.test") == 1
    assert sum(b"last notice to this address" in desk.octets(one) for one in desk.notices()) == 1
    (said,) = (one for one in logs if one["event"] == "notices_left_out")
    assert (said["to"], said["within_this_hour"]) == ("app@shop.test", 1)


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "behind"])
def test_issue14_8_a_restart_begins_no_new_hour(bag: Mailbag, desk: Desk, is_done: bool) -> None:
    """Who comes next counts on, wherever the one before died; what cannot be read says nothing."""
    most, deaths = Notices(most_an_hour=4), 0
    for number in range(8):
        desk.end(*desk.send(f"gone{number}@b.test"))
        try:
            follow(bag, most, Mortal(bag.store.url, deaths % 9, is_done=is_done))
        except KilledError:
            deaths += 1
    follow(bag, most)
    assert deaths >= 6
    assert len(desk.notices()) == 4
    assert sum(b"last notice to this address" in desk.octets(one) for one in desk.notices()) == 1
    bag.raw.hset(bag.key("noticed"), "hourly", b"\xc1")
    desk.end(*desk.send("more@b.test"))
    follow(bag, most)
    assert len(desk.notices()) == 5


def test_issue14_8_many_recipients_of_one_message_stand_in_few_notices(bag: Mailbag, desk: Desk) -> None:
    """120 that end in one step make two notices, in 12 steps twelve; each stands in one, and none is left out."""
    together = [f"r{number}@b.test" for number in range(120)]
    desk.end(*desk.send(*together))
    follow(bag)
    assert sorted(len(addresses) for _, _, addresses in desk.told()) == [20, 100]
    assert sorted(one for _, _, addresses in desk.told() for one in addresses) == sorted(together)
    apart = [f"s{number}@c.test" for number in range(120)]
    ids = desk.send(*apart)
    for start in range(0, 120, 10):
        desk.end(*ids[start : start + 10])
    follow(bag)
    told = [addresses for _, _, addresses in desk.told() if addresses[0].endswith("@c.test")]
    assert sorted(one for addresses in told for one in addresses) == sorted(apart)
    assert len(told) == 12


def test_issue14_8_a_suppressed_sender_gets_none(bag: Mailbag, desk: Desk) -> None:
    """The notice ends as any mail to him, with its event."""
    with Client(bag.store.url) as mail:
        mail.suppress("app@shop.test")
    desk.end(*desk.send("gone@b.test"))
    follow(bag)
    (notice,) = desk.notices()
    assert notice.state is State.BOUNCED
    follow(bag)
    assert len(desk.notices()) == 1


def test_issue14_8_what_bounced_while_nobody_wanted_notices_is_told_to_nobody(bag: Mailbag, desk: Desk) -> None:
    """Whoever wants them later hears of what is not long ago; a log that is followed is read from where that ended."""
    desk.end(*desk.send("first@b.test"))
    follow(bag)
    assert bag.raw.exists(bag.key("noticed"))
    follow(bag, Notices(about="none"))
    assert not bag.raw.exists(bag.key("noticed"))
    (old,) = desk.send("old@b.test")
    long_ago = desk.now_ms - 2 * BEGINS_MS
    bag.raw.delete(bag.key("events"))
    for at_ms in (long_ago, long_ago + BEGINS_MS * 3 // 2):
        event = encode_event(StoredEvent(kind="bounced", id=old, way="smtp"))
        bag.raw.xadd(bag.key("events"), {"b": b"\x91" + event, "n": 1}, id=f"{at_ms}-0")
        if at_ms == long_ago:
            follow(bag)
            assert len(desk.notices()) == 1
    follow(bag)
    assert len(desk.notices()) == 2


def test_issue14_8_a_log_that_was_trimmed_before_it_was_read_is_said(bag: Mailbag, desk: Desk) -> None:
    """With how many events it was."""
    desk.end(*desk.send("first@b.test"))
    follow(bag)
    for number in range(3):
        desk.end(*desk.send(f"lost{number}@b.test"))
    bag.raw.xtrim(bag.key("events"), maxlen=1, approximate=False)
    with capture_logs() as logs:
        follow(bag)
    (said,) = (one for one in logs if one["event"] == "notices_lost")
    assert said["events"] == 6  # the first notice's acceptance, three more, and two ends
    with capture_logs() as logs:
        follow(bag)
    assert not [one for one in logs if one["event"] == "notices_lost"]


@pytest.mark.parametrize("noted", [b"nonsense", b"9999999999999-0 5", b"9" * 20 + b"-0 5", b"1-1 " + b"9" * 20])
def test_issue10_01_a_place_that_cannot_be_is_none(bag: Mailbag, desk: Desk, noted: bytes) -> None:
    """One of no form, or in a time to come: behind it nothing would ever be told."""
    desk.end(*desk.send("gone@b.test"))
    bag.raw.hset(bag.key("noticed"), "0", noted)
    follow(bag)
    assert desk.told() == [("app@shop.test", "failed", ["gone@b.test"])]


@pytest.mark.parametrize("is_same", [False, True], ids=["another id", "one id for two"])
def test_issue10_what_a_new_primary_has_before_a_place_is_told(bag: Mailbag, desk: Desk, *, is_same: bool) -> None:
    """While a primary is replaced both servers take writes: what the new one has of that moment is told as well."""
    about, names = Notices(delay=True), (bag.key("events"), bag.key("totals"))
    both, new, old = desk.send("a@b.test", "b@b.test", "c@b.test")
    desk.warn(both)
    follow(bag, about)
    kept = [bag.raw.dump(name) for name in names]

    def switch() -> None:
        for name, octets in zip(names, kept, strict=True):
            bag.raw.restore(name, 0, octets, replace=True)

    ((identity, _),) = bag.raw.xrevrange(names[0], count=1)
    last_ms = int(identity.partition(b"-")[0])
    desk.warn(new)
    ((_, of_new),) = bag.raw.xrevrange(names[0], count=1)
    switch()
    desk.warn(old)
    ((_, of_old),) = bag.raw.xrevrange(names[0], count=1)
    switch()
    bag.raw.xadd(names[0], of_old, id=f"{last_ms + 10}-0")
    bag.raw.hset(names[1], "events", of_old[b"n"])
    follow(bag, about)
    switch()
    bag.raw.xadd(names[0], of_new, id=f"{last_ms + 5}-0")
    if is_same:
        bag.raw.xadd(names[0], {**of_new, b"n": int(of_new[b"n"]) + 1}, id=f"{last_ms + 10}-0")
    bag.raw.hset(names[1], "events", bag.raw.xrevrange(names[0], count=1)[0][1][b"n"])
    with capture_logs() as logs:
        for _ in range(2):
            follow(bag, about)
    assert sorted(who for _, _, recipients in desk.told() for who in recipients) == ["a@b.test", "b@b.test", "c@b.test"]
    assert not [line for line in logs if line["event"] == "notices_lost"]


def test_issue14_8_a_store_that_is_away_counts_no_notice(bag: Mailbag, desk: Desk) -> None:
    """What could not be written is written later, within the same bound."""
    desk.end(*desk.send("gone@b.test"))

    class Away(AsyncShards):
        calls = 0

        async def run(self, operation: Operation[T]) -> T:
            self.calls += 1
            if 4 < self.calls < 40:
                raise StoreUnavailable("it is away")
            return await super().run(operation)

    async def run() -> None:
        store = Away(bag.store.url)
        view = StoreView(store, 1)
        view.settings = Settings(notices=Notices(most_an_hour=1))
        noticing = Noticing(view, "mail.shop.test")
        while True:
            try:
                await noticing.follow()
            except StoreUnavailable:
                continue
            break
        await store.close()

    asyncio.run(run())
    assert desk.told() == [("app@shop.test", "failed", ["gone@b.test"])]


def test_issue14_8_a_storm_is_told_page_by_page(bag: Mailbag, desk: Desk) -> None:
    """More entries than a page has, and nonsense between them."""
    for number in range(PAGE_ENTRIES + 20):
        desk.end(*desk.send(f"r{number}@b.test"))
        if number % 50 == 0:
            bag.raw.xadd(bag.key("events"), {"b": b"bounced \xff rubbish"})
            bag.raw.xadd(bag.key("events"), {"x": b"y"})
    follow(bag)
    assert len(desk.notices()) == PAGE_ENTRIES + 20
