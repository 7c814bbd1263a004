"""A failover forgets, in one shard only, that a worker was let in there: that is a lost lease (issue 10, item 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from service import until

from softbounce.store import keys

if TYPE_CHECKING:
    from conftest import StartService
    from service import Service

SHARDS = 4
FORGETS = SHARDS - 1
ENVELOPES = 40
CALLS_A_SECOND = 400
CONFIG = f"""
[store]
shards = {SHARDS}
[worker]
processes = 2
lease = "3s"
[scheduler]
sweep = "1s"
"""


@pytest.fixture
def service(start: StartService) -> Service:
    """The whole service, on several shards."""
    return start(CONFIG)


def listed(store: redis.Redis, shard: int) -> set[bytes | str]:
    """The processes that may claim in a shard."""
    return store.smembers(keys.key(shard, "live"))


def send(service: Service) -> list[str]:
    """One message each, over all shards."""
    ids: list[str] = []
    with service.client() as mail:
        for number in range(ENVELOPES):
            to = f"accept+{number}@d{number % 4}.test"
            receipt = mail.send(sender="app@example.com", recipients=[to], message=b"Subject: x\r\n\r\nx")
            ids += receipt.envelopes.values()
    return ids


def test_issue10_11_a_worker_that_one_shard_forgot_goes_on_under_a_new_name(service: Service) -> None:
    """Its lease at home stands, and still: no mail of that shard waits for more than a lease and a sweep."""
    with redis.Redis.from_url(service.url) as store:
        before = listed(store, FORGETS)
        assert len(before) == 2
        store.srem(keys.key(FORGETS, "live"), *before)
        ids = send(service)
        calls = store.info("commandstats")["cmdstat_evalsha"]["calls"]
        shown = service.wait_final(ids, 40)
        assert {one.state for one in shown.values()} == {"delivered"}
        until(lambda: len(listed(store, FORGETS) - before) == len(before), 40, "both have successors")
        assert store.info("commandstats")["cmdstat_evalsha"]["calls"] - calls < 40 * CALLS_A_SECOND
    assert service.log.count('"lease_lost"') == len(before)


def test_issue10_11_an_idle_worker_notices_too(service: Service) -> None:
    """It need not wait for mail to hear of it: half a service is none."""
    with redis.Redis.from_url(service.url) as store:
        before = listed(store, FORGETS)
        store.srem(keys.key(FORGETS, "live"), *before)
        until(lambda: len(listed(store, FORGETS) - before) == len(before), 40, "both have successors")
