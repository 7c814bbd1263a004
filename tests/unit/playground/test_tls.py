"""STARTTLS at the playground's hosts, by a client whose TLS is Python's own."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from softbounce_playground import Playground, expected
from softbounce_playground.tls import self_signed_context

CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE
Play = Callable[..., None]


@pytest.fixture
def secure() -> Playground:
    """One whose hosts have a certificate."""
    playground = Playground()
    playground.tls = self_signed_context()
    return playground


def talk(octets: list[bytes], address: str, port: int) -> list[bytes]:
    """Say these by TLS, one after another; what is answered to each. In a thread."""
    with smtplib.SMTP(address, port, "client.test", timeout=5) as client:
        client.starttls(context=CONTEXT)
        return [b"%d " % code + text for code, text in (client.docmd(line.decode()) for line in octets)]


def address_of(playground: Playground, domain: str) -> str:
    """Where its first host listens."""
    return str(playground._directory.answer(f"mx1.{domain}", "A").records[0].values[0])


def test_issue12_after_TLS_a_host_has_forgotten_what_was_said(play: Play, secure: Playground) -> None:
    """MAIL is out of order before EHLO, and STARTTLS is not offered again, nor known."""

    async def scene(playground: Playground, dial: Any) -> None:  # noqa: ANN401 - any client
        del dial
        lines = [b"MAIL FROM:<a@sender.test>", b"EHLO client.test", b"STARTTLS", b"QUIT"]
        said = await asyncio.to_thread(talk, lines, address_of(playground, "a.test"), playground.smtp_port)
        assert [one[:3] for one in said] == [b"503", b"250", b"500", b"221"]
        assert b"STARTTLS" not in said[1]

    play(scene, secure)


def test_A05_what_came_with_STARTTLS_counts_for_nothing(play: Play, secure: Playground) -> None:
    """It was never protected, and is not obeyed behind the handshake; nor is nonsense instead of one."""

    async def scene(playground: Playground, dial: Any) -> None:  # noqa: ANN401 - any client
        client = await dial("a.test")
        assert "STARTTLS" in (await client.hello())[1]
        (said,) = await client.say("STARTTLS\r\nMAIL FROM:<a@sender.test>\r\n")
        assert said.startswith("220")
        assert await client.say("RCPT TO:<b@a.test>\r\n") != ["503 5.5.1 Bad sequence of commands"]
        assert playground.ledger.violations["pipelined where that is not allowed"] == 1

    play(scene, secure)


def test_issue12_STARTTLS_is_offered_where_it_shall_be(play: Play, secure: Playground) -> None:
    """Not by a playground without a certificate, nor below the label that says so; and a refusal can be asked for."""

    async def scene(playground: Playground, dial: Any) -> None:  # noqa: ANN401 - any client
        offers = "STARTTLS" in (await (await dial("a.test")).hello())[1]
        assert offers == (playground.tls is not None)
        client = await dial("nostarttls.test")
        assert "STARTTLS" not in (await client.hello())[1]
        assert (await client.say("STARTTLS\r\n"))[0].startswith("500")
        if offers:
            client = await dial("c454at-starttls.test")
            await client.hello()
            assert (await client.say("STARTTLS\r\n"))[0].startswith("454")
            assert (await client.send("x@a.test"))[-1].startswith("250")

    play(scene, secure)
    play(scene)


def test_issue12_what_becomes_of_mail_where_STARTTLS_fails() -> None:
    """It goes in clear, unless the host says that it is going away."""
    labels = ("c454at-starttls", "c554at-starttls", "dropat-starttls", "nostarttls", "c421at-starttls")
    assert [expected("accept", f"{label}.test") for label in labels] == ["delivered"] * 4 + ["bounced:promoted"]
