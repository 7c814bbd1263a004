"""BDAT: where it is legal, how it looks, and what its answer leads to (RFC 3030 §2)."""

from __future__ import annotations

import pytest
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp import Chunk, Data, Ehlo, Engine, Mail, Quit, Rcpt, Rset, SmtpState

CHUNK = Chunk(b"Subject: x\r\n\r\n.\r\nbody\r\n")


@pytest.fixture(params=[b"", b"250-PIPELINING\r\n"], ids=["plain", "grouped"])
def chunking(greeted: Engine, request: pytest.FixtureRequest) -> Engine:
    """A session with a host that offers CHUNKING, one recipient accepted."""
    greeted.send(Ehlo())
    greeted.feed(b"250-mx\r\n" + request.param + b"250 CHUNKING\r\n")
    for command in (Mail("a@b"), Rcpt("c@d")):
        greeted.send(command)
        greeted.feed(b"250 ok\r\n")
    return greeted


def test_P05_a_chunk_says_its_size_and_is_not_stuffed(chunking: Engine) -> None:
    """The command, and right behind it the message as it is."""
    assert chunking.send(CHUNK) == b"BDAT 23 LAST\r\n" + CHUNK.octets
    assert len(CHUNK.octets) == 23
    assert chunking.state == SmtpState.WAITING


@pytest.mark.parametrize(
    ("answer", "state"),
    [(b"250 ok", SmtpState.READY), (b"554 no", SmtpState.UNDONE), (b"452 no", SmtpState.UNDONE)],
)
def test_P05_a_refused_chunk_leaves_rset(chunking: Engine, answer: bytes, state: SmtpState) -> None:
    """Nobody knows what the host keeps of the transaction."""
    chunking.send(CHUNK)
    chunking.feed(answer + b"\r\n")
    assert chunking.state is state
    if state is SmtpState.UNDONE:
        for command in (Mail("a@b"), Data(), CHUNK):
            with pytest.raises(LocalProtocolError):
                chunking.send(command)
        chunking.send(Rset())
        chunking.feed(b"250 ok\r\n")
        assert chunking.state == SmtpState.READY


def test_P05_a_chunk_stands_in_no_group(chunking: Engine) -> None:
    """All answers to MAIL and RCPT have to be in before."""
    chunking.send(Rcpt("e@f"))
    with pytest.raises(LocalProtocolError):
        chunking.send(CHUNK)


def test_P05_no_chunk_without_an_offer(ready: Engine) -> None:
    """Whoever did not offer it would read the message as commands."""
    for command in (Mail("a@b"), Rcpt("c@d")):
        ready.send(command)
    ready.feed(b"250 ok\r\n250 ok\r\n")
    with pytest.raises(LocalProtocolError):
        ready.send(CHUNK)
    assert ready.send(Data()) == b"DATA\r\n"


def test_P05_a_421_to_a_chunk_leaves_quit(chunking: Engine) -> None:
    """The host has had enough, whatever the transaction's state."""
    chunking.send(CHUNK)
    chunking.feed(b"421 bye\r\n")
    assert chunking.state == SmtpState.CLOSING
    assert chunking.send(Quit()) == b"QUIT\r\n"
