from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from softbounce_playground import HANG, HostBehaviour, Playground, Point

if TYPE_CHECKING:
    from conftest import Client

type_of_play = Callable[..., None]
Dial = Callable[..., Awaitable["Client"]]
BODY = "Message-ID: <1@sender.test>\r\nSubject: x\r\n\r\n..stuffed\r\nend\r\n"
UNSTUFFED = BODY.replace("\r\n..", "\r\n.").encode()


def test_a_plain_host_takes_messages_in_a_pipeline(play: type_of_play) -> None:
    """Several transactions sent in one go are answered in order, and the ledger has what arrived."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial()
        greeting, offers = await client.hello()
        assert greeting.startswith("220 mx-127-77-0-")
        assert all(word in offers for word in ("PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"))
        for _ in range(2):
            replies = await client.send("accept-1@a.test", "reject@a.test", "x@b.test", body=BODY)
            assert [reply[:3] for reply in replies] == ["250", "250", "550", "250", "354", "250"]
        first, second = playground.ledger.entries
        assert first.recipients == second.recipients == ("accept-1@a.test", "x@b.test")
        assert (first.refused[0].recipient, first.refused[0].code) == ("reject@a.test", 550)
        assert (first.message_id, first.octets) == ("<1@sender.test>", len(UNSTUFFED))
        assert first.sha256 == hashlib.sha256(UNSTUFFED).hexdigest()
        assert (first.ehlo, first.sender, first.answer, first.kind) == ("client.test", "app@sender.test", 250, "reject")
        assert playground.ledger.taken("x@b.test") == playground.ledger.copies("x@b.test") == 2
        assert await client.say("QUIT\r\n", 2) == ["221 2.0.0 Bye", ""]
        assert not playground.ledger.violations

    play(scene)


def test_every_octet_may_come_alone(play: type_of_play) -> None:
    """Commands and bodies mean the same however they are cut."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial()
        await client.hello()
        octets = f"MAIL FROM:<>\r\nRCPT TO:<accept@a.test>\r\nDATA\r\n{BODY}.\r\nRSET\r\n"
        for octet in octets:
            client.writer.write(octet.encode())
            await asyncio.sleep(0)
        assert [(await client.reply())[:3] for _ in range(5)] == ["250", "250", "354", "250", "250"]
        assert playground.ledger.entries[0].sha256 == hashlib.sha256(UNSTUFFED).hexdigest()
        assert playground.ledger.entries[0].sender == ""

    play(scene)


SCRIPTED = [
    ("greylist2@a.test", [["250", "450", "554"], ["250", "450", "554"], ["250", "250", "354", "250"]], 1, 1),
    ("defer@a.test", [["250", "450", "554"]] * 3, 0, 0),
    ("full@a.test", [["250", "452", "554"]], 0, 0),
    ("systemdown@a.test", [["250", "451", "554"]], 0, 0),
    ("busy@a.test", [["250", "421", ""], ["250", "250", "354", "250"]], 1, 1),
    ("dropdata1@a.test", [["250", "250", "354", ""], ["250", "250", "354", "250"]], 1, 1),
    ("dropdata@a.test", [["250", "250", "354", ""]] * 3, 0, 0),
    ("dropdot@a.test", [["250", "250", "354", ""], ["250", "250", "354", "250"]], 1, 2),
    ("dotdefer@a.test", [["250", "250", "354", "451"]] * 2, 0, 0),
    ("dotreject@a.test", [["250", "250", "354", "554"]], 0, 0),
    ("c499at-data@a.test", [["250", "250", "499"]], 0, 0),
    ("c452at-dot@a.test", [["250", "250", "354", "452"]], 0, 0),
    ("dropat-rcpt@a.test", [["250", "", ""]], 0, 0),
]


@pytest.mark.parametrize(("recipient", "tries", "taken", "copies"), SCRIPTED, ids=[case[0] for case in SCRIPTED])
def test_a_recipient_gets_what_it_asks_for(
    play: type_of_play, recipient: str, tries: list[list[str]], taken: int, copies: int
) -> None:
    """Each try is answered as the script says, and the ledger knows what was taken and what was kept."""

    async def scene(playground: Playground, dial: Dial) -> None:
        for expected in tries:
            client = await dial()
            await client.hello()
            assert [reply[:3] for reply in await client.send(recipient)] == expected
            await client.close()
        assert playground.ledger.taken(recipient) == taken
        assert playground.ledger.copies(recipient) == copies
        assert not playground.ledger.violations

    play(scene)


def test_a_message_that_was_kept_in_silence_is_in_the_ledger(play: type_of_play) -> None:
    """After dropdot the entry is complete and kept, with no answer; after dropdata it is begun and not complete."""

    async def scene(playground: Playground, dial: Dial) -> None:
        for recipient in ("dropdot@a.test", "dropdata@a.test"):
            client = await dial()
            await client.hello()
            await client.send(recipient)
        kept, lost = playground.ledger.entries
        assert (kept.data_begun, kept.complete, kept.kept, kept.answer, kept.is_taken) == (
            True,
            True,
            True,
            None,
            False,
        )
        assert (lost.data_begun, lost.complete, lost.kept, lost.answer) == (True, False, False, None)

    play(scene)


def test_a_slow_recipient_delays_its_own_transaction_only(play: type_of_play) -> None:
    """Replies from the slow RCPT on come late and in order; those of the next transaction do not."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client, loop = await dial(), asyncio.get_running_loop()
        await client.hello()
        begun = loop.time()
        assert [reply[:3] for reply in await client.send("slow100@a.test")] == ["250", "250", "354", "250"]
        late = loop.time()
        assert late - begun > 0.29
        await client.send("accept@a.test")
        assert loop.time() - late < 0.2
        assert [entry.kind for entry in playground.ledger.entries] == ["slow", "accept"]

    play(scene)


def test_a_slow_dot_delays_the_reply_to_the_dot_alone(play: type_of_play) -> None:
    """Only the reply to the dot comes late."""

    async def scene(_playground: Playground, dial: Dial) -> None:
        client, loop = await dial(), asyncio.get_running_loop()
        await client.hello()
        begun = loop.time()
        assert [reply[:3] for reply in await client.send("dotslow200@a.test")] == ["250", "250", "354", "250"]
        assert 0.19 < loop.time() - begun < 0.39

    play(scene)


def test_a_slow_host_delays_every_reply(play: type_of_play) -> None:
    """A host that is slow answers a pipeline one delay after another, the greeting included."""

    async def scene(_playground: Playground, dial: Dial) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        client = await dial("slow50.test")
        await client.hello()
        await client.send("accept@slow50.test")
        assert loop.time() - begun > 0.29

    play(scene)


def test_a_client_that_leaves_before_a_late_answer_was_not_answered(play: type_of_play) -> None:
    """The ledger never claims an answer that was not given, though the host has the message."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial()
        await client.hello()
        client.writer.write(b"MAIL FROM:<>\r\nRCPT TO:<x@a.test>\r\nRCPT TO:<slow300@a.test>\r\nDATA\r\n")
        for _ in range(4):
            await client.reply()
        client.writer.write(b"hi\r\n.\r\n")
        await client.writer.drain()
        client.writer.close()
        for _ in range(200):
            if playground.ledger.entries:
                break
            await asyncio.sleep(0.01)
        entry = playground.ledger.entries[0]
        assert (entry.complete, entry.kept, entry.answer, entry.is_taken) == (True, True, None, False)

    play(scene)


HOSTS = [
    ("greet554.test", ["554", "503"]),
    ("greet421.test", ["421", ""]),
    ("drop.test", ["", ""]),
    ("noehlo.test", ["220", "502"]),
    ("c451at-ehlo.test", ["220", "451"]),
    ("dropat-ehlo.test", ["220", ""]),
]


@pytest.mark.parametrize(("domain", "expected"), HOSTS, ids=[case[0] for case in HOSTS])
def test_a_host_begins_as_its_labels_say(play: type_of_play, domain: str, expected: list[str]) -> None:
    """Greeting and the answer to EHLO are the host's, before any recipient is known."""

    async def scene(_playground: Playground, dial: Dial) -> None:
        client = await dial(domain)
        assert [reply[:3] for reply in await client.hello()] == expected

    play(scene)


def test_a_host_without_ehlo_takes_helo(play: type_of_play) -> None:
    """502 to EHLO leaves HELO and a plain transaction."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial("noehlo.test")
        await client.hello()
        assert (await client.say("HELO old.test\r\n"))[0].startswith("250 ")
        assert (await client.send("x@noehlo.test"))[-1].startswith("250")
        assert playground.ledger.entries[0].ehlo == "old.test"

    play(scene)


LIMITS = [
    ("c451at-mail.test", "MAIL FROM:<a@b.test>\r\n", "451"),
    ("c550at-quit.test", "QUIT\r\n", "550"),
    ("c500at-rset.test", "RSET\r\n", "500"),
    ("size1000.test", "MAIL FROM:<a@b.test> SIZE=1001\r\n", "552"),
    ("size1000.test", "MAIL FROM:<a@b.test> SIZE=1000\r\n", "250"),
    ("nosize.test", "MAIL FROM:<a@b.test> SIZE=1\r\n", "555"),
    ("no8bitmime.test", "MAIL FROM:<a@b.test> BODY=8BITMIME\r\n", "555"),
    ("nosmtputf8.test", "MAIL FROM:<a@b.test> SMTPUTF8\r\n", "555"),
    ("a.test", "MAIL FROM:<ü@b.test> SIZE=9 BODY=8BITMIME SMTPUTF8\r\n", "250"),
    ("a.test", 'MAIL FROM:<"a b>"@b.test>\r\n', "250"),
    ("a.test", "MAIL FROM: <a@b.test>\r\n", "501"),
    ("a.test", "MAIL FROM:<c550at-mail@b.test>\r\n", "550"),
    ("a.test", "RCPT TO:<a@b.test>\r\n", "503"),
    ("a.test", "DATA\r\n", "503"),
    ("a.test", "EHLO\r\n", "501"),
    ("a.test", "NOOP\r\n", "250"),
    ("a.test", "TURN\r\n", "500"),
    ("a.test", "X" * 3000 + "\r\n", "500"),
]


@pytest.mark.parametrize(("domain", "command", "code"), LIMITS, ids=[f"{c[0]} {c[1].strip()[:40]}" for c in LIMITS])
def test_a_command_after_ehlo_is_answered(play: type_of_play, domain: str, command: str, code: str) -> None:
    """Syntax, order and what was offered decide, unless the host's labels do."""

    async def scene(_playground: Playground, dial: Dial) -> None:
        client = await dial(domain)
        await client.hello()
        assert (await client.say(command))[0][:3] == code

    play(scene)


def test_M05_a_host_limits_recipients_and_connections(play: type_of_play) -> None:
    """One recipient too many is answered 452 4.5.3, one connection too many is greeted with 421."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial("rcptmax2.maxconn1.test")
        await client.hello()
        replies = await client.send("a@x.test", "b@x.test", "c@x.test")
        assert [reply[:9] for reply in replies][1:4] == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
        assert (await (await dial("rcptmax2.maxconn1.test")).reply()).startswith("421 4.7.0")
        assert max(playground.peaks.values()) == 2

    play(scene)


def test_P03_a_host_may_say_354_without_recipients(play: type_of_play) -> None:
    """With blinddata DATA begins although everyone was refused, and the lone dot is refused."""

    async def scene(_playground: Playground, dial: Dial) -> None:
        client = await dial("blinddata.test")
        await client.hello()
        replies = await client.send("reject@x.test", body="")
        assert [reply[:3] for reply in replies] == ["250", "550", "354", "554"]

    play(scene)


def test_an_oversized_message_is_refused_after_the_dot(play: type_of_play) -> None:
    """A body above the limit that was not announced is read to its end and refused."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial("size1000.test")
        await client.hello()
        assert (await client.send("a@size1000.test", body="x" * 998 + "\r\nx\r\n"))[-1].startswith("552 5.3.4")
        assert (playground.ledger.entries[0].octets, playground.ledger.entries[0].kept) == (1003, False)

    play(scene)


VIOLATIONS = [
    ("pipelined without the offer", "nopipelining.test", "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@a.test>\r\n", 2),
    ("pipelined after DATA", "a.test", "MAIL FROM:<>\r\nRCPT TO:<x@a.test>\r\nDATA\r\nhi\r\n.\r\n", 4),
    ("MAIL within a transaction", "a.test", "MAIL FROM:<>\r\nMAIL FROM:<>\r\n", 2),
    ("bare LF", "a.test", "NOOP\n", 1),
    ("spoke into a delay after EHLO", "slow20.test", "EHLO again\r\nNOOP\r\n", 2),
]


@pytest.mark.parametrize(("domain", "octets", "replies"), [c[1:] for c in VIOLATIONS], ids=[c[0] for c in VIOLATIONS])
def test_what_a_client_does_against_the_rules_is_noted(
    play: type_of_play, domain: str, octets: str, replies: int
) -> None:
    """The host goes on, and the ledger remembers."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial(domain)
        await client.hello()
        assert not playground.ledger.violations
        await client.say(octets, replies)
        assert playground.ledger.violations.total() >= 1

    play(scene)


def test_a_behaviour_changes_while_mail_flows(play: type_of_play) -> None:
    """A domain gets hosts of its own, which go down, come up and change their replies at once."""

    async def scene(playground: Playground, dial: Dial) -> None:
        playground.behave("own.test")
        client = await dial("own.test")
        await client.hello()
        playground.behave("own.test", HostBehaviour(replies={Point.MAIL: "451 4.3.2 Later"}))
        assert await client.say("MAIL FROM:<>\r\n") == ["451 4.3.2 Later"]
        playground.behave("own.test", HostBehaviour(refuses_connections=True))
        assert await client.reply() == ""
        with pytest.raises(ConnectionRefusedError):
            await dial("own.test")
        playground.behave("own.test", HostBehaviour(delay=timedelta(milliseconds=1)))
        client = await dial("own.test")
        await client.hello()
        assert (await client.send("x@own.test"))[-1].startswith("250")
        host = playground.hosts_of("own.test")[0]
        assert (host.accepted, host.peak, len(host.sessions)) == (2, 1, 1)
        assert host.address not in {host.address for host in playground.hosts_of("a.test")}

    play(scene)


def test_a_host_that_hangs_says_nothing_more(play: type_of_play) -> None:
    """After a hang no command is answered, the connection stays, and its end is noticed."""

    async def scene(playground: Playground, dial: Dial) -> None:
        playground.behave("own.test", HostBehaviour(replies={Point.RCPT: HANG}))
        client = await dial("own.test")
        await client.hello()
        assert (await client.say("MAIL FROM:<>\r\nRCPT TO:<x@own.test>\r\nQUIT\r\n"))[0].startswith("250")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.05)

    play(scene)


def test_transcript_and_bodies_are_kept_on_demand(play: type_of_play) -> None:
    """Command lines and bodies are there octet by octet once asked for."""

    async def scene(playground: Playground, dial: Dial) -> None:
        playground.ledger.transcript = []
        playground.ledger.bodies = {}
        client = await dial()
        await client.hello()
        await client.send("x@a.test", body=BODY)
        assert [command.octets for command in playground.ledger.transcript] == [
            b"EHLO client.test",
            b"MAIL FROM:<app@sender.test>",
            b"RCPT TO:<x@a.test>",
            b"DATA",
        ]
        assert list(playground.ledger.bodies.values()) == [UNSTUFFED]

    play(scene)


def test_hosts_that_share_an_address_are_slow_from_rcpt_on(play: type_of_play) -> None:
    """With addresses given, labels of the recipient's domain still delay its transaction."""

    async def scene(playground: Playground, dial: Dial) -> None:
        loop = asyncio.get_running_loop()
        assert set(playground.hosts) == {"127.0.0.1"}
        client = await dial("slow100.test")
        await client.hello()
        begun = loop.time()
        await client.send("x@slow100.test")
        assert loop.time() - begun > 0.29

    play(scene, Playground(addresses=["127.0.0.1"]))


def test_S01_a_client_that_speaks_before_the_greeting_is_noted(play: type_of_play) -> None:
    """What comes while the greeting is delayed is against the rules, and is answered after it."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial("slow100.test")
        greeting, offers = await client.say("EHLO hasty.test\r\n", 2)
        assert (greeting[:3], offers[:3]) == ("220", "250")
        assert playground.ledger.violations.total() == 1

    play(scene)


def test_octets_that_wait_for_a_late_reply_are_bounded(play: type_of_play) -> None:
    """A client that goes on sending during a delay is slowed down, and nothing of it is lost."""

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial()
        await client.hello()
        await client.say("MAIL FROM:<>\r\nRCPT TO:<slow200@a.test>\r\n", 2)
        body = "x" * 76 + "\r\n"
        client.writer.write(b"DATA\r\n" + body.encode() * 100_000 + b".\r\nNOOP\r\n")
        assert [(await client.reply())[:3] for _ in range(3)] == ["354", "250", "250"]
        assert playground.ledger.entries[0].octets == len(body) * 100_000
        assert playground.ledger.violations.total() >= 1

    play(scene)


def test_without_a_network_of_loopback_addresses_all_hosts_share_one(
    play: type_of_play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the block's addresses cannot be bound, 127.0.0.1 stands for every host."""
    monkeypatch.setattr("softbounce_playground.addresses.NETWORK", "192.0")

    async def scene(playground: Playground, dial: Dial) -> None:
        client = await dial()
        await client.hello()
        assert (await client.send("x@a.test"))[-1].startswith("250")
        assert set(playground.hosts) == {"127.0.0.1"}

    play(scene)
