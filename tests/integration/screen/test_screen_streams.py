"""Event streams: what they cost the deliveries that they tell of."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from threading import Thread

import pytest
from screens import Screen, full_screen

STREAMS = 200
RATE, AT_ONCE, SECONDS = 200, 50, 10
MOST_RATIO = 1.05


class Crowd:
    """Two hundred who look at what happens, from two addresses, and throw away what they are sent."""

    def __init__(self, port: int, path: str) -> None:
        self.octets = 0
        self.open = 0
        self._port = port
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = Thread(target=lambda: self._loop.run_until_complete(self._read_all()))
        self._thread.start()

    async def _read_all(self) -> None:
        tasks = [asyncio.create_task(self._read(f"127.0.0.{2 + number % 2}")) for number in range(STREAMS)]
        await self._end.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _read(self, source: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(source, 0), limit=1 << 20)
        writer.write(f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        with suppress(asyncio.CancelledError):
            status = await reader.readline()
            self.open += status.startswith(b"HTTP/1.1 200")
            while octets := await reader.read(1 << 20):
                self.octets += len(octets)
        writer.transport.abort()

    def close(self) -> None:
        """They leave."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()


def deliver(screen: Screen) -> float:
    """Seconds until as much mail is delivered as comes in ten."""
    began = time.monotonic()
    ids: list[str] = []
    with screen.service.client() as mail:
        for number in range(0, RATE * SECONDS, AT_ONCE):
            sent = mail.send_many(
                {
                    "sender": "app@shop.test",
                    "recipients": [f"u{number + one}@example.net"],
                    "message": b"From: app@shop.test\r\n\r\nHello\r\n",
                }
                for one in range(AT_ONCE)
            )
            ids += [one for receipt in sent for one in receipt.envelopes.values()]
            time.sleep(max(0.0, began + (number + AT_ONCE) / RATE - time.monotonic()))
        for one in ids:
            while mail.show(one).state != "delivered":
                time.sleep(0.01)
    return time.monotonic() - began


@pytest.mark.thorough
def test_issue15_200_event_streams_cost_deliveries_nothing_that_is_seen(store_binary: object) -> None:
    """As much mail is delivered in the same time, within 5 %, while each is sent what it can take."""
    del store_binary
    with full_screen() as screen:
        deliver(screen)
        alone = deliver(screen)
        place = screen.http.get("/ui/events").text.partition('data-stream="')[2].partition('"')[0]
        crowd = Crowd(screen.port, place)
        try:
            deadline = time.monotonic() + 10
            while crowd.open < STREAMS and time.monotonic() < deadline:
                time.sleep(0.05)
            watched = deliver(screen)
        finally:
            crowd.close()
    assert crowd.open == STREAMS
    assert crowd.octets > STREAMS * RATE * 300  # a second of it, in rows of a table
    assert watched / alone < MOST_RATIO, (alone, watched)
