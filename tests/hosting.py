"""A mail host beside tests that have no event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mx import Mx

__all__ = ["listening"]


@contextmanager
def listening(host: Mx, address: str, port: int) -> Iterator[None]:
    """A mail host in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(host.listen(address, port), loop).result(5)
        yield
        asyncio.run_coroutine_threadsafe(host.close(), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
