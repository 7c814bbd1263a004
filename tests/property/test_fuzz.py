"""The engine against octets of chance: replies without sense, and bodies that would like to end early.

A sample of it runs with all other tests; `script/test fuzz` has 10 million octets and 1 million bodies. Each seed is a
case of its own, and always the same.
"""

from __future__ import annotations

import os
import random
import re
import time

import pytest
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp import (
    Answer,
    Chunk,
    Command,
    Content,
    Data,
    Ehlo,
    Engine,
    Event,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Rset,
    SmtpState,
    StartTls,
    stuff,
    unstuff,
)
from softbounce_worker.smtp.content import is_whole
from softbounce_worker.smtp.limits import Limits
from softbounce_worker.smtp.seven_bit import seven_bit
from softbounce_worker.smtp.state import LEGAL

REPLY_OCTETS = int(os.environ.get("FUZZ_OCTETS", "200000"))
BODIES = int(os.environ.get("FUZZ_BODIES", "10000"))
SEEDS = range(10)
SECONDS = 1e-4
"""For each octet or tenth of a body at most: more is no work any more but a loop."""

LINES = [
    b"220 mx.test ESMTP\r\n",
    b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-CHUNKING\r\n250-DSN\r\n250 STARTTLS\r\n",
    b"250 2.1.0 ok\r\n",
    b"250 2.1.5 ok\r\n",
    b"354 go on\r\n",
    b"250 2.0.0 taken\r\n",
    b"450 4.2.0 later\r\n",
    b"550 5.1.1 no such user\r\n",
    b"421 4.3.2 closing\r\n",
    b"502 5.5.1 what\r\n",
    b"221 bye\r\n",
    b"250-more\r\n",
    b"250 LIMITS RCPTMAX=1 MAILMAX=x\r\n",
    b"2500 odd\r\n",
    b"xyz\r\n",
    b"\r\n",
    b"250\n",
    b"250",
    b"\r",
    b"\x00\xff\x1b[31m\xe2\x80\xae",
    b"9" * 5000,
]
WEIGHTS = [200] * 11 + [20] * (len(LINES) - 12) + [1]
COMMANDS: list[Command] = [
    Ehlo(),
    Helo(),
    StartTls(),
    Mail("a@b.test", size=10),
    Rcpt("c@d.test"),
    Rcpt("e@f.test"),
    Data(),
    Content(b"x\r\n.\r\n"),
    Content(b".\r\n"),
    Chunk(b"x\r\n"),
    Rset(),
    Quit(),
]
PIECES = [
    b".",
    b"..",
    b"\r\n",
    b"\r\n.",
    b"\r\n.\r\n",
    b"\n",
    b"\r",
    b"\n.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r\n.\r",
    b"\0",
    b"x",
]
USUAL = [*PIECES[:5], b"text", b" ", b"\t", "ü".encode()]
END = b"\r\n.\r\n"
LENIENT_END = re.compile(rb"(?:\A|\n)\.\r?\n")
"""What some receivers take for the end of data (CVE-2023-51764 and its kin)."""


SENSIBLE: dict[type, list[bytes]] = {
    type(None): LINES[:1],
    Ehlo: LINES[1:2],
    Helo: LINES[2:3],
    Mail: [*LINES[2:3] * 3, *LINES[6:8]],
    Rcpt: [*LINES[3:4] * 3, *LINES[6:8]],
    Data: [*LINES[4:5] * 3, LINES[7]],
    Content: [LINES[5], LINES[6]],
    Chunk: [LINES[5], LINES[7], LINES[9]],
    Rset: LINES[2:3],
    Quit: LINES[10:11],
    StartTls: [LINES[0], LINES[6]],
}


def nonsense(source: random.Random, engine: Engine) -> bytes:
    """What a host may say: often an answer for each command, now and then something else, an octet changed or lost."""
    waiting = [type(command) for command in engine.outstanding] or [type(None)] * (engine.state is SmtpState.CONNECTED)
    answers = [source.choice(SENSIBLE.get(command, LINES)) for command in waiting]
    for at in range(len(answers)):
        if source.random() < 0.03:
            answers[at] = source.choices(LINES, WEIGHTS)[0]
    if not answers or source.random() < 0.03:
        answers.insert(source.randint(0, len(answers)), source.choices(LINES, WEIGHTS)[0])
    octets = bytearray(b"".join(answers))
    if source.random() < 0.1:
        at = source.randrange(len(octets))
        match source.randrange(3):
            case 0:
                octets[at] = source.randrange(256)
            case 1:
                del octets[at]
            case _:
                octets.insert(at, octets[at])
    return bytes(octets)


def say_something(engine: Engine, source: random.Random) -> None:
    """Try a few commands, legal or not; one in a while, TLS begins."""
    for command in source.choices(COMMANDS, k=source.choice((1, 3, 12))):
        if type(command) not in LEGAL[engine.state] and source.random() < 0.8:
            continue
        if isinstance(command, Quit) and source.random() < 0.9:
            continue
        before = engine.state, engine.outstanding
        try:
            octets = engine.send(command)
        except LocalProtocolError:
            assert (engine.state, engine.outstanding) == before
        else:
            assert octets.endswith(b"\n")
    if engine.state is SmtpState.HANDSHAKE and source.random() < 0.5:
        engine.tls_started()


@pytest.mark.parametrize("seed", SEEDS)
def test_A26_fuzz_no_replies_break_the_engine_or_fill_it(seed: int) -> None:
    """Whatever comes: no error but ours, events no more than commands and two, bounded memory, and an end is an end."""
    source = random.Random(seed)  # noqa: S311
    limits, reached = Limits(), set[SmtpState]()
    began, fed = time.process_time(), 0
    while fed < REPLY_OCTETS // len(SEEDS):
        engine = Engine("mail.test")
        commands = events_seen = 0
        while engine.state is not SmtpState.CLOSED and fed < REPLY_OCTETS:
            say_something(engine, source)
            commands = max(commands, events_seen + len(engine.outstanding))
            octets = nonsense(source, engine)
            while octets:
                cut = source.choice((1, 3, 80, len(octets)))
                chunk, octets = octets[:cut], octets[cut:]
                events: list[Event] = engine.feed(chunk)
                fed += len(chunk)
                reached.add(engine.state)
                events_seen += len(events)
                assert len(engine._parser._buffer) <= limits.line_octets + len(chunk)
                assert all(isinstance(event, Answer) for event in events[:-1])
                if events and not isinstance(events[-1], Answer):
                    assert engine.state is SmtpState.CLOSED
            assert events_seen <= commands + 3
        ended = engine.state is SmtpState.CLOSED
        assert len(engine.eof()) == (not ended)
        assert engine.feed(b"250 x\r\n" * 3) == []
        assert engine.eof() == []
    assert time.process_time() - began < fed * SECONDS
    assert {SmtpState.READY, SmtpState.RECIPIENTS, SmtpState.CLOSED} <= reached


def body_of(source: random.Random, pieces: list[bytes]) -> bytes:
    """A body of pieces that matter."""
    return b"".join(source.choices(pieces, k=source.randint(0, 30)))


@pytest.mark.parametrize("seed", SEEDS)
def test_A03_fuzz_no_body_ends_twice(seed: int) -> None:
    """Any octets: one end of data, at the end; none earlier that a lenient host sees; and it is what was given."""
    source = random.Random(seed)  # noqa: S311
    engine = Engine("mail.test")
    engine.feed(b"220 x\r\n")
    engine.send(Ehlo())
    engine.feed(b"250-x\r\n250-CHUNKING\r\n250 PIPELINING\r\n")
    for number in range(BODIES // len(SEEDS)):
        body = body_of(source, PIECES if number % 2 else USUAL)
        content = stuff(body)
        whole = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
        assert is_whole(content)
        assert (b"\r\n" + content).count(END) == 1
        assert len(LENIENT_END.findall(content)) == 1
        assert unstuff(content) == whole
        for command in (Mail("a@b"), Rcpt("c@d")):
            engine.send(command)
        if number % 3:
            engine.send(Data())
            engine.feed(b"250 x\r\n250 x\r\n354 x\r\n")
            assert engine.send(Content(content)) == content
        else:
            engine.feed(b"250 x\r\n250 x\r\n")
            head, _, sent = engine.send(Chunk(whole)).partition(b"\r\n")
            assert (head, sent) == (b"BDAT %d LAST" % len(whole), whole)
        engine.feed(b"250 x\r\n")
        assert engine.state == SmtpState.READY


@pytest.mark.parametrize("seed", SEEDS)
def test_A03_fuzz_what_is_made_seven_bit_is(seed: int) -> None:
    """Any structure: ASCII with no other line ends than before, or it stays as it is; nothing breaks, nothing hangs."""
    source = random.Random(seed)  # noqa: S311
    pieces = [
        *USUAL,
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"\r\n\r\n",
        b"\r\n--b\r\n",
        b"\r\n--b--\r\n",
        b"--b",
        b"\xff\xfe",
    ]
    began, number = time.process_time(), BODIES // len(SEEDS) // 10
    for _ in range(number):
        message = b"Subject: x\r\n" + body_of(source, pieces) + b"\r\n"
        made = seven_bit(message)
        if made is not None:
            assert made.isascii()
            assert made.count(b"\n") == made.count(b"\r\n") == made.count(b"\r")
            assert made == message or not message.isascii()
    assert time.process_time() - began < 1 + number * 10 * SECONDS
