"""Quotas and spread as an app meets them, against real stores: what begins later, what is refused, what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from mailbag import Mailbag, open_bag

from softbounce import Client, InvalidMessage, Outgoing, QuotaExceeded, transitions
from softbounce.envelope import Record
from softbounce.ids import format_id, parse_id
from softbounce.reply import Reply
from softbounce.settings import Allowance, QuotaRule, Settings
from softbounce.stage import Stage
from softbounce.store import quotas
from softbounce.store.moving import Move
from softbounce.store.published import publish_settings, read_settings
from softbounce.transitions import Seen

SENDER = "app@example.com"
MESSAGE = b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n"
HOUR_MS = 3_600_000


def allowance(number: int, **period: float) -> Allowance:
    """So many in a time."""
    return Allowance(number=number, period=timedelta(**period))


def outgoing(number: int = 0, *, recipients: int = 1, stream: str = "news", sender: str = SENDER) -> Outgoing:
    """The arguments of a send with a key of its own."""
    return {
        "sender": sender,
        "recipients": [f"u{number}-{one}@example.net" for one in range(recipients)],
        "message": MESSAGE,
        "stream": stream,
        "key": f"k{number}",
    }


class App:
    """A client, the store it uses, and the rules that are published there."""

    def __init__(self, bag: Mailbag, url: str) -> None:
        self.bag = bag
        self.url = url
        self.mail = Client(url)

    def publish(self, *rules: QuotaRule) -> None:
        """The quotas from now on, also for the client, which would know them within seconds."""
        known = self.bag.store.run(read_settings())
        settings = self.bag.settings = Settings(quota=rules)
        assert self.bag.store.run(publish_settings(settings, over=known.version if known else 0))
        self.mail.close()
        self.mail = Client(self.url)

    def sent(self, *numbers: int, **said: object) -> list[Record]:
        """The records of messages that were sent one by one, all their envelopes in order."""
        found: list[Record] = []
        for number in numbers:
            found += self.records(self.mail.send(**outgoing(number, **said)).envelopes)  # type: ignore[arg-type] # by name
        return found

    def records(self, envelopes: dict[str, str]) -> list[Record]:
        """The records of a receipt."""
        return self.bag.records(sorted(parse_id(one) for one in envelopes.values()))

    def waiting(self) -> int:
        """How many are counted as unfinished."""
        return sum(int(one) for shard in range(self.bag.shards) for one in self.hash("waiting", shard).values())

    def hash(self, name: str, shard: int = 0) -> dict[bytes, bytes]:
        """A raw hash."""
        found: dict[bytes, bytes] = self.bag.raw.hgetall(self.bag.key(name, shard))
        return found

    def close(self) -> None:
        """End the client."""
        self.mail.close()

    def is_empty(self) -> bool:
        """Whether no envelope is stored anywhere."""
        return not any(self.hash("e", shard) for shard in range(self.bag.shards))

    def recount(self, shard: int = 0) -> int:
        """One walk over what is counted; how much is counted no more."""
        return self.bag.store.run(quotas.recount(shard, "0", 1000))[1]


@pytest.fixture(params=[1, 4], ids=["1-shard", "4-shards"])
def shards(request: pytest.FixtureRequest) -> int:
    """How many shards the store has."""
    number: int = request.param
    return number


@pytest.fixture
def app(store_server: object, shards: int) -> Iterator[App]:
    """An app on an empty store."""
    url = store_server.url  # type: ignore[attr-defined] # a Valkey
    with open_bag(url, shards) as bag, closing(App(bag, url)) as one:
        yield one


@pytest.fixture
def alone(store_server: object) -> Iterator[App]:
    """The same, of one shard."""
    url = store_server.url  # type: ignore[attr-defined] # a Valkey
    with open_bag(url) as bag, closing(App(bag, url)) as one:
        yield one


def begins(records: list[Record]) -> list[int]:
    """After how many ms each begins."""
    return [record.next_ms - record.created_ms for record in records]


def test_what_is_over_a_quota_begins_later_and_is_not_older_for_it(alone: App) -> None:
    """As many as it names go at once; the others follow evenly, and each window opens when its envelope begins."""
    alone.publish(QuotaRule(name="calm", stream="news", messages=allowance(2, hours=1)))
    records = alone.sent(1, recipients=5)
    assert begins(records) == [0, 0, HOUR_MS // 2, HOUR_MS, 3 * HOUR_MS // 2]
    for record in records:
        assert record.expires_ms - record.next_ms == 5 * 24 * HOUR_MS
        assert transitions.expiry_ms(record, alone.bag.settings, record.created_ms) == record.expires_ms
        assert alone.bag.zset("exp")[record.id] - record.next_ms == 4 * HOUR_MS  # warn_after
    assert [record.envelope.put_off for record in records] == ["", "", *["quota:calm"] * 3]
    assert [record.envelope.at_ms for record in records] == [None, None, *(one.next_ms for one in records[2:])]
    alone.bag.audit()


def test_a_repeat_takes_nothing(alone: App) -> None:
    """The same key is known before anything is counted."""
    alone.publish(QuotaRule(name="calm", messages=allowance(2, hours=1), waiting=2))
    first = alone.mail.send(**outgoing(1))
    for _ in range(3):
        assert alone.mail.send(**outgoing(1)).message_id == first.message_id
    assert begins(alone.sent(2)) == [0]
    assert alone.waiting() == 2


def test_what_a_quota_refuses_is_not_stored_and_says_when_there_is_room(alone: App) -> None:
    """The error names the quota, its limit and the time; a send that never fits is told so."""
    alone.publish(QuotaRule(name="hard", messages=allowance(2, hours=1), over="refuse"))
    alone.sent(1)
    with pytest.raises(QuotaExceeded) as refused:
        alone.mail.send(**outgoing(2, recipients=2))
    error = refused.value
    assert (error.quota, error.limit, error.index) == ("hard", "messages 2 in 1 h", None)
    assert error.retry_after is not None
    assert timedelta(minutes=29) < error.retry_after <= timedelta(minutes=30)
    assert "nothing was stored" in str(error)
    with pytest.raises(QuotaExceeded) as never:
        alone.mail.send(**outgoing(3, recipients=3))
    assert never.value.retry_after is None
    alone.sent(4)  # neither of them has taken anything
    assert len(alone.hash("e")) == 2


def test_room_comes_back_with_time(alone: App) -> None:
    """After ``retry_after`` the same send is taken."""
    alone.publish(QuotaRule(name="hard", messages=allowance(1, seconds=0.2), over="refuse"))
    alone.sent(1)
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    waits: list[timedelta] = []
    while not waits or waits[-1]:
        assert datetime.now(UTC) < deadline
        try:
            alone.sent(2)
        except QuotaExceeded as error:
            waits.append(error.retry_after or timedelta(days=1))
        else:
            waits.append(timedelta(0))
    assert max(waits) <= timedelta(seconds=0.2)
    assert alone.bag.raw.keys(b"sb:*:quota:*") != []
    while alone.bag.raw.keys(b"sb:*:quota:*"):  # what has room again leaves no key
        assert datetime.now(UTC) < deadline


def test_octets_count_by_the_size_of_the_message(alone: App) -> None:
    """Each envelope takes its message's octets; one that is larger than the quota goes when nothing else did."""
    octets = alone.sent(0, stream="other")[0].envelope.body.octets
    alone.publish(QuotaRule(name="bytes", stream="news", octets=allowance(2 * octets, hours=1)))
    assert begins(alone.sent(1, recipients=4)) == [0, 0, HOUR_MS // 2, HOUR_MS]
    alone.publish(QuotaRule(name="tiny", stream="big", octets=allowance(octets // 2, hours=1)))
    first, second = begins(alone.sent(2, recipients=2, stream="big"))
    assert first == 0
    assert abs(second - 2 * HOUR_MS) <= HOUR_MS // 10


@pytest.mark.parametrize(
    ("per", "expected"),
    [("all", [0, 1, 1, 1]), ("stream", [0, 1, 0, 1]), ("sender", [0, 0, 1, 1])],
)
def test_values_are_counted_apart(alone: App, per: str, expected: list[int]) -> None:
    """Of each stream or sender by itself, or all together; what the globs do not fit is under no quota."""
    alone.publish(QuotaRule(name="one", stream="s*", per=per, messages=allowance(1, hours=1)))  # type: ignore[arg-type]
    sends = [("s1", "a@example.com"), ("s1", "b@example.com"), ("s2", "a@example.com"), ("s2", "b@example.com")]
    found = [
        begins(alone.sent(number, stream=stream, sender=sender))[0] for number, (stream, sender) in enumerate(sends)
    ]
    assert [int(one > 0) for one in found] == expected
    assert begins(alone.sent(9, stream="other")) == [0]


def test_A31_a_tenant_over_its_quota_waits_and_no_other_does(alone: App) -> None:
    """Whoever sends much gets his share at once and the rest later; others, by name or by domain, begin at once."""
    alone.publish(QuotaRule(name="tenants", per="tenant", messages=allowance(10, hours=1), waiting=1000))
    many = [outgoing(number, recipients=50) for number in range(8)]
    for one in many:
        one["tenant"] = "greedy"
    waits = [wait for receipt in alone.mail.send_many(many) for wait in begins(alone.records(receipt.envelopes))]
    assert sum(wait == 0 for wait in waits) == 10
    assert 39 * HOUR_MS - 60_000 < max(waits) <= 39 * HOUR_MS  # it took a moment
    assert begins(alone.sent(100, recipients=10, sender="app@other.example")) == [0] * 10
    modest = outgoing(101, recipients=10)
    modest["tenant"] = "modest"
    assert begins(alone.records(alone.mail.send(**modest).envelopes)) == [0] * 10
    with pytest.raises(QuotaExceeded) as refused:
        alone.mail.send(**outgoing(102, recipients=601), tenant="greedy")
    assert refused.value.limit == "waiting 1000"


def test_the_strictest_of_several_quotas_binds_and_is_named(alone: App) -> None:
    """All that fit count."""
    alone.publish(
        QuotaRule(name="wide", messages=allowance(4, hours=1)), QuotaRule(name="narrow", messages=allowance(1, hours=1))
    )
    records = alone.sent(1, recipients=2)
    assert begins(records) == [0, HOUR_MS]
    assert records[1].envelope.put_off == "quota:narrow"


def test_a_limit_that_was_changed_begins_anew(alone: App) -> None:
    """What was used up of the old one does not count for the new one."""
    alone.publish(QuotaRule(name="q", messages=allowance(1, days=1), over="refuse"))
    alone.sent(1)
    alone.publish(QuotaRule(name="q", messages=allowance(5, days=1), over="refuse"))
    alone.sent(2, recipients=5)


def test_a_wait_ends_within_a_year(alone: App) -> None:
    """However much is over, nothing is planned for later, and the bucket's key has an end."""
    alone.publish(QuotaRule(name="slow", messages=allowance(1, days=100)))
    records = alone.sent(1, recipients=30)
    assert max(begins(records)) <= 365 * 24 * HOUR_MS
    (key,) = alone.bag.raw.keys(b"sb:*:quota:*")
    assert 0 < alone.bag.raw.pttl(key) <= 365 * 24 * HOUR_MS


def test_what_waits_is_counted_exactly_until_it_ends(alone: App) -> None:
    """Over cancels, deliveries, promotions and a late 250; at the limit a send is refused, whatever ``over`` says."""
    alone.publish(QuotaRule(name="room", waiting=4))
    records = alone.sent(1, recipients=4)
    with pytest.raises(QuotaExceeded) as refused:
        alone.sent(2)
    assert (refused.value.limit, refused.value.retry_after) == ("waiting 4", None)
    alone.mail.cancel(alone.mail.show(_id(records[0])).id)
    assert alone.waiting() == 3
    now_ms = records[1].created_ms
    change = transitions.promote(records[1], alone.bag.settings, now_ms)
    assert alone.bag.move(Move(record=change.record, version=records[1].version)) == [1]
    assert alone.waiting() == 2
    late = alone.bag.record(records[1].id)
    version, taken = late.version, Reply(code=250, enhanced=None, lines=("ok",))
    seen = Seen(what=taken, stage=Stage.END_OF_DATA, started_ms=now_ms, ended_ms=now_ms)
    change = transitions.deliver_late(late, seen, now_ms)
    assert alone.bag.move(Move(record=change.record, version=version)) == [1]
    assert alone.waiting() == 2
    more = alone.sent(3, 4)
    with pytest.raises(QuotaExceeded):
        alone.sent(5)
    for record in [*records[2:], *more]:
        alone.mail.cancel(_id(record))
    assert alone.waiting() == 0
    assert (alone.hash("counted"), alone.hash("waiting")) == ({}, {})
    assert alone.recount() == 0


def _id(record: Record) -> str:
    return format_id(record.id)


def test_send_many_is_taken_whole_or_not_at_all(app: App) -> None:
    """One message too many for a quota that refuses, or for its room: nothing is stored or counted; then all fit."""
    app.publish(
        QuotaRule(name="rate", stream="rate", messages=allowance(400, hours=1), over="refuse"),
        QuotaRule(name="room", stream="room", waiting=400),
    )
    for stream in ("rate", "room"):
        with pytest.raises(QuotaExceeded) as refused:
            app.mail.send_many([outgoing(number, stream=stream) for number in range(401)])
        assert refused.value.quota == stream
        assert refused.value.index is not None
        assert app.is_empty()
        assert app.waiting() == 0
        few = 400 if app.bag.shards == 1 else 200  # each shard has its quarter
        assert len(app.mail.send_many([outgoing(number, stream=stream) for number in range(few)])) == few
        assert app.waiting() == (few if stream == "room" else 0)
        for envelope in [one.id for one in app.mail.page(limit=1000).envelopes]:
            app.mail.cancel(envelope)
        assert app.waiting() == 0
        assert [app.hash("counted", shard) for shard in range(app.bag.shards)] == [{}] * app.bag.shards
        for shard in range(app.bag.shards):
            app.bag.raw.delete(*(app.bag.key(name, shard) for name in ("k", "kage", "e", "done", "totals")))


def test_send_many_counts_its_quota_once(alone: App) -> None:
    """What was reserved for a message is not taken again when it is accepted; nor is a repeated key."""
    alone.publish(QuotaRule(name="q", messages=allowance(4, hours=1), waiting=4, over="refuse"))
    alone.mail.send_many([outgoing(1), outgoing(2), outgoing(2), outgoing(3)])
    assert alone.waiting() == 3
    alone.sent(4)
    with pytest.raises(QuotaExceeded):
        alone.sent(5)
    assert alone.mail.send_many([outgoing(1), outgoing(2)])[0].known
    assert alone.waiting() == 4


def test_a_store_of_several_shards_never_takes_more_than_the_quota(app: App) -> None:
    """Each has its part; so it may refuse a little early, and never late."""
    app.publish(QuotaRule(name="room", waiting=40))
    taken = 0
    for number in range(100):
        try:
            app.sent(number)
        except QuotaExceeded:
            continue
        taken += 1
    assert taken == app.waiting() == 40


def test_what_was_reserved_and_never_accepted_is_counted_no_more(alone: App) -> None:
    """An app that dies in between leaves a reservation: the walk takes it back, once it is a minute old."""
    alone.publish(QuotaRule(name="room", waiting=5))
    alone.sent(1, recipients=2)
    message = bytes(14)
    (digest,) = alone.hash("waiting")
    rule = alone.bag.settings.quota[0]
    one = quotas.Reservation("lost", message, 3, (), [quotas.Room(rule, digest, 5)])
    assert alone.bag.store.run(quotas.reserve([one], take=True)) is None
    assert alone.waiting() == 5
    assert alone.recount() == 0
    old = alone.hash("counted")[message]
    alone.bag.raw.hset(alone.bag.key("counted"), message, old[:2] + (1).to_bytes(8) + old[10:])
    assert alone.recount() == 3
    assert alone.waiting() == 2


def test_what_an_older_version_ended_is_counted_no_more(alone: App) -> None:
    """Its scripts know no such count; the walk sees by the message that fewer are live."""
    alone.publish(QuotaRule(name="room", waiting=5))
    (record, *_) = alone.sent(1, recipients=3)
    alone.bag.raw.hincrby(alone.bag.key("m"), record.message, -2)
    assert alone.recount() == 2
    assert alone.waiting() == 1
    alone.bag.raw.hdel(alone.bag.key("m"), record.message)
    assert alone.recount() == 1
    assert (alone.hash("counted"), alone.hash("waiting")) == ({}, {})


def test_nonsense_in_the_keys_of_quotas_stops_no_mail(alone: App) -> None:
    """Whatever a hand in the store put there: mail is taken, and the keys mend."""
    alone.publish(QuotaRule(name="q", messages=allowance(2, hours=1), waiting=1000, over="refuse"))
    alone.sent(1)
    (bucket,) = alone.bag.raw.keys(b"sb:*:quota:*")
    (room,) = alone.hash("waiting")
    alone.bag.raw.delete(bucket)
    alone.bag.raw.rpush(bucket, b"x")
    alone.bag.raw.hset(alone.bag.key("waiting"), room, b"many")
    alone.sent(2)
    alone.bag.raw.set(bucket, b"soon")
    alone.bag.raw.hset(alone.bag.key("counted"), b"x", b"y")
    (third,) = alone.sent(3)
    alone.mail.cancel(_id(third))
    alone.recount()
    assert b"x" not in alone.hash("counted")
    for name in ("counted", "waiting"):
        alone.bag.raw.delete(bucket, alone.bag.key(name))
        alone.bag.raw.set(alone.bag.key(name), b"x")
        (record,) = alone.sent(10 + len(name) + ord(name[0]))
        alone.bag.raw.delete(alone.bag.key(name))
        alone.bag.raw.set(alone.bag.key(name), b"x")
        assert alone.mail.cancel(_id(record)) == "cancelled"
        alone.recount()


def test_a_bucket_from_the_future_stops_a_refusing_quota_for_its_period_at_most(alone: App) -> None:
    """A clock that ran ahead and was set back leaves a time that nobody took."""
    alone.publish(QuotaRule(name="q", messages=allowance(2, hours=1), over="refuse"))
    (record,) = alone.sent(1)
    (bucket,) = alone.bag.raw.keys(b"sb:*:quota:*")
    alone.bag.raw.set(bucket, record.created_ms + 500 * HOUR_MS)
    with pytest.raises(QuotaExceeded) as refused:
        alone.sent(2)
    assert refused.value.retry_after is not None
    assert refused.value.retry_after <= timedelta(minutes=30)


# -- spread ----------------------------------------------------------------------------------------------------------


def test_a_spread_begins_first_attempts_evenly_the_first_at_once(alone: App) -> None:
    """By the recipient's number; the window of each opens when it begins."""
    said = outgoing(1, recipients=4)
    said["spread"] = timedelta(hours=2)
    records = alone.records(alone.mail.send(**said).envelopes)
    assert begins(records) == [0, HOUR_MS // 2, HOUR_MS, 3 * HOUR_MS // 2]
    assert {record.expires_ms - record.next_ms for record in records} == {5 * 24 * HOUR_MS}
    assert [record.envelope.put_off for record in records] == ["", "spread", "spread", "spread"]
    assert alone.records(alone.mail.send(**said).envelopes) == records
    alone.bag.audit()


def test_messages_of_one_send_many_are_spread_together(alone: App) -> None:
    """Those of the same spread, in their order; others are not in their way. Behind an ``at`` it counts from there."""
    at = datetime.now(UTC) + timedelta(hours=1)
    many = [outgoing(number) for number in range(6)]
    for number, one in enumerate(many):
        if number % 2 == 0:
            one["spread"] = timedelta(hours=3)
            one["at"] = at
    receipts = alone.mail.send_many(many)
    records = [alone.records(receipt.envelopes)[0] for receipt in receipts]
    at_ms = int(at.timestamp() * 1000)
    assert [record.next_ms - at_ms for record in records[::2]] == [0, HOUR_MS, 2 * HOUR_MS]
    assert begins(records[1::2]) == [0, 0, 0]


def test_a_spread_and_a_quota_do_not_add_up(alone: App) -> None:
    """Each envelope begins at the later of the two."""
    alone.publish(QuotaRule(name="calm", messages=allowance(2, hours=1)))
    said = outgoing(1, recipients=4)
    said["spread"] = timedelta(hours=2)
    records = alone.records(alone.mail.send(**said).envelopes)
    assert begins(records) == [0, HOUR_MS // 2, HOUR_MS, 3 * HOUR_MS // 2]
    assert alone.records(alone.mail.send(**outgoing(2)).envelopes)[0].envelope.put_off == "quota:calm"


@pytest.mark.parametrize(
    ("spread", "reason"),
    [
        (timedelta(seconds=-1), "is negative"),
        (timedelta(days=366), "longer than a year"),
        ("2h", "not a timedelta but str"),
    ],
)
def test_a_spread_without_sense_is_refused(alone: App, spread: object, reason: str) -> None:
    """By name, and nothing is stored."""
    said = {**outgoing(1), "spread": spread}
    with pytest.raises(InvalidMessage, match=reason) as refused:
        alone.mail.send(**said)  # type: ignore[arg-type] # on purpose
    assert refused.value.field == "spread"
    with pytest.raises(InvalidMessage, match=reason):
        alone.mail.send_many([outgoing(0), said])  # type: ignore[list-item] # on purpose
    assert alone.is_empty()
