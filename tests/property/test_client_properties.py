from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softbounce.client.event_log import LogPosition, read_cursor, write_cursor
from softbounce.client.send.arguments import Outgoing, check
from softbounce.client.send.packing import new_message, receipt, shard_of_key
from softbounce.envelope import Record, State
from softbounce.errors import InvalidArgument, InvalidMessage
from softbounce.ids import shard_of
from softbounce.settings import BUILT_IN

MESSAGE = b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n"
numbers = st.integers(min_value=0, max_value=2**63)
places = st.lists(st.builds(LogPosition, numbers, numbers, numbers, numbers), max_size=20).map(tuple)
locals_ = st.text("abcXYZ01", min_size=1, max_size=6)
domains = st.sampled_from(["example.net", "EXAMPLE.net", "Example.ORG", "a.example.org", "bücher.example"])
addresses = st.builds("{}@{}".format, locals_, domains)
recipients = st.lists(addresses, min_size=1, max_size=30)


def outgoing(to: list[str]) -> Outgoing:
    """A send to these."""
    return {"sender": "app@example.com", "recipients": to, "message": MESSAGE, "key": "k"}


def refused(one: Outgoing) -> str | None:
    """The field for which a send is refused; ``None``: it is taken."""
    try:
        check(one, max_octets=10_000)
    except InvalidMessage as error:
        return error.field
    return None


@given(places)
def test_a_cursor_reads_back_as_it_was_written(cursor: tuple[LogPosition, ...]) -> None:
    """And is fit for a URL."""
    text = write_cursor(cursor)
    assert read_cursor(text) == cursor
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(max_size=100))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    """Whatever comes back from an app's database."""
    try:
        cursor = read_cursor(text)
    except InvalidArgument:
        return
    assert write_cursor(cursor)


@given(recipients, st.randoms(use_true_random=False))
def test_the_order_and_the_spelling_of_recipients_are_no_content(to: list[str], random: object) -> None:
    """The same set has the same digest and the same numbers, so the same key returns the same ids."""
    shuffled = list(to)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = check(outgoing(to), max_octets=10_000)
    again = check(outgoing(shuffled), max_octets=10_000)
    assert first.digest == again.digest
    assert first.numbers == again.numbers
    assert sorted(set(first.numbers.values())) == list(range(len(first.recipients)))
    assert set(first.numbers) == set(to)


@given(recipients, st.integers(min_value=1, max_value=64))
def test_records_are_numbered_as_the_receipt_says(to: list[str], shards: int) -> None:
    """Each record is the envelope of the recipient that it names, scheduled, in the lane of its domain."""
    checked = check(outgoing(to), max_octets=10_000)
    new = new_message(checked, shards=shards, settings=BUILT_IN)
    assert shard_of(new.message) == shard_of_key("k", shards)
    unpacked = [Record.unpack(record.id, record.pack()) for record in new.records]
    for text, number in checked.numbers.items():
        assert unpacked[number].envelope.recipient == checked.recipients[number].canonical
        assert text.partition("@")[0] == unpacked[number].envelope.recipient.partition("@")[0]
    assert all(record.state is State.SCHEDULED for record in unpacked)
    assert all(record.lane == f"?{record.envelope.domain}" for record in unpacked)
    assert len(receipt(checked, new.message, BUILT_IN, known=False).envelopes) == len(set(to))


@given(st.text(max_size=80))
def test_A30_streams_that_could_lead_into_another_key_are_refused(stream: str) -> None:
    """A stream is a part of key names: only plain characters may be in it."""
    is_plain = len(stream) <= 64 and set(stream) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-")
    assert refused({**outgoing(["a@example.net"]), "stream": stream}) == (None if is_plain else "stream")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5), st.lists))
def test_whatever_is_given_for_an_argument_is_taken_or_refused_by_name(value: object) -> None:
    """Wrong types are bad input like any other, and never another error."""
    for name in ("sender", "recipients", "message", "stream", "key", "at", "window"):
        wrong: Outgoing = {**outgoing(["a@example.net"]), name: value}  # type: ignore[misc]
        assert (refused(wrong) or name).startswith(name)


def test_something_that_is_no_dict_is_refused() -> None:
    """`send_many` takes dicts."""
    with pytest.raises(InvalidMessage):
        check(7, max_octets=10_000)  # type: ignore[arg-type]
