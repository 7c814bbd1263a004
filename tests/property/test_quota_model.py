"""The buckets of quotas in the store against a model of them: who begins when, and who is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mailbag import Mailbag, open_bag
from servers import Valkey

from softbounce import Client, QuotaExceeded, Receipt
from softbounce.ids import parse_id
from softbounce.settings import Allowance, QuotaRule, Settings
from softbounce.store.published import publish_settings, read_settings

MESSAGE = b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n"
names = count()


@pytest.fixture(scope="module")
def bag(store_binary: Path) -> Iterator[Mailbag]:
    """A store of one shard, for all examples: each has a quota of its own."""
    with ExitStack() as stack:
        server = stack.enter_context(Valkey(binary=store_binary))
        yield stack.enter_context(open_bag(server.url))


class Model:
    """So many in a time: when each began that was taken, from which it follows when the next one may begin.

    The n-th from now, counted back, has to be a whole period behind: any stretch of a period that begins with all of
    the quota at once has no more than as many again, one by one.
    """

    def __init__(self, number: int, period_ms: float) -> None:
        self.share, self.period = period_ms / number, period_ms
        self.paid = float("-inf")

    def wait(self, now_ms: int) -> float:
        """Take one; after how long it begins."""
        self.paid = max(self.paid, now_ms) + self.share
        return max(0.0, self.paid - self.period - now_ms)

    def wait_for_room(self, now_ms: int, number: int) -> float:
        """How long until so many have room; nothing is taken."""
        return max(self.paid, now_ms) + number * self.share - self.period - now_ms


def publish(bag: Mailbag, rule: QuotaRule) -> None:
    """Have one quota alone, from now on."""
    known = bag.store.run(read_settings())
    assert bag.store.run(publish_settings(Settings(quota=(rule,)), over=known.version if known else 0))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(1, 40),
    period=st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)]),
    sends=st.lists(st.integers(1, 30), min_size=1, max_size=8),
)
def test_each_envelope_begins_when_the_model_says(
    bag: Mailbag, number: int, period: timedelta, sends: list[int]
) -> None:
    """To the millisecond, by the time at which the store took it; and none goes before another of its send."""
    name = f"q{next(names)}"
    publish(bag, QuotaRule(name=name, stream=name, messages=Allowance(number=number, period=period)))
    model = Model(number, period / timedelta(milliseconds=1))
    with Client(bag.store.url) as mail:
        for recipients in sends:
            to = [f"u{one:02}@example.net" for one in range(recipients)]
            receipt = mail.send(sender="app@example.com", recipients=to, message=MESSAGE, stream=name)
            records = bag.records(sorted(parse_id(one) for one in receipt.envelopes.values()))
            for record in records:
                begins = record.next_ms - record.created_ms
                assert abs(begins - model.wait(record.created_ms)) <= 1
                assert bool(record.envelope.put_off) == (begins > 0)


def answered(mail: Client, to: list[str], stream: str) -> Receipt | QuotaExceeded:
    """What becomes of a send."""
    try:
        return mail.send(sender="app@example.com", recipients=to, message=MESSAGE, stream=stream)
    except QuotaExceeded as error:
        return error


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(1, 20),
    waiting=st.integers(1, 60),
    sends=st.lists(st.tuples(st.integers(1, 25), st.booleans()), min_size=1, max_size=12),
)
def test_a_send_is_refused_when_the_model_has_no_room(
    bag: Mailbag, number: int, waiting: int, sends: list[tuple[int, bool]]
) -> None:
    """By the bucket, or by how many wait, cancelled ones no more; what is refused takes nothing."""
    name = f"r{next(names)}"
    allowance = Allowance(number=number, period=timedelta(hours=1))
    publish(bag, QuotaRule(name=name, stream=name, messages=allowance, waiting=waiting, over="refuse"))
    model, live = Model(number, 3_600_000), 0
    with Client(bag.store.url) as mail:
        for recipients, ends in sends:
            to = [f"u{one:02}@example.net" for one in range(recipients)]
            before_ms = bag.enlist()
            over = model.wait_for_room(before_ms, recipients)
            answer = answered(mail, to, name)
            if isinstance(answer, QuotaExceeded):
                if answer.limit.startswith("waiting"):
                    assert live + recipients > waiting
                elif answer.retry_after is None:
                    assert recipients > number
                else:
                    assert abs(answer.retry_after / timedelta(milliseconds=1) - over) < 2000  # it took a moment
                continue
            assert live + recipients <= waiting
            assert over <= model.share / 2 + 1
            (record, *_) = bag.records([parse_id(one) for one in answer.envelopes.values()])
            for _ in range(recipients):
                assert model.wait(record.created_ms) <= 1
            live += recipients
            if ends:
                for one in answer.envelopes.values():
                    mail.cancel(one)
                live -= recipients
            counted = sum(int(one) for one in bag.raw.hvals(bag.key("waiting")))
            assert counted >= live
