"""Which address is connected to, and what is heard of a receiver; over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpcore
import pytest
from softbounce_gateway.webhooks.hearing import HEAD_OCTETS, MOST_OCTETS, Hearing
from softbounce_gateway.webhooks.posting import host_field
from softbounce_gateway.webhooks.racing import first_of, mixed

HERE, SILENT, CLOSED = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture
def port() -> Iterator[int]:
    """At 127.0.0.1 somebody listens there; at 127.0.0.2 all that comes is swallowed; at 127.0.0.3 nobody is."""
    with ExitStack() as stack:
        here = stack.enter_context(socket.create_server((HERE, 0), backlog=8))
        number: int = here.getsockname()[1]
        full = stack.enter_context(socket.create_server((SILENT, number), backlog=0))
        for _ in range(4):  # nobody takes them: what comes behind these is not answered
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - the standard library's
            waiting.connect_ex(full.getsockname())
        yield number


def connect(addresses: list[str], port: int) -> str:
    """Connect to the first that is there: which one."""

    async def run() -> str:
        backend = httpcore.AnyIOBackend()

        async def one(address: str) -> httpcore.AsyncNetworkStream:
            return await backend.connect_tcp(address, port, timeout=3.0)

        stream = await first_of(addresses, one)
        address: str = stream.get_extra_info("server_addr")[0]
        await stream.aclose()
        return address

    return asyncio.run(run())


def test_report_uptime_kuma_5006_an_address_that_swallows_all_costs_the_next_a_moment(port: int) -> None:
    """As where IPv6 leads nowhere; none is waited for to its end."""
    began = time.monotonic()
    assert connect([SILENT, SILENT, HERE], port) == HERE
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://App.test/hook", b"app.test"),
        ("https://app.test:443/", b"app.test"),
        ("https://app.test:8443/", b"app.test:8443"),
        ("http://app.test:443/", b"app.test:443"),
        ("https://192.0.2.1/", b"192.0.2.1"),
        ("https://[2001:db8::1]/", b"[2001:db8::1]"),
        ("http://[::1]:80/", b"[::1]"),
        ("http://[::1]:8080/", b"[::1]:8080"),
    ],
)
def test_issue14_7_the_host_field_says_what_the_url_says(url: str, host: bytes) -> None:
    """With brackets around an address of IPv6, and no port that goes without saying (RFC 9110 §7.2)."""
    assert host_field(url) == (b"Host", host)


def test_issue14_7_an_address_where_nobody_is_costs_nothing(port: int) -> None:
    """It says so at once; who is there first is taken, and where nobody is the last of them says why."""
    began = time.monotonic()
    assert connect([CLOSED, CLOSED, CLOSED, HERE], port) == HERE
    assert time.monotonic() - began < 0.25
    with pytest.raises(httpcore.ConnectError):
        connect([CLOSED], port)


@pytest.mark.parametrize(
    ("addresses", "turns"),
    [
        ([], []),
        (["10.0.0.1"], ["10.0.0.1"]),
        (["::1", "::2", "::3", "::4", "10.0.0.1"], ["::1", "10.0.0.1", "::2", "::3", "::4"]),
        (["10.0.0.1", "10.0.0.2", "::1"], ["10.0.0.1", "::1", "10.0.0.2"]),
    ],
)
def test_issue14_7_both_families_are_tried_in_turns(addresses: list[str], turns: list[str]) -> None:
    """Beginning with the one that the system prefers (RFC 8305 §4)."""
    assert mixed(addresses) == turns


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nX Powered By: a\r\n\r\nbody", (200, "OK")),
        (b"HTTP/1.1 204\r\n\r\n", (204, "")),
        (b"HTTP/1.0 410 Gone\nA: b\n\n", (410, "Gone")),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", None),
        (b"HTTP/1.1 200 OK\r\n", None),
        (b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.1 2000 OK\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", None),
        (b"", None),
    ],
)
def test_report_h11_130_a_status_counts_when_its_whole_header_is_there(
    head: bytes, status: tuple[int, str] | None
) -> None:
    """Whatever the lines of it are."""
    hearing = Hearing()
    hearing.came(head)
    assert hearing.status == status


def test_A18_what_is_heard_of_one_answer_is_bounded() -> None:
    """Whatever it is made of; what is sent begins anew."""
    hearing = Hearing()
    hearing.came(bytes(MOST_OCTETS))
    assert len(hearing._head) == HEAD_OCTETS
    with pytest.raises(httpcore.ReadError):
        hearing.came(b"x")
    hearing.asked()
    assert not hearing.has_come
    hearing.came(bytes(MOST_OCTETS))
