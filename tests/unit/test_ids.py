"""Ids: every key of the store can be told from them, and people can copy them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softbounce.errors import NotFound
from softbounce.ids import envelope_id, envelope_number, format_id, new_message_id, parse_id, shard_of


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_read_as_it_was_written(identity: bytes) -> None:
    """26 letters and digits, lower case; upper case and blanks around it do no harm."""
    text = format_id(identity)
    assert len(text) == 26
    assert text == text.lower()
    assert parse_id(text) == identity
    assert parse_id(f"  {text.upper()}\n") == identity


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_ids_sort_as_they_are_written(one: bytes, other: bytes) -> None:
    """The order of the octets is the order of the letters."""
    assert (one < other) == (format_id(one) < format_id(other))


def test_an_id_tells_shard_number_and_time() -> None:
    """So a caller can name every key without asking."""
    before_ms = time.time_ns() // 1_000_000
    message = new_message_id(513)
    assert len(message) == 14
    assert shard_of(message) == 513
    assert before_ms <= int.from_bytes(message[2:8]) <= time.time_ns() // 1_000_000
    identity = envelope_id(message, 999)
    assert (shard_of(identity), envelope_number(identity), identity[:14]) == (513, 999, message)
    assert format_id(identity).startswith(format_id(message)[:22])
    assert len(format_id(message)) == 23


def test_ids_do_not_repeat() -> None:
    """Within one millisecond they differ by chance."""
    assert len({new_message_id(0) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("mistyped", "meant"), [("o", "0"), ("O", "0"), ("i", "1"), ("I", "1"), ("l", "1"), ("L", "1")]
)
def test_letters_that_look_like_digits_are_read_as_those(mistyped: str, meant: str) -> None:
    """Crockford's base 32 has none of them for that reason."""
    assert parse_id(mistyped + "0" * 25) == parse_id(meant + "0" * 25)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0" * 25,
        "0" * 27,
        "u" * 26,
        "0" * 25 + "1",
        "0" * 25 + "é",
        "0" * 25 + "\N{ARABIC-INDIC DIGIT ONE}",
        "-" * 26,
    ],
    ids=["empty", "one", "short", "long", "no-u", "loose-bits", "accent", "arabic-digit", "signs"],
)
def test_what_is_no_id_is_not_found(text: str) -> None:
    """Nothing can have it; the error repeats what was given, safely quoted."""
    with pytest.raises(NotFound, match="is not an envelope id"):
        parse_id(text)


def test_a_message_s_id_is_said_to_be_one() -> None:
    """Who gives a message's id is told that it names several envelopes."""
    with pytest.raises(NotFound, match="may be a message's id"):
        parse_id(format_id(new_message_id(0)))
