"""AUTH and LMTP in the engine: what may be said when, how it looks on the wire, and what is kept of what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp import (
    Answer,
    Auth,
    AuthResponse,
    Broken,
    Content,
    Data,
    Ehlo,
    Engine,
    Helo,
    Mail,
    Quit,
    Rcpt,
    SmtpState,
    stuff,
)
from softbounce_worker.smtp.masking import Mask

from softbounce.stage import Stage

HELLO = b"250-mx.test\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n"


def ready(offer: bytes = HELLO, *, lmtp: bool = False) -> Engine:
    """A session past EHLO."""
    engine = Engine("client.test", lmtp=lmtp)
    engine.feed(b"220 hi\r\n")
    engine.send(Ehlo())
    engine.feed(offer)
    return engine


def test_AUTH_leads_through_challenges_to_READY() -> None:
    """334 wants a response and nothing else; 235 ends it, and the next command is MAIL."""
    engine = ready()
    assert engine.send(Auth("LOGIN")) == b"AUTH LOGIN\r\n"
    (event,) = engine.feed(b"334 VXNlcm5hbWU6\r\n")
    assert isinstance(event, Answer)
    assert (event.stage, engine.state) == (Stage.AUTH, SmtpState.CHALLENGE)
    for command in (Mail("a@b.test"), Quit(), Ehlo(), Auth("PLAIN")):
        with pytest.raises(LocalProtocolError):
            engine.send(command)
    assert engine.send(AuthResponse(b"me")) == b"bWU=\r\n"
    engine.feed(b"235 in\r\n")
    assert engine.state is SmtpState.READY
    with pytest.raises(LocalProtocolError, match="succeeded before"):
        engine.send(Auth("PLAIN"))


@pytest.mark.parametrize("reply", [b"535 5.7.8 no\r\n", b"454 later\r\n", b"501 cancelled\r\n"])
def test_a_refused_AUTH_leaves_the_session_as_it_was(reply: bytes) -> None:
    """Another mechanism may be tried, and mail may be sent."""
    engine = ready()
    engine.send(Auth("LOGIN"))
    engine.feed(b"334 x\r\n")
    assert engine.send(AuthResponse(None)) == b"*\r\n"
    engine.feed(reply)
    assert engine.state is SmtpState.READY
    assert engine.send(Auth("PLAIN", initial=b"")) == b"AUTH PLAIN =\r\n"


@pytest.mark.parametrize("reply", [b"354 go on\r\n", b"123 what\r\n", b"333 hm\r\n"])
def test_S12_a_code_that_makes_no_sense_to_AUTH_ends_the_session(reply: bytes) -> None:
    """Nobody can tell what the host waits for."""
    engine = ready()
    engine.send(Auth("PLAIN", initial=b"x"))
    assert isinstance(engine.feed(reply)[-1], Broken)
    assert engine.state is SmtpState.CLOSED


def test_L01_AUTH_is_said_where_it_was_offered_only() -> None:
    """By its very mechanism, and after EHLO; not what was offered before TLS."""
    with pytest.raises(LocalProtocolError):
        ready(b"250 mx.test\r\n").send(Auth("PLAIN"))
    with pytest.raises(LocalProtocolError):
        ready().send(Auth("CRAM-MD5"))


@pytest.mark.parametrize("name", ["PLAIN\r\nMAIL", "", "plain", "A" * 21])
def test_A01_a_mechanism_is_a_word(name: str) -> None:
    """Nothing else gets onto the wire."""
    engine = ready(f"250-x\r\n250 AUTH {name.upper()}\r\n".encode())
    with pytest.raises(LocalProtocolError):
        engine.send(Auth(name))


def test_A17_no_command_tells_its_secret() -> None:
    """Not in its repr, which is what gets into a log."""
    assert "c2VjcmV0" not in repr(Auth("PLAIN", initial=b"secret")) + repr(AuthResponse(b"secret"))
    assert "secret" not in repr(Auth("PLAIN", initial=b"secret")) + repr(AuthResponse(b"secret"))


def test_A17_a_secret_that_comes_back_is_hidden_wherever_it_stands() -> None:
    """In the reply to any command, and in what is no reply at all."""
    engine = ready()
    engine.mask.hide("s3cret-word")
    engine.send(Auth("PLAIN", initial=b"x"))
    (event,) = engine.feed(b"535-you said S3CRET-WORD\r\n535 or s3cret-w...\r\n")
    assert isinstance(event, Answer)
    assert event.reply.text == "you said *** or ***"
    engine.send(Mail("a@b.test"))
    (broken,) = engine.feed(b"s3cret-word is no command\r\n")
    assert isinstance(broken, Broken)
    assert "s3cret" not in broken.trouble.text


@given(st.text(min_size=1, max_size=30), st.text(max_size=50), st.text(max_size=50))
def test_A17_no_text_has_a_secret_whole(secret: str, before: str, after: str) -> None:
    """Whatever stands around it."""
    mask = Mask()
    mask.hide(secret)
    hidden = mask.apply(before + secret + after)
    assert secret == "*" * len(secret) or secret not in hidden or secret in "***"


def test_a_short_password_hides_no_word_of_a_host_later() -> None:
    """Whoever is in hears what the host says, also where his password is a word; no long secret is told even then."""
    engine = ready()
    engine.mask.hide("quota", "a-long-s3cret")
    engine.send(Auth("PLAIN", initial=b"x"))
    engine.feed(b"235 in\r\n")
    engine.send(Mail("a@b.test"))
    (event,) = engine.feed(b"452 4.2.2 over quota, a-long-s3cret\r\n")
    assert isinstance(event, Answer)
    assert event.reply.text == "over quota, ***"


def test_LMTP_answers_for_each_recipient_that_was_accepted() -> None:
    """In their order; the session goes on when the last one came (RFC 2033 §4.2)."""
    engine = Engine("client.test", lmtp=True)
    engine.feed(b"220 hi\r\n")
    assert engine.send(Ehlo()) == b"LHLO client.test\r\n"
    engine.feed(b"250-x\r\n250 PIPELINING\r\n")
    for command in (Mail("a@b.test"), Rcpt("1@x.test"), Rcpt("2@x.test"), Rcpt("3@x.test"), Data()):
        engine.send(command)
    engine.feed(b"250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n")
    content = Content(stuff(b"x\r\n"))
    engine.send(content)
    assert engine.outstanding == (content, content)
    (first,) = engine.feed(b"250 taken\r\n")
    assert isinstance(first, Answer)
    assert (first.command, first.stage, engine.state) == (content, Stage.END_OF_DATA, SmtpState.WAITING)
    engine.feed(b"452 full\r\n")
    assert engine.state is SmtpState.READY
    assert isinstance(engine.feed(b"250 one too many\r\n")[0], Broken)


def test_LMTP_counts_anew_for_each_transaction() -> None:
    """Recipients of the one before have no answer in this one."""
    engine = ready(b"250 x\r\n", lmtp=True)
    for number in (2, 1):
        engine.send(Mail("a@b.test"))
        engine.feed(b"250 ok\r\n")
        for recipient in range(number):
            engine.send(Rcpt(f"{recipient}@x.test"))
            engine.feed(b"250 ok\r\n")
        engine.send(Data())
        engine.feed(b"354 go\r\n")
        engine.send(Content(stuff(b"x\r\n")))
        assert len(engine.outstanding) == number
        engine.feed(b"250 ok\r\n" * number)
        assert engine.state is SmtpState.READY


def test_LMTP_has_no_HELO_and_no_lone_dot() -> None:
    """A dot for nobody has no answer at all."""
    engine = Engine("client.test", lmtp=True)
    engine.feed(b"220 hi\r\n")
    with pytest.raises(LocalProtocolError):
        engine.send(Helo())
    engine = ready(b"250-x\r\n250 PIPELINING\r\n", lmtp=True)
    for command in (Mail("a@b.test"), Rcpt("1@x.test"), Data()):
        engine.send(command)
    engine.feed(b"250 ok\r\n550 no\r\n354 go\r\n")
    with pytest.raises(LocalProtocolError):
        engine.send(Content(b".\r\n"))
