"""The fields of a header that are for us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from softbounce.message.own_fields import BadField, OwnFields, take_out

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def test_they_are_read_and_removed() -> None:
    """All else stays octet for octet, folded lines and what looks like one in the body included."""
    message = (
        b"From: a@b.test\r\nX-Softbounce-Stream: otp\r\nSubject: one\r\n\ttwo\r\nx-softbounce-KEY:\r\n order-7\r\n"
        b"X-Softbounce-At: 2026-02-01T08:00:00+01:00\r\nX-Softbounce-Window: 1h30m\r\nX-Softbounce-Tenant: acme\r\n"
        b"X-Softbounce-Tag: welcome\r\nX-SOFTBOUNCE-META-Order-Id: 1042\r\n"
        b"X-Softbounce-Tag: =?utf-8?q?gr=C3=B6=C3=9Fe?=\r\n"
        b"X-Softbounce-Meta-note: a\r\n b\r\n"
        b"X-Softbounced: no\r\n\r\nX-Softbounce-Stream: body\r\n"
    )
    fields, rest = take_out(message, NOW)
    assert fields == OwnFields(
        stream="otp",
        key="order-7",
        at=datetime(2026, 2, 1, 7, 0, tzinfo=UTC),
        window=timedelta(minutes=90),
        tenant="acme",
        tags=("welcome", "größe"),
        metadata={"Order-Id": "1042", "note": "a b"},
    )
    assert rest == (
        b"From: a@b.test\r\nSubject: one\r\n\ttwo\r\nX-Softbounced: no\r\n\r\nX-Softbounce-Stream: body\r\n"
    )


def test_a_duration_counts_from_now() -> None:
    """As on the command line."""
    assert take_out(b"X-Softbounce-At: 10m\r\nA: b\r\n\r\n", NOW)[0].at == NOW + timedelta(minutes=10)


@pytest.mark.parametrize(
    "message",
    [b"A: b\r\n\r\nX-Softbounce-Key: x\r\n", b"A: b\r\n", b"\r\nX-Softbounce-Key: x\r\n", b"", b"x" * 300_000],
)
def test_a_message_without_them_is_as_it_was(message: bytes) -> None:
    """Octet for octet."""
    assert take_out(message, NOW) == (OwnFields(), message)


@pytest.mark.parametrize(
    ("field", "name", "reason"),
    [
        (b"X-Softbounce-Steam: x", "X-Softbounce-Steam", "no such field"),
        (b"X-Softbounce-Key: a\r\nX-Softbounce-Key: b", "X-Softbounce-Key", "twice"),
        (b"X-Softbounce-Meta-a: a\r\nX-Softbounce-Meta-a: b", "X-Softbounce-Meta-a", "twice"),
        (b"X-Softbounce-Tag: a\r\n" * 201 + b"A: b", "X-Softbounce-Tag", "more than 200"),
        (b"X-Softbounce-Key:", "X-Softbounce-Key", "empty"),
        (b"X-Softbounce-Key: \xff", "X-Softbounce-Key", "UTF-8"),
        (b"X-Softbounce-At: tomorrow", "X-Softbounce-At", "neither an instant"),
        (b"X-Softbounce-At: 2026-01-31T08:00:00", "X-Softbounce-At", "time zone"),
        (b"X-Softbounce-Window: 15", "X-Softbounce-Window", "a number and a unit"),
    ],
)
def test_one_that_cannot_be_read_is_named(field: bytes, name: str, reason: str) -> None:
    """Whoever wrote it counts on it."""
    with pytest.raises(BadField, match=reason) as refused:
        take_out(field + b"\r\nA: b\r\n\r\nhi\r\n", NOW)
    assert refused.value.name == name
