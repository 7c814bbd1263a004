"""8-bit content made 7-bit: what a reader sees stays the same, and what must not be touched is not (RFC 6152 §3)."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP
from typing import Any

import pytest
from softbounce_worker.smtp.seven_bit import may_become_seven_bit, seven_bit

HEAD = b"From: a@b.test\r\nSubject: x\r\n"
MIME = HEAD + b"MIME-Version: 1.0\r\n"
UTF8 = "Grüße\r\n.\r\nund  \r\nFrom hier\r\n".encode()


def parts(message: bytes) -> list[tuple[str, Any]]:
    """Type and decoded content of each leaf, as the standard library reads them."""
    parsed: Message[Any, Any] = message_from_bytes(message)
    return [(one.get_content_type(), one.get_payload(decode=True)) for one in parsed.walk() if not one.is_multipart()]


def converted(message: bytes) -> bytes:
    """In ASCII, no line too long."""
    result = seven_bit(message)
    assert result is not None
    assert result.isascii()
    assert all(len(line) <= 998 for line in result.split(b"\r\n"))
    assert b"\n" not in result.replace(b"\r\n", b"")
    assert b"\r" not in result.replace(b"\r\n", b"")
    assert seven_bit(result) == result
    assert may_become_seven_bit(message)
    return result


def mixed(*bodies: bytes, boundary: bytes = b"b1", encoding: bytes = b"8bit") -> bytes:
    """A multipart of parts that are given with their header."""
    inner = b"".join(b"--" + boundary + b"\r\n" + body + b"\r\n" for body in bodies)
    head = MIME + b'Content-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n'
    return head + b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + inner + b"--" + boundary + b"--\r\n"


def test_M24_text_becomes_quoted_printable() -> None:
    """Line by line, and nothing else of the message changes."""
    message = MIME + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + UTF8
    result = converted(message)
    assert b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in result
    assert b"8bit" not in result
    assert parts(result)[0][1] == UTF8


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
def test_M24_a_message_that_is_no_mime_becomes_one(charset: str) -> None:
    """Text in an encoding that nobody named is called what it can be shown to be, or unknown-8bit (RFC 1428)."""
    body = "Grüße, das ist alles.\r\n".encode(charset)
    result = converted(HEAD + b"\r\n" + body)
    parsed = message_from_bytes(result)
    assert parsed["MIME-Version"] == "1.0"
    assert parsed.get_content_charset() == ("utf-8" if charset == "utf-8" else "unknown-8bit")
    assert parsed.get_payload(decode=True) == body


def test_M24_what_is_no_text_becomes_base64() -> None:
    """Octet for octet, also where it has line ends in it; and text that is hardly ASCII, because that is shorter."""
    octets = bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"\r\n") * 9
    picture = b"Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + octets
    chinese = "你好世界\r\n".encode() * 20
    text = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + chinese
    result = converted(mixed(picture, text, b"Content-Type: text/plain\r\n\r\nplain"))
    assert result.count(b"Content-Transfer-Encoding: base64") == 2
    assert parts(result) == [("image/png", octets), ("text/plain", chinese), ("text/plain", b"plain")]


def test_M24_parts_within_parts_are_found_and_the_others_kept() -> None:
    """Only parts with 8-bit content change; composite ones say that they are 7-bit by then (RFC 2045 §6.4)."""
    kept = b"Content-Type: text/html; charset=us-ascii\r\nX-Odd:   spaces \r\n\r\n<p>kept</p>  \r\n"
    eight = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + UTF8
    alternative = (
        b"Content-Type: multipart/alternative; boundary=b2\r\nContent-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n"
        b"--b2\r\n" + kept + b"\r\n--b2  \r\n" + eight + b"\r\n--b2--\r\nepilogue"
    )
    attached = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + MIME + eight
    message = mixed(alternative, attached, b"Content-Type: text/plain\r\n\r\n--b1x is no boundary")
    result = converted(message)
    assert kept in result
    assert b"\r\npreamble\r\n" in result
    assert b"\r\nepilogue\r\n--b1\r\n" in result
    assert result.count(b"Content-Transfer-Encoding: 7bit") == 3
    assert [content for _, content in parts(result)] == [content for _, content in parts(message)]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-15", "koi8-r"])
@pytest.mark.parametrize("kind", ["plain", "html", "both", "attached"])
def test_M24_what_the_standard_library_writes_reads_the_same(encoding: str, kind: str) -> None:
    """Messages of usual shapes: each part's text and attachment is what it was."""
    text = {"utf-8": "Grüße 你好", "iso-8859-15": "Grüße €", "koi8-r": "Привет"}[encoding] + "\nzwei\n"
    message = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
    message["From"] = "a@b.test"
    message.set_content(text, subtype="html" if kind == "html" else "plain", charset=encoding, cte="8bit")
    if kind == "both":
        message.add_alternative(f"<p>{text}</p>", subtype="html", charset=encoding, cte="8bit")
    if kind == "attached":
        message.add_attachment(bytes(range(256)), maintype="application", subtype="octet-stream")
    octets = bytes(message)
    assert not octets.isascii()
    assert parts(converted(octets)) == parts(octets)


@pytest.mark.parametrize(
    "message",
    [
        b"DKIM-Signature: v=1; x\r\n" + HEAD + b"\r\n" + UTF8,
        b"ARC-Seal: i=1; x\r\n" + HEAD + b"\r\n" + UTF8,
        MIME + b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" + UTF8 + b"\r\n--b--\r\n",
        mixed(b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" + UTF8 + b"\r\n--b--\r\n"),
        mixed(b"Content-Type: message/rfc822\r\n\r\nDKIM-Signature: x\r\n" + HEAD + b"\r\n" + UTF8),
        "Subject: Grüße\r\n\r\nx\r\n".encode(),
        mixed('Content-Type: text/plain; name="ü"\r\n\r\nx'.encode()),
        MIME + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + UTF8,
        MIME + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: x-uue\r\n\r\n" + UTF8,
        MIME + b"Content-Type: message/partial; id=x\r\n\r\n" + UTF8,
        MIME + b"Content-Type: message/global\r\n\r\n" + HEAD + b"\r\n" + UTF8,
        MIME + b"Content-Type: multipart/mixed\r\n\r\n" + UTF8,
        MIME + b"Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n\r\n" + UTF8,
        MIME + b"Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n" + UTF8,
        MIME + b"Content-Type: \r\n\r\n" + UTF8,
        MIME + b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + UTF8 + b"--a\r\n\r\nx\r\n--a--\r\n",
        HEAD + b"not a field\r\n\r\n" + UTF8,
        UTF8,
    ],
)
def test_M24_what_cannot_be_converted_stays(message: bytes) -> None:
    """Signed, beyond ASCII in a header, or not to be read without doubt: the host is asked for 8BITMIME, or no host."""
    assert seven_bit(message) is None


def test_A10_A13_work_on_a_message_is_bounded() -> None:
    """Parts within parts, parts beside parts, and a boundary that is everywhere."""
    deep = UTF8
    for number in range(100):
        deep = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number) + deep
        deep += b"\r\n--b%d--" % number
    assert seven_bit(MIME + deep) is None
    many = mixed(*[b"Content-Type: text/plain\r\n\r\n" + UTF8] * 3_000)
    assert seven_bit(many) is None
    everywhere = MIME + b"Content-Type: multipart/mixed; boundary=-\r\n\r\n" + b"-" * 1_000_000 + UTF8
    assert seven_bit(everywhere) is None
