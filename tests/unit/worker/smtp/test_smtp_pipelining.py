"""Groups of commands (RFC 2920): what may be in one, and what its answers do."""

from __future__ import annotations

import pytest
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp import (
    LONE_DOT,
    Answer,
    Broken,
    Command,
    Content,
    Data,
    Ehlo,
    Engine,
    Event,
    Helo,
    Lost,
    Mail,
    Quit,
    Rcpt,
    Rset,
    SmtpState,
    StartTls,
    stuff,
)

from softbounce.stage import Stage

CONTENT = Content(stuff(b"Subject: x\r\n\r\nbody\r\n"))
GROUP: list[Command] = [Mail("a@example.com"), Rcpt("b@example.net"), Rcpt("c@example.net"), Data()]


def codes(events: list[Event]) -> list[int]:
    """The codes of answers."""
    return [event.reply.code for event in events if isinstance(event, Answer)]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_P01_answers_are_matched_one_to_one_in_order(grouped: Engine, size: int) -> None:
    """Each answer names its very command and stage, however the segments are cut."""
    octets = b"250 ok\r\n250-ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n"
    sent = grouped.outstanding
    assert list(sent) == GROUP
    events: list[Event] = []
    for start in range(0, len(octets), size):
        events += grouped.feed(octets[start : start + size])
    assert [event.command for event in events if isinstance(event, Answer)] == GROUP
    assert all(event.command is command for event, command in zip(events, sent, strict=True))  # type: ignore[union-attr]
    assert [event.stage for event in events] == [Stage.MAIL, Stage.RCPT, Stage.RCPT, Stage.DATA]
    assert codes(events) == [250, 250, 550, 354]
    assert grouped.state == SmtpState.CONTENT


@pytest.mark.parametrize("last", [Ehlo(), Helo(), StartTls(), Quit()], ids=lambda command: type(command).__name__)
def test_P01_these_end_their_group(ready: Engine, last: Command) -> None:
    """Behind EHLO, HELO, STARTTLS and QUIT nothing is sent until all is answered; in front of them RSET may be."""
    ready.send(Rset())
    ready.send(last)
    for command in (Mail("a@b"), Rset(), Quit(), Ehlo()):
        with pytest.raises(LocalProtocolError):
            ready.send(command)
    assert ready.outstanding == (Rset(), last)


def test_P01_data_ends_its_group(grouped: Engine) -> None:
    """Behind DATA not even content is sent before its answer."""
    for command in (CONTENT, Rset(), Quit()):
        with pytest.raises(LocalProtocolError):
            grouped.send(command)
    grouped.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n")
    assert grouped.state == SmtpState.WAITING
    with pytest.raises(LocalProtocolError):
        grouped.send(CONTENT)


def test_P01_no_group_without_an_offer(plain: Engine) -> None:
    """Where PIPELINING is not offered a second command waits for the first one's answer."""
    plain.send(Mail("a@b"))
    with pytest.raises(LocalProtocolError):
        plain.send(Rcpt("c@d"))


def test_issue10_04_nothing_leaves_behind_a_dot(at_content: Engine) -> None:
    """Content ends its group: neither MAIL nor QUIT is sent before its answer, though RFC 2920 allows it."""
    at_content.send(CONTENT)
    for command in (*GROUP, Rset(), Quit()):
        with pytest.raises(LocalProtocolError):
            at_content.send(command)
    assert at_content.outstanding == (CONTENT,)
    assert codes(at_content.feed(b"250 queued\r\n")) == [250]
    assert at_content.state == SmtpState.READY


def test_issue10_09_unasked_replies_are_bounded(grouped: Engine) -> None:
    """One 421 that nobody asked for is an answer, whatever comes behind it is the end: no flood makes more events."""
    grouped.feed(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    events = grouped.feed(b"421 bye\r\n" * 10_000)
    assert codes(events) == [421]
    assert [type(event) for event in events] == [Answer, Broken]
    assert grouped.feed(b"421 bye\r\n" * 10_000) == []


def test_issue10_07_a_reply_too_many_is_told(ready: Engine) -> None:
    """What breaks a session by being nobody's reply is in the event."""
    (event,) = ready.feed(b"250 2.0.0 once more\r\n")
    assert isinstance(event, Broken)
    assert event.surplus is not None
    assert event.surplus.code == 250


def test_refused_mail_leaves_no_transaction(grouped: Engine) -> None:
    """After a refused MAIL and the refusals behind it the next MAIL needs no RSET."""
    assert codes(grouped.feed(b"550 no\r\n503 no\r\n503 no\r\n503 no\r\n")) == [550, 503, 503, 503]
    assert grouped.state == SmtpState.READY


def test_S20_refused_recipients_leave_a_transaction(grouped: Engine) -> None:
    """With MAIL accepted and all else refused, RSET and the next MAIL may share a group, MAIL alone is refused."""
    grouped.feed(b"250 ok\r\n550 no\r\n550 no\r\n503 no\r\n")
    assert grouped.state == SmtpState.SENDER
    with pytest.raises(LocalProtocolError):
        grouped.send(Mail("a@b"))
    grouped.send(Rset())
    grouped.send(Mail("a@b"))
    grouped.feed(b"250 ok\r\n250 ok\r\n")
    assert grouped.state == SmtpState.SENDER


@pytest.mark.parametrize(
    "octets",
    [b"250 ok\r\n550 no\r\n450 no\r\n354 go\r\n", b"550 no\r\n250 ok\r\n250 ok\r\n354 go\r\n"],
    ids=["recipients_refused", "mail_refused"],
)
def test_P03_354_without_a_recipient_gets_a_lone_dot(grouped: Engine, octets: bytes) -> None:
    """When nobody was accepted and the host says 354, only the lone dot is sent; its 250 ends the transaction."""
    grouped.feed(octets)
    due = grouped.state
    with pytest.raises(LocalProtocolError):
        grouped.send(CONTENT)
    assert grouped.send(Content(LONE_DOT)) == b".\r\n"
    grouped.feed(b"250 queued\r\n")
    assert (due, grouped.state) == (SmtpState.LONE_DOT, SmtpState.READY)


def test_S16_refusals_come_before_the_loss(grouped: Engine) -> None:
    """5yz and close in the middle of a group: the answer first, then the loss at the first unanswered command."""
    events = grouped.feed(b"550 5.7.1 blocked\r\n") + grouped.eof()
    assert codes(events) == [550]
    assert isinstance(events[-1], Lost)
    assert events[-1].stage is Stage.RCPT
    assert grouped.outstanding == tuple(GROUP[1:])


def test_S14_421_in_the_middle_of_a_group(grouped: Engine) -> None:
    """A 421 answers its own command; what is unanswered when the host closes is lost."""
    events = grouped.feed(b"250 ok\r\n421 bye\r\n")
    assert codes(events) == [250, 421]
    assert grouped.state == SmtpState.WAITING
    (lost,) = grouped.eof()
    assert lost.stage is Stage.RCPT


def test_S14_host_that_goes_on_after_421_gets_its_content(grouped: Engine) -> None:
    """A host that says 421 to one recipient and 354 to DATA gets the content, and then nothing but QUIT."""
    grouped.feed(b"250 ok\r\n421 later\r\n250 ok\r\n354 go\r\n")
    due = grouped.state
    grouped.send(CONTENT)
    grouped.feed(b"250 queued\r\n")
    assert (due, grouped.state) == (SmtpState.CONTENT, SmtpState.CLOSING)


def test_S20_refused_rset_with_commands_behind_it_breaks(ready: Engine) -> None:
    """What was meant for a fresh transaction must not fall into the old one with its recipients."""
    ready.send(Mail("a@b"))
    ready.send(Rcpt("c@d"))
    ready.feed(b"250 ok\r\n250 ok\r\n")
    for command in (Rset(), Mail("e@f"), Rcpt("g@h"), Data()):
        ready.send(command)
    events = ready.feed(b"500 what?\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert codes(events) == [500]
    assert isinstance(events[-1], Broken)
    assert ready.state == SmtpState.CLOSED


def test_P04_one_answer_too_many_breaks(grouped: Engine) -> None:
    """An extra reply behind a group's answers is no answer to anything."""
    events = grouped.feed(b"250 a\r\n250 b\r\n250 c\r\n354 d\r\n250 extra\r\n")
    assert codes(events) == [250, 250, 250, 354]
    assert isinstance(events[-1], Broken)


def test_answers_before_a_malformed_one_count(grouped: Engine) -> None:
    """Answers that were complete are reported before the break, which names the stage that waits."""
    events = grouped.feed(b"250 a\r\n550 b\r\nrubbish\r\n")
    assert codes(events) == [250, 550]
    assert isinstance(events[-1], Broken)
    assert events[-1].stage is Stage.RCPT
