"""The process that serves HTTP dies again and again, under many clients."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import TYPE_CHECKING

import httpx
import pytest
from calling import MESSAGES, calling, part
from service import until

if TYPE_CHECKING:
    from conftest import StartService

CLIENTS, EACH, KILLS = 20, 40, 5


@pytest.mark.long
def test_issue14_kill_9_of_the_gateway_loses_no_202_and_doubles_none(start: StartService, port: int) -> None:
    """20 clients repeat by key what was cut; five times the process dies; each message is there once."""
    service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n', "store", "gateway")
    taken: dict[str, str] = {}
    cut: list[str] = []
    together = Barrier(CLIENTS)

    def send(name: str, http: httpx.Client) -> None:
        together.wait(30)
        for number in range(EACH):
            key = f"{name}-{number}"
            while key not in taken:
                body = part(to=[f"accept-{number}@{name}.test"], text=key)
                try:
                    answer = http.post(MESSAGES, json=body, headers={"Idempotency-Key": key})
                except httpx.TransportError:
                    cut.append(key)
                    time.sleep(0.05)  # nobody listens for a moment
                else:
                    assert answer.status_code == 202, answer.text
                    taken[key] = answer.json()["message_id"]

    with ThreadPoolExecutor(CLIENTS) as pool, ExitStack() as stack:
        clients = [pool.submit(send, f"c{number}", stack.enter_context(calling(port))) for number in range(CLIENTS)]
        for kill in range(KILLS):
            until(lambda kill=kill: len(taken) >= 120 * kill + 20, 60, "clients go on")  # type: ignore[misc]
            until(lambda: bool(service.pids("softbounce_gateway.http")), 20, "it was started again")
            os.kill(service.pids("softbounce_gateway.http")[0], signal.SIGKILL)
        for one in clients:
            one.result(120)
    assert len(taken) == CLIENTS * EACH
    assert cut
    with service.client() as mail:
        kept: dict[str, str] = {}
        after: str | None = None
        while True:
            page = mail.page(after=after, limit=1000)
            kept.update({one.id: one.message_id for one in page.envelopes})
            after = page.next
            if after is None:
                break
        assert mail.queue().total == len(kept) == len(taken)
        assert set(kept.values()) == set(taken.values())
