"""Messages: line ends, limits, the fields that are added, dropped and refused, and the digest of the content."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest

from softbounce.errors import InvalidMessage
from softbounce.message import Prepared, prepare

LIMIT = 1_000_000
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WHOLE = b"From: a@b.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@b.example>\r\n\r\nhello\r\n"


def prepared(message: Message | bytes, *, sender: str = "app@sender.example") -> Prepared:
    """Prepare with the limits of these tests."""
    return prepare(message, max_octets=LIMIT, sender=sender, hostname="mail.example", now=NOW)


def refusal(message: Message | bytes) -> InvalidMessage:
    """The error that the message meets."""
    with pytest.raises(InvalidMessage) as caught:
        prepared(message)
    return caught.value


def built(subject: str = "Hello", text: str = "Grüße\n", html: str = "<p>Grüße</p>\n") -> EmailMessage:
    """A multipart message as an app builds it, with a fresh boundary each time it is written."""
    message = EmailMessage()
    message["From"] = Address("App", "app", "sender.example")
    message["To"] = "b@recipient.example"
    message["Bcc"] = "hidden@recipient.example"
    message["Subject"] = subject
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def test_whole_message_stays_as_it_is() -> None:
    """Octets that need nothing are stored octet by octet as they came."""
    assert prepared(WHOLE).octets == WHOLE
    assert prepared(WHOLE).message_id == "<1@b.example>"
    assert not prepared(WHOLE).eight_bit


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        pytest.param(b"a\r\nb\r\n", b"a\r\nb\r\n", id="crlf"),
        pytest.param(b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n", id="lf_dot_lf"),
        pytest.param(b"a\n.\r\nb\r\n", b"a\r\n.\r\nb\r\n", id="lf_dot_crlf"),
        pytest.param(b"a\r.\rb\r\n", b"a\r\n.\r\nb\r\n", id="cr_dot_cr"),
        pytest.param(b"a\r\n.\rb\r\n", b"a\r\n.\r\nb\r\n", id="crlf_dot_cr"),
        pytest.param(b"a\r\r\nb\r\n", b"a\r\n\r\nb\r\n", id="cr_crlf"),
        pytest.param(b"a", b"a\r\n", id="no_last_line_end"),
        pytest.param(b"a\r", b"a\r\n", id="last_is_cr"),
    ],
)
def test_M14_A03_only_crlf_reaches_the_wire(body: bytes, wire: bytes) -> None:
    """Bare CR and LF in the body become line ends before dot-stuffing, so no two readers can differ about them."""
    octets = prepared(WHOLE[:-7] + body).octets
    assert octets == WHOLE[:-7] + wire
    assert octets.count(b"\r\n") == octets.count(b"\r") == octets.count(b"\n")


def test_M14_message_with_lf_alone_gets_crlf() -> None:
    """A message of a Unix file is the same message as on the wire."""
    assert prepared(WHOLE.replace(b"\r\n", b"\n")) == prepared(WHOLE)


def test_M16_last_line_end_is_added() -> None:
    """A message ends with CRLF, also where its header is all of it."""
    assert prepared(WHOLE.removesuffix(b"\r\n")).octets == WHOLE
    assert prepared(b"Subject: x").octets.endswith(b"\r\n")


@pytest.mark.parametrize("place", ["header", "body"])
def test_M16_nul_is_refused(place: str) -> None:
    """A NUL ends strings in some readers, so none is sent."""
    mark = b"b.example" if place == "header" else b"hello"
    assert "NUL" in refusal(WHOLE.replace(mark, b"a\0b")).reason


@pytest.mark.parametrize(
    ("octets", "is_taken"),
    [pytest.param(998, True, id="998"), pytest.param(999, False, id="999"), pytest.param(5000, False, id="5000")],
)
def test_M15_line_length_is_checked_at_its_bound(octets: int, is_taken: bool) -> None:
    """A line has at most 998 octets before its CRLF; the refusal tells the line's number."""
    message = WHOLE + b"x" * octets + b"\r\nlast\r\n"
    if is_taken:
        assert prepared(message).octets == message
    else:
        assert "line 6 " in refusal(message).reason


def test_M15_message_object_re_encodes_long_lines() -> None:
    """A long line in a message object is no error: its transfer encoding breaks it."""
    octets = prepared(built(text="x" * 5000 + "\n")).octets
    assert max(len(line) for line in octets.split(b"\r\n")) <= 998


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"x\nBcc: y@z", id="lf"),
        pytest.param(b"x\rBcc: y@z", id="cr"),
        pytest.param(b"x\n\nforged body", id="end_of_header"),
        pytest.param(b"x\x0bBcc: y@z", id="vertical_tab"),
        pytest.param(b"x\x0cBcc: y@z", id="form_feed"),
        pytest.param(b"x\x1cBcc: y@z", id="file_separator"),
        pytest.param(b"x\x1b[2J", id="escape"),
        pytest.param("x\u0085Bcc: y@z".encode(), id="next_line"),
        pytest.param("x\u2028Bcc: y@z".encode(), id="line_separator"),
        pytest.param("x\u2029Bcc: y@z".encode(), id="paragraph_separator"),
        pytest.param(b"x\xff", id="latin_1"),
    ],
)
def test_A02_header_values_that_some_read_as_two_fields_are_refused(value: bytes) -> None:
    """Nothing inside a header value may be a line end to any reader; the refusal quotes nothing."""
    error = refusal(WHOLE.replace(b"\r\n\r\n", b"\r\nSubject: " + value + b"\r\n\r\n"))
    assert error.field == "message"
    assert "header" in error.reason
    assert "y@z" not in str(error)


@pytest.mark.parametrize("odd", ["\0", "\r", "\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("kind", ["modern", "legacy", "part"])
def test_A02_message_objects_cannot_smuggle_a_field(odd: str, kind: str) -> None:
    """A line separator in a value of a message object, or of one of its parts, is refused as that field's fault."""
    message: Message = built() if kind != "legacy" else MIMEText("x")
    target: Any = message.get_payload(0) if kind == "part" else message
    target._headers.append(("X-Evil", f"x{odd}Bcc: y@z"))  # past the checks of Python
    assert refusal(message).field == "X-Evil"


def test_A02_header_names_cannot_smuggle_a_field() -> None:
    """A name that would be read as two fields is refused, by the email package or by our count."""
    message: Any = built()
    message._headers.append(("X-A: b\r\nX-Evil", "c"))
    assert refusal(message).field == "message"


def test_A02_folded_values_are_no_injection() -> None:
    """A value that was folded by whoever wrote it stays one field."""
    message = message_from_bytes(WHOLE.replace(b"\r\n\r\n", b"\r\nSubject: a\r\n b\r\n\r\n"), policy=policy.default)
    assert b"Subject: a" in prepared(message).octets


@pytest.mark.parametrize("name", [b"Bcc", b"BCC", b"bcc ", b"Resent-Bcc"])
def test_bcc_is_removed_with_its_folded_lines(name: bytes) -> None:
    """No receiver learns the hidden recipients, however the field is spelled or folded."""
    hidden = name + b": x@hidden.example,\r\n\ty@hidden.example,\r\n z@hidden.example\r\n"
    for message in (hidden + WHOLE, WHOLE.replace(b"\r\n\r\n", b"\r\n" + hidden + b"\r\n")):
        assert prepared(message).octets == WHOLE
    assert prepared((hidden + WHOLE).replace(b"\r\n", b"\n")).octets == WHOLE


@pytest.mark.parametrize("name", ["Bcc", "Resent-Bcc"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("Jörg <x@hidden.example>".encode(), id="utf8"),
        pytest.param("x@hidden.example,\r\n Jörg <y@hidden.example>".encode(), id="utf8_in_a_folded_line"),
        pytest.param("Jörg <x@hidden.example>".encode("latin-1"), id="latin_1"),
        pytest.param("x\u2028y@hidden.example".encode(), id="line_separator"),
        pytest.param(b"x\x0by@hidden.example", id="control"),
    ],
)
def test_issue10_08_a_removed_bcc_asks_nothing_of_a_host(name: str, value: bytes) -> None:
    """What a message needs is asked of the fields that leave, whatever stood in a hidden one."""
    result = prepared(name.encode() + b": " + value + b"\r\n" + WHOLE)
    assert result == prepared(WHOLE)
    assert (result.eight_bit, result.smtputf8_headers) == (False, False)


def test_issue10_08_a_removed_date_asks_nothing_of_a_host_either() -> None:
    """An empty field that is replaced by ours goes with all that it is spelled with."""
    assert not prepared("Subject: x\r\nMessage-ID:\r\n \r\n\r\né\r\n".encode()).smtputf8_headers


@pytest.mark.parametrize("name", [b"Return-Path", b"return-path ", b"RETURN-PATH"])
def test_issue14_a_return_path_of_an_app_is_removed(name: bytes) -> None:
    """Whoever makes a message does not say it (RFC 5321 §4.4): the envelope has another, and hosts show both."""
    field = name + b": <other@sender.example>,\r\n\t<x@y.example>\r\n"
    for message in (field + WHOLE, WHOLE.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n")):
        assert prepared(message).octets == WHOLE
    utf8 = prepared(field.replace(b"other", "ö".encode()) + WHOLE)
    assert (utf8.octets, utf8.smtputf8_headers) == (WHOLE, False)
    # as content it counts as it did when it stayed: a message that was stored under a key then is the same one still
    assert prepared(field + WHOLE).digest != prepared(WHOLE).digest
    built_one = built()
    built_one["Return-Path"] = "<other@sender.example>"
    assert b"other" not in prepared(built_one).octets


@pytest.mark.parametrize("signature", [b"DKIM-Signature", b"ARC-Message-Signature"])
def test_issue14_a_return_path_that_is_signed_stays(signature: bytes) -> None:
    """Without it a signature that names it would be broken; one that names others protects nothing here."""
    field = b"Return-Path: <other@sender.example>\r\n"
    head = signature + b": v=1; a=rsa-sha256; d=sender.example; h=from:\r\n\tto%s; bh=x; b=y\r\n"
    signed = head % b" : Return-Path" + field + WHOLE
    assert prepared(signed).octets == signed
    assert (
        prepared(head % b":subject; x=return-path" + field + WHOLE).octets == head % b":subject; x=return-path" + WHOLE
    )


def test_bcc_in_the_body_is_text() -> None:
    """Only the header is searched for hidden recipients."""
    message = WHOLE + b"Bcc: x@hidden.example\r\n"
    assert prepared(message).octets == message


def test_bcc_of_a_message_object_is_removed_from_the_octets_alone() -> None:
    """The caller's object keeps its Bcc; the octets have none."""
    message = built()
    assert b"hidden" not in prepared(message).octets
    assert message["Bcc"] == "hidden@recipient.example"


def test_date_and_message_id_are_added_where_missing() -> None:
    """Both are written with what the caller gave: the instant, and the sender's domain."""
    result = prepared(b"Subject: x\r\n\r\nhello\r\n")
    back = message_from_bytes(result.octets)
    assert back["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert back["Message-ID"] == result.message_id
    assert result.message_id.endswith("@sender.example>")
    assert back.get_payload() == "hello\r\n"


@pytest.mark.parametrize("sender", ["", "x@evil\r\nBcc: y"])
def test_message_id_takes_the_host_name_where_the_sender_has_no_domain(sender: str) -> None:
    """The null sender, and one that nobody checked, get the host's name in their Message-ID."""
    assert prepared(b"Subject: x\r\n\r\n", sender=sender).message_id.endswith("@mail.example>")


def test_empty_date_and_message_id_count_as_missing() -> None:
    """An empty field is replaced, not doubled."""
    back = message_from_bytes(prepared(b"Subject: x\r\nDate: \r\nMessage-ID:\r\n \r\n\r\n").octets)
    assert back.get_all("Date") == ["Fri, 02 Jan 2026 03:04:05 +0000"]
    assert len(back.get_all("Message-ID", ())) == 1


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"\r\nSubject: x\r\n\r\n", "empty line", id="blank_line_first"),
        pytest.param(b"hello world\r\n", "field 1", id="text_alone"),
        pytest.param(b"From a@b Thu Jan  1 00:00:00 2026\r\nSubject: x\r\n\r\n", "field 1", id="mbox_line"),
        pytest.param(b"Subject: x\r\nhello\r\n\r\n", "field 2", id="line_without_colon"),
        pytest.param(b" x: y\r\n\r\n", "field 1", id="folded_first"),
        pytest.param(b": x\r\n\r\n", "field 1", id="no_name"),
        pytest.param("Bétreff: x\r\n\r\n".encode(), "field 1", id="name_not_ascii"),
        pytest.param(b"X: y\r\n" * 1001 + b"\r\n", "1000 fields", id="many_fields"),
        pytest.param(b"X: " + b"y\r\n " * 80_000 + b"\r\n\r\nx\r\n", "262144", id="huge_header"),
        pytest.param(b"Received: x\r\n" * 101 + b"\r\n", "loop", id="loop"),
        pytest.param(b"Subject: x\r\n\r\n" + b"xxxxxxxx\r\n" * 100_000, "max_message_octets", id="too_large"),
        pytest.param(b"Subject: x\n\n" + b"\n" * 600_000, "max_message_octets", id="too_large_with_crlf"),
    ],
)
def test_what_no_reader_would_take_for_a_message_is_refused(octets: bytes, reason: str) -> None:
    """The header must parse field by field, and everything has a limit that the refusal names."""
    assert reason in refusal(octets).reason


def test_message_at_the_limit_is_taken() -> None:
    """The limit counts the caller's octets, not the fields that we add."""
    message = b"Subject: x\r\n\r\nhello\r\n"
    assert len(prepare(message, max_octets=len(message)).octets) > len(message)
    with pytest.raises(InvalidMessage):
        prepare(message, max_octets=len(message) - 1)


@pytest.mark.parametrize("wrong", ["Subject: x\r\n\r\n", None, 7])
def test_what_is_no_message_is_refused_by_its_type(wrong: object) -> None:
    """Text is not octets: the encoding would be a guess."""
    assert type(wrong).__name__ in refusal(wrong).reason  # type: ignore[arg-type]


def test_M24_message_objects_are_written_in_seven_bits() -> None:
    """A message that we write ourselves can be taken by a host without 8BITMIME."""
    result = prepared(built())
    assert not result.eight_bit
    assert not result.smtputf8_headers
    back = message_from_bytes(result.octets, policy=policy.default)
    assert isinstance(back, EmailMessage)
    body = back.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "Grüße\n"


def test_signed_message_objects_are_written_as_they_are() -> None:
    """Re-encoding would break a DKIM signature, so eight bits stay eight bits."""
    message = message_from_bytes(
        b"DKIM-Signature: v=1\r\nSubject: x\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n",
        policy=policy.default,
    )
    result = prepared(message)
    assert result.eight_bit
    assert result.octets.endswith(b"\r\n\r\n\xc3\xa9\r\n")


def test_M23_M25_raw_octets_tell_what_the_host_must_offer() -> None:
    """Octets above 127 ask for 8BITMIME, and for SMTPUTF8 when the header has some."""
    body = prepared(WHOLE + "é\r\n".encode())
    assert (body.eight_bit, body.smtputf8_headers) == (True, False)
    header = prepared("Subject: é\r\n".encode() + WHOLE)
    assert (header.eight_bit, header.smtputf8_headers) == (True, True)


def test_M25_mailbox_beyond_ascii_is_written_as_utf8() -> None:
    """No encoded word stands for a mailbox: such a header needs SMTPUTF8."""
    message = EmailMessage()
    message["To"] = "jörg@b.example"
    message.set_content("x\n")
    result = prepared(message)
    assert result.smtputf8_headers
    assert "To: jörg@b.example\r\n".encode() in result.octets


def test_legacy_message_objects_are_taken() -> None:
    """What an app built with the older classes of the standard library is taken too."""
    message = MIMEMultipart()
    message["Subject"] = "Grüße"
    message["Bcc"] = "x@hidden.example"
    message.attach(MIMEText("From here\nGrüße\n", "plain", "utf-8"))
    result = prepared(message)
    assert result.octets.isascii()
    assert b"hidden" not in result.octets


def test_message_object_that_cannot_be_written_is_refused() -> None:
    """Whatever the email package raises becomes one error that quotes nothing."""
    message = EmailMessage()
    message["Subject"] = "secret"
    message.set_payload(object())  # type: ignore[call-overload]
    assert "secret" not in str(refusal(message))
    assert "no header" in refusal(EmailMessage()).reason


def test_digest_of_a_rebuilt_message_is_the_same() -> None:
    """An app that builds its mail anew gets the same digest, though boundaries, Date and Message-ID differ."""
    one, two = prepared(built()), prepared(built())
    assert one.octets != two.octets
    assert one.message_id != two.message_id
    assert one.digest == two.digest
    assert prepared(one.octets).digest == one.digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(built(subject="Bye"), id="subject"),
        pytest.param(built(text="Grüsse\n"), id="text"),
        pytest.param(built(html="<p>Gruss</p>\n"), id="html"),
    ],
)
def test_digest_of_other_content_differs(other: EmailMessage) -> None:
    """Any other header or body is other content."""
    assert prepared(other).digest != prepared(built()).digest


def test_digest_tells_nested_boundaries_apart_by_order() -> None:
    """A boundary that begins another one, as some mailers make them, is replaced on its own."""

    def nested(seed: bytes) -> bytes:
        return (
            b"Content-Type: multipart/mixed;\r\n\tBoundary=" + seed + b"\r\n\r\n--" + seed + b"\r\n"
            b'content-type: multipart/alternative; boundary = "' + seed + b'.1"\r\n\r\n--' + seed + b".1\r\n\r\nx\r\n"
            b"--" + seed + b".1--\r\n--" + seed + b"--\r\n"
        )

    assert prepared(nested(b"aaaaaaaaaa")).digest == prepared(nested(b"bbbbbbbbbb")).digest
    assert (
        prepared(nested(b"aaaaaaaaaa")).digest != prepared(nested(b"bbbbbbbbbb").replace(b"\r\nx\r\n", b"\r\n")).digest
    )


def test_digest_takes_short_boundaries_for_content() -> None:
    """A boundary that no machine chose at random may be ordinary text, so another one is other content."""
    message = b"Content-Type: multipart/mixed; boundary=part\r\n\r\n--part\r\n\r\nx\r\n--part--\r\n"
    assert prepared(message).digest == prepared(message).digest
    assert prepared(message).digest != prepared(message.replace(b"part\r\n", b"pork\r\n")).digest
