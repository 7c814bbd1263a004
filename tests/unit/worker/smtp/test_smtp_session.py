"""A session command by command: what is legal when, what each answer does, and how sessions end."""

from __future__ import annotations

from collections.abc import Callable

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
    Extensions,
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
from softbounce_worker.smtp.state import LEGAL

from softbounce.reply import Reply, TroubleKind
from softbounce.stage import Stage

Arranged = Callable[[str], Engine]

CONTENT = Content(stuff(b"Subject: x\r\n\r\nbody\r\n"))
COMMANDS: list[Command] = [
    Ehlo(),
    Helo(),
    StartTls(),
    Mail("a@example.com"),
    Rcpt("b@example.net"),
    Data(),
    CONTENT,
    Rset(),
    Quit(),
]


def talk(engine: Engine, command: Command, answer: bytes) -> list[Event]:
    """Send one command and feed its answer."""
    engine.send(command)
    return engine.feed(answer)


def codes(events: list[Event]) -> list[tuple[type[Command] | None, Stage, int]]:
    """Answers in short: the command's class, the stage, the code."""
    short: list[tuple[type[Command] | None, Stage, int]] = []
    for event in events:
        assert isinstance(event, Answer)
        short.append((None if event.command is None else type(event.command), event.stage, event.reply.code))
    return short


def broken(events: list[Event]) -> Stage:
    """The stage of the Broken that the events end with."""
    event = events[-1]
    assert isinstance(event, Broken)
    assert event.trouble.kind is TroubleKind.PROTOCOL_ERROR
    assert not event.trouble.permanent
    return event.stage


def test_whole_session_without_pipelining(plain: Engine) -> None:
    """The plain course: each command waits for its answer, one message goes, QUIT ends it."""
    steps: list[tuple[Command, bytes, Stage, SmtpState]] = [
        (Mail("a@example.com"), b"250 ok\r\n", Stage.MAIL, SmtpState.SENDER),
        (Rcpt("b@example.net"), b"250 ok\r\n", Stage.RCPT, SmtpState.RECIPIENTS),
        (Rcpt("c@example.net"), b"550 no\r\n", Stage.RCPT, SmtpState.RECIPIENTS),
        (Data(), b"354 go\r\n", Stage.DATA, SmtpState.CONTENT),
        (CONTENT, b"250 queued\r\n", Stage.END_OF_DATA, SmtpState.READY),
        (Rset(), b"250 ok\r\n", Stage.MAIL, SmtpState.READY),
        (Quit(), b"221 bye\r\n", Stage.MAIL, SmtpState.CLOSED),
    ]
    for command, answer, stage, state in steps:
        plain.send(command)
        assert plain.state == SmtpState.WAITING
        assert plain.outstanding == (command,)
        assert codes(plain.feed(answer)) == [(type(command), stage, int(answer[:3]))]
        assert plain.state is state
    assert plain.eof() == []
    assert plain.feed(b"250 late\r\n") == []


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("connected", SmtpState.CONNECTED),
        ("greeted", SmtpState.GREETED),
        ("ready", SmtpState.READY),
        ("plain", SmtpState.READY),
        ("grouped", SmtpState.WAITING),
        ("at_content", SmtpState.CONTENT),
    ],
)
def test_only_legal_commands_are_sent(arranged: Arranged, name: str, state: SmtpState) -> None:
    """A command that the table does not name is refused and changes nothing (S01: none before the greeting)."""
    engine = arranged(name)
    assert engine.state is state
    for command in COMMANDS:
        if type(command) not in LEGAL[state]:
            before = engine.outstanding
            with pytest.raises(LocalProtocolError):
                engine.send(command)
            assert engine.state is state
            assert engine.outstanding == before


def test_refused_content_changes_nothing(at_content: Engine) -> None:
    """Content with no final dot, or two, is refused, and content is still due."""
    for octets in (b"no dot\r\n", b"one\r\n.\r\ntwo\r\n.\r\n"):
        with pytest.raises(LocalProtocolError):
            at_content.send(Content(octets))
    assert at_content.send(CONTENT) == CONTENT.octets


def test_greeting_is_an_answer_to_no_command(connected: Engine) -> None:
    """The greeting is reported as such, and EHLO is due."""
    assert connected.outstanding == ()
    events = connected.feed(b"220-mx.example.net\r\n220 ready\r\n")
    greeting = Reply(code=220, lines=("mx.example.net", "ready"))
    assert events == [Answer(command=None, stage=Stage.GREETING, reply=greeting)]
    assert connected.state == SmtpState.GREETED


@pytest.mark.parametrize("code", [421, 450, 521, 554])
def test_S02_S03_refused_greeting_leaves_quit_alone(connected: Engine, code: int) -> None:
    """A greeting that refuses is an answer, after which only QUIT is legal."""
    assert codes(connected.feed(b"%d go away\r\n" % code)) == [(None, Stage.GREETING, code)]
    refused = connected.state
    assert codes(talk(connected, Quit(), b"221 bye\r\n")) == [(Quit, Stage.GREETING, 221)]
    assert (refused, connected.state) == (SmtpState.CLOSING, SmtpState.CLOSED)


@pytest.mark.parametrize("code", [500, 502, 550, 450])
def test_S05_refused_ehlo_leaves_helo(greeted: Engine, code: int) -> None:
    """After a refused EHLO, HELO is legal on the same connection, and nothing counts as offered."""
    assert codes(talk(greeted, Ehlo(), b"%d what?\r\n" % code)) == [(Ehlo, Stage.EHLO, code)]
    before = greeted.extensions
    assert codes(talk(greeted, Helo(), b"250-mx\r\n250 PIPELINING\r\n")) == [(Helo, Stage.EHLO, 250)]
    assert (before, greeted.extensions) == (None, Extensions())
    greeted.send(Mail("a@b", size=10**9))
    assert greeted.state == SmtpState.WAITING


def test_S07_first_line_of_ehlo_offers_nothing(greeted: Engine) -> None:
    """The line that greets is no keyword, whatever it says."""
    talk(greeted, Ehlo(), b"250-PIPELINING\r\n250-sIZe 7\r\n250 UNKNOWN\r\n")
    assert greeted.extensions == Extensions(size=7)


def test_S10_text_changes_nothing(plain: Engine) -> None:
    """Text that speaks of another outcome leaves the outcome to the code."""
    talk(plain, Mail("a@b"), b"250 550 5.1.1 refused, 421 closing\r\n")
    assert plain.state == SmtpState.SENDER
    talk(plain, Rcpt("a@b"), b"550 250 2.1.5 accepted\r\n")
    assert plain.state == SmtpState.SENDER


@pytest.mark.parametrize(
    ("code", "state"), [(299, SmtpState.RECIPIENTS), (499, SmtpState.SENDER), (599, SmtpState.SENDER)]
)
def test_S11_unknown_codes_count_by_their_first_digit(plain: Engine, code: int, state: SmtpState) -> None:
    """RCPT 299 accepts, 499 and 599 refuse."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    talk(plain, Rcpt("c@d"), b"%d what\r\n" % code)
    assert plain.state is state


@pytest.mark.parametrize("code", [0, 99, 150, 300, 354, 600, 999])
def test_S12_S13_senseless_code_is_answer_then_broken(plain: Engine, code: int) -> None:
    """A complete reply whose code makes no sense is still the answer, and the last one."""
    events = talk(plain, Mail("a@b"), b"%03d what\r\n250 more\r\n" % code)
    assert codes(events[:1]) == [(Mail, Stage.MAIL, code)]
    assert len(events) == 2
    assert broken(events) is Stage.MAIL
    assert plain.state == SmtpState.CLOSED
    assert plain.feed(b"250 more\r\n") == []
    assert plain.eof() == []


@pytest.mark.parametrize("code", [200, 250, 353, 355])
def test_S13_M02_other_than_354_to_data_gets_no_content(plain: Engine, code: int) -> None:
    """2yz to DATA is not 354: it breaks the session and no content can leave."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    talk(plain, Rcpt("c@d"), b"250 ok\r\n")
    assert broken(talk(plain, Data(), b"%d ok\r\n" % code)) is Stage.DATA
    with pytest.raises(LocalProtocolError):
        plain.send(CONTENT)


@pytest.mark.parametrize("code", [451, 503, 554])
def test_M02_refused_data_gets_no_content(plain: Engine, code: int) -> None:
    """A refused DATA leaves the transaction open and no content legal."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    talk(plain, Rcpt("c@d"), b"250 ok\r\n")
    assert codes(talk(plain, Data(), b"%d no\r\n" % code)) == [(Data, Stage.DATA, code)]
    assert plain.state == SmtpState.RECIPIENTS
    with pytest.raises(LocalProtocolError):
        plain.send(CONTENT)


def test_M04_no_data_without_an_accepted_recipient(plain: Engine) -> None:
    """DATA is refused after MAIL alone, and after refused recipients."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    with pytest.raises(LocalProtocolError):
        plain.send(Data())
    talk(plain, Rcpt("c@d"), b"550 no\r\n")
    with pytest.raises(LocalProtocolError):
        plain.send(Data())


def test_S20_mail_needs_rset_after_an_abandoned_transaction(plain: Engine) -> None:
    """With a transaction open MAIL is refused until RSET was accepted."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    talk(plain, Rcpt("c@d"), b"550 no\r\n")
    with pytest.raises(LocalProtocolError):
        plain.send(Mail("e@f"))
    talk(plain, Rset(), b"250 ok\r\n")
    assert plain.send(Mail("e@f"))


def test_S20_refused_rset_leaves_quit_alone(plain: Engine) -> None:
    """A host that refuses RSET gets no other transaction."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    assert codes(talk(plain, Rset(), b"502 what?\r\n")) == [(Rset, Stage.MAIL, 502)]
    assert plain.state == SmtpState.CLOSING


@pytest.mark.parametrize("code", [250, 450, 552])
def test_M09_answer_to_the_dot_ends_the_transaction(at_content: Engine, code: int) -> None:
    """After the dot's answer, whatever it is, the next MAIL is legal."""
    assert codes(talk(at_content, CONTENT, b"%d x\r\n" % code)) == [(Content, Stage.END_OF_DATA, code)]
    assert at_content.state == SmtpState.READY


@pytest.mark.parametrize("octets", [b"250 extra\r\n", b"550 extra\r\n", b"220 again\r\n"])
@pytest.mark.parametrize("name", ["greeted", "ready", "at_content"])
def test_P04_extra_reply_breaks(arranged: Arranged, name: str, octets: bytes) -> None:
    """A reply to no command ends the session: replies can no longer be matched."""
    stages = {"greeted": Stage.EHLO, "ready": Stage.MAIL, "at_content": Stage.DATA}
    engine = arranged(name)
    assert broken(engine.feed(octets)) is stages[name]
    assert engine.state == SmtpState.CLOSED


@pytest.mark.parametrize("is_later", [False, True], ids=["with it", "with the answer to EHLO"])
@pytest.mark.parametrize("blank", [b"\r\n", b"\n", b"\r\n\r\n"])
def test_issue10_S12_an_empty_line_behind_the_greeting_is_a_part_of_it(
    connected: Engine, blank: bytes, *, is_later: bool
) -> None:
    """Real hosts have one in their greeting's text, and take mail all the same; anywhere else it is no reply."""
    greeting = b"220 mx.test\r\n" + (b"" if is_later else blank)
    assert codes(connected.feed(greeting)) == [(None, Stage.GREETING, 220)]
    events = talk(connected, Ehlo(), (blank if is_later else b"") + b"250-mx.test\r\n250 SIZE\r\n")
    assert codes(events) == [(Ehlo, Stage.EHLO, 250)]
    (broken,) = talk(connected, Mail("a@example.com"), b"\r\n250 ok\r\n")
    assert isinstance(broken, Broken)


def test_issue10_S12_more_than_two_empty_lines_are_no_greeting(connected: Engine) -> None:
    """A host may not say nothing for ever; nor within its answer to EHLO."""
    answer, broken = connected.feed(b"220 mx.test\r\n\r\n\r\n\r\n")
    assert (isinstance(answer, Answer), isinstance(broken, Broken)) == (True, True)


def test_P04_second_greeting_in_one_segment_breaks(connected: Engine) -> None:
    """A host that answers before it is asked is out."""
    events = connected.feed(b"220 a\r\n250 b\r\n")
    assert codes(events[:1]) == [(None, Stage.GREETING, 220)]
    assert broken(events) is Stage.EHLO


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"250-a\r\n550 b\r\n", "differ"),
        (b"2200 x\r\n", "not a reply"),
        (b"bogus\r\n", "not a reply"),
        (b"\r\n", "not a reply"),
        (b"\0\x1b[2J\r\n", r"x00\\x1b"),
        (b"250 " + b"x" * 5000, "longer"),
    ],
    ids=["S09_differing_codes", "S12_four_digits", "S12_word", "S12_empty", "A22_controls", "S17_long_line"],
)
def test_no_reply_at_all_breaks_at_the_stage_that_waits(plain: Engine, octets: bytes, reason: str) -> None:
    """Octets that are no reply break the session at the stage of the unanswered command, told in printable words."""
    talk(plain, Mail("a@b"), b"250 ok\r\n")
    events = talk(plain, Rcpt("c@d"), octets)
    assert broken(events) is Stage.RCPT
    (event,) = events
    assert isinstance(event, Broken)
    assert reason.replace(r"\\", "\\") in event.trouble.text.replace(r"\\", "\\")
    assert event.trouble.text.isprintable()
    assert plain.outstanding == (Rcpt("c@d"),)


CLOSING_421: list[tuple[str, list[tuple[Command, bytes]], Command, Stage]] = [
    ("ehlo", [], Ehlo(), Stage.EHLO),
    ("helo", [], Helo(), Stage.EHLO),
    ("starttls", [(Ehlo(), b"250-x\r\n250 STARTTLS\r\n")], StartTls(), Stage.STARTTLS),
    ("mail", [(Ehlo(), b"250 x\r\n")], Mail("a@b"), Stage.MAIL),
    ("rcpt", [(Ehlo(), b"250 x\r\n"), (Mail("a@b"), b"250 x\r\n")], Rcpt("c@d"), Stage.RCPT),
    (
        "second_rcpt",
        [(Ehlo(), b"250 x\r\n"), (Mail("a@b"), b"250 x\r\n"), (Rcpt("c@d"), b"250 x\r\n")],
        Rcpt("e@f"),
        Stage.RCPT,
    ),
    (
        "data",
        [(Ehlo(), b"250 x\r\n"), (Mail("a@b"), b"250 x\r\n"), (Rcpt("c@d"), b"250 x\r\n")],
        Data(),
        Stage.DATA,
    ),
    (
        "dot",
        [(Ehlo(), b"250 x\r\n"), (Mail("a@b"), b"250 x\r\n"), (Rcpt("c@d"), b"250 x\r\n"), (Data(), b"354 x\r\n")],
        CONTENT,
        Stage.END_OF_DATA,
    ),
    ("rset", [(Ehlo(), b"250 x\r\n")], Rset(), Stage.MAIL),
]


@pytest.mark.parametrize(
    ("before", "command", "stage"), [row[1:] for row in CLOSING_421], ids=[row[0] for row in CLOSING_421]
)
def test_S14_421_to_any_command(
    greeted: Engine, before: list[tuple[Command, bytes]], command: Command, stage: Stage
) -> None:
    """A 421 answers the command that waits; QUIT is all that is left, and the close that follows is a loss."""
    for earlier, answer in before:
        talk(greeted, earlier, answer)
    assert codes(talk(greeted, command, b"421 4.3.2 closing\r\n")) == [(type(command), stage, 421)]
    assert greeted.state == SmtpState.CLOSING
    with pytest.raises(LocalProtocolError):
        greeted.send(Mail("a@b"))
    (event,) = greeted.eof()
    assert isinstance(event, Lost)


def test_S14_421_to_quit(plain: Engine) -> None:
    """Any answer to QUIT ends the session in order."""
    assert codes(talk(plain, Quit(), b"421 x\r\n")) == [(Quit, Stage.MAIL, 421)]
    assert plain.state == SmtpState.CLOSED


@pytest.mark.parametrize(
    ("name", "stage"), [("greeted", Stage.EHLO), ("ready", Stage.MAIL), ("at_content", Stage.DATA)]
)
def test_S14_unsolicited_421_is_an_answer_to_no_command(arranged: Arranged, name: str, stage: Stage) -> None:
    """A 421 out of the blue is reported at the stage where the session stands, and QUIT still answered in order."""
    engine = arranged(name)
    assert codes(engine.feed(b"421 4.4.2 idle\r\n")) == [(None, stage, 421)]
    assert engine.state == SmtpState.CLOSING
    assert codes(talk(engine, Quit(), b"221 bye\r\n")) == [(Quit, stage, 221)]


@pytest.mark.parametrize("answer", [b"221 bye\r\n", b"500 what?\r\n", b"250 ok\r\n"])
def test_S19_any_answer_to_quit_ends_in_order(plain: Engine, answer: bytes) -> None:
    """QUIT's answer is the end; what comes behind it is not read."""
    assert len(talk(plain, Quit(), answer + b"250 more\r\n")) == 1
    assert plain.state == SmtpState.CLOSED
    assert plain.eof() == []


def test_S15_lost_at_the_stage_that_waits(arranged: Arranged) -> None:
    """A lost connection is told once, with the stage of the first unanswered command."""
    engine = arranged("connected")
    (event,) = engine.eof()
    assert isinstance(event, Lost)
    assert event.trouble.kind is TroubleKind.CONNECTION_LOST
    assert event.stage is Stage.GREETING
    assert engine.eof() == []
    assert engine.state == SmtpState.CLOSED


def test_S15_lost_while_content_waits(at_content: Engine) -> None:
    """Before content has left the stage is DATA, afterwards it is end of data."""
    at_content.send(CONTENT)
    (event,) = at_content.eof()
    assert event == Lost(trouble=event.trouble, stage=Stage.END_OF_DATA)  # type: ignore[union-attr]


def test_S21_lost_while_idle(ready: Engine) -> None:
    """A connection that dies between messages is lost at the stage of the next MAIL."""
    (event,) = ready.eof()
    assert isinstance(event, Lost)
    assert event.stage is Stage.MAIL


def test_L01_tls_forgets_what_was_offered(ready: Engine) -> None:
    """After TLS nothing counts as offered, EHLO is due, and STARTTLS is not legal again."""
    assert codes(talk(ready, StartTls(), b"220 go\r\n")) == [(StartTls, Stage.STARTTLS, 220)]
    agreed = ready.state
    ready.tls_started()
    assert (agreed, ready.state) == (SmtpState.HANDSHAKE, SmtpState.GREETED)
    assert ready.extensions is None
    talk(ready, Ehlo(), b"250-x\r\n250 STARTTLS\r\n")
    with pytest.raises(LocalProtocolError):
        ready.send(StartTls())
    ready.send(Mail("a@b"))
    assert ready.state == SmtpState.WAITING


@pytest.mark.parametrize("behind", [b"250 injected\r\n", b"2", b"\r\n", b"\x16\x03\x01"])
def test_L02_octets_behind_220_to_starttls_break(ready: Engine, behind: bytes) -> None:
    """Whatever is received in clear behind that 220, in its segment or later, ends the session without an answer."""
    (event,) = talk(ready, StartTls(), b"220 go\r\n" + behind)
    assert isinstance(event, Broken)
    assert event.stage is Stage.STARTTLS
    with pytest.raises(LocalProtocolError):
        ready.tls_started()


def test_L02_octets_in_a_later_segment_break(ready: Engine) -> None:
    """Until TLS started no octet in clear is taken."""
    talk(ready, StartTls(), b"220 go\r\n")
    assert broken(ready.feed(b"2")) is Stage.STARTTLS


@pytest.mark.parametrize("code", [454, 501, 554])
def test_L03_refused_starttls_leaves_the_session_in_clear(ready: Engine, code: int) -> None:
    """A refused STARTTLS is an answer; whether to go on is the session's business."""
    talk(ready, StartTls(), b"%d no\r\n" % code)
    assert ready.state == SmtpState.READY
    with pytest.raises(LocalProtocolError):
        ready.tls_started()


def test_L03_250_to_starttls_breaks(ready: Engine) -> None:
    """After 2yz other than 220 nobody knows whether TLS comes next."""
    assert broken(talk(ready, StartTls(), b"250 ok\r\n")) is Stage.STARTTLS


def test_L04_starttls_needs_an_offer(greeted: Engine) -> None:
    """STARTTLS is not sent to a host that does not offer it."""
    talk(greeted, Ehlo(), b"250 x\r\n")
    with pytest.raises(LocalProtocolError):
        greeted.send(StartTls())


def test_S18_mismatches_show_on_the_engine(connected: Engine) -> None:
    """The engine counts enhanced status codes that contradict the reply code."""
    connected.feed(b"220 4.0.0 hi\r\n")
    assert connected.enhanced_mismatches == 1


def test_empty_feed_is_nothing(connected: Engine) -> None:
    """No octets make no event."""
    assert connected.feed(b"") == []


def test_lone_dot_is_legal_content(at_content: Engine) -> None:
    """A caller may always give content without a message."""
    assert at_content.send(Content(LONE_DOT)) == b".\r\n"


def test_content_is_not_shown() -> None:
    """No message content gets into a representation, and so into no log."""
    assert "secret" not in repr(Content(b"secret\r\n.\r\n"))
