"""The lease: renewed from a thread of its own, for as long as the loop ticks."""

from __future__ import annotations

import threading
import time
from typing import Self

import pytest
from mailbag import PROCESS, Mailbag, open_bag
from proxy import Fault, Proxy
from servers import Valkey
from service import until
from softbounce_worker.lease import LeaseKeeper
from structlog.testing import capture_logs

from softbounce.store import keys, membership
from softbounce.store.scripts import script
from softbounce.store.shards import Shards

LEASE = 0.3


class Keeper:
    """A keeper at work, within ``with``."""

    def __init__(self, url: str, lease: float = LEASE, *, ago: float = 0.0, timeout: float = 30.0) -> None:
        self._store = Shards(url, timeout=timeout, patience=0.1)
        self.lost = threading.Event()
        given_at = time.monotonic() - ago
        self.keeper = LeaseKeeper(self._store, PROCESS, lease, given_at=given_at, lost=self.lost.set)

    def __enter__(self) -> Self:
        self.keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.keeper.stop()
        self.keeper.join()
        self._store.close()


def left_ms(bag: Mailbag) -> int:
    """How long the lease lasts, as the store has it."""
    leases = bag.store.run(membership.leases())
    return leases.ends[PROCESS] - leases.now_ms


def test_issue10_a_loop_that_has_not_ticked_loses_the_lease(
    store_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is wedged: whatever it holds must lapse. Ticking again, it goes on where nobody took it off meanwhile."""
    monkeypatch.setattr("softbounce_worker.lease.WEDGED", 0.0)
    with open_bag(store_server.url) as bag, capture_logs() as logs:
        bag.enlist(lease_ms=300)
        with Keeper(store_server.url) as one:
            until(lambda: left_ms(bag) < 0, 5, "the lease ends")
            assert "loop_wedged" in {one["event"] for one in logs}, "it ran out by itself"
            until(lambda: not one.keeper.is_fresh, 5, "the process knows")
            monkeypatch.undo()
            one.keeper.ticked_at = time.monotonic()
            until(lambda: left_ms(bag) > 0 and one.keeper.is_fresh, 5, "it goes on")


def test_a_lease_counts_from_when_its_renewal_was_asked_for(store_server: Valkey) -> None:
    """An answer that is on its way for longer than the lease covers nothing any more."""
    with open_bag(store_server.url) as bag, Proxy(store_server.socket_path) as proxy:
        bag.enlist(lease_ms=60_000)
        proxy.late_replies = 2 * LEASE
        with Keeper(proxy.url) as one:
            began = one.keeper._renewed_at
            until(lambda: one.keeper._renewed_at > began, 10, "its renewal is answered", pause=0.005)
            assert not one.keeper.is_fresh


def test_F15_the_first_lease_counts_from_when_it_was_asked_for(store_server: Valkey) -> None:
    """A process whose first lease was long in coming is not live on the strength of it."""
    with open_bag(store_server.url) as bag, Proxy(store_server.socket_path) as proxy:
        bag.enlist(lease_ms=60_000)
        proxy.late_replies = LEASE
        with Keeper(proxy.url, ago=LEASE) as one:
            assert not one.keeper.is_fresh


def test_F15_the_first_renewal_is_asked_for_at_once(store_server: Valkey) -> None:
    """What a slow start took of the first lease is not followed by a third of it in which nobody renews."""
    with open_bag(store_server.url) as bag:
        bag.enlist(lease_ms=10_000)
        with Keeper(store_server.url, lease=60):
            until(lambda: left_ms(bag) > 30_000, 5, "it is renewed")


def test_F15_a_lease_is_not_prolonged_by_answers_that_never_come(store_server: Valkey) -> None:
    """A process whose renewals arrive and whose answers do not delivers nothing; what it holds must go to others."""
    with open_bag(store_server.url) as bag, Proxy(store_server.socket_path) as proxy:
        bag.enlist(lease_ms=300)
        with Keeper(proxy.url, timeout=0.2) as one:
            began = one.keeper._renewed_at
            until(lambda: one.keeper._renewed_at > began, 5, "it is renewed")
            proxy.word, proxy.aim, proxy.aimed = b"EVALSHA", Fault.SWALLOW_REPLY, 1000
            until(lambda: not one.keeper.is_fresh, 5, "the process knows nothing of its lease")
            until(lambda: left_ms(bag) < -3 * 300, 5, "nor has it one")
            proxy.aimed = 0
            until(lambda: one.keeper.is_fresh and left_ms(bag) > 0, 5, "it goes on where nobody took it off")


def test_a_renewal_whose_answer_is_lost_is_asked_for_again(store_server: Valkey) -> None:
    """A store that is away for a moment ends no lease."""
    with open_bag(store_server.url) as bag, Proxy(store_server.socket_path) as proxy:
        bag.enlist(lease_ms=60_000)
        with Keeper(proxy.url) as one:
            proxy.word, proxy.aimed = script("renew").sha, 2
            until(lambda: not proxy.aimed, 5, "two answers are lost")
            renewed = one.keeper._renewed_at
            until(lambda: one.keeper._renewed_at > renewed, 5, "it is renewed")
            assert not one.lost.is_set()


def test_a_lease_that_is_gone_is_told_once_and_not_renewed(store_server: Valkey) -> None:
    """Whoever was taken off is that for good: the process ends, and its successor has another name."""
    with open_bag(store_server.url) as bag, Keeper(store_server.url) as one:
        bag.store.run(membership.forget_process(PROCESS, shards=1))
        assert one.lost.wait(5)
        one.keeper.join(5)
        assert not one.keeper.is_alive()
        assert not bag.raw.exists(keys.key(0, "leases"))
