"""``X-Softbounce-*`` fields where a send has arguments: nobody obeys them, and nobody further on sees them."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from softbounce.client.send.arguments import Checked, check
from softbounce.errors import InvalidMessage
from softbounce.outbox.row import new_row

FIELDS = {
    "X-Softbounce-Key": "`key`",
    "x-softbounce-STREAM": "`stream`",
    "X-Softbounce-Window": "`window`",
    "X-Softbounce-At": "`at`",
    "X-Softbounce-Tenant": "`tenant`",
    "X-Softbounce-Tag": "`tags`",
    "X-Softbounce-Meta-Order": "`metadata`",
    "X-Softbounce-Steam": "an argument",
}


def octets_with(name: str, line_end: str, *, first: bool) -> bytes:
    """A message as a script writes it."""
    lines = ["From: a@b.test", "Subject: one"]
    lines.insert(0 if first else 1, f"{name}: x")
    return line_end.join([*lines, "", "X-Softbounce-Key: body"]).encode()


def checked(message: object) -> Checked:
    """A send of it."""
    return check({"sender": "a@b.test", "recipients": ["c@d.test"], "message": message}, max_octets=100_000)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
@pytest.mark.parametrize("first", [True, False])
def test_issue14_a_field_for_us_is_refused_where_arguments_say_it(name: str, line_end: str, *, first: bool) -> None:
    """In octets of each kind, by its name, with what says the same: a stranger's mail chooses no stream and no key."""
    octets = octets_with(name, line_end, first=first)
    for message in (octets, bytearray(octets), memoryview(octets)):
        with pytest.raises(InvalidMessage) as refused:
            checked(message)
        assert (refused.value.field, FIELDS[name] in refused.value.reason) == (name, True)
    with pytest.raises(InvalidMessage):
        new_row({"sender": "a@b.test", "recipients": ["c@d.test"], "message": octets})


@pytest.mark.parametrize("name", FIELDS)
def test_issue14_a_field_for_us_is_refused_in_a_message_object(name: str) -> None:
    """As in octets."""
    message = EmailMessage()
    message["From"] = "a@b.test"
    message[name] = "x"
    with pytest.raises(InvalidMessage) as refused:
        checked(message)
    assert (refused.value.field, FIELDS[name] in refused.value.reason) == (name, True)


@pytest.mark.parametrize(
    "octets",
    [
        b"From: a@b.test\r\n\r\nX-Softbounce-Key: body\r\n",
        b"From: a@b.test\n\nX-Softbounce-Key: body\n",
        b"From: a@b.test\r\nSubject: about\r\n X-Softbounce-Key: folded\r\n\r\nbody\r\n",
        b"From: a@b.test\r\nX-Softbounces: none of ours\r\n\r\nbody\r\n",
    ],
)
def test_issue14_what_is_no_field_for_us_is_nothing(octets: bytes) -> None:
    """In the text, in another field's value, or of another name."""
    message: Any = checked(octets)
    assert b"oftbounce" in message.prepared.octets
