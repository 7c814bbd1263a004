"""BDAT (RFC 3030): where it saves a round trip, whole or not at all, and DATA for hosts that only say they know it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis
from delivery import BODY, PATIENT, SETTINGS, Begin, in_loop, lane_settings
from mx import CLOSE, HANG, RESET, Mx, Reaction, Script, Sleep

from softbounce.settings import LaneRule

OFFER = "250-mx.test\r\n250-SIZE\r\n250-8BITMIME\r\n250 CHUNKING"
GROUPS_TOO = "250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING"
DOTS = BODY + b".one\r\n..two\r\n.\r\nthree\n.\r\n".replace(b"\n.", b"\r\n.").replace(b"\r\r", b"\r")
ONE_SESSION = lane_settings(LaneRule(connections=1))


def verbs(host: Mx) -> list[str]:
    """What a host was told, in short."""
    return [line.split(b" ")[0].decode() for line in host.commands]


@in_loop
async def test_P05_a_chunk_saves_the_354_where_commands_go_one_at_a_time(begin: Begin) -> None:
    """Without PIPELINING the message goes by one BDAT of its exact size, no dot doubled, and DATA is not said."""
    host = Mx({"EHLO": OFFER})
    async with begin(settings=ONE_SESSION) as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test"), *await mail.deliver("r2@a.test", "r3@a.test", message=DOTS)]
        assert {one.state for one in shown} == {"delivered"}
        assert verbs(host)[:4] == ["EHLO", "MAIL", "RCPT", "BDAT"]
        assert (host.count("BDAT"), host.count("DATA"), host.count("RSET")) == (host.count("MAIL"), 0, 0)
        lines = [line for line in host.commands if line.startswith(b"BDAT")]
        assert lines == [b"BDAT %d LAST" % len(chunk) for chunk in host.chunks]
        assert host.chunks[1].endswith(DOTS.partition(b"\r\n\r\n")[2])
        assert host.bodies == []
        assert not any(b"BINARYMIME" in line for line in host.commands)


@pytest.mark.parametrize("offer", [GROUPS_TOO, "250-mx.test\r\n250 SIZE"], ids=["in-a-group", "not-offered"])
@in_loop
async def test_P05_data_is_said_where_a_chunk_saves_nothing(begin: Begin, offer: str) -> None:
    """In a group DATA costs no round trip, and BDAT may not stand beside RCPT (RFC 3030 §2): the 354 is free."""
    host = Mx({"EHLO": offer})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r@a.test", message=DOTS)
        assert (shown.state, host.count("BDAT"), len(host.bodies)) == ("delivered", 0, 1)


@in_loop
async def test_P05_recipients_of_a_chunk_each_have_their_own_answer(begin: Begin) -> None:
    """Some accepted, some refused: the chunk is for those accepted, and says nothing of the others."""
    replies: list[Reaction] = ["250 ok", "450 4.2.1 later", "550 5.1.1 no such user"]
    host = Mx({"EHLO": OFFER, "RCPT": replies})
    async with begin() as mail:
        await mail.host("a.test", host)
        shown = await mail.deliver("r1@a.test", "r2@a.test", "r3@a.test")
        assert [one.state for one in shown] == ["delivered", "scheduled", "bounced"]
        assert len(host.chunks) == 1


@pytest.mark.parametrize("reply", ["450 4.2.1 later", "550 5.1.1 no such user"])
@in_loop
async def test_P05_nobody_accepted_no_chunk(begin: Begin, reply: str) -> None:
    """Where all RCPT are refused not an octet of the message leaves."""
    host = Mx({"EHLO": OFFER, "RCPT": reply})
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("r1@a.test", "r2@a.test")
        assert verbs(host)[:5] == ["EHLO", "MAIL", "RCPT", "RCPT", "RSET"]


@pytest.mark.parametrize(
    ("reply", "states"),
    [("452 4.3.1 no room now", "scheduled"), ("554 5.7.1 no", "bounced"), ("552 5.3.4 too big", "bounced")],
)
@in_loop
async def test_P05_a_refused_chunk_is_judged_as_a_refused_dot_and_followed_by_rset(
    begin: Begin, reply: str, states: str
) -> None:
    """What the host keeps of the transaction nobody knows: RSET clears it, and the session goes on."""
    host = Mx({"EHLO": OFFER, "BDAT": [reply, "250 2.6.0 taken"]})
    async with begin(settings=ONE_SESSION) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test")
        assert (shown.state, shown.attempts[0].stage, shown.attempts[0].uncertain) == (states, "end_of_data", False)
        (shown,) = await mail.deliver("r2@a.test")
        assert shown.state == "delivered"
        assert verbs(host)[3:6] == ["BDAT", "RSET", "MAIL"]
        assert host.connections == 1


@pytest.mark.parametrize(
    ("reply", "point", "lines"),
    [
        ("502 5.5.1 not implemented", "BDAT", 1),
        ("503 bad sequence", "BDAT", 1),
        ("500 what", "BDAT early", 1),
        ("501 5.5.4 syntax", "BDAT early", 1),
        ("502 5.5.1 not implemented", "BDAT early", 4_000),
        ("503 bad sequence", "BDAT", 4_000),
    ],
)
@in_loop
async def test_P05_a_host_that_knows_no_bdat_gets_data_in_the_same_attempt(
    begin: Begin, reply: str, point: str, lines: int
) -> None:
    """CHUNKING was offered for nothing: the message goes again by DATA, uncharged, and so does the next one."""
    host = Mx({"EHLO": OFFER, point: reply})
    message = BODY + b"Sixty octets of text, to make a message that is a large one.\r\n" * lines
    async with begin(settings=ONE_SESSION, body_octets=10_000_000) as mail:
        await mail.host("a.test", host)
        shown = [*await mail.deliver("r1@a.test", message=message), *await mail.deliver("r2@a.test", message=message)]
        assert [(one.state, len(one.attempts)) for one in shown] == [("delivered", 1)] * 2
        assert (host.count("BDAT"), len(host.bodies)) == (1, 2)
        assert verbs(host).count("RSET") == 0


@in_loop
async def test_P05_every_host_of_a_site_may_know_no_bdat(begin: Begin) -> None:
    """However many they are: no host's refusal of BDAT is ever a verdict on the message."""
    hosts = [Mx({"EHLO": OFFER, "BDAT": "502 5.5.1 what", "dot": "451 4.3.2 not now"}) for _ in range(3)]
    hosts.append(Mx({"EHLO": OFFER, "BDAT": "502 5.5.1 what"}))
    async with begin() as mail:
        await mail.host("a.test", *hosts, preferences=range(4))
        (shown,) = await mail.deliver("r1@a.test")
        assert (shown.state, len(shown.attempts)) == ("delivered", 1)


@pytest.mark.parametrize("end", [CLOSE, RESET, HANG], ids=["close", "reset", "hang"])
@in_loop
async def test_P05_an_end_instead_of_the_answer_to_a_chunk_is_uncertain_and_the_next_goes_by_data(
    begin: Begin, end: Reaction
) -> None:
    """It had all of the message, so it may have taken it; CHUNKING is not believed for a while."""
    host = Mx({"EHLO": OFFER, "BDAT": end})
    async with begin(timeouts=replace(PATIENT, end_of_data=0.3)) as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test")
        assert (shown.state, shown.attempts[0].uncertain, shown.attempts[0].charged) == ("scheduled", True, True)
        (shown,) = await mail.deliver("r2@a.test")
        assert (shown.state, host.count("BDAT"), len(host.bodies)) == ("delivered", 1, 1)


@in_loop
async def test_P05_an_end_before_the_last_octet_of_a_chunk_is_no_attempt(begin: Begin) -> None:
    """While the marker is stored the end of the message waits: who hangs up then cannot have it, and gets DATA."""
    host = Mx({"EHLO": OFFER, "RCPT": (Sleep(0.2), "250 ok"), "BDAT early": RESET})
    message = BODY + b"Sixty octets of text, to make a message that is a large one.\r\n" * 4_000
    async with begin() as mail:
        await mail.host("a.test", host)
        await mail.deliver("known@b.test")
        ids = await mail.send("r1@a.test", message=message)
        await mail.until_true(lambda: host.count("RCPT") == 1)
        with redis.Redis.from_url(mail._store_url) as store:
            store.client_pause(700, all=False)
        (shown,) = await mail.settled(*ids)
        assert (shown.state, len(shown.attempts), host.count("BDAT")) == ("delivered", 1, 1)


@in_loop
async def test_P05_a_large_message_goes_by_data(begin: Begin) -> None:
    """A round trip is nothing beside it, and a chunk would be one more copy of it in memory."""
    host = Mx({"EHLO": OFFER})
    message = BODY + b"Sixty octets of text, to make a message that is a large one.\r\n" * 5_000
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.deliver("r1@a.test", message=message)
        assert (shown.state, host.count("BDAT"), len(host.bodies)) == ("delivered", 0, 1)


@pytest.mark.parametrize(
    "script",
    [{"RCPT": ("250 ok", "250 ok")}, {"MAIL": ("250 ok", "250 ok")}, {"RCPT": ("250 ok", "421 bye")}],
    ids=["rcpt-twice", "mail-twice", "then-421"],
)
@in_loop
async def test_P04_P05_a_reply_too_many_is_never_the_answer_to_a_chunk(begin: Begin, script: Script) -> None:
    """What was said before BDAT left answers something else: such a host gets DATA from now on."""
    host = Mx({"EHLO": OFFER, "BDAT": "554 5.7.1 never", **script})
    async with begin() as mail:
        await mail.host("a.test", host)
        (shown,) = await mail.tried(*await mail.send("r1@a.test"))
        assert shown.state != "delivered"
        assert not host.chunks


@in_loop
async def test_P05_a_cancelled_envelope_goes_in_no_chunk(begin: Begin) -> None:
    """The marker is stored before the last octets leave, as before a dot: who is cancelled by then is not sent."""
    host = Mx({"EHLO": OFFER, "RCPT": [("250 ok",), HANG]})
    async with begin(settings=SETTINGS, timeouts=replace(PATIENT, rcpt=0.5)) as mail:
        await mail.host("a.test", host)
        ids = await mail.send("r1@a.test", "r2@a.test")
        await mail.until_true(lambda: host.count("RCPT") == 2)
        await mail.client.cancel(ids[0])
        await mail.settled(*ids)
        assert host.chunks == []
