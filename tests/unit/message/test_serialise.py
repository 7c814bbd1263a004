"""Message objects as octets: what they say in the header, what a signature covers, and whatever an app hands over."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.generator import BytesGenerator
from email.header import Header
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from io import BytesIO
from typing import Any

import pytest

from softbounce.errors import InvalidMessage
from softbounce.message import Prepared, prepare

URL = f"<https://news.example/unsubscribe?token={'a1-_' * 60}>, <mailto:leave@news.example?subject=leave>"
ID = f"<{'c0ffee.' * 14}@mail.example>"
POLICIES = {
    "default": policy.default,
    "smtp": policy.SMTP,
    "998": policy.SMTP.clone(max_line_length=998),
    "no_limit": policy.SMTP.clone(max_line_length=0),
    "smtputf8": policy.SMTPUTF8,
    "compat32": policy.compat32,
}


def prepared(message: object) -> Prepared:
    """Prepare with a limit that nothing here reaches."""
    return prepare(message, max_octets=10_000_000)  # type: ignore[arg-type]


def header_of(message: object) -> dict[str, list[bytes]]:
    """Each field's lines as they leave, without CRLF, by its name."""
    head = prepared(message).octets.partition(b"\r\n\r\n")[0]
    lines: dict[str, list[bytes]] = {}
    name = ""
    for line in head.split(b"\r\n"):
        if line[:1] not in b" \t":
            lines[name := line.partition(b":")[0].decode()] = []
        lines[name].append(line)
    return lines


def refusal(message: object) -> InvalidMessage:
    """The error that the message meets."""
    with pytest.raises(InvalidMessage) as caught:
        prepared(message)
    return caught.value


@pytest.mark.parametrize("how", POLICIES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("List-Unsubscribe", URL),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("References", " ".join([ID] * 9)),
        ("In-Reply-To", ID),
        ("Message-ID", ID),
        ("Content-ID", ID),
        ("DKIM-Signature", f"v=1; a=rsa-sha256; d=news.example; s=one; h=from:to; bh={'A' * 44}; b={'B' * 344}"),
        ("ARC-Seal", f"i=1; a=rsa-sha256; cv=none; d=news.example; s=one; t=1; b={'B' * 344}"),
        ("Authentication-Results", f"mx.example; dkim=pass header.d={'x' * 90}.example"),
        ("Received", f"from {'a' * 90}.example by mx.example; Thu, 1 Jan 2026 00:00:00 +0000"),
        ("X-SMTPAPI", '{"unique_args": {"token": "' + "a1" * 90 + '"}}'),
        ("Subject", "a".join(["words that are ASCII"] * 20) + "x" * 200),
        ("X-Anything", "x" * 300),
        ("To", f'{"long" * 30}@recipient.example, "Last, First" <b@recipient.example>'),
        ("Content-Type", f'text/plain; charset="utf-8"; name="{"n" * 150} m.txt"'),
    ],
)
def test_issue10_31_ascii_is_folded_at_whitespace_and_never_encoded(how: str, name: str, value: str) -> None:
    """Who unfolds a field reads the very words that the app put in, whatever its policy and however long."""
    message = (Message if how == "compat32" else EmailMessage)(policy=POLICIES[how])
    message["From"] = "a@sender.example"
    message[name] = value
    lines = header_of(message)[name]
    assert b"".join(lines).decode() == f"{name}: {value}"
    assert all(line.strip() for line in lines)
    if how in {"998", "no_limit"}:
        assert len(lines) == (1 if len(name) + 2 + len(value) <= 998 else 2)


def test_issue10_31_the_app_s_line_length_is_kept() -> None:
    """A policy of 998 octets leaves a field in one line, and one of 78 folds it wherever a word ends."""
    for how, lines in (("998", 1), ("no_limit", 1), ("default", 6)):
        message = EmailMessage(policy=POLICIES[how])
        message["References"] = " ".join([f"<{'x' * 60}@mail.example>"] * 6)
        assert len(header_of(message)["References"]) == lines


@pytest.mark.parametrize("how", ["default", "compat32"])
def test_issue10_31_no_line_begins_with_a_name_alone_or_is_blank(how: str) -> None:
    """A long first word stays beside the name, and whitespace at the end makes no line of its own."""
    message = (Message if how == "compat32" else EmailMessage)(policy=POLICIES[how])
    message["Message-ID"] = ID
    message["X-Spaces"] = "word " * 40
    lines = header_of(message)
    assert lines["Message-ID"] == [f"Message-ID: {ID}".encode()]
    assert all(line.strip() for line in lines["X-Spaces"])


def test_issue10_31_an_id_given_as_a_header_object_is_no_encoded_word() -> None:
    """The older interface's `Header` does not encode such a field either, even where it is told a charset."""
    message: Any = MIMEText("x")
    message["List-Unsubscribe"] = Header(URL, "utf-8")
    message["References"] = Header(ID, "utf-8")
    message["From"] = Header("Jörg Müller <joerg@sender.example>", "utf-8")
    lines = header_of(message)
    assert b"".join(lines["List-Unsubscribe"]).decode() == f"List-Unsubscribe: {URL}"
    assert b"".join(lines["References"]).decode() == f"References: {ID}"
    assert b"".join(lines["From"]).endswith(b" <joerg@sender.example>")


@pytest.mark.parametrize("how", ["default", "998", "compat32"])
def test_issue10_31_text_beyond_ascii_is_encoded_where_that_is_allowed(how: str) -> None:
    """Words of a text, names of mailboxes and parameters read back as they were; addresses stay readable."""
    message = (Message if how == "compat32" else EmailMessage)(policy=POLICIES[how])
    subject = "Grüße an alle im fünften Stock, Büro Ä-Ö-Ü, und " + "ß" * 90
    message["Subject"] = subject
    message["From"] = '"Müller, Jörg" <joerg@sender.example>'
    message["To"] = ", ".join(f"Person Ä{number} <p{number}@recipient.example>" for number in range(9))
    message["List-Id"] = "Jörgs Liste <joerg.lists.example>"
    message["Content-Disposition"] = f'attachment; filename="Größe {"ß" * 300}.pdf"'
    result = prepared(message)
    assert not result.eight_bit
    head = result.octets.partition(b"\r\n\r\n")[0]
    encoded = [word for word in head.split() if word.startswith(b"=?")]
    assert encoded
    assert max(map(len, encoded)) <= 76  # of RFC 2047, and a comma
    back: Any = message_from_bytes(result.octets, policy=policy.default)
    assert str(back["Subject"]) == subject
    assert [(one.display_name, one.addr_spec) for one in back["From"].addresses] == [
        ("Müller, Jörg", "joerg@sender.example")
    ]
    assert [one.display_name for one in back["To"].addresses] == [f"Person Ä{number}" for number in range(9)]
    assert b"<joerg.lists.example>" in result.octets
    assert back.get_filename() == f"Größe {'ß' * 300}.pdf"


def test_issue10_31_a_field_that_may_not_be_encoded_is_utf8() -> None:
    """No encoded word stands for an id or a URL: beyond ASCII such a field asks for SMTPUTF8."""
    message = EmailMessage()
    message["List-Unsubscribe"] = "<https://news.example/abmeldung/für-immer>"
    result = prepared(message)
    assert result.smtputf8_headers
    assert "<https://news.example/abmeldung/für-immer>".encode() in result.octets


def test_issue10_31_a_word_that_no_line_can_hold_is_refused_or_encoded() -> None:
    """An id beyond 998 octets is refused by its field's name; a text is encoded."""
    message = EmailMessage()
    message["References"] = f"<{'x' * 1000}@mail.example>"
    assert refusal(message).field == "References"
    message = EmailMessage()
    message["Subject"] = "x" * 1500
    back = message_from_bytes(prepared(message).octets, policy=policy.default)
    assert back["Subject"] == "x" * 1500


def test_issue10_31_what_looks_encoded_is_not_decoded_by_the_reader() -> None:
    """A text in which an encoded word stands literally still says that when it is read."""
    message = EmailMessage()
    message["Subject"] = "=?utf-8?q?=3D=3Futf-8=3Fq=3Fhidden=3F=3D?="
    shown = str(message["Subject"])
    assert message_from_bytes(prepared(message).octets, policy=policy.default)["Subject"] == shown


INNER = (
    b'Content-Type: multipart/mixed;\r\n\tboundary="inner"; protected-headers="v1"\r\n'
    b"Subject: Gr\xc3\xbc\xc3\x9fe and a subject that goes on and on, and on, beyond seventy-eight octets\r\n"
    b"References: <" + b"a" * 90 + b"@mail.example>\r\n <b@mail.example>\r\n\r\nbefore  \r\n--inner\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"Gr\xc3\xbc\xc3\x9fe  \t\r\nFrom here\r\n.\r\n..\r\n\r\n\r\n--inner\r\n"
    b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xff\r\n--inner\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\x80\x81\r\n--inner\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: \xe4 attached\r\n\r\n\xc3\xa4\r\n\r\n--inner--\r\nbehind \xff\r\n"
)
SIGNED = (
    b"From: a@sender.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary="sig"; micalg=pgp-sha256;\r\n'
    b' protocol="application/pgp-signature"\r\n\r\n--sig\r\n' + INNER + b"\r\n--sig\r\n"
    b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\n--sig--\r\n"
)


@pytest.mark.parametrize("how", [*POLICIES, "7bit", "7bit_compat32"])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_issue10_35_octets_of_signed_parts_are_never_touched(how: str, line_end: bytes) -> None:
    """A signed message that was parsed leaves as it came, in eight bits, whatever policy the object has."""
    seven_bits = {"7bit": policy.SMTP.clone(cte_type="7bit"), "7bit_compat32": policy.compat32.clone(cte_type="7bit")}
    message = message_from_bytes(SIGNED.replace(b"\r\n", line_end), policy={**POLICIES, **seven_bits}[how])
    result = prepared(message)
    assert result.octets == SIGNED == prepared(SIGNED).octets
    assert result.eight_bit
    assert not result.smtputf8_headers


@pytest.mark.parametrize("wrap", ["mixed", "rfc822"])
def test_issue10_35_signed_parts_deeper_in_a_message_are_not_touched(wrap: str) -> None:
    """Only the text beside a signed part is re-encoded."""
    outer = EmailMessage()
    outer["From"] = "a@sender.example"
    outer.set_content("Grüße\n", cte="8bit")
    signed = message_from_bytes(SIGNED, policy=policy.default)
    if wrap == "rfc822":
        outer.add_attachment(signed)
    else:
        outer.make_mixed()
        outer.attach(signed)
    octets = prepared(outer).octets
    assert INNER in octets
    assert "Grüße\r\n".encode() not in octets.replace(INNER, b"")


def test_issue10_35_a_built_signed_message_leaves_as_the_standard_library_writes_it() -> None:
    """What an app signed is what it would have sent by smtplib, so that and nothing else leaves."""
    inner = EmailMessage(policy=policy.SMTP)
    inner.set_content("Grüße  \nFrom here\n.\n", cte="8bit")
    inner.add_attachment(b"\x00\xff", maintype="application", subtype="pdf", filename="Größe " * 20 + ".pdf")
    outer: Any = EmailMessage(policy=policy.SMTP)
    outer["From"] = "a@sender.example"
    outer["List-Unsubscribe"] = URL
    outer.make_mixed()
    outer.replace_header("Content-Type", 'multipart/signed; boundary="sig"; protocol="application/pgp-signature"')
    outer.attach(inner)
    outer.attach(MIMEBase("application", "pgp-signature"))
    octets = BytesIO()
    BytesGenerator(octets, policy=policy.SMTP).flatten(outer)
    signed = octets.getvalue().partition(b"\r\n--sig\r\n")[2].partition(b"\r\n--sig\r\n")[0]
    result = prepared(outer)
    assert signed in result.octets
    assert "Grüße  \r\nFrom here\r\n.\r\n".encode() in result.octets
    assert result.eight_bit
    assert b"=?" not in result.octets.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("how", ["default", "compat32"])
@pytest.mark.parametrize("name", [b"DKIM-Signature", b"ARC-Message-Signature", b"DomainKey-Signature"])
def test_issue10_35_a_message_with_a_dkim_signature_leaves_as_it_came(how: str, name: bytes) -> None:
    """No covered field is folded anew, nor is its 8-bit text encoded."""
    head = (
        name + b": v=1; a=rsa-sha256; c=simple/simple; d=sender.example; s=one;\r\n\th=from:subject:to:"
        b"list-unsubscribe;\r\n bh=" + b"A" * 44 + b";\r\n\tb=" + b"B" * 172 + b"\r\n"
        b"From: a@sender.example\r\nTo: one@recipient.example,\r\n  two@recipient.example\r\n"
        b"Subject: a subject that goes on and on, and on, and on,\r\n\tbeyond seventy-eight octets\r\n"
        b"List-Unsubscribe: " + URL.partition(",")[0].encode() + b"\r\n"
        b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\r\n"
    )
    if how == "compat32":  # which folds lines beyond its 78 octets where it may: relaxed canonicalization allows that
        head = head.replace(URL.partition(",")[0].encode(), b"<https://news.example/>")
    raw = head + "Grüße  \r\n\r\n\r\n".encode()
    assert prepared(message_from_bytes(raw, policy=POLICIES[how])).octets == raw


def test_issue10_35_an_attached_message_that_was_parsed_stays_as_it_is() -> None:
    """Somebody else's message, attached, is evidence: octet by octet, in eight bits where it is so."""
    attached = (
        b"From: =?x?= <\xe4@b.example>\r\nX-Odd:  two\r\n\t folds\r\nSubject: " + b"s " * 60 + b"\r\n\r\n\xc3\xa4  \r\n"
    )
    outer = EmailMessage()
    outer["From"] = "a@sender.example"
    outer.set_content("look\n")
    outer.add_attachment(message_from_bytes(attached, policy=policy.default))
    octets = prepared(outer).octets
    assert attached.replace(b"X-Odd:  two", b"X-Odd: two") in octets


class WithoutPolicy(MIMEMultipart):
    """Like the messages that Django made until 5.2: `as_bytes` takes no policy."""

    def as_bytes(self, unixfrom: bool = False, linesep: str = "\n") -> bytes:  # type: ignore[override] # noqa: FBT002
        """Write it with another signature than `Message.as_bytes` has."""
        octets = BytesIO()
        BytesGenerator(octets, mangle_from_=False).flatten(self, unixfrom=unixfrom, linesep=linesep)
        return octets.getvalue()


def test_issue10_34_an_as_bytes_without_a_policy_is_no_obstacle() -> None:
    """A message of the standard library's classes is written by us, however its own class writes it."""
    message = WithoutPolicy("alternative")
    message["Subject"] = "Grüße"
    message["List-Unsubscribe"] = URL
    message.attach(MIMEText("Grüße\n", "plain", "utf-8"))
    message.attach(MIMEText("<p>Grüße</p>\n", "html", "utf-8"))
    result = prepared(message)
    assert not result.eight_bit
    back = message_from_bytes(result.octets, policy=policy.default)
    assert isinstance(back, EmailMessage)
    body = back.get_body(("html",))
    assert body is not None
    assert body.get_content() == "<p>Grüße</p>\n"
    assert result.digest == prepared(message).digest


def payload_of(value: object, kind: str = "text/plain") -> Message:
    """A message of the older interface with this payload."""
    message = Message()
    message["Content-Type"] = kind
    message._payload = value  # type: ignore[attr-defined]
    return message


@pytest.mark.parametrize(
    ("message", "ending"),
    [
        pytest.param(payload_of(None), b"\r\n\r\n", id="no_payload"),
        pytest.param(payload_of("Grü\n", "text/plain; charset=utf-8"), b"\r\n\r\nR3LDvAo=\r\n", id="text_and_charset"),
        pytest.param(payload_of("Grü\n", "text/plain; charset=latin-1"), b"R3L8Cg==\r\n", id="text_in_latin_1"),
        pytest.param(payload_of(b"octets\n"), b"\r\n\r\noctets\r\n", id="octets"),
        pytest.param(payload_of("Gr\udcc3\udcbc\n"), b"\r\n\r\nR3LDvAo=\r\n", id="eight_bits_without_charset"),
        pytest.param(payload_of("\udc80", "application/x"), b"\r\n\r\ngA==\r\n", id="eight_bits_of_no_text"),
        pytest.param(
            payload_of("Reporting-MTA: dns; x\n", "message/delivery-status"), b"dns; x\r\n", id="report_as_text"
        ),
        pytest.param(
            payload_of("Subject: \udce4\n\nx\n", "message/rfc822"), b"Subject: \xe4\r\n\r\nx\r\n", id="rfc822_as_text"
        ),
        pytest.param(
            payload_of("--b\n\nx\n--b--\n", "multipart/mixed; boundary=b"), b"--b--\r\n", id="multipart_as_text"
        ),
        pytest.param(payload_of([], "multipart/mixed; boundary=b"), b"--b--\r\n", id="no_parts"),
        pytest.param(MIMEText("x", _charset="latin-1"), b"x\r\n", id="charset"),
    ],
)
def test_issue10_34_payloads_of_every_shape_are_written(message: Message, ending: bytes) -> None:
    """Whatever the standard library lets an object hold is written where it can be read in one way only."""
    assert message_from_bytes(prepared(message).octets).get_payload() is not None
    del message["Date"], message["Message-ID"]
    octets = prepared(message).octets
    body = octets.partition(b"\r\n\r\n")
    assert (b"\r\n\r\n" + body[2]).endswith(ending)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(payload_of("Grüße"), "no charset", id="text_without_charset"),
        pytest.param(payload_of("Grüße", "text/plain; charset=ascii"), "its charset ascii", id="wrong_charset"),
        pytest.param(payload_of("x\ud83dü", "text/plain; charset=utf-8"), "its charset utf-8", id="lone_surrogate"),
        pytest.param(payload_of("x\udcc3ü"), "no charset", id="octets_and_characters"),
        pytest.param(payload_of({"a": 1}), "dict", id="dict"),
        pytest.param(payload_of(payload_of("x")), "Message", id="message_as_text"),
        pytest.param(payload_of(["x"], "multipart/mixed"), "no email.message.Message but str", id="text_as_a_part"),
        pytest.param("Subject: x\r\n\r\n", "str", id="str"),
        pytest.param(object(), "object", id="object"),
    ],
)
def test_issue10_34_what_cannot_be_written_is_refused_with_its_reason(message: object, reason: str) -> None:
    """The refusal says what is wrong with the object in the app's words, and not which exception it met."""
    error = refusal(message)
    assert error.field == "message"
    assert reason in error.reason


@pytest.mark.parametrize("value", [5, None, b"x", ["a"]])
def test_issue10_34_a_value_that_is_no_text_is_refused_by_its_field(value: object) -> None:
    """The older interface takes any object for a value, and fails only when it writes it."""
    message: Any = MIMEText("x")
    message["X-Order"] = value
    assert refusal(message).field == "X-Order"


def test_issue10_34_half_a_character_is_refused_by_its_field() -> None:
    """A lone surrogate is no text, wherever it came from."""
    message = MIMEText("x")
    message["Subject"] = "a \ud83d b"
    error = refusal(message)
    assert (error.field, "surrogate" in error.reason) == ("Subject", True)


@pytest.mark.parametrize("how", ["default", "compat32"])
def test_issue10_35_odd_fields_of_parsed_parts_are_kept(how: str) -> None:
    """What a part of somebody's mail has in its header, in no encoding and in no place for one, is sent as it is."""
    part = b'Content-Type: application/x; name="\xe4.pdf"\r\nContent-Disposition: attachment; filename="\xe4.pdf"\r\n'
    odd = "Content-Type: message/plain\r\n  您0123456789012.34567890\r\n".encode()
    head = b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    raw = head + b"--b\r\n%s\r\nx\r\n--b\r\n%s\r\n\r\n--b--\r\n"
    octets = prepared(message_from_bytes(raw % (part, odd), policy=POLICIES[how])).octets
    assert part in octets
    assert "您0123456789012.34567890".encode() in octets


def test_issue10_34_a_message_that_contains_itself_ends() -> None:
    """A loop of parts is refused, in a bounded time."""
    message = MIMEMultipart()
    message["Subject"] = "x"
    message.attach(message)
    assert "parts" in refusal(message).reason


def test_issue10_34_an_object_that_makes_a_message_is_told_apart() -> None:
    """A framework's own mail object is refused with a word on how to get a message out of it."""

    class Mail:
        def message(self) -> Message:
            return MIMEText("x")

    assert "message()" in refusal(Mail()).reason


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("To", "Gäste: jo@b.example, Jörg <jö@b.example>;", "To: Gäste: jo@b.example, Jörg <jö@b.example>;"),
        ("To", '"Gäste, alle": jo@b.example;', "To: =?utf-8?b?R8Okc3RlLCBhbGxl?= : jo@b.example;"),
        ("To", '"a, b": Jörg <jo@b.example>;', 'To: "a, b": =?utf-8?b?SsO2cmc=?= <jo@b.example>;'),
        ("To", "Freunde: Jörg <jo@b.example>;", "To: Freunde: =?utf-8?b?SsO2cmc=?= <jo@b.example>;"),
        ("To", "Jörg ohne Adresse", "To: =?utf-8?b?SsO2cmc=?= ohne Adresse"),
        ("Content-Type", "text/ö", "Content-Type: text/ö"),
        (
            "Content-Type",
            'text/plain; x="a\\"b"; name="ö"',
            'Content-Type: text/plain; x="a\\"b"; name*=utf-8\'\'%C3%B6',
        ),
    ],
)
def test_issue10_31_what_no_encoded_word_may_stand_for_stays(name: str, value: str, written: str) -> None:
    """Groups, quoted names and parameters keep their marks; a mailbox beyond ASCII makes the whole field UTF-8."""
    message = Message()
    message["From"] = "a@b.example"
    message[name] = value
    assert b"".join(header_of(message)[name]).decode() == written


def test_issue10_31_a_parameter_longer_than_a_line_is_written_in_parts() -> None:
    """And reads back whole, in ASCII and beyond."""
    for filename in ("x" * 1500, "ß" * 400, "a b " * 400):
        message = EmailMessage()
        message["From"] = "a@b.example"
        message["Content-Disposition"] = f'attachment; filename="{filename}.pdf"'
        result = prepared(message)
        assert max(map(len, result.octets.split(b"\r\n"))) <= 998
        back = message_from_bytes(result.octets, policy=policy.default)
        assert (back.get_filename() or "").split() == f"{filename}.pdf".split()


def test_issue10_31_a_field_that_is_all_spaces_keeps_them_on_its_line() -> None:
    """Whitespace makes no line, in a quoted field neither."""
    message = Message()
    message["From"] = "a@b.example" + " " * 90
    message["To"] = " " * 90
    lines = header_of(message)
    assert all(line.strip() for name in ("From", "To") for line in lines[name])


@pytest.mark.parametrize("name", ["To", "References", "Content-Type", "Subject"])
def test_issue10_34_octets_in_no_encoding_are_written_or_refused_by_their_field(name: str) -> None:
    """A text keeps its octets as of an unknown charset; a mailbox, an id or a parameter has no such writing."""
    message = message_from_bytes(b"From: a@b.example\r\n" + name.encode() + b": \xe4 x\r\n\r\n")
    if name == "Subject":
        assert b"=?unknown-8bit?" in prepared(message).octets
    else:
        assert refusal(message).field == name


def test_issue10_34_what_the_library_cannot_write_is_refused() -> None:
    """Whatever else it raises becomes an error of ours that quotes nothing."""
    message = MIMEText("x")
    message.policy = None  # type: ignore[assignment]
    assert "cannot be written" in refusal(message).reason


def test_issue10_34_a_report_in_parts_is_written_block_by_block() -> None:
    """As bounce messages have it."""
    report = MIMEBase("message", "delivery-status")
    for text in ("Reporting-MTA: dns; mx.example", "Final-Recipient: rfc822; a@b.example"):
        report.attach(message_from_bytes(text.encode() + b"\n\n"))
    message = MIMEMultipart("report")
    message["From"] = "a@b.example"
    message.attach(report)
    assert b"\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient:" in prepared(message).octets


def test_issue10_35_a_character_in_a_signed_value_is_written_as_the_library_does() -> None:
    """A value that an app gave as text was signed in the standard library's encoding."""
    inner = MIMEText("x")
    inner["Subject"] = "Grüße"
    outer: Any = MIMEMultipart("signed")
    outer["From"] = "a@b.example"
    outer.attach(inner)
    outer.attach(MIMEBase("application", "pgp-signature"))
    assert inner.as_bytes().replace(b"\n", b"\r\n") in prepared(outer).octets


@pytest.mark.parametrize("how", ["default", "compat32"])
@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ("Empfänger:;", [("Empfänger", [])]),
        ("Empfänger: ;", [("Empfänger", [])]),
        ('"Empfänger: alle; jetzt":;', [("Empfänger: alle; jetzt", [])]),
        ("Jörg:;, undisclosed-recipients:;", [("Jörg", []), ("undisclosed-recipients", [])]),
    ],
)
def test_issue14_a_group_without_mailboxes_stays_one(how: str, value: str, groups: list[tuple[str, list[str]]]) -> None:
    """Its name alone is encoded; with its colon and semicolon in the word the field had no address and no group."""
    message = Message(policy=POLICIES[how])
    message["To"] = value
    octets = prepared(message).octets
    assert octets.isascii()
    read = message_from_bytes(octets, policy=policy.default)["To"]
    assert not read.defects
    assert [(one.display_name, list(one.addresses)) for one in read.groups] == groups
