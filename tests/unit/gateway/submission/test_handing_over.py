"""From what a client said to what is stored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from softbounce_gateway.submission.extensions import MailOptions
from softbounce_gateway.submission.handing_over import HandingOver
from softbounce_gateway.submission.headless import with_header
from softbounce_gateway.submission.steps import Store

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def stored(message: bytes, peer: str = "192.0.2.7") -> bytes:
    """A message as it is handed on."""
    asked = Store(
        sender="a@b.test",
        options=MailOptions(),
        recipients=(),
        message=message,
        helo="app.test",
        protocol="smtp",
        with_words="ESMTP",
        login=None,
    )
    outgoing = HandingOver({}, "mx.test", lambda: NOW)._outgoing(asked, peer)
    assert isinstance(outgoing["message"], bytes)
    return outgoing["message"]


@pytest.mark.parametrize(
    ("peer", "literal"),
    [
        pytest.param("2001:db8::1", b"[IPv6:2001:db8::1]", id="ipv6"),
        pytest.param("::1", b"[IPv6:::1]", id="ipv6-loopback"),
        pytest.param("fe80::1%eth0", b"[IPv6:fe80::1]", id="ipv6-with-a-zone"),
        pytest.param("::ffff:192.0.2.7", b"[192.0.2.7]", id="ipv4-on-a-socket-of-ipv6"),
    ],
)
def test_issue14_the_trace_has_the_client_s_address_as_rfc_5321_has_it(peer: str, literal: bytes) -> None:
    """One of IPv6 has its tag (§4.1.3): without it the field is malformed, and some filters count that."""
    trace = stored(b"Subject: x\r\n\r\nx\r\n", peer).partition(b"\r\nSubject")[0]
    assert trace.startswith(b"Received: from app.test (%s)\r\n\tby mx.test with ESMTP;" % literal)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"UPS on battery\r\n", id="a-line"),
        pytest.param(b"UPS on battery: low\r\nFrom: nobody\r\n\r\nx\r\n", id="a-line-with-a-colon-behind-blanks"),
        pytest.param(b" Subject: indented\r\n\r\nx\r\n", id="a-line-with-a-blank-before-it"),
        pytest.param(b"From here on\r\nall is well\r\n", id="a-line-like-a-mailbox-s"),
        pytest.param("Größe: x\r\n".encode(), id="a-line-beyond-ascii"),
        pytest.param(b": nothing\r\n", id="no-name"),
        pytest.param(b"x", id="no-line-end"),
    ],
)
def test_issue14_what_begins_without_a_header_is_text(text: bytes) -> None:
    """The header ends before it, so that all of it is the body."""
    assert with_header(text) == b"\r\n" + text
    for sound in (b"", b"\r\n" + text, b"Subject: x\r\n" + text, b"Subject : x\r\n", b"From a@b 1\r\nTo: x\r\n\r\n"):
        assert with_header(sound) == sound
