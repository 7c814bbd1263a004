"""Fields of a message that are for us: obeyed and taken out on each way in, whatever the message is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage, Message
from typing import Any

import pytest

from softbounce.client.send.arguments import Checked, check
from softbounce.errors import InvalidMessage
from softbounce.outbox.row import new_row, outgoing_of_new

FIELDS = {
    "X-Softbounce-Key": "order-7",
    "X-Softbounce-Stream": "otp",
    "X-Softbounce-Window": "15m",
    "X-Softbounce-At": "10m",
    "X-Softbounce-Tenant": "acme",
    "X-Softbounce-Tag": "größe",
    "X-Softbounce-Meta-Order": "1042",
}


def octets_with(fields: dict[str, str], line_end: str) -> bytes:
    """A message as a script writes it."""
    head = {"From": "a@b.test", **fields, "Subject": "one\t two"}
    return line_end.join([*(f"{name}: {value}" for name, value in head.items()), "", "X-Softbounce-Key: body"]).encode()


def object_with(fields: dict[str, str]) -> Message[Any, Any]:
    """A message as an app has it."""
    message = EmailMessage()
    for name, value in {"From": "a@b.test", **fields, "Subject": "one"}.items():
        message[name] = value
    message.set_content("X-Softbounce-Key: body\n")
    return message


MESSAGES = [
    pytest.param(octets_with(FIELDS, "\r\n"), id="crlf"),
    pytest.param(octets_with(FIELDS, "\n"), id="lf"),
    pytest.param(bytearray(octets_with(FIELDS, "\n")), id="bytearray"),
    pytest.param(object_with(FIELDS), id="object"),
]


def checked(message: object, **more: Any) -> Checked:  # noqa: ANN401 - the arguments of a send
    """A send of it."""
    return check({"sender": "a@b.test", "recipients": ["c@d.test"], "message": message, **more}, max_octets=100_000)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("message", MESSAGES)
def test_issue14_fields_of_a_message_are_obeyed_and_taken_out(message: object) -> None:
    """As octets or as an object, as by SMTP: none does nothing, and none reaches a mail host."""
    now = datetime.now(UTC)
    found = checked(message)
    assert (found.key, found.is_key_made, found.stream, found.tenant) == ("order-7", False, "otp", "acme")
    assert (found.tags, found.metadata, found.window_ms) == (("größe",), {"Order": "1042"}, 15 * 60_000)
    assert found.at_ms is not None
    assert abs(found.at_ms / 1000 - (now + timedelta(minutes=10)).timestamp()) < 60
    head, _, body = found.prepared.octets.partition(b"\r\n\r\n")
    assert b"softbounce" not in head.lower()
    assert head.startswith(b"From: a@b.test\r\nSubject: one")
    assert body == b"X-Softbounce-Key: body\r\n"


@pytest.mark.parametrize("message", MESSAGES)
def test_issue14_what_the_call_says_goes_before_a_field(message: object) -> None:
    """Each argument by itself; the field is taken out all the same."""
    at = datetime.now(UTC) + timedelta(days=1)
    found = checked(message, key="k", stream="news", window=timedelta(hours=1), at=at, tags=["eu"], metadata={"a": "b"})
    assert (found.key, found.stream, found.tenant, found.tags) == ("k", "news", "acme", ("eu",))
    assert (found.metadata, found.window_ms) == ({"a": "b"}, 3_600_000)
    assert found.at_ms == at.timestamp() * 1000 // 1
    assert b"softbounce" not in found.prepared.octets.partition(b"\r\n\r\n")[0].lower()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("X-Softbounce-Steam", "otp", "there is no such field"),
        ("X-Softbounce-At", "soon", "neither an instant"),
        ("X-Softbounce-Stream", "Not One", "a stream's name has"),
        ("X-Softbounce-Tenant", "a b", "a tenant's name has"),
        ("X-Softbounce-Tag", "x" * 900, "128 is the most"),
        ("X-Softbounce-Meta", "x", "there is no such field"),
    ],
)
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_issue14_a_field_that_cannot_be_obeyed_is_refused_by_its_name(
    field: str, value: str, reason: str, line_end: str
) -> None:
    """Whoever wrote it counts on it, and would look for an argument that the call does not have."""
    with pytest.raises(InvalidMessage, match=reason) as refused:
        checked(octets_with({field: value}, line_end))
    assert refused.value.field.startswith(field)


def test_issue14_taking_fields_out_mends_no_line_end_that_could_forge_one() -> None:
    """A lone LF in a header of CRLF is refused, also where it stands in a field of ours, or behind one."""
    for forged, field in (
        (b"From: a@b.test\r\nX-Softbounce-Key: k\nTo: x@y.test\r\n\r\nhi", "X-Softbounce-Key"),
        (b"X-Softbounce-Key: k\r\nFrom: a@b.test\nTo: x@y.test\r\n\r\nhi", "message"),
        (b"X-Softbounce-Key: k\n\r\nFrom: a@b.test\r\n\r\nhi", "message"),
    ):
        with pytest.raises(InvalidMessage) as refused:
            checked(forged)
        assert refused.value.field == field


def test_issue14_a_row_of_the_outbox_has_what_fields_ask_for() -> None:
    """Its octets are without them, so its arguments keep it; the key too."""
    row = new_row({"sender": "a@b.test", "recipients": ["c@d.test"], "message": octets_with(FIELDS, "\n")})
    later = outgoing_of_new(row)
    assert (row.key, later["key"], later["stream"], later["tenant"]) == ("order-7", "order-7", "otp", "acme")
    assert (later["tags"], later["metadata"], later["window"]) == (["größe"], {"Order": "1042"}, timedelta(minutes=15))
    assert b"X-Softbounce-Stream" not in row.message
