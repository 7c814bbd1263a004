from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softbounce_playground.body import BodyReader, message_id_of, unstuffed

CASES = [
    ("empty", b".\r\n", b""),
    ("one line", b"hi\r\n.\r\n", b"hi\r\n"),
    ("stuffed first line", b"..\r\n.\r\n", b".\r\n"),
    ("stuffed later line", b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
    ("a lone dot line inside", b"a\r\n..\r\nb\r\n.\r\n", b"a\r\n.\r\nb\r\n"),
    ("bare LF does not end", b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
    ("LF dot CRLF does not end", b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
    ("bare CR does not end", b"a\r.\rb\r\n.\r\n", b"a\r.\rb\r\n"),
    ("CRLF dot CR does not end", b"a\r\n.\rb\r\n.\r\n", b"a\r\n\rb\r\n"),
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 1000])
@pytest.mark.parametrize(("wire", "body"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_M13_a_body_is_the_same_in_any_chunks(wire: bytes, body: bytes, chunk: int) -> None:
    """Only CRLF, dot, CRLF ends a body, wherever the octets are cut, and what follows is handed back."""
    reader, octets = BodyReader(), wire + b"QUIT\r\n"
    reader.begin(1000)
    for start in range(0, len(octets), chunk):
        received, rest = reader.feed(octets[start : start + chunk])
        if received is not None:
            assert rest + octets[start + chunk :] == b"QUIT\r\n"
            assert (received.body, received.octets) == (body, len(body))
            assert received.sha256 == hashlib.sha256(body).hexdigest()
            return
    pytest.fail("the body did not end")


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line and b"\r" not in line)))
def test_stuffing_and_unstuffing_are_inverse(lines: list[bytes]) -> None:
    """Whatever lines a body has, the host sees them as they were before dot-stuffing."""
    body = b"".join(line + b"\r\n" for line in lines)
    stuffed = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines)
    assert unstuffed(stuffed) == body


def test_of_an_oversized_body_only_the_length_is_kept() -> None:
    """A body far beyond the limit ends where it ends, without filling the memory."""
    reader = BodyReader()
    reader.begin(10)
    for _ in range(50):
        assert reader.feed(b"x" * 100_000) == (None, b"")
    assert len(reader._body) < 2_200_000
    received, rest = reader.feed(b"\r\n.\r\nNEXT")
    assert received is not None
    assert (received.body, received.octets, received.sha256, rest) == (b"", 5_000_002, "", b"NEXT")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"Message-ID: <a@b>\r\n\r\n", "<a@b>"),
        (b"Subject: x\r\nMESSAGE-ID:\r\n <a@b>\r\nTo: x\r\n\r\n", "<a@b>"),
        (b"Subject: x\r\n\r\nMessage-ID: <not@header>\r\n", ""),
        (b"X-Message-ID: <no>\r\n\r\n", ""),
        (b"", ""),
    ],
    ids=["first", "folded", "in the text", "other field", "empty"],
)
def test_the_message_id_is_read_from_the_header(body: bytes, expected: str) -> None:
    """The Message-ID field counts, in any case and folded, and only in the header."""
    assert message_id_of(body) == expected
