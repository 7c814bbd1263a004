"""Reading a message for people: every octet string is some message, in bounded time."""

from __future__ import annotations

import time
import tracemalloc
from email.message import EmailMessage

import pytest

from softbounce.parsed import parse_message


def test_a_message_of_many_parts_is_read() -> None:
    """Subject, text, HTML, links, attachments and images that came along, decoded."""
    message = EmailMessage()
    message["Subject"], message["To"] = "Grüße an \N{FAMILY} <b>", "Ünï <u@example.net>"
    message.set_content("Schön.\nhttps://a.test/x?y=1\n")
    message.add_alternative(
        '<p>Schön <a href="https://b.test/?a=1&amp;b=2">x</a><img src="cid:logo"></p>', subtype="html"
    )
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(b"\x89PNG", "image", "png", cid="<logo>")  # type: ignore[union-attr]
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Bücher.pdf")
    read = parse_message(message.as_bytes())
    assert read.subject == "Grüße an \N{FAMILY} <b>"
    assert read.header("TO") == "Ünï <u@example.net>"
    assert read.text == "Schön.\nhttps://a.test/x?y=1\n"
    assert read.links == ("https://b.test/?a=1&b=2",)
    assert [(one.filename, one.content_type, one.content) for one in read.attachments] == [
        ("", "image/png", b"\x89PNG"),
        ("Bücher.pdf", "application/pdf", b"%PDF"),
    ]
    assert 'src="data:image/png;base64,iVBORw=="' in read.html_with_images


@pytest.mark.parametrize(
    ("octets", "subject", "text"),
    [
        pytest.param(b"", "", "", id="nothing"),
        pytest.param(b"\r\n\r\n", "", "\n", id="no header"),
        pytest.param("Subject: räw\r\n\r\nä".encode(), "räw", "ä", id="UTF-8 in the header"),
        pytest.param(b"Subject: =?nope?q?x?=\r\n\r\n", "=?nope?q?x?=", "", id="a charset that there is not"),
        pytest.param(b"Subject: =?utf-8?b?/w==?=\r\n\r\n", "=?utf-8?b?/w==?=", "", id="octets that are none of it"),
        pytest.param(b"Subject: a\r\n\tb\r\n c\r\n\r\n", "a b c", "", id="folded"),
        pytest.param(b"Subject: a\x1b[31m\xe2\x80\xaeb\r\n\r\n", "a\ufffd[31m\ufffdb", "", id="controls"),
        pytest.param(b"Content-Type: text/plain; charset=nope\r\n\r\n\xe4", "", "\ufffd", id="a body of no charset"),
        pytest.param(b"Content-Type: text/plain; charset*=x'y'%zz\r\n\r\nz", "", "z", id="a charset that is none"),
        pytest.param(b"Content-Transfer-Encoding: base64\r\n\r\n!", "", "", id="no base64"),
        pytest.param(b"Content-Type: multipart/mixed\r\n\r\nx", "", "", id="a multipart without parts"),
        pytest.param(b"Subject: \xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\r\n\r\n", "👨\u200d👩", "", id="emoji"),
    ],
)
def test_whatever_it_is_something_is_read(octets: bytes, subject: str, text: str) -> None:
    """It never raises; what cannot be decoded is shown so."""
    read = parse_message(octets)
    assert (read.subject, read.text) == (subject, text)
    assert (read.links, read.html_with_images) == ((), "")


def nested(depth: int) -> bytes:
    """Multiparts in each other."""
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(depth))


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 400_000, id="parts"),
        pytest.param(nested(3_000), id="depth"),
        pytest.param(nested(50) + b"x\r\n" * 200_000, id="lines in depth"),
        pytest.param(b"Subject: " + b"=?utf-8?q?x?= " * 17_000 + b"\r\n\r\n", id="encoded words"),
        pytest.param(b"To: " + b"a@b.test, " * 25_000 + b"\r\n\r\n", id="addresses"),
        pytest.param(b"X: y\r\n" * 40_000 + b"\r\n", id="fields"),
        pytest.param(b"Content-Type: text/html\r\n\r\n" + b"<a href='http://x.test/%'>" * 100_000, id="links"),
        pytest.param(b"Content-Type: text/html\r\n\r\n" + b"<" * 1_000_000, id="tags that never end"),
        pytest.param(b'Content-Disposition: attachment; filename="' + b"x" * 100_000 + b'"\r\n\r\nx', id="a long name"),
    ],
)
def test_a_message_that_means_harm_costs_little(octets: bytes) -> None:
    """Parts, fields, links and names are bounded, and so is the time."""
    began = time.process_time()
    read = parse_message(octets)
    assert len(read.attachments) <= 200
    assert len(read.headers) <= 200
    assert all(len(value) <= 8_192 for _, value in read.headers)
    assert all(len(one.filename) <= 255 for one in read.attachments)
    assert len(read.links) <= 100
    assert time.process_time() - began < 8


def test_a_message_of_many_parts_takes_little_memory() -> None:
    """An object for each of them would take two hundred times what the message has."""
    octets = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 60_000
    tracemalloc.start()
    read = parse_message(octets)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(read.text) > 500_000
    assert peak < 30 * len(octets)
