"""Mail into real hosts, read back from their mailboxes: Postfix, Exim, OpenSMTPD, Haraka, Dovecot and aiosmtpd.

``script/receivers`` installs them; a test is skipped where its host is missing, and fails for it in CI.
``script/test receivers`` runs these tests.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from certificates import Authority
from delivery import PATIENT, POLICY, Delivery, in_loop
from ports import free_ports
from real_hosts import HOSTS, PASSWORD, USER, Dovecot, Postfix, Postgrey, RealHost
from servers import Valkey
from signing import ED25519, RSA, opendkim_verdicts, rule
from tls_hosts import NAME, tls_of

from softbounce import Shown
from softbounce.road import Road, RouteRule
from softbounce.settings import Policy, Settings, TlsRule

HEAD = (
    b"From: app@sender.test\r\nTo: all@a.test\r\nMessage-ID: <1@sender.test>\r\n"
    b"Date: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
)
MESSAGES = {
    "plain": HEAD + b"Subject: plain\r\n\r\nHello.\r\n",
    "8-bit": HEAD + b"Subject: eight\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße, 你好\r\n".encode(),
    "dots": HEAD + b"Subject: dots\r\n\r\n.\r\n..\r\n. \r\n.hidden\r\nFrom here on\r\n>From there\r\n.\r\n",
    "empty": HEAD + b"Subject: empty\r\n\r\n",
    "blanks": HEAD + b"Subject: blanks\r\n\r\n\r\n \t\r\nx\t \r\n\r\n\r\n",
    "long lines": HEAD + b"Subject: long\r\n\r\n" + b"x" * 998 + b"\r\n" + b"." * 997 + b"\r\n",
}
HUNDRED = [f"u{number}@a.test" for number in range(100)]
LARGE = HEAD + b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 285_000
SHORT = HEAD + b"Subject: short\r\n\r\nx\r\n"
HERE = "127.88.6.1"
SOON = Policy(name="default", delays=(timedelta(seconds=3),), jitter=0.0)
MOST = 60.0
ALL = [*HOSTS, "Dovecot"]
BY_TLS = [name for name, kind in HOSTS.items() if kind.has_tls]
Make = Callable[..., Delivery]


def need(host: type[RealHost | Postgrey]) -> None:
    """Skip the test, or in CI fail it, without that."""
    if not host.is_installed():
        words = f"{host.__name__} is not installed: script/receivers does that"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs the certificates."""
    return Authority(tmp_path)


@pytest.fixture
def make(store_server: Valkey, tmp_path: Path) -> Make:
    """Makes a delivery side."""

    def made(settings: Settings, **options: Any) -> Delivery:  # noqa: ANN401
        options = {"timeouts": PATIENT, "body_octets": 100_000_000, **options}
        return Delivery(store_server.url, tmp_path, settings=settings, **options)

    return made


@asynccontextmanager
async def receiving(
    make: Make,
    host: RealHost,
    *domains: str,
    routed: bool = False,
    road: Road | None = None,
    policy: Policy = POLICY,
    tls: tuple[TlsRule, ...] = (),
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[Delivery]:
    """A delivery side whose mail for some domains goes to a host: as their MX, or where it is routed for all.

    :param road: what the route says besides the host's place.
    """
    settings = Settings(policies={"default": policy}, tls=tls)
    (port,) = free_ports(1)
    if routed:
        road = msgspec.structs.replace(road or Road(), host=HERE, port=port)
        settings = msgspec.structs.replace(settings, route=(RouteRule(road=road),))
    try:
        async with make(settings, **options) as mail:
            if routed:
                await host.listen(HERE, port)
            else:
                await mail.host(domains[0], host)  # type: ignore[arg-type]
                for one in domains[1:]:
                    mail.playground.zone[one] = mail.playground.zone[domains[0]]
            yield mail
    except BaseException:
        print(host.said())  # noqa: T201 - the only word of why
        raise
    finally:
        await host.close()


def at(make: Make, name: str, host: RealHost, **options: Any) -> Any:  # noqa: ANN401
    """The same by the way that this host wants it."""
    if name == "Dovecot":
        return receiving(make, host, routed=True, road=Road(protocol="lmtp"), **options)
    return receiving(make, host, "a.test", "b.test", **options)


async def until_kept(host: RealHost, *messages: bytes, times: int = 1) -> None:
    """Wait until its queue has brought them to the mailbox, octet for octet below what it put on top, and no others."""
    wanted = [one.replace(b"\r\n", b"\n") for one in messages]
    for _ in range(400):
        mails = host.mails()
        counts = [sum(one.endswith(message) for one in mails) for message in wanted]
        if counts == [times] * len(messages):
            break
        await asyncio.sleep(0.05)
    assert counts == [times] * len(messages), [one[-300:] for one in mails][:8]
    assert len(mails) == times * len(messages)


def states(shown: Sequence[Shown]) -> set[tuple[str, str]]:
    """What became of them, and why where it is no delivery."""
    return {(one.state, "" if one.state == "delivered" else one.attempts[-1].text) for one in shown}


@pytest.mark.parametrize("name", ALL)
@in_loop
async def test_issue12_a_real_host_keeps_what_was_sent(make: Make, name: str) -> None:
    """Every kind of message, octet for octet, each once; whom it does not know bounces, and nobody else."""
    kind = HOSTS.get(name, Dovecot)
    need(kind)
    async with at(make, name, host := kind()) as mail:
        ids = [one for message in MESSAGES.values() for one in await mail.send("r@a.test", message=message)]
        assert states(await mail.settled(*ids, seconds=MOST)) == {("delivered", "")}
        both = await mail.deliver("nobody@a.test", "r@a.test", message=SHORT)
        assert [one.state for one in both] == ["bounced", "delivered"]
        assert both[0].attempts[-1].code == 550
        await until_kept(host, *MESSAGES.values(), SHORT)


@pytest.mark.parametrize("name", ALL)
@in_loop
async def test_issue12_a_real_host_takes_a_hundred_recipients_and_20_MB(make: Make, name: str) -> None:
    """A hundred of one message, and a large one."""
    kind = HOSTS.get(name, Dovecot)
    need(kind)
    async with at(make, name, host := kind()) as mail:
        ids = await mail.send(*HUNDRED, message=SHORT)
        ids += await mail.send("r@a.test", message=LARGE)
        assert states(await mail.settled(*ids, seconds=MOST)) == {("delivered", "")}
        wanted = {message.replace(b"\r\n", b"\n") for message in (SHORT, LARGE)}

        async def has_both() -> bool:
            mails = host.mails()
            return all(any(one.endswith(message) for one in mails) for message in wanted)

        await mail.until(has_both, 20)


CERTIFICATES: dict[str, tuple[dict[str, Any], str]] = {
    # how it is made; what the domain that wants it verified is told
    "good": ({}, ""),
    "self-signed": ({"signs_itself": True}, "its certificate is not trusted: self-signed certificate"),
    "expired": ({"days": -1}, "its certificate is not trusted: certificate has expired"),
    "another's": ({"names": ()}, "its certificate is not trusted: Hostname mismatch"),
}


@pytest.mark.parametrize("certificate", CERTIFICATES)
@pytest.mark.parametrize("name", BY_TLS)
@in_loop
async def test_issue12_STARTTLS_at_a_real_host(make: Make, authority: Authority, name: str, certificate: str) -> None:
    """Of two domains there one wants its name proven: it waits where it is not, and the other's mail goes by TLS."""
    need(HOSTS[name])
    made, why = CERTIFICATES[certificate]
    host = HOSTS[name](authority.sign(NAME, **made))
    rule = TlsRule(mode="verified", domain="b.test", roots=authority.pem)
    async with at(make, name, host, tls=(rule,)) as mail:
        first = await mail.send("r@a.test", message=MESSAGES["plain"])
        second = await mail.send("r@b.test", message=MESSAGES["dots"])
        (any_tls, verified) = await mail.tried(*first, *second, seconds=20)
        assert (any_tls.state, tls_of(any_tls).words[:8]) == ("delivered", "TLSv1.3 ")
        if why:
            assert verified.state in {"scheduled", "ready"}
            assert why in verified.attempts[-1].text
        else:
            assert (verified.state, tls_of(verified).verified) == ("delivered", NAME)
        await until_kept(host, MESSAGES["plain"], *([] if why else [MESSAGES["dots"]]))


@pytest.mark.parametrize("name", [name for name in HOSTS if name not in BY_TLS])
@in_loop
async def test_issue12_a_real_host_whose_TLS_is_broken(make: Make, authority: Authority, name: str) -> None:
    """What may go in clear arrives in the same attempt; what asks for more waits, and says where TLS broke."""
    need(HOSTS[name])
    host = HOSTS[name](authority.sign(NAME))
    async with at(make, name, host, tls=(TlsRule(mode="required", domain="b.test"),)) as mail:
        first = await mail.send("r@a.test", message=MESSAGES["plain"])
        second = await mail.send("r@b.test", message=MESSAGES["dots"])
        (any_way, by_tls) = await mail.tried(*first, *second, seconds=20)
        assert (any_way.state, len(any_way.attempts), tls_of(any_way).version) == ("delivered", 1, None)
        assert by_tls.state in {"scheduled", "ready"}
        assert "TLS handshake: " in by_tls.attempts[-1].text
        await until_kept(host, MESSAGES["plain"])


@pytest.mark.parametrize("name", ALL)
@in_loop
async def test_issue12_SMTPUTF8_at_a_real_host(make: Make, name: str) -> None:
    """An address beyond ASCII arrives where the host can, and bounces with the reason where it cannot."""
    kind = HOSTS.get(name, Dovecot)
    need(kind)
    async with at(make, name, host := kind()) as mail:
        (shown,) = await mail.settled(*await mail.send("jörg@a.test", message=SHORT), seconds=20)
        if kind.knows_smtputf8:
            assert states([shown]) == {("delivered", "")}
            await until_kept(host, SHORT)
        else:
            assert (shown.state, shown.attempts[-1].enhanced) == ("bounced", "5.6.7")


@pytest.mark.parametrize(("name", "mechanism"), [(name, one) for name in BY_TLS for one in HOSTS[name].mechanisms])
@in_loop
async def test_issue12_AUTH_at_a_real_smarthost(make: Make, authority: Authority, name: str, mechanism: str) -> None:
    """By each mechanism that it has; it takes mail for domains that are not its own from whom it knows."""
    need(HOSTS[name])
    host = HOSTS[name](authority.sign(NAME), mechanism)
    async with receiving(make, host, routed=True, road=Road(user=USER), logins={USER: PASSWORD}) as mail:
        (shown,) = await mail.settled(*await mail.send("r@elsewhere.test", message=SHORT), seconds=20)
        assert states([shown]) == {("delivered", "")}
        await until_kept(host, SHORT)


@pytest.mark.parametrize("name", BY_TLS)
@in_loop
async def test_issue12_a_login_that_a_real_smarthost_refuses_bounces_nothing(
    make: Make, authority: Authority, name: str
) -> None:
    """It is our fault, not the mail's: it waits."""
    need(HOSTS[name])
    host = HOSTS[name](authority.sign(NAME))
    async with receiving(make, host, routed=True, road=Road(user=USER), logins={USER: "another"}) as mail:
        (shown,) = await mail.tried(*await mail.send("r@elsewhere.test", message=SHORT), seconds=20)
        assert shown.state in {"scheduled", "ready"}
        assert not host.mails()


@in_loop
async def test_issue12_postgrey_lets_in_who_comes_again(make: Make) -> None:
    """The first try is refused for being the first, the next one taken; nobody bounces."""
    need(Postfix)
    need(Postgrey)
    (port,) = free_ports(1)
    grey = Postgrey(port, seconds=2)
    try:
        async with receiving(make, host := Postfix(policy=port), "a.test", policy=SOON) as mail:
            ids = await mail.send("r@a.test", "s@a.test", message=SHORT)

            async def all_are() -> bool:
                return {one.state for one in await mail.show(*ids)} == {"delivered"}

            await mail.until(all_are, 30)
            for one in await mail.show(*ids):
                assert [each.code for each in one.attempts] == [450, 250]
            await until_kept(host, SHORT, times=2)
    finally:
        grey.close()


@in_loop
async def test_issue12_dovecot_by_its_socket(make: Make) -> None:
    """LMTP without a port: each recipient has its own answer."""
    need(Dovecot)
    host = Dovecot()
    road = Road(protocol="lmtp", socket=str(host.socket))
    try:
        async with make(Settings(policies={"default": POLICY}, route=(RouteRule(road=road),))) as mail:
            await host.listen(HERE, free_ports(1)[0])
            shown = await mail.deliver("r@a.test", "nobody@a.test", "u1@a.test", message=SHORT)
            assert [one.state for one in shown] == ["delivered", "bounced", "delivered"]
            await until_kept(host, SHORT, times=2)
    finally:
        await host.close()


@in_loop
async def test_issue12_what_postfix_keeps_is_verified_by_opendkim(make: Make, tmp_path: Path) -> None:
    """RSA and Ed25519, after a real host's hands."""
    need(Postfix)
    message = MESSAGES["8-bit"].replace(b"sender.test", b"app.test")
    signing = [rule(RSA, "r"), rule(ED25519, "e")]
    async with receiving(make, host := Postfix(), "a.test", signing=signing) as mail:
        (shown,) = await mail.deliver("r@a.test", message=message)
        assert states([shown]) == {("delivered", "")}
        await until_kept(host, message)
        (stored,) = host.mails()
    signed = stored[stored.index(b"DKIM-Signature:") :].replace(b"\n", b"\r\n")
    assert opendkim_verdicts(tmp_path, signed) == ["pass", "pass"]
