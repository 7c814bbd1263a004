"""Headers in raw UTF-8 of clients that do not say so: which are written in encoded words, and which stay."""

from __future__ import annotations

import time
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

import pytest

from softbounce.message.raw_fields import in_encoded_words

RAW = (
    'From: Jürgen Müller <app@shop.test>\r\nTo: "Ünal, Ö" <a@b.test>,\r\n c@b.test\r\n'
    "Subject: Káva tento týden?\r\n a folded ü\r\nX-Own: ü\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Message-ID: <1@shop.test>\r\n\r\nJó\r\n"
)


def test_report_openmediavault_1058_all_of_a_header_is_had_in_ascii() -> None:
    """The standard library reads the same in it; the body and what was ASCII stay to the octet."""
    made = in_encoded_words(RAW.encode())
    head, _, body = made.partition(b"\r\n\r\n")
    assert (head.isascii(), body) == (True, "Jó\r\n".encode())
    assert b"\r\nMessage-ID: <1@shop.test>" in head
    message = cast("EmailMessage", message_from_bytes(made, policy=default))
    assert not message.defects
    assert message["Subject"] == "Káva tento týden? a folded ü"
    assert [(one.display_name, one.addr_spec) for one in message["To"].addresses] == [
        ("Ünal, Ö", "a@b.test"),
        ("", "c@b.test"),
    ]
    assert (message["From"].addresses[0].display_name, message["X-Own"]) == ("Jürgen Müller", "ü")
    assert in_encoded_words(made) == made


@pytest.mark.parametrize(
    "header",
    [
        "Subject: plain\r\n",
        "Subject: ü\r\nDKIM-Signature: v=1; d=shop.test\r\n",
        "Subject: ü\r\nTo: jürgen@b.test\r\n",
        "Subject: ü\r\nTo: x@bücher.test\r\n",
        "Subject: ü\r\nMessage-ID: <ü@shop.test>\r\n",
        "Subject: ü\r\nList-Unsubscribe: <https://shop.test/ü>\r\n",
        "Subject: ü\r\nReceived: from Büro by x\r\n",
        "Subject: ü \x1b[31m\r\n",
        "Subject: ü\u2028\r\n",
        "Subject: a\u0085ü\r\n",
        "Subject ü\r\n",
        'Subject: ü\r\nContent-Type: text/plain; name="ü.txt"\r\n',
        "Subject: ü\r\nTo: Gäste: a@b.test;\r\n",
        "Subject: ü\r\nTo: a@b.test (Jürgen)\r\n",
        'Subject: ü\r\nTo: "ü <a@b.test>\r\n',
        "Subject: ü\r\nFrom: ü <a@b.test> <c@d.test>\r\n",
        f"Subject: {'ü' * 9_000}\r\n",
        "\r\nSubject: ü\r\n",
    ],
)
def test_report_openmediavault_1058_what_no_encoded_word_stands_for_stays(header: str) -> None:
    """Signed, of an address, of an id, or to be refused: all of it is as it came."""
    octets = f"{header}\r\nüx\r\n".encode()
    assert in_encoded_words(octets) == octets


def test_report_openmediavault_1058_lines_of_a_shell_are_lines() -> None:
    """All of them end in LF; where both kinds of ends are mixed nothing is touched."""
    octets = "Subject: ü\nX-Own: a\n ü\n\nbödy\n".encode()
    assert in_encoded_words(octets) == (
        "Subject: =?utf-8?b?w7w=?=\r\nX-Own: a =?utf-8?b?w7w=?=\r\n\r\nbödy\r\n".encode()
    )
    for mixed in ("Subject: ü\nTo: a@b.test\r\n\r\nx\r\n", "Subject: ü\n\nbödy\r\n", "X: a\nSubject: ü\r\n\r\nx\r\n"):
        assert in_encoded_words(mixed.encode()) == mixed.encode()


def test_report_openmediavault_1058_another_encoding_is_not_guessed() -> None:
    """It is refused later."""
    octets = b"Subject: Andr\xe9\r\n\r\nx\r\n"
    assert in_encoded_words(octets) == octets


def test_report_openmediavault_1058_no_header_takes_long() -> None:
    """Nor has it any depth: quotes, brackets and comments by the thousand, and a header without an end."""
    for piece in ('"ü" ', "(ü", "<ü", "ü <a@b.test>, ", '"\\\\', "ü\r\n ", "ü: ", "@ü", ";ü;"):
        for name in ("To", "Subject", "From"):
            octets = f"{name}: {piece * 3_000}\r\n\r\nx\r\n".encode()
            began = time.process_time()
            in_encoded_words(octets)
            in_encoded_words(octets.partition(b"\r\n\r\n")[0] * 20)
            assert time.process_time() - began < 0.5
