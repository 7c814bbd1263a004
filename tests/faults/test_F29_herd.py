"""F29: the service starts again, and twenty thousand envelopes are due at once.

They go within the caps, and the store is never kept for long.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from reckon import BODY, entries, reckon
from service import PlaygroundProcess, Service

if TYPE_CHECKING:
    from conftest import StartService

ENVELOPES = 20_000
RECIPIENTS = 100
DOMAINS = 8
CONNECTIONS = 7
LONGEST, SHOWN_US = 0.1, 1000
CONFIG = f"""
[worker]
processes = 2
[scheduler]
sweep = "1s"
[[lane]]
site = "*"
connections = {CONNECTIONS}
"""


def longest_command(service: Service) -> float:
    """How long the store's longest command took, seconds, by its own account, which is of the clock on the wall."""
    with redis.Redis.from_url(service.url) as raw:
        return max((entry["duration"] / 1e6 for entry in raw.slowlog_get(100)), default=0.0)


@pytest.mark.alone
def test_F29_a_herd_goes_within_the_caps(start: StartService, playground: PlaygroundProcess) -> None:
    """All came due while it was down: no host sees more connections than its cap, and each gets its mail once."""
    service = start(CONFIG)
    at = datetime.now(UTC) + timedelta(seconds=4)
    ids: list[str] = []
    with service.client() as mail:
        messages = [
            {
                "sender": "app@app.test",
                "recipients": [f"accept+{number}-{one}@d{number % DOMAINS}.test" for one in range(RECIPIENTS)],
                "message": BODY,
                "at": at,
            }
            for number in range(ENVELOPES // RECIPIENTS)
        ]
        for first in range(0, len(messages), 50):
            receipts = mail.send_many(messages[first : first + 50])
            ids += [one for receipt in receipts for one in receipt.envelopes.values()]
        assert service.stop() == 0
        time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds()))
        service.start()
        with redis.Redis.from_url(service.url) as raw:
            raw.config_set("slowlog-log-slower-than", SHOWN_US)
        end = time.monotonic() + 60
        while mail.queue().states.get("delivered", 0) < ENVELOPES:
            assert time.monotonic() < end, mail.queue()
            time.sleep(0.3)
        longest = longest_command(service)
    ended = service.wait_final(ids[:: ENVELOPES // 500], 30)
    assert reckon(playground, ended) == 0
    written = entries(playground)
    assert sum(len(entry.recipients) for entry in written if entry.kept) == ENVELOPES
    assert max(entry.connections for entry in written) <= CONNECTIONS
    assert 0 < longest < LONGEST
