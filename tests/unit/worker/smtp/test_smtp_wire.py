"""Commands as octets, and what is never allowed to become any."""

from __future__ import annotations

import pytest
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp import Data, Ehlo, Engine, Extensions, Helo, Mail, Quit, Rcpt, Rset, StartTls
from softbounce_worker.smtp.wire import mail_line, rcpt_line

from softbounce.deliver_by import By

EVERYTHING = Extensions(size=1000, eight_bit_mime=True, smtputf8=True)

MAILS = {
    "M01_no_space": (Mail("a@example.com"), EVERYTHING, b"MAIL FROM:<a@example.com>\r\n"),
    "M19_null_sender": (Mail(""), EVERYTHING, b"MAIL FROM:<>\r\n"),
    "M18_case_kept": (Mail("Smith@EXAMPLE.com"), EVERYTHING, b"MAIL FROM:<Smith@EXAMPLE.com>\r\n"),
    "M21_size": (Mail("a@b", size=1000), EVERYTHING, b"MAIL FROM:<a@b> SIZE=1000\r\n"),
    "M21_size_without_limit": (Mail("a@b", size=9999), Extensions(size=0), b"MAIL FROM:<a@b> SIZE=9999\r\n"),
    "M21_size_not_offered": (Mail("a@b", size=9999), Extensions(), b"MAIL FROM:<a@b>\r\n"),
    "M23_eight_bit": (Mail("a@b", eight_bit=True), EVERYTHING, b"MAIL FROM:<a@b> BODY=8BITMIME\r\n"),
    "M25_smtputf8": (
        Mail("ü@example.com", size=1, eight_bit=True, smtputf8=True),
        EVERYTHING,
        "MAIL FROM:<ü@example.com> SIZE=1 BODY=8BITMIME SMTPUTF8\r\n".encode(),
    ),
    "M31_returned": (Mail("a@b", by=By(98, "R")), Extensions(deliver_by=98), b"MAIL FROM:<a@b> BY=98;R\r\n"),
    "M31_traced": (Mail("a@b", by=By(1, "RT")), Extensions(deliver_by=0), b"MAIL FROM:<a@b> BY=1;RT\r\n"),
    "M31_told_late": (Mail("a@b", by=By(-60, "N")), Extensions(deliver_by=240), b"MAIL FROM:<a@b> BY=-60;N\r\n"),
    "M31_told_not_offered": (Mail("a@b", by=By(60, "N")), Extensions(), b"MAIL FROM:<a@b>\r\n"),
    "M31_returned_not_offered": (Mail("a@b", by=By(60, "R")), Extensions(), b"MAIL FROM:<a@b>\r\n"),
    "M25_not_for_a_label": (Mail("a@xn--bcher-kva.example"), EVERYTHING, b"MAIL FROM:<a@xn--bcher-kva.example>\r\n"),
    "A06_quoted": (Mail('"a b>"@c'), EVERYTHING, b'MAIL FROM:<"a b>"@c>\r\n'),
    "A06_quoted_pair": (Mail('"a\\"b c"@d'), EVERYTHING, b'MAIL FROM:<"a\\"b c"@d>\r\n'),
}

REFUSED_MAILS = {
    "M21_too_big": (Mail("a@b", size=1001), EVERYTHING),
    "M24_eight_bit_not_offered": (Mail("a@b", eight_bit=True), Extensions()),
    "M31_too_short": (Mail("a@b", by=By(60, "RT")), Extensions(deliver_by=61)),
    "M31_too_late": (Mail("a@b", by=By(0, "R")), Extensions(deliver_by=0)),
    "M25_smtputf8_not_offered": (Mail("a@b", smtputf8=True), Extensions(eight_bit_mime=True)),
    "M25_utf8_not_announced": (Mail("ü@example.com"), EVERYTHING),
}

BAD_ADDRESSES = {
    "A01_crlf": "a@b>\r\nDATA\r\n",
    "A01_cr": "a\rb@c",
    "A01_lf": "a\nb@c",
    "A01_lf_at_the_end": "a@b\n",
    "A01_nul": "a\0@b",
    "A01_tab": "a\t@b",
    "A01_del": "a\x7f@b",
    "A01_escape": "\x1b@b",
    "A01_crlf_in_quotes": '"a\r\nb"@c',
    "A01_lf_behind_backslash": '"a\\\nb"@c',
    "A01_c1": "a\x85@b",
    "A01_surrogate": "a\ud800@b",
    "A01_parameter": "a@b> SIZE=1",
    "A01_space": "a b@c",
    "A01_bracket": "a@b>",
    "A01_other_bracket": "<a@b",
    "A01_quote_left_open": '"a b@c',
    "A01_quoted_then_parameter": '"a b"@c> SIZE=1',
}


@pytest.mark.parametrize(("command", "extensions", "octets"), MAILS.values(), ids=MAILS.keys())
def test_mail_line(command: Mail, extensions: Extensions, octets: bytes) -> None:
    """MAIL is byte-exact, with the parameters that the message needs and the host offers."""
    assert mail_line(command, extensions) == octets


@pytest.mark.parametrize(("command", "extensions"), REFUSED_MAILS.values(), ids=REFUSED_MAILS.keys())
def test_message_that_the_host_does_not_take(command: Mail, extensions: Extensions) -> None:
    """A message beyond what was offered never gets a MAIL."""
    with pytest.raises(LocalProtocolError):
        mail_line(command, extensions)


@pytest.mark.parametrize("address", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES.keys())
@pytest.mark.parametrize("utf8", [False, True], ids=["ascii", "utf8"])
def test_A01_nothing_of_a_bad_address_reaches_the_wire(address: str, *, utf8: bool) -> None:
    """An address that could end its command or add to it is refused, as sender and as recipient."""
    with pytest.raises(LocalProtocolError):
        mail_line(Mail(address, smtputf8=utf8), EVERYTHING)
    with pytest.raises(LocalProtocolError):
        rcpt_line(address, utf8=utf8)


def test_M01_rcpt_line() -> None:
    """RCPT is byte-exact."""
    assert rcpt_line("Smith@EXAMPLE.com", utf8=False) == b"RCPT TO:<Smith@EXAMPLE.com>\r\n"


def test_recipient_is_never_empty() -> None:
    """The null path is a sender's alone."""
    with pytest.raises(LocalProtocolError):
        rcpt_line("", utf8=False)


def test_M25_recipient_beyond_ascii_needs_the_senders_smtputf8(ready: Engine) -> None:
    """A RCPT may have UTF-8 exactly where its own transaction's MAIL said SMTPUTF8."""
    ready.send(Mail("a@b", smtputf8=True))
    assert ready.send(Rcpt("ü@c")) == "RCPT TO:<ü@c>\r\n".encode()
    ready.send(Rset())
    ready.send(Mail("a@b"))
    with pytest.raises(LocalProtocolError):
        ready.send(Rcpt("ü@c"))


@pytest.mark.parametrize("hostname", ["mail.example.com", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_S04_hello_has_our_name_and_nothing_behind_it(hostname: str) -> None:
    """EHLO and HELO carry the hostname alone."""
    for command, verb in ((Ehlo(), "EHLO"), (Helo(), "HELO")):
        engine = Engine(hostname)
        engine.feed(b"220 hi\r\n")
        assert engine.send(command) == f"{verb} {hostname}\r\n".encode()


@pytest.mark.parametrize("hostname", ["", "a b", "a\r\nb", "a\n", "-a", "a.", "bücher.example", "[1]x", "a\0"])
def test_A01_bad_hostname_is_refused(hostname: str) -> None:
    """A hostname that is neither a name nor an address literal makes no engine."""
    with pytest.raises(LocalProtocolError):
        Engine(hostname)


def test_commands_without_arguments(ready: Engine) -> None:
    """The rest are their names."""
    assert ready.send(Rset()) == b"RSET\r\n"
    assert ready.send(Mail("a@b")) + ready.send(Rcpt("c@d")) == b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
    assert ready.send(Data()) == b"DATA\r\n"
    ready.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n554 no\r\n")
    assert ready.send(Rset()) == b"RSET\r\n"
    ready.feed(b"250 ok\r\n")
    assert ready.send(StartTls()) == b"STARTTLS\r\n"
    ready.feed(b"454 no\r\n")
    assert ready.send(Quit()) == b"QUIT\r\n"
