"""Name servers that dislike EDNS, lie about who they are, answer half, or not at all: mail is routed all the same."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dns.message
import dns.rcode
import dns.resolver
import pytest
import uvloop
from dnsserver import DnsServer, OddDnsServer, Zone, question_of, raw_record, raw_reply
from softbounce_worker.route import Route, Router, RouteSettings
from softbounce_worker.route.name_servers import NameServers
from softbounce_worker.route.resolver import Budget, Found, Resolver
from softbounce_worker.route.system_servers import SystemServers
from softbounce_worker.route.wire import DnsReply, Question, RecordKind

from softbounce.errors import ConfigError
from softbounce.reply import Trouble, TroubleKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dnsserver import Habit

A1 = "127.77.0.1"
A, NS, CNAME, MX, AAAA = 1, 2, 5, 15, 28
TRUNCATED = 0x8380
ZONE: Zone = {
    "d.test": {"MX": ["10 a.test."]},
    "e.test": {"MX": ["10 a.test."]},
    "a.test": {"A": [A1]},
    "big.test": {"MX": [f"{n} a-host-with-a-long-name-{n}.test." for n in range(30)]},
    **{f"a-host-with-a-long-name-{n}.test": {"A": [A1]} for n in range(30)},
}


class Clock:
    """Monotonic seconds that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now


def router_on(*servers: DnsServer, seconds: float = 1.0, clock: Clock | None = None) -> Router:
    """A router that asks them, and may dial loopback."""
    settings = RouteSettings(
        nameservers=tuple(server.nameserver for server in servers),
        own_hostname="mail.own.test",
        allow_private=True,
        timeout=timedelta(seconds=seconds),
        nxdomain_storm=0,
    )
    return Router(settings, clock=clock or Clock())


def has_edns(octets: bytes) -> bool:
    """Whether a query says that it knows EDNS."""
    return octets[11] == 1


class Dislike:
    """The habit of a server that answers no query with EDNS properly.

    :ivar asked: how many of these it met.
    """

    def __init__(self, how: str) -> None:
        self.how = how
        self.asked = 0

    def __call__(self, octets: bytes, reply: bytes | None, by_tcp: bool) -> bytes | None:
        """Reply."""
        del by_tcp
        if not has_edns(octets):
            return reply
        self.asked += 1
        if self.how == "silence":
            return None
        if self.how == "opt_among_the_answers":  # seen of a router: the answer stands behind it, in another section
            opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
            return raw_reply(octets, (1, 0, 1), opt + raw_record(question_of(octets)[1], b"\x7f\x4d\0\1"))
        if self.how == "badvers":
            refusal = dns.message.make_response(dns.message.from_wire(octets))
            refusal.set_rcode(dns.rcode.BADVERS)
            return refusal.to_wire()
        code = {"formerr": 1, "formerr_without_question": 1, "servfail": 2, "notimp": 4}[self.how]
        if self.how.endswith("without_question"):
            return octets[:2] + struct.pack("!HHHHH", 0x8180 | code, 0, 0, 0, 0)
        return raw_reply(octets, flags=0x8180 | code)


DISLIKES = ("formerr", "formerr_without_question", "notimp", "badvers", "servfail", "silence", "opt_among_the_answers")


@pytest.mark.parametrize("how", DISLIKES)
def test_issue10_16_a_name_server_that_dislikes_edns_is_asked_without(how: str) -> None:
    """It is asked without EDNS in the same look-up, from then on for a quarter of an hour, and then tried again."""

    async def run() -> None:
        habit = Dislike(how)
        async with OddDnsServer(ZONE, habit) as server:
            clock = Clock()
            router = router_on(server, clock=clock)
            result = await router.route("d.test")
            assert isinstance(result, Route), result
            assert habit.asked == 1
            assert isinstance(await router.route("e.test"), Route)
            assert isinstance(await router.route("big.test"), Route)  # more than 512 octets: by TCP
            assert server.asked_by_tcp["big.test/MX"] == 1
            assert habit.asked == 1
            clock.now += 901
            assert isinstance(await router.route("d.test"), Route)
            assert habit.asked > 1

    asyncio.run(run())


def test_issue10_16_one_lost_datagram_is_no_dislike_of_edns() -> None:
    """A server that answers with EDNS goes on being asked so, for the sake of DNSSEC, until it is often silent."""
    silence = Dislike("silence")
    lost: set[str] = set()

    def loses(octets: bytes, reply: bytes | None, by_tcp: bool) -> bytes | None:
        return silence(octets, reply, by_tcp) if question_of(octets)[0] in lost else reply

    async def run() -> list[int]:
        async with OddDnsServer(
            {f"d{n}.test": ZONE["d.test"] for n in range(9)} | {"a.test": ZONE["a.test"]}, loses
        ) as server:
            asked = []
            router = router_on(server)
            for number in range(9):
                if number in {1, 3, 4, 5, 6}:
                    lost.add(f"d{number}.test")
                silence.asked = 0
                assert isinstance(await router.route(f"d{number}.test"), Route)
                asked.append(silence.asked)
            return asked

    assert asyncio.run(run()) == [0, 1, 0, 1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_issue10_16_what_came_while_the_process_stood_still_is_heard(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A process kept from its work for longer than a try looks at its sockets before it calls a server silent."""
    answered = threading.Event()

    def answer(server: socket.socket) -> None:
        octets, asker = server.recvfrom(512)
        server.sendto(raw_reply(octets, (1, 0, 0), raw_record(MX, b"\0\5\1a\4test\0")), asker)
        answered.set()

    async def ask(place: tuple[str, int]) -> DnsReply:
        servers = NameServers([place], 0.4, time.monotonic)
        asking = asyncio.ensure_future(servers.ask(Question.of("d.test", RecordKind.MX), lambda: 9))
        await asyncio.sleep(0)
        answered.wait(5)
        time.sleep(0.3)  # noqa: ASYNC251 - longer than a try of 0.2 s
        return await asking

    with socket.socket(type=socket.SOCK_DGRAM) as server, asyncio.Runner(loop_factory=new_loop) as runner:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=answer, args=[server], daemon=True)
        thread.start()
        assert runner.run(ask(server.getsockname())).is_answer
        thread.join()


@pytest.mark.parametrize("how", ["formerr", "silence"])
def test_issue10_16_each_name_server_is_asked_as_it_likes(how: str) -> None:
    """With two name servers, both of which dislike EDNS, the time for one answer is enough."""

    async def run() -> Route | Trouble:
        async with OddDnsServer(ZONE, Dislike(how)) as first, OddDnsServer(ZONE, Dislike(how)) as second:
            return await router_on(first, second).route("d.test")

    assert isinstance(asyncio.run(run()), Route)


def test_issue10_16_a_failure_of_who_knows_edns_is_not_asked_about_again() -> None:
    """SERVFAIL that speaks EDNS is a failure: the question without EDNS would fail as well."""

    async def run() -> int:
        async with DnsServer({"d.test": "servfail"}) as server:
            assert isinstance(await router_on(server).route("d.test"), Trouble)
            return server.asked["d.test/MX"]

    assert asyncio.run(run()) == 1


def changed(index: int, value: Callable[[int], int]) -> Habit:
    """The habit of sending the reply with one octet changed."""

    def habit(_octets: bytes, reply: bytes | None, _by_tcp: bool) -> bytes | None:
        return reply and reply[:index] + bytes([value(reply[index])]) + reply[index + 1 :]

    return habit


def other_question(octets: bytes, _reply: bytes | None, _by_tcp: bool) -> bytes:
    """The right id, an answer to what was not asked."""
    return octets[:2] + struct.pack("!HHHHH", 0x8180, 1, 0, 0, 0) + b"\1x\4test\0\0\1\0\1"


NOT_OURS: dict[str, Habit] = {
    "id": changed(0, lambda octet: octet ^ 1),
    "query": changed(2, lambda octet: octet & 0x7F),
    "opcode": changed(2, lambda octet: octet | 0x08),
    "question": other_question,
    "short": lambda octets, _reply, _by_tcp: octets[:7],
}


@pytest.mark.parametrize("what", NOT_OURS)
@pytest.mark.parametrize("has_second", [False, True])
def test_issue10_16_what_is_no_reply_to_the_question_is_ignored(what: str, has_second: bool) -> None:
    """It is not believed; a second name server is asked, and without one the mail waits."""

    async def run() -> Route | Trouble:
        async with OddDnsServer(ZONE, NOT_OURS[what]) as odd, DnsServer(ZONE) as good:
            return await router_on(odd, *([good] if has_second else []), seconds=0.4).route("d.test")

    result = asyncio.run(run())
    if has_second:
        assert isinstance(result, Route)
    else:
        assert isinstance(result, Trouble)
        assert (result.kind, result.permanent) == (TroubleKind.DNS_TEMPORARY, False)


def test_issue10_16_A09_a_forged_reply_does_not_hide_the_right_one() -> None:
    """Datagrams with other ids that come first cost nothing: the reply behind them counts."""

    class Forging(DnsServer):
        def start(self, octets: bytes, transport: asyncio.DatagramTransport, peer: Any) -> None:  # noqa: ANN401
            for number in range(20):
                transport.sendto(struct.pack("!H", number) + raw_reply(octets)[2:], peer)
            super().start(octets, transport, peer)

    async def run() -> Route | Trouble:
        async with Forging(ZONE) as server:
            return await router_on(server).route("d.test")

    assert isinstance(asyncio.run(run()), Route)


def test_issue10_16_a_flood_of_datagrams_ends_the_try() -> None:
    """A server that sends nothing but strange datagrams is left for the next one at once."""

    class Flooding(DnsServer):
        def start(self, octets: bytes, transport: asyncio.DatagramTransport, peer: Any) -> None:  # noqa: ANN401
            for _ in range(64):
                transport.sendto(bytes([octets[0] ^ 1]) + octets[1:], peer)

    async def run() -> tuple[Route | Trouble, float]:
        async with Flooding(ZONE) as flooding, DnsServer(ZONE) as good:
            began = time.perf_counter()
            return await router_on(flooding, good, seconds=20).route("d.test"), time.perf_counter() - began

    result, seconds = asyncio.run(run())
    assert isinstance(result, Route)
    assert seconds < 2


FAILING: dict[str, Habit] = {
    "refused": lambda octets, _reply, _by_tcp: raw_reply(octets, flags=0x8185),
    "yxdomain": lambda octets, _reply, _by_tcp: raw_reply(octets, flags=0x8186),
    "referral": lambda octets, _reply, _by_tcp: raw_reply(octets, (0, 1, 0), raw_record(NS, b"\2ns\xc0\x0c")),
    "truncated_by_tcp_too": lambda octets, _reply, _by_tcp: raw_reply(octets, flags=TRUNCATED),
    "cut_off": lambda _octets, reply, _by_tcp: reply and reply[:-20],
    "malformed": lambda octets, _reply, _by_tcp: raw_reply(
        octets, (1, 0, 0), raw_record(question_of(octets)[1], b"\1")
    ),
    "loop_of_pointers": lambda octets, _reply, _by_tcp: raw_reply(
        octets, (1, 0, 0), raw_record(A, b"", owner=struct.pack("!H", 0xC000 | len(raw_reply(octets))))
    ),
}


@pytest.mark.parametrize("what", FAILING)
@pytest.mark.parametrize("has_second", [False, True])
def test_issue10_16_one_bad_name_server_of_two_is_enough(what: str, has_second: bool) -> None:
    """What a broken or lame server says asks the next one; alone it is a temporary failure, and never an end."""

    async def run() -> Route | Trouble:
        async with OddDnsServer(ZONE, FAILING[what]) as odd, DnsServer(ZONE) as good:
            return await router_on(odd, *([good] if has_second else [])).route("d.test")

    result = asyncio.run(run())
    if has_second:
        assert isinstance(result, Route)
    else:
        assert isinstance(result, Trouble)
        assert (result.kind, result.permanent) == (TroubleKind.DNS_TEMPORARY, False)


def test_issue10_16_nothing_without_a_word_whose_it_is_asks_the_next_one() -> None:
    """A server that says nothing of all names, not even who says so, ends no mail where another one knows better."""

    def habit(octets: bytes, _reply: bytes | None, _by_tcp: bool) -> bytes:
        return raw_reply(octets)

    async def run(*, has_second: bool) -> Route | Trouble:
        async with OddDnsServer(ZONE, habit) as empty, DnsServer(ZONE) as good:
            return await router_on(empty, *([good] if has_second else [])).route("d.test")

    assert isinstance(asyncio.run(run(has_second=True)), Route)
    alone = asyncio.run(run(has_second=False))
    assert isinstance(alone, Trouble)
    assert alone.kind is TroubleKind.NO_MAIL_HOST  # it is all that we are told (RFC 2308 2.2)


def test_issue10_16_a_datagram_that_was_cut_is_asked_for_by_tcp() -> None:
    """A middlebox that cuts datagrams without saying so hides nothing."""

    def habit(_octets: bytes, reply: bytes | None, by_tcp: bool) -> bytes | None:
        return reply if by_tcp or reply is None else reply[:-5]

    async def run() -> Route | Trouble:
        async with OddDnsServer(ZONE, habit) as server:
            return await router_on(server).route("d.test")

    assert isinstance(asyncio.run(run()), Route)


def test_issue10_16_a_silent_name_server_comes_last_for_a_while() -> None:
    """Where the second of two answers, the first is asked again only when half a minute is over."""

    async def run() -> None:
        silent_zone: Zone = dict.fromkeys(ZONE, "silent")
        async with DnsServer(silent_zone) as silent, DnsServer(ZONE) as good:
            clock = Clock()
            router = router_on(silent, good, seconds=2, clock=clock)
            assert isinstance(await router.route("d.test"), Route)
            asked = silent.asked.total()
            assert isinstance(await router.route("a.test"), Route)
            assert silent.asked.total() == asked
            clock.now += 31
            assert isinstance(await router.route("e.test"), Route)
            assert silent.asked.total() > asked

    asyncio.run(run())


def hosts_of(answers: dict[int, tuple[int, bytes]]) -> Route | Trouble:
    """Route a domain whose only host has these raw records, by type: how many, and their octets."""

    def habit(octets: bytes, reply: bytes | None, _by_tcp: bool) -> bytes | None:
        name, kind, _ = question_of(octets)
        if name != "a.test" or kind not in answers:
            return reply
        number, body = answers[kind]
        return raw_reply(octets, (number, 0, 0), body)

    async def run() -> Route | Trouble:
        async with OddDnsServer(ZONE, habit) as server:
            return await router_on(server).route("d.test")

    return asyncio.run(run())


def test_issue10_10_odd_records_cost_only_themselves() -> None:
    """Records of another class, type, owner or length, and mapped addresses, are left out; the good one is dialled."""
    good = raw_record(A, b"\x7f\x4d\0\1")
    odd = [
        raw_record(A, b"\x7f\x4d\0\2", group=3),
        raw_record(A, b"\x7f\x4d\0"),
        raw_record(A, b"\x7f\x4d\0\3", owner=b"\1x\xc0\x0c"),
        raw_record(65_400, b"\x7f\x4d\0\4"),
        raw_record(0, b""),
    ]
    mapped = raw_record(AAAA, bytes(10) + b"\xff\xff\x7f\x4d\0\5")
    result = hosts_of({A: (6, b"".join(odd) + good), AAAA: (1, mapped)})
    assert isinstance(result, Route)
    assert result.hosts[0].addresses == (A1,)


@pytest.mark.parametrize(("ttl", "kept"), [(0, 5), (1 << 31, 5), ((1 << 32) - 1, 5), ((1 << 31) - 1, 60)])
def test_issue10_10_a_ttl_that_is_nonsense_is_none(ttl: int, kept: int) -> None:
    """A TTL above 2^31 - 1 is taken as zero (RFC 2181 8); all are held within the bounds."""
    result = hosts_of({A: (1, raw_record(A, b"\x7f\x4d\0\1", ttl=ttl))})
    assert isinstance(result, Route)
    assert result.ttl == kept


@pytest.mark.parametrize(
    ("text", "places"),
    [
        pytest.param("nameserver 192.0.2.53\n", [("192.0.2.53", 53)], id="one"),
        pytest.param("# x\nnameserver ::1\nnameserver 127.0.0.53\n", [("::1", 53), ("127.0.0.53", 53)], id="two"),
        pytest.param(
            "options edns0 timeout:x\nsearch a.test\nnameserver 192.0.2.53 x\n", [("192.0.2.53", 53)], id="more"
        ),
        pytest.param("nameserver https://dns.test/query\nnameserver 192.0.2.53\n", [("192.0.2.53", 53)], id="url"),
        pytest.param("nameserver https://dns.test/query\n", None, id="url_alone"),
        pytest.param("", None, id="empty"),
        pytest.param("nameserver dns.example.com\n", None, id="name"),
        pytest.param(f"search {'x' * 64}\nnameserver 192.0.2.53\n", None, id="label"),
        pytest.param("nameserver \udcff\n", None, id="octets"),
    ],
)
def test_issue10_02_name_servers_of_the_system(tmp_path: Path, text: str, places: list[tuple[str, int]] | None) -> None:
    """Those that /etc/resolv.conf names are asked; a file that cannot be used is a config error that says so."""
    file = tmp_path / "resolv.conf"
    file.write_bytes(text.encode(errors="surrogateescape"))
    servers = SystemServers(Clock(), file)
    if places is not None:
        assert servers.read() == places
        return
    with pytest.raises(ConfigError, match=r"dns\.nameservers is empty, and .*/resolv\.conf"):
        servers.read()


@pytest.mark.parametrize("is_replaced", [True, False], ids=["replaced", "written anew"])
def test_issue10_name_servers_of_a_system_that_moved_are_followed(tmp_path: Path, is_replaced: bool) -> None:
    """DHCP or a VPN writes others into the file: they are asked within seconds, as other programs ask them."""
    clock, file = Clock(), tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.9\n")

    def write(text: str) -> None:
        if is_replaced:
            (tmp_path / "new").write_text(text)
            (tmp_path / "new").rename(file)
        else:
            file.write_text(text)
        clock.now += 6

    async def run() -> list[Found]:
        async with DnsServer(ZONE) as server:
            system = SystemServers(clock, file, port=server.port)
            resolver = Resolver((), timedelta(seconds=1), clock=clock, system=system)

            async def found(name: str) -> Found:
                return (await resolver.look_up(name, RecordKind.MX, Budget(10, 100))).found

            answers = [await found("d.test")]
            write("# nothing yet\n")
            answers.append(await found("d.test"))
            file.unlink()
            clock.now += 6
            answers.append(await found("d.test"))
            write("nameserver 127.0.0.1\nnameserver 127.0.0.9\n")
            answers.append(await found("d.test"))
            file.unlink()
            clock.now += 6
            return [*answers, await found("e.test")]

    assert asyncio.run(run()) == [Found.NOTHING] * 3 + [Found.RECORDS] * 2


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [
        pytest.param({"A": [A1]}, None, id="an address"),
        pytest.param({"AAAA": ["fd00::1"]}, None, id="one of IPv6"),
        pytest.param({"TXT": ["x"]}, TroubleKind.NO_SUCH_DOMAIN, id="none"),
        pytest.param("servfail", TroubleKind.DNS_TEMPORARY, id="nobody can tell"),
    ],
)
def test_issue10_a_name_that_is_denied_when_asked_for_its_mx_may_have_an_address(
    addresses: Any,  # noqa: ANN401 - a name of the zone
    kind: TroubleKind | None,
) -> None:
    """Some servers say NXDOMAIN of whatever has no MX record: mail for what exists goes there, and does not bounce."""

    def denies(octets: bytes, reply: bytes | None, _by_tcp: bool) -> bytes | None:
        return raw_reply(octets, flags=0x8183) if question_of(octets)[1] == MX else reply

    async def run() -> Route | Trouble:
        async with OddDnsServer({"d.test": addresses}, denies) as server:
            return await router_on(server).route("d.test")

    result = asyncio.run(run())
    if kind is None:
        assert isinstance(result, Route)
        assert [host.name for host in result.hosts] == ["d.test"]
    else:
        assert isinstance(result, Trouble)
        assert (result.kind, result.permanent) == (kind, kind is TroubleKind.NO_SUCH_DOMAIN)


def test_issue10_a_question_is_asked_to_its_end_of_the_servers_that_it_began_with(tmp_path: Path) -> None:
    """Whether DNSSEC proves an answer is by their word: the file may change between an alias and what it means."""
    clock, file = Clock(), tmp_path / "resolv.conf"
    file.write_text("nameserver 127.0.0.1\n")

    async def run() -> Found:
        async with DnsServer({"d.test": {"CNAME": ["e.test."]}, "e.test": ZONE["e.test"]}, bare_aliases=True) as server:
            server.gate = asyncio.Event()
            system = SystemServers(clock, file, port=server.port)
            resolver = Resolver((), timedelta(seconds=8), clock=clock, system=system)
            asking = asyncio.create_task(resolver.look_up("d.test", RecordKind.MX, Budget(10, 100)))
            await server.was_asked.wait()
            file.write_text("nameserver 127.0.0.9\n# where nobody is\n")
            clock.now += 6
            other = await resolver.look_up("other.test", RecordKind.MX, Budget(10, 100))
            assert other.found is Found.NOTHING
            server.gate.set()
            return (await asking).found

    assert asyncio.run(run()) is Found.RECORDS
