from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from softbounce_playground import Playground, Zone

type_of_play = Callable[..., None]
Ask = Callable[..., Awaitable[dns.message.Message]]


async def ask(playground: Playground, name: str, type_: str = "MX", *, tcp: bool = False) -> dns.message.Message:
    """Ask over the wire."""
    address, port = playground.dns_address
    query = dns.message.make_query(name, type_)
    if tcp:
        return await dns.asyncquery.tcp(query, address, timeout=5, port=port)
    return await dns.asyncquery.udp(query, address, timeout=5, port=port)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_question_is_answered_on_the_wire(play: type_of_play, tcp: bool) -> None:
    """MX records come with the asker's spelling and the configured TTL, over both transports."""

    async def scene(playground: Playground, _dial: object) -> None:
        playground.ttl_seconds = 7
        reply = await ask(playground, "A.Test", tcp=tcp)
        assert reply.rcode() == dns.rcode.NOERROR
        assert str(reply.answer[0].name) == "A.Test."
        assert reply.answer[0].ttl == 7
        assert {str(record).lower() for record in reply.answer[0]} == {"10 mx1.a.test.", "20 mx2.a.test."}
        assert playground.queries["a.test", "MX"] == 1
        host = await ask(playground, "mx1.a.test", "A", tcp=tcp)
        assert str(host.answer[0][0]).startswith("127.77.0.")

    play(scene)


@pytest.mark.parametrize(("label", "rcode"), [("nxdomain", 3), ("servfail", 2), ("refused", 5), ("nomx", 0)])
def test_an_error_or_absence_has_its_code(play: type_of_play, label: str, rcode: int) -> None:
    """An absence carries a SOA that says how long it may be remembered; a failure does not."""

    async def scene(playground: Playground, _dial: object) -> None:
        reply = await ask(playground, f"{label}.test")
        assert (reply.rcode(), reply.answer) == (rcode, [])
        assert bool(reply.authority) == (label in {"nxdomain", "nomx"})

    play(scene)


def test_D20_an_answer_too_large_for_a_datagram_is_truncated(play: type_of_play) -> None:
    """The datagram has the TC flag and nothing else; TCP has all of it."""

    async def scene(playground: Playground, _dial: object) -> None:
        short = await ask(playground, "manymx.test")
        assert short.flags & dns.flags.TC
        assert not short.answer
        assert len((await ask(playground, "manymx.test", tcp=True)).answer[0]) == 60

    play(scene)


def test_silence_is_silence_and_zones_change_while_it_runs(play: type_of_play) -> None:
    """A name that times out gets no reply at all, until a zone says otherwise."""

    async def scene(playground: Playground, _dial: object) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(playground, "timeout.test"), 0.05)
        playground.zone["timeout.test"] = Zone(mx=[(1, "mx.example.test")])
        assert str((await ask(playground, "timeout.test")).answer[0][0]) == "1 mx.example.test."

    play(scene)


def test_nonsense_is_not_answered() -> None:
    """Octets that are no query, and replies, get no reply."""
    reply_to = Playground()._nameserver.reply_to
    query = dns.message.make_query("a.test", "MX")
    answer = dns.message.make_response(query)
    for octets in (b"", b"x", b"\0" * 11, b"\xff" * 40, answer.to_wire()):
        assert reply_to(octets, is_udp=True) is None
    no_question = dns.message.Message()
    wire = reply_to(no_question.to_wire(), is_udp=True)
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.NOTIMP
