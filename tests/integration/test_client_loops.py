"""One client in many event loops, threads and processes: every call answers, and what it says is what was stored."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import uvloop
from conftest import Valkey

from softbounce import AsyncClient, Client, StoreUnavailable
from softbounce.store.event_loops import LoopShards

MESSAGE = b"From: app@example.com\r\nSubject: x\r\n\r\nhello\r\n"
CONNECTIONS = 3  # what a client may leave behind at most, one of the test's own included


def at_once(coroutine: Coroutine[Any, Any, str]) -> str:
    """As an app does in a loop that it makes itself, and closes without shutting down what is in it."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


@pytest.fixture
def mail(store_url: str) -> AsyncClient:
    """A client that nobody closes."""
    return AsyncClient(store_url)


@pytest.fixture
def counted(store_url: str) -> Iterator[Callable[[], int]]:
    """How many messages the store has."""
    with Client(store_url) as client:
        yield lambda: sum(client.queue().states.values())


async def send(mail: AsyncClient) -> str:
    """One mail, and the id of its only envelope."""
    receipt = await mail.send(sender="app@example.com", recipients=["a@example.net"], message=MESSAGE)
    return receipt.envelopes["a@example.net"]


@pytest.mark.parametrize("run", [asyncio.run, at_once, uvloop.run], ids=["asyncio", "bare_loop", "uvloop"])
def test_issue10_32_one_loop_after_another(
    mail: AsyncClient, counted: Callable[[], int], run: Callable[[Coroutine[Any, Any, str]], str]
) -> None:
    """A loop once a mail, as task queues and synchronous frameworks have it: each call answers, and stores one."""
    ids = [run(send(mail)) for _ in range(6)]
    assert len(set(ids)) == counted() == 6
    assert (asyncio.run(mail.show(ids[0]))).id == ids[0]


def test_issue10_32_kinds_of_loops_may_alternate(mail: AsyncClient, counted: Callable[[], int]) -> None:
    """A closed loop leaves nothing behind for the next, whatever made either."""
    for run in (asyncio.run, at_once, uvloop.run, at_once, asyncio.run, uvloop.run):
        assert run(send(mail))
    assert counted() == 6


def test_issue10_32_loops_in_many_threads_at_once(mail: AsyncClient, counted: Callable[[], int]) -> None:
    """Loops that run side by side share one client, and none hears another's answers."""
    gate = threading.Barrier(6)

    async def several() -> list[str]:
        gate.wait()
        return await asyncio.gather(*(send(mail) for _ in range(5)))

    with ThreadPoolExecutor(6) as threads:
        found = [one for ids in threads.map(lambda _: asyncio.run(several()), range(6)) for one in ids]
    assert len(set(found)) == counted() == 30


@pytest.mark.parametrize("run", [asyncio.run, at_once, uvloop.run], ids=["asyncio", "bare_loop", "uvloop"])
def test_issue10_32_a_loop_s_connections_end_with_it(
    store_server: Valkey, run: Callable[[Coroutine[Any, Any, str]], str]
) -> None:
    """However many loops there were, the server has no more connections than those at work."""
    mail = AsyncClient(store_server.url)
    for _ in range(8):
        run(send(mail))
    with Client(store_server.url) as client:
        client.queue()
        asyncio.run(send(mail))
        assert connections(store_server) <= CONNECTIONS


def test_issue10_32_a_client_that_is_dropped_in_a_loop_closes_what_it_had(store_server: Valkey) -> None:
    """A client that nobody closed, made anew for each request, leaves no connection in a loop that goes on."""

    async def main() -> int:
        for _ in range(8):
            await send(AsyncClient(store_server.url))
        await asyncio.sleep(0.1)
        return connections(store_server)

    assert asyncio.run(main()) <= CONNECTIONS


def test_issue10_32_a_closed_client_is_used_again_in_another_loop(
    mail: AsyncClient, counted: Callable[[], int]
) -> None:
    """`close` ends the connections and not the client; it closes those of a loop in another thread too."""

    async def closed() -> str:
        async with mail:
            return await send(mail)

    assert asyncio.run(closed()) != asyncio.run(closed())
    began, goes = threading.Event(), threading.Event()

    async def waits() -> str:
        await send(mail)
        began.set()
        await asyncio.to_thread(goes.wait)
        return await send(mail)

    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(asyncio.run, waits())
        assert began.wait(10)
        asyncio.run(mail.close())
        goes.set()
        assert other.result(10)
    assert counted() == 4


def test_issue10_32_close_lets_go_of_loops_that_do_not_run(store_server: Valkey) -> None:
    """Of one that was closed at once, and of one that rests: that closes its connections when it runs again."""
    mail = AsyncClient(store_server.url)
    assert at_once(send(mail))
    asyncio.run(mail.close())
    resting = asyncio.new_event_loop()
    assert resting.run_until_complete(send(mail))
    asyncio.run(mail.close())
    resting.run_until_complete(asyncio.sleep(0.1))
    resting.close()
    assert connections(store_server) == 1


def connections(server: Valkey) -> int:
    """How many the server has, the asking one included."""
    with server.client() as raw:
        return int(raw.info("clients")["connected_clients"])


def in_a_child(act: Callable[[], object]) -> int:
    """The exit code of a fork that does this and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks in a process with threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_issue10_32_a_fork_gets_connections_of_its_own(mail: AsyncClient, counted: Callable[[], int]) -> None:
    """A server that forks its workers after its first mail, within a loop or beside it, sends on in all of them."""
    asyncio.run(send(mail))
    assert in_a_child(lambda: asyncio.run(send(mail))) == 0

    async def forks() -> None:
        await send(mail)
        assert await asyncio.to_thread(in_a_child, lambda: asyncio.run(send(mail))) == 0
        await send(mail)

    asyncio.run(forks())
    assert counted() == 5


def test_issue10_32_without_asyncio_it_says_so(store_url: str) -> None:
    """A call that no loop of asyncio runs is refused by an error of ours before anything is taken."""
    calling = LoopShards(store_url, timeout=5, patience=1)._here()
    with pytest.raises(StoreUnavailable, match="nothing was taken"):
        calling.send(None)


def test_issue10_32_an_interrupted_call_leaves_the_client_whole(mail: AsyncClient, counted: Callable[[], int]) -> None:
    """A call that is cancelled while it waits costs its own answer, and no later call reads it."""

    async def main() -> None:
        for _ in range(20):
            calling = asyncio.ensure_future(send(mail))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
            shown = await mail.show(await send(mail))
            assert shown.recipient == "a@example.net"

    asyncio.run(main())
    assert 20 <= counted() <= 40
