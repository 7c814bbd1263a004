"""The reply parser: every case whole, one octet at a time, and with octets behind it."""

from __future__ import annotations

import pytest
from softbounce_worker.errors import RemoteProtocolError
from softbounce_worker.smtp import Limits
from softbounce_worker.smtp.parser import ReplyParser

from softbounce.reply import Reply

REPLIES = {
    "plain": (b"250 Ok\r\n", Reply(code=250, lines=("Ok",))),
    "S08_bare_code": (b"250\r\n", Reply(code=250, lines=("",))),
    "S08_code_and_space": (b"250 \r\n", Reply(code=250, lines=("",))),
    "S08_three_lines": (b"250-a\r\n250-b\r\n250 c\r\n", Reply(code=250, lines=("a", "b", "c"))),
    "S08_last_line_bare": (b"250-a\r\n250\r\n", Reply(code=250, lines=("a", ""))),
    "bare_line_feed": (b"250-a\n250 b\n", Reply(code=250, lines=("a", "b"))),
    "tab_for_space": (b"250\tOk\r\n", Reply(code=250, lines=("Ok",))),
    "spaces_around": (b"250   Ok  \r\n", Reply(code=250, lines=("Ok",))),
    "S11_unknown_code": (b"299 what\r\n", Reply(code=299, lines=("what",))),
    "S12_first_digit_1": (b"150 wait\r\n", Reply(code=150, lines=("wait",))),
    "zeros": (b"000 x\r\n", Reply(code=0, lines=("x",))),
    "nines": (b"999 x\r\n", Reply(code=999, lines=("x",))),
    "S18_enhanced": (b"550 5.1.1 No such user\r\n", Reply(code=550, enhanced="5.1.1", lines=("No such user",))),
    "S18_enhanced_alone": (b"250 2.0.0\r\n", Reply(code=250, enhanced="2.0.0", lines=("",))),
    "S18_enhanced_long": (b"450 4.123.456 x\r\n", Reply(code=450, enhanced="4.123.456", lines=("x",))),
    "S18_too_many_digits": (b"450 4.1234.1 x\r\n", Reply(code=450, lines=("4.1234.1 x",))),
    "S18_two_parts": (b"450 4.1 x\r\n", Reply(code=450, lines=("4.1 x",))),
    "S18_not_a_word": (b"450 4.1.1x\r\n", Reply(code=450, lines=("4.1.1x",))),
    "S18_class_3": (b"350 3.1.1 x\r\n", Reply(code=350, lines=("3.1.1 x",))),
    "S18_not_at_the_beginning": (b"550 see 5.1.1 x\r\n", Reply(code=550, lines=("see 5.1.1 x",))),
    "S18_550_421": (b"550 4.2.1 x\r\n", Reply(code=550, lines=("4.2.1 x",))),
    "S18_450_511": (b"450 5.1.1\r\n", Reply(code=450, lines=("5.1.1",))),
    "S18_every_line": (b"550-5.1.1 a\r\n550 5.1.1 b\r\n", Reply(code=550, enhanced="5.1.1", lines=("a", "b"))),
    "S18_last_line_only": (b"550-a\r\n550 5.1.1 b\r\n", Reply(code=550, enhanced="5.1.1", lines=("a", "b"))),
    "S18_first_of_two": (
        b"550-5.7.1 a\r\n550 5.1.1 b\r\n",
        Reply(code=550, enhanced="5.7.1", lines=("a", "5.1.1 b")),
    ),
    "S18_mismatch_then_match": (
        b"550-4.7.1 a\r\n550 5.1.1 b\r\n",
        Reply(code=550, enhanced="5.1.1", lines=("4.7.1 a", "b")),
    ),
    "A22_escape_sequence": (b"550 \x1b[31mred\r\n", Reply(code=550, lines=("\\x1b[31mred",))),
    "A22_bare_cr": (b"550 a\rb\r\n", Reply(code=550, lines=("a\\x0db",))),
    "A22_nul": (b"550 a\0b\r\n", Reply(code=550, lines=("a\\x00b",))),
    "A22_bidi": ("550 a\u202eb\r\n".encode(), Reply(code=550, lines=("a\\u202eb",))),
    "A22_latin_1": (b"552 bo\xeete pleine\r\n", Reply(code=552, lines=("boîte pleine",))),
    "utf_8": ("552 boîte pleine\r\n".encode(), Reply(code=552, lines=("boîte pleine",))),
}

MALFORMED = {
    "S12_four_digits": b"2200 ok\r\n",
    "S12_word": b"bogus\r\n",
    "S12_empty_line": b"\r\n",
    "S12_line_feed_alone": b"\n",
    "S12_nul": b"\0\r\n",
    "S12_nul_for_space": b"250\0ok\r\n",
    "S12_two_digits": b"25 ok\r\n",
    "S12_leading_space": b" 250 ok\r\n",
    "S12_letter_behind": b"250ok\r\n",
    "S12_other_digits": "٢٥٠ ok\r\n".encode(),  # Arabic-Indic: digits to str, not to the protocol
    "S09_differing_codes": b"250-a\r\n550 b\r\n",
    "http": b"HTTP/1.1 400 Bad Request\r\n",
}

BOUNDS = Limits(line_octets=20, reply_lines=3, reply_octets=40)

UNBOUNDED = {
    "S17_long_line": b"250 " + b"x" * 15 + b"\r\n",
    "S17_line_without_end": b"x" * 20,
    "S17_many_lines": b"250-\r\n" * 3 + b"250 \r\n",
    "S17_many_octets": b"250-xxxxxxxxxxxx\r\n" * 3,
}


def read(chunks: list[bytes], limits: Limits) -> list[Reply]:
    """All replies that the chunks hold, taken as they come."""
    parser = ReplyParser(limits)
    replies = []
    for chunk in chunks:
        parser.receive(chunk)
        while (reply := parser.next_reply()) is not None:
            replies.append(reply)
    return replies


def chunkings(octets: bytes) -> list[list[bytes]]:
    """Whole, and one octet at a time."""
    return [[octets], [octets[i : i + 1] for i in range(len(octets))]]


@pytest.mark.parametrize(("octets", "reply"), REPLIES.values(), ids=REPLIES.keys())
def test_S08_complete_reply_is_a_reply(octets: bytes, reply: Reply) -> None:
    """Any complete reply is read the same whole, octet by octet, and in front of another."""
    for chunks in chunkings(octets):
        assert read(chunks, Limits()) == [reply]
    for chunks in chunkings(octets + b"221 Bye\r\n"):
        assert read(chunks, Limits()) == [reply, Reply(code=221, lines=("Bye",))]
    for chunks in chunkings(octets + b"25"):
        assert read(chunks, Limits()) == [reply]


@pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_line_is_no_reply(octets: bytes) -> None:
    """What can be no reply is refused in any chunking, after the replies in front of it."""
    for chunks in chunkings(b"250 first\r\n" + octets):
        parser = ReplyParser(Limits())
        replies = []
        with pytest.raises(RemoteProtocolError):  # noqa: PT012 (the point is what came before)
            for chunk in chunks:
                parser.receive(chunk)
                while (reply := parser.next_reply()) is not None:
                    replies.append(reply)
        assert replies == [Reply(code=250, lines=("first",))]


@pytest.mark.parametrize("octets", UNBOUNDED.values(), ids=UNBOUNDED.keys())
def test_S17_reply_beyond_its_bounds_is_refused(octets: bytes) -> None:
    """A reply may not pass any of the bounds, however it arrives."""
    for chunks in chunkings(octets):
        with pytest.raises(RemoteProtocolError, match=r"longer than|more than"):
            read(chunks, BOUNDS)


@pytest.mark.parametrize(
    "octets",
    [b"250 " + b"x" * 14 + b"\r\n", b"250-\r\n250-\r\n250 \r\n", b"250-xxxxxxxxxxxxxx\r\n250 xxxxxxxxxxxxxx\r\n"],
    ids=["line", "lines", "octets"],
)
def test_S17_reply_at_its_bounds_is_taken(octets: bytes) -> None:
    """A reply that just fits is taken; the count begins anew with each reply."""
    for chunks in chunkings(octets * 3):
        assert len(read(chunks, BOUNDS)) == 3


def test_S17_A26_endless_reply_keeps_memory_flat() -> None:
    """The text kept of an endless reply never exceeds the bounds before it is refused."""
    parser = ReplyParser(Limits())
    taken = 0
    with pytest.raises(RemoteProtocolError):  # noqa: PT012
        while True:
            parser.receive(b"250-" + b"x" * 90 + b"\r\n")
            assert parser.next_reply() is None
            taken += 1
    assert taken == Limits().reply_lines


def test_A22_text_of_a_line_is_bounded() -> None:
    """Of one line so many characters are kept and no more, escapes counted as written."""
    (reply,) = read([b"550 " + b"\x01" * 900 + b"\r\n"], Limits(text_characters=100))
    assert len(reply.text) == 100
    assert reply.text.endswith("...")


def test_S18_mismatches_are_counted() -> None:
    """An enhanced status of another class than the reply code is counted, once a line."""
    parser = ReplyParser(Limits())
    parser.receive(b"550 4.2.1 a\r\n450-5.1.1 b\r\n450 5.1.1 c\r\n250 2.0.0 d\r\n")
    while parser.next_reply() is not None:
        pass
    assert parser.mismatches == 3


def test_has_octets_sees_what_is_left() -> None:
    """A parser with part of a reply says so, whether of a line or of lines."""
    parser = ReplyParser(Limits())
    seen = []
    for chunk in (b"250 ok\r\n", b"2", b"50-a\r\n", b"250 b\r\n"):
        parser.receive(chunk)
        while parser.next_reply() is not None:
            pass
        seen.append(parser.has_octets)
    assert seen == [False, True, True, False]
