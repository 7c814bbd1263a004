"""The transcript of an attempt, from a real conversation to what is shown: complete, bounded, and without a secret."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from certificates import Authority, server_context
from delivery import BODY, PATIENT, POLICY, SETTINGS, Begin, in_loop
from mx import CLOSE, HANG, Mx, Sleep, Trickle
from ports import free_ports
from smarthost import CHALLENGE, Smarthost

from softbounce import Shown, ShownTranscript
from softbounce.road import Road, RouteRule
from softbounce.settings import Settings
from softbounce.transcript import MOST_CHARACTERS, MOST_LINES, MOST_OCTETS

FAST = Settings(
    policies={"default": msgspec.structs.replace(POLICY, delays=(timedelta(milliseconds=50),), max_attempts=6)}
)


def transcript_of(shown: Shown) -> ShownTranscript:
    """What was said in the last attempt."""
    transcript = shown.attempts[-1].transcript
    assert transcript is not None
    return transcript


def said(shown: Shown) -> list[str]:
    """Its lines, without their times."""
    return [f"{line.by} {line.text}" for line in transcript_of(shown).lines]


@in_loop
async def test_issue12_transcript_has_the_whole_conversation(begin: Begin, tmp_path: Path) -> None:
    """From the dialled address to the refusal, both sides, with TLS between; the message only as a number of octets."""
    authority = Authority(tmp_path)
    host = Mx({"dot": "451 4.3.0 not\x1b[31m now"}, tls=server_context(authority.sign("mx1.a.test")))
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
    lines = said(shown)
    assert lines[0].startswith("* dials mx1.a.test [127.88.0.1]")
    assert lines[1:4] == ["* connected", "< 220 mx.test ESMTP", "> EHLO client.test"]
    assert "> STARTTLS" in lines
    assert "* TLSv1.3 TLS_AES_256_GCM_SHA384" in lines
    assert lines.count("> EHLO client.test") == 2
    begun = next(at for at, line in enumerate(lines) if line.startswith("> MAIL"))
    assert lines[begun].startswith("> MAIL FROM:<app@sender.test> SIZE=")
    assert lines[begun + 1 : begun + 6] == [
        "> RCPT TO:<r@a.test>",
        "> DATA",
        "< 250 2.1.0 ok",
        "< 250 2.1.5 ok",
        "< 354 go on",
    ]
    assert lines[begun + 6].startswith("> (the message: ")
    assert lines[begun + 7].startswith("< 451 4.3.0 not")
    assert "\x1b" not in lines[begun + 7]
    assert not any("Hello" in line for line in lines)


@in_loop
async def test_issue12_transcript_has_the_milliseconds_of_each_stage(begin: Begin) -> None:
    """What was waited for the host is counted to the stage that it was slow in, and the lines say when."""
    slow = {"greeting": (Sleep(0.2), "220 hello"), "RCPT": (Sleep(0.3), "450 4.2.1 later")}
    async with begin() as mail:
        await mail.host("a.test", Mx(slow))
        (shown,) = await mail.deliver("r@a.test")
    transcript = transcript_of(shown)
    took = transcript.stage_ms
    assert set(took) == {"connect", "greeting", "ehlo", "mail", "rcpt", "data"}
    assert 190 <= took["greeting"] < 1000
    assert 290 <= took["rcpt"] < 1000
    assert max(took["connect"], took["ehlo"], took["mail"], took["data"]) < 190
    times = [line.ms for line in transcript.lines]
    assert times == sorted(times)
    assert sum(took.values()) <= times[-1] + len(took)


@pytest.mark.parametrize(
    ("point", "act", "last"),
    [
        ("greeting", CLOSE, "connection closed by the remote"),
        ("greeting", HANG, "no answer in time at stage greeting"),
        ("greeting", "554 5.7.1 go away", "554 5.7.1 go away"),
        ("EHLO", "421 4.3.2 busy", "421 4.3.2 busy"),
        ("RCPT", CLOSE, "connection closed by the remote"),
        ("DATA", Trickle(b"x" * 9, 0, forever=True), "line"),
        ("dot", HANG, "no answer in time at stage end_of_data"),
    ],
)
@in_loop
async def test_issue12_transcript_tells_how_it_ended(begin: Begin, point: str, act: object, last: str) -> None:
    """Wherever an attempt ends and by whatever, with or without a session: its transcript's end says so."""
    brief = replace(PATIENT, greeting=0.3, end_of_data=0.3)
    async with begin(timeouts=brief) as mail:
        await mail.host("a.test", Mx({point: act}))  # type: ignore[dict-item]
        (identity,) = await mail.send("r@a.test")
        (shown,) = await mail.tried(identity)
    assert any(last in line for line in said(shown)[-3:]), said(shown)


@in_loop
async def test_issue12_transcript_has_the_hosts_that_were_asked_before(begin: Begin) -> None:
    """A host that blamed itself is in it: the attempt was its own too."""
    busy, last = Mx({"RCPT": "452 4.3.1 no room"}), Mx({"RCPT": "450 4.2.1 later"})
    async with begin() as mail:
        await mail.host("a.test", busy, last)
        (shown,) = await mail.deliver("r@a.test")
    lines = said(shown)
    assert lines[0] == "* mx1.a.test [127.88.0.1] at rcpt: no room"
    assert "* dials mx2.a.test [127.88.0.2]" in lines
    assert "< 450 4.2.1 later" in lines


@in_loop
async def test_issue12_transcript_has_addresses_where_nobody_listens(begin: Begin) -> None:
    """Each with its reason, in front of the session that was had then."""
    gone, last = Mx(), Mx({"RCPT": "450 4.2.1 later"})
    async with begin() as mail:
        await mail.host("a.test", gone, last)
        await gone.close()
        (shown,) = await mail.deliver("r@a.test")
    assert said(shown)[:3] == [
        "* dials mx1.a.test [127.88.0.1]",
        "* 127.88.0.1 refused the connection",
        "* dials mx2.a.test [127.88.0.2]",
    ]


@in_loop
async def test_issue12_transcript_shows_no_other_recipient(begin: Begin) -> None:
    """Of a message to many each envelope shows its own RCPT and reply; of the others how many they were."""
    host = Mx({"RCPT": ["250 2.1.5 ok", "450 4.2.1 busy yourself", "250 2.1.5 fine"]})
    async with begin() as mail:
        await mail.host("a.test", host)
        ids = await mail.send("one@a.test", "two@a.test", "three@a.test")
        (shown,) = [one for one in await mail.settled(*ids) if one.state == "scheduled"]
    lines = said(shown)
    assert [line for line in lines if "RCPT" in line] == [
        f"> RCPT TO:<{shown.recipient}>",
        "* (RCPT for 2 more and its replies are left out)",
    ]
    assert "< 450 4.2.1 busy yourself" in lines
    assert not any("fine" in line for line in lines)


@in_loop
async def test_issue12_transcript_is_bounded_whatever_a_host_says(begin: Begin) -> None:
    """Sixty lines of 200 characters and 6,000 octets at most; what is left out in the middle is counted."""
    chatter = "\r\n".join(f"250-{number:02}{'é' * 400}" for number in range(60)) + "\r\n250 end"
    host = Mx({"EHLO": chatter, "RCPT": "450-4.2.1 a\r\n450 4.2.1 " + "b" * 900})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test")
    transcript = transcript_of(shown)
    assert len(transcript.lines) <= MOST_LINES
    assert all(len(line.text) <= MOST_CHARACTERS + 3 for line in transcript.lines)
    assert sum(len(line.text.encode()) for line in transcript.lines) <= MOST_OCTETS + 60
    assert any("lines left out" in line.text for line in transcript.lines)
    assert transcript.lines[0].text.startswith("dials")
    assert "bbb" in transcript.lines[-1].text or "bbb" in transcript.lines[-3].text


@in_loop
async def test_issue12_transcript_is_kept_of_the_latest_three(begin: Begin) -> None:
    """An envelope that is tried for days takes no more of the store for what was said than one tried three times."""
    async with begin(settings=FAST) as mail:
        await mail.host("a.test", Mx({"RCPT": "450 4.2.1 later"}))
        (identity,) = await mail.send("r@a.test")

        async def has_ended() -> bool:
            (one,) = await mail.show(identity)
            return one.state == "bounced"

        await mail.until(has_ended, 15.0)
        (shown,) = await mail.show(identity)
        page = await mail.client.page()
    assert [attempt.transcript is not None for attempt in shown.attempts] == [False] * 3 + [True] * 3
    assert all(attempt.transcript is None for one in page.envelopes for attempt in one.attempts)


@pytest.mark.parametrize(
    ("keeps", "refused", "taken"), [("failed", True, False), ("all", True, True), ("none", False, False)]
)
@in_loop
async def test_issue12_transcript_is_kept_as_the_setting_says(
    begin: Begin, keeps: str, refused: bool, taken: bool
) -> None:
    """Of attempts that failed, of all, or of none."""
    async with begin(transcripts=keeps) as mail:  # type: ignore[arg-type]
        await mail.host("a.test", Mx({"RCPT": ["450 4.2.1 later", "250 ok"]}))
        (first,) = await mail.deliver("r@a.test")
        (second,) = await mail.deliver("s@a.test")
    assert (first.state, second.state) == ("scheduled", "delivered")
    assert (first.attempts[-1].transcript is not None, second.attempts[-1].transcript is not None) == (refused, taken)


@in_loop
async def test_issue12_transcript_of_a_session_that_is_used_again_has_its_opening(begin: Begin) -> None:
    """The second message of a session has the greeting in its transcript too, and says that it was not the first."""
    host = Mx({"RCPT": ["250 ok", "450 4.2.1 later"]})
    async with begin(settings=SETTINGS) as mail:
        await mail.host("a.test", host)
        await mail.deliver("r@a.test")
        (shown,) = await mail.deliver("s@a.test")
        assert host.connections == 1
    lines = said(shown)
    assert "< 220 mx.test ESMTP" in lines
    assert "* (the session carried 1 before this)" in lines
    assert set(transcript_of(shown).stage_ms) == {"mail", "rcpt", "data"}
    assert not any("r@a.test" in line for line in lines)
    assert BODY not in "\n".join(lines).encode()


def repeats(line: str) -> str:
    """A refusal that has the client's own words in it."""
    return f"535 5.7.8 what is {line} or {PASSWORD}?"


ASKED: dict[str, list[str | Callable[[str], str]]] = {
    "PLAIN": [lambda line: repeats(line.partition(" ")[2])],
    "LOGIN": ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", repeats],
    "CRAM-MD5": [f"334 {b64encode(CHALLENGE).decode()}", repeats],
}
PASSWORD = "s3cret-passw0rd"


@pytest.mark.parametrize("mechanism", ASKED)
@in_loop
async def test_issue12_A17_the_transcript_of_a_login_has_no_secret(begin: Begin, mechanism: str) -> None:
    """Whichever mechanism: its lines are not shown, and what the host repeats of them is struck out."""
    port = free_ports(1)[0]
    rule = RouteRule(road=Road(host="127.88.5.9", port=port, user="me"))
    host = Smarthost(offers=[f"AUTH {mechanism}"], steps=ASKED)
    async with begin(settings=Settings(policies={"default": POLICY}, route=(rule,)), logins={"me": PASSWORD}) as mail:
        await mail.listen(host, "127.88.5.9", port)
        (shown,) = await mail.tried(*await mail.send("r@a.test"))
    lines = said(shown)
    assert "> AUTH (not shown)" in lines
    assert any(line.startswith("< 535 5.7.8 what is *** or ***?") for line in lines)
    digest = hmac.new(PASSWORD.encode(), CHALLENGE, "md5").hexdigest()
    for secret in (PASSWORD, digest, *(b64encode(one).decode() for one in _responses(digest))):
        assert secret not in "\n".join(lines)


def _responses(digest: str) -> list[bytes]:
    return [PASSWORD.encode(), f"\0me\0{PASSWORD}".encode(), f"me {digest}".encode()]
