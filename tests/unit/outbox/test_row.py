"""What a row of the outbox holds: whatever a send can say, read back as it was, in types that JSON has."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from typing import Any, cast

import pytest

from softbounce.client.send.arguments import Outgoing, check
from softbounce.deliver_by import DeliverBy
from softbounce.errors import InvalidAddress, InvalidMessage
from softbounce.outbox.row import Arguments, NewerRow, Row, new_row, outgoing_of, outgoing_of_new

MOST = 1_000_000
EVERYTHING: dict[str, Any] = {
    "sender": "app@example.com",
    "recipients": ["Ada@Example.NET", "döner@example.org"],
    "message": b"From: app@example.com\nDate: Sat, 28 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.com>\n\nhello\n",
    "stream": "receipts",
    "key": "Bestellung-ä-1042",
    "at": datetime(2026, 11, 28, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2))),
    "window": timedelta(days=2, milliseconds=1),
    "dsn": {"notify": {"Ada@Example.NET": ["failure", "delay"]}, "ret": "headers", "envid": "1042"},
    "require_tls": True,
    "tenant": "acme",
    "spread": timedelta(hours=2),
    "tags": ["spring", "grün"],
    "metadata": {"order": "1042"},
    "force": True,
    "warn_after": timedelta(hours=1),
    "deliver_by": DeliverBy(within_ms=-60_000, traces=True),
}


class Words(str):
    """A string of some framework's own."""

    __slots__ = ()


def letter(text: str = "Hello.") -> EmailMessage:
    """As an app makes it."""
    message = EmailMessage()
    message["From"] = "app@example.com"
    message["Bcc"] = "secret@example.com"
    message.set_content(text)
    return message


def test_issue14_a_row_says_all_that_a_send_can_say() -> None:
    """Each argument that there is comes back; the JSON has no octet beyond ASCII, whatever the database can keep."""
    assert set(EVERYTHING) == set(Outgoing.__annotations__), "a new argument of send needs a field in Arguments"
    assert set(Arguments.__struct_fields__) == set(EVERYTHING) - {"message", "key"}
    row = new_row(cast("Outgoing", EVERYTHING))
    assert row.arguments.isascii()
    back = outgoing_of_new(row)
    assert {**back, "message": b""} == {**EVERYTHING, "message": b""}
    once, again = (check(cast("Outgoing", one), max_octets=MOST) for one in (EVERYTHING, back))
    assert (
        once.digest,
        once.at_ms,
        once.window_ms,
        once.dsn,
        once.tls,
        once.numbers,
        once.spread_ms,
        once.warn_ms,
        once.deliver_by,
    ) == (
        again.digest,
        again.at_ms,
        again.window_ms,
        again.dsn,
        again.tls,
        again.numbers,
        again.spread_ms,
        again.warn_ms,
        again.deliver_by,
    )


def test_issue14_what_can_be_gone_through_once_is_gone_through_once() -> None:
    """Recipients, tags and what is asked of reports may be generators, and strings of a class of their own."""
    row = new_row(
        {
            "sender": Words("app@example.com"),
            "recipients": (Words(f"u{number}@example.net") for number in range(3)),
            "message": letter(),
            "tags": (one for one in ("a", "b")),
            "dsn": {"notify": (one for one in ("failure",))},
            "metadata": {Words("order"): Words("7")},
        }
    )
    told = outgoing_of_new(row)
    assert told["recipients"] == ["u0@example.net", "u1@example.net", "u2@example.net"]
    assert (told["tags"], told["dsn"], told["metadata"]) == (["a", "b"], {"notify": ["failure"]}, {"order": "7"})


def test_issue14_the_octets_of_a_row_are_final() -> None:
    """What the relay hands over is what the app made, so that a repeat has the same content: Date, ids, all."""
    row = new_row({"sender": "app@example.com", "recipients": ["a@example.net"], "message": letter("ä")})
    assert b"Message-ID" in row.message
    assert b"secret@" not in row.message
    again = check(outgoing_of_new(row), max_octets=MOST)
    assert again.prepared.octets == row.message
    assert row.key.startswith("made-")
    assert not again.is_key_made  # a made key is forgotten after a quarter of an hour, one that is given is not


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"recipients": []}, "recipients"),
        ({"recipients": (f"u{number}@example.net" for number in range(10**9))}, "recipients"),
        ({"recipients": "a@example.net"}, "recipients"),
        ({"recipients": ["nobody"]}, "recipients[0]"),
        ({"message": b""}, "message"),
        ({"stream": "Not One"}, "stream"),
        ({"tags": ["x"] * 1_001}, "tags"),
        ({"metadata": {str(number): "" for number in range(1_001)}}, "metadata"),
        ({"at": datetime(2026, 1, 1)}, "at"),  # noqa: DTZ001 - that is what is wrong
        ({"misspelt": 1}, "misspelt"),
        ({"key": "a\0b"}, "key"),
        ({"message": b"From: a@b.c\n\n" + b"x" * 70 + b"\n" * 999_900}, "message"),
    ],
    ids=[
        "none",
        "endless",
        "a string",
        "no address",
        "empty",
        "stream",
        "many tags",
        "much metadata",
        "naive",
        "misspelt",
        "NUL",
        "large",
    ],
)
def test_issue14_what_is_wrong_is_said_before_there_is_a_row(wrong: dict[str, Any], field: str) -> None:
    """Naming the argument: in the app, where somebody can mend it, and before it commits."""
    right = {"sender": "app@example.com", "recipients": ["a@example.net"], "message": letter()}
    with pytest.raises(InvalidMessage) as caught:
        new_row(cast("Outgoing", {**right, **wrong}), max_message_octets=1_000_000)
    assert caught.value.field == field
    assert isinstance(caught.value, InvalidAddress) is (field == "recipients[0]")


def test_issue14_the_fields_that_are_added_count() -> None:
    """A message that only fits without its Date and Message-ID is refused at once, and not by the relay."""
    octets = b"From: a@example.com\r\n\r\n" + b"x" * 77 + b"\r\n"
    row = {"sender": "a@example.com", "recipients": ["a@example.net"], "message": octets}
    size = len(new_row(cast("Outgoing", row)).message)
    assert size > len(octets)
    with pytest.raises(InvalidMessage, match="Date and Message-ID"):
        new_row(cast("Outgoing", row), max_message_octets=size - 1)
    assert new_row(cast("Outgoing", row), max_message_octets=size).message


@pytest.mark.parametrize(
    "arguments",
    ["", "nonsense", "[]", "null", '{"sender": 7}', '{"sender": "a@b.c"}', '{"sender": "a@b.c", "recipients": "x"}'],
)
def test_issue14_a_row_that_nobody_wrote_is_refused(arguments: str) -> None:
    """Whatever a hand in the database has put there."""
    with pytest.raises(InvalidMessage, match="arguments"):
        outgoing_of(Row(1, "k", arguments, b""))


def test_issue14_a_row_of_a_newer_version_is_told_from_nonsense() -> None:
    """It waits for a newer relay; an older one must not send it without what it does not know."""
    told = {"sender": "a@example.com", "recipients": ["b@example.com"], "moon": "full"}
    with pytest.raises(NewerRow, match="moon"):
        outgoing_of(Row(1, "k", json.dumps(told), b""))


def test_issue14_instants_keep_their_milliseconds() -> None:
    """As JSON has them."""
    row = new_row(
        {
            "sender": "a@example.com",
            "recipients": ["b@example.com"],
            "message": letter(),
            "at": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
            "window": timedelta(milliseconds=1),
        }
    )
    back = outgoing_of_new(row)
    assert back["at"] == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    assert back["window"] == timedelta(milliseconds=1)
