"""The engine against anything a remote may do: any octets, in any chunking, at any point of a session."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.errors import LocalProtocolError, RemoteProtocolError
from softbounce_worker.smtp import (
    LONE_DOT,
    Answer,
    Auth,
    AuthResponse,
    Chunk,
    Command,
    Content,
    Data,
    Ehlo,
    Engine,
    Event,
    Helo,
    Limits,
    Mail,
    Quit,
    Rcpt,
    Rset,
    SmtpState,
    StartTls,
    stuff,
)
from softbounce_worker.smtp import unstuff as plain_of
from softbounce_worker.smtp.content import is_whole
from softbounce_worker.smtp.parser import ReplyParser

from softbounce.reply import Reply

LIMITS = Limits(line_octets=200, reply_lines=5, reply_octets=300, text_characters=40)

CODES = st.sampled_from([b"220", b"235", b"250", b"334", b"354", b"421", b"450", b"550", b"150", b"999", b"2500", b"x"])
TEXT = st.one_of(st.sampled_from([b"Ok", b"5.1.1 no", b"2.0.0 yes", b"4.2.2", b"\t5.1.1  x "]), st.binary(max_size=60))
LINE = st.builds(
    lambda code, mark, text, end: code + mark + text + end,
    CODES,
    st.sampled_from([b" ", b"-", b"", b"\t"]),
    TEXT,
    st.sampled_from([b"\r\n", b"\n"]),
)
WIRE = st.lists(st.one_of(LINE, st.binary(max_size=8)), max_size=12).map(b"".join)
COMMANDS: list[Command] = [
    Ehlo(),
    Helo(),
    StartTls(),
    Auth("PLAIN", initial=b"x"),
    AuthResponse(b"x"),
    Mail("a@example.com"),
    Rcpt("b@example.net"),
    Data(),
    Content(LONE_DOT),
    Chunk(b"x\r\n"),
    Rset(),
    Quit(),
]


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """The octets in chunks, cut at *places* (modulo their number)."""
    marks = sorted({place % (len(octets) + 1) for place in places} | {0, len(octets)})
    return [octets[start:end] for start, end in pairwise(marks)]


def group() -> Engine:
    """A session that waits for the answers to a group."""
    engine = Engine("mail.example.com", LIMITS)
    engine.feed(b"220 x\r\n")
    engine.send(Ehlo())
    engine.feed(b"250-x\r\n250 PIPELINING\r\n")
    for command in (Mail("a@b"), Rcpt("c@d"), Rcpt("e@f"), Data()):
        engine.send(command)
    return engine


def wire(reply: Reply) -> bytes:
    """A reply as a host would write it, the enhanced status on every line."""
    texts = [f"{reply.enhanced} {line}" if reply.enhanced else line for line in reply.lines]
    marks = ["-"] * (len(texts) - 1) + [" "]
    return "".join(f"{reply.code:03d}{mark}{text}\r\n" for mark, text in zip(marks, texts, strict=True)).encode()


@given(WIRE, st.lists(st.integers(0, 10_000), max_size=20))
def test_any_chunking_gives_the_same_events(octets: bytes, places: list[int]) -> None:
    """The events of a session follow from the octets alone, never from how they were cut."""
    whole = group()
    cut_up = group()
    expected = whole.feed(octets)
    events: list[Event] = []
    for chunk in cut(octets, places):
        events += cut_up.feed(chunk)
    assert events == expected
    assert cut_up.state is whole.state
    assert cut_up.eof() == whole.eof()


@given(WIRE)
def test_nothing_breaks_the_engine_and_an_end_is_an_end(octets: bytes) -> None:
    """No octets raise; at most one event is not an answer, and it is the last one for good."""
    engine = group()
    sent = engine.outstanding
    events = engine.feed(octets)
    answers = [event for event in events if isinstance(event, Answer)]
    answered = [event.command for event in answers if event.command is not None]
    assert answered == list(sent[: len(answered)])
    assert len(events) - len(answers) <= 1
    if len(answers) < len(events):
        assert not isinstance(events[-1], Answer)
        assert engine.state is SmtpState.CLOSED
        assert engine.feed(b"250 x\r\n") == []
    for answer in answers:
        assert 0 <= answer.reply.code <= 999
        assert all(len(line) <= LIMITS.text_characters for line in answer.reply.lines)


@given(WIRE)
def test_parse_of_format_is_identity(octets: bytes) -> None:
    """Any reply that was read, written out and read again, is the same reply."""
    for reply in read(octets, LIMITS):
        assert read(wire(reply), Limits(text_characters=LIMITS.text_characters)) == [reply]


def read(octets: bytes, limits: Limits) -> list[Reply]:
    """The replies in *octets* up to the first that is none."""
    parser = ReplyParser(limits)
    parser.receive(octets)
    replies = []
    try:
        while (reply := parser.next_reply()) is not None:
            replies.append(reply)
    except RemoteProtocolError:
        pass
    return replies


@given(
    st.lists(
        st.one_of(
            st.sampled_from(COMMANDS),
            st.sampled_from(
                [
                    b"220 x\r\n",
                    b"250 x\r\n",
                    b"250-x\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250-CHUNKING\r\n250 PIPELINING\r\n",
                    b"334 x\r\n",
                    b"354 x\r\n",
                    b"550 x\r\n",
                ]
            ),
        ),
        max_size=40,
    ),
    st.booleans(),
)
def test_no_walk_leaves_the_rules(steps: list[Command | bytes], lmtp: bool) -> None:
    """Whatever is tried and answered in whatever order, what reaches the wire obeys the order of RFC 5321.

    Content leaves only behind a 354 that was answered last, MAIL never into an open transaction, a chunk only with all
    answered and never after DATA, nothing before the greeting, nothing behind the last command of a group, and a
    response to nothing but a challenge.
    """
    engine = Engine("mail.example.com", lmtp=lmtp)
    last = 0
    transaction = False
    for step in steps:
        if isinstance(step, bytes):
            for event in engine.feed(step):
                if isinstance(event, Answer):
                    last = event.reply.code
                    transaction = transaction_after(event, is_open=transaction)
            continue
        waiting = engine.outstanding
        try:
            engine.send(step)
        except LocalProtocolError:
            assert engine.outstanding == waiting
            continue
        assert last, "something was sent before the greeting"
        assert not waiting or isinstance(waiting[-1], Mail | Rcpt | Content | Rset)
        if isinstance(step, Content):
            assert not waiting
            assert last == 354
        if isinstance(step, AuthResponse):
            assert not waiting
        assert isinstance(step, AuthResponse) or last != 334 or waiting
        if isinstance(step, Chunk):
            assert not waiting
            assert transaction
            assert last != 354
        if isinstance(step, Mail) and not waiting:
            assert not transaction


def transaction_after(answer: Answer, *, is_open: bool) -> bool:
    """Whether the host has a transaction open after *answer*, as RFC 5321 §4.1.4 has it."""
    positive = answer.reply.is_positive
    match answer.command:
        case Mail() if positive:
            return True
        case Content():
            return False
        case Chunk() if positive:
            return False
        case Rset() | Ehlo() | Helo() if positive:
            return False
        case _:
            return is_open


def unstuff(wire_octets: bytes) -> bytes:
    """What a receiver makes of content (RFC 5321 §4.5.2): lines until the final dot, one leading dot less."""
    lines = []
    for line in wire_octets.split(b"\r\n"):
        if line == b".":
            break
        lines.append(line.removeprefix(b"."))
    return b"".join(line + b"\r\n" for line in lines)


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b".\r\n", b"\r\n.", b"\r\n.\r\n", b"x.y"])).map(b"".join))
def test_M13_receiver_gets_back_what_was_stuffed(message: bytes) -> None:
    """Stuffed content has one end, at its end, and a receiver gets the message back, last line ended."""
    content = stuff(message)
    assert is_whole(content)
    whole = message if not message or message.endswith(b"\r\n") else message + b"\r\n"
    assert unstuff(content) == whole
    assert plain_of(content) == whole
