"""What a process remembers of hosts: who failed is tried last, and by one at a time again."""

from __future__ import annotations

import asyncio

import pytest
from softbounce_worker.session import host_health
from softbounce_worker.session.host_health import HostHealth

HOSTS = [("mx1.test", ("192.0.2.1",)), ("mx2.test", ("192.0.2.2",))]
FIRST, SECOND = ("mx1.test", "192.0.2.1"), ("mx2.test", "192.0.2.2")


def test_issue13_a_dead_host_costs_one_connection_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """When its failure is a while ago one tries it again, and all others leave it alone until that is decided."""

    async def test() -> None:
        monkeypatch.setattr(host_health, "HOST_DOWN", 0.05)
        health = HostHealth()
        assert health.in_order(HOSTS) == [FIRST, SECOND]
        health.failed("192.0.2.1")
        health.failed("mx1.test")
        assert [health.in_order(HOSTS) for _ in range(3)] == [[SECOND, FIRST]] * 3
        await asyncio.sleep(0.06)
        assert [health.in_order(HOSTS) for _ in range(4)] == [[FIRST, SECOND], *[[SECOND, FIRST]] * 3]
        health.worked("mx1.test", "192.0.2.1")
        assert [health.in_order(HOSTS) for _ in range(3)] == [[FIRST, SECOND]] * 3

    asyncio.run(test())
