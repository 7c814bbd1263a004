"""The whole service on several servers: mail goes round while a primary is killed, and copies are counted (F18)."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from clusters import SHARDS, Cluster, Watched
from conftest import StartService
from service import Service

from softbounce import Client, StoreUncertain

ENVELOPES = 300
CONFIG = """
[store]
url = "{url}"
shards = {shards}
[worker]
processes = 2
lease = "6s"
[scheduler]
sweep = "1s"
[policy.default]
window = "10m"
delays = ["500ms", "1s"]
[[lane]]
site = "*"
close_first = "1s"
connections = 10
"""


def send_surely(mail: Client, to: str) -> str:
    """Send, as an app does that has a key: again with the same one while nobody can tell; the envelope's id."""
    end = time.monotonic() + 30
    while True:
        try:
            receipt = mail.send(sender="app@example.com", recipients=[to], message=b"Subject: x\r\n\r\nx\r\n", key=to)
        except StoreUncertain:  # the new primary's replica is not in step within a second
            assert time.monotonic() < end, "the switch is over"
        else:
            return receipt.envelopes[to]


@pytest.fixture(params=["cluster", "watched"])
def house(request: pytest.FixtureRequest) -> Cluster | Watched:
    """A cluster, and a primary that sentinels watch."""
    house: Cluster | Watched = request.getfixturevalue(request.param)
    return house


@pytest.fixture
def service(house: Cluster | Watched, start: StartService) -> Service:
    """The service with two workers on it."""
    return start(CONFIG.format(url=house.url, shards=SHARDS))


@pytest.mark.long
def test_F18_the_ring_turns_while_a_primary_is_killed(house: Cluster | Watched, service: Service) -> None:
    """All is delivered, also what came after the kill of the home shard's primary; copies only as owned up to."""
    assert service.playground is not None
    ids: dict[str, str] = {}
    with service.client() as mail:
        for number in range(ENVELOPES):
            if number == ENVELOPES // 2:
                (house.primary_of(0) if isinstance(house, Cluster) else house.primary()).kill()
            to = f"{('accept', 'greylist1', 'slow100')[number % 3]}+{number}@d{number % 8}.test"
            ids[to] = send_surely(mail, to)
    shown = service.wait_final(list(ids.values()), 60)
    assert Counter(one.state for one in shown.values()) == {"delivered": ENVELOPES}
    assert service.stop() == 0
    entries = service.playground.taken(ids)
    copies = Counter(recipient for entry in entries if entry.kept for recipient in entry.recipients)
    for to, identity in ids.items():
        uncertain = sum(attempt.uncertain for attempt in shown[identity].attempts)
        assert 1 <= copies[to] <= 1 + uncertain
