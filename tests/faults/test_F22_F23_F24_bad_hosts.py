"""F22, F23, F24: tarpits, trickles, and connections dropped every time. Others do not notice, and nothing loops."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from delivery import PATIENT, Delivery, in_loop
from mx import Mx, Trickle
from reckon import copies_in, entries, send_each
from servers import Valkey
from service import PlaygroundProcess, until

from softbounce.settings import LaneRule, Policy, Settings

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[scheduler]
sweep = "500ms"
[worker]
processes = 1
sessions = 600
[policy.default]
window = "10m"
delays = ["600ms"]
[[lane]]
site = "*"
connections = 50
close_first = "600ms"
close_factor = 1.0
"""
LARGE = b"Subject: a large one\r\n\r\n" + b"0123456789 The quick brown fox.\r\n" * 100_000


def test_F22_tarpits_on_500_sessions_leave_the_others_their_pace(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """Ten sites that take half a minute a reply hold their own sessions; mail to others is as fast as without them."""
    service = start(CONFIG)
    warm = send_each(service, [f"accept+w{number}@d{number % 8}.test" for number in range(200)])
    service.wait_final(warm, 20)
    began = time.monotonic()
    service.wait_final(send_each(service, [f"accept+a{number}@d{number % 8}.test" for number in range(400)]), 30)
    alone = time.monotonic() - began
    pits = send_each(service, [f"tarpit+{number}@pit{number % 10}.test" for number in range(500)])
    with service.client() as mail:
        until(lambda: all(mail.show(one).state == "attempting" for one in pits[:50]), 20, "the tarpits are entered")
    began = time.monotonic()
    service.wait_final(send_each(service, [f"accept+b{number}@d{number % 8}.test" for number in range(400)]), 30)
    assert time.monotonic() - began < 2 * alone + 2  # a shared machine: their pace, give or take
    assert not [one for one in copies_in(entries(playground)) if one.startswith("tarpit")]


@in_loop
async def test_F23_trickles_and_endless_replies_are_cut_and_take_no_memory(
    store_server: Valkey, tmp_path: Path
) -> None:
    """They are left at the deadline or at the cap, and their mail waits; a sane host beside them is served at once."""
    slow = {"RCPT": Trickle(b"250-still here\r\n" * 1000, 0.02)}
    hosts = {
        "trickle.test": Mx(slow),
        "endless.test": Mx({"greeting": Trickle(b"220-hello\r\n", 0.0, forever=True)}),
        "babble.test": Mx({"MAIL": Trickle(b"250-" + b"x" * 900 + b"\r\n", 0.0, forever=True)}),
        "sane.test": Mx(),
    }
    policy = Policy(name="default", delays=(timedelta(hours=1),), jitter=0.0)
    settings = Settings(policies={"default": policy}, lane=(LaneRule(connections=10),))
    timeouts = replace(PATIENT, greeting=0.6, mail=0.6, rcpt=0.6)
    before = memory_kilooctets()
    async with Delivery(store_server.url, tmp_path, settings=settings, timeouts=timeouts) as mail:
        for domain, host in hosts.items():
            await mail.host(domain, host)
        ids = [(await mail.send(f"x{number}@{domain}"))[0] for domain in hosts for number in range(10)]
        for one in await mail.settled(*ids[-10:], seconds=5.0):
            assert one.state == "delivered"
        await asyncio.sleep(2.0)
        shown = await mail.show(*ids[:-10])
        assert {one.state for one in shown} <= {"ready", "scheduled", "attempting"}
        assert any(one.attempts for one in shown[:10])  # then the lane is closed, and asks no other
        assert memory_kilooctets() - before < 60_000


def memory_kilooctets() -> int:
    """What this process has in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.parametrize(
    ("word", "is_copied"),
    [pytest.param("dropat-data", False, marks=pytest.mark.thorough), ("dropdata", False), ("dropdot9999", True)],
    ids=["right behind DATA", "in the middle of the body", "behind the dot"],
)
def test_F24_dropped_every_time_ends_in_backoff(
    start: StartService, playground: PlaygroundProcess, word: str, is_copied: bool
) -> None:
    """Attempts follow the policy, never a loop; copies are as many as attempts that own up to them, or none."""
    service = start(CONFIG)
    ids = send_each(service, [f"{word}+{number}@d{number}.test" for number in range(4)], message=LARGE)
    time.sleep(4)
    with service.client() as mail:
        for one in ids:
            assert mail.cancel(one) in {"cancelled", "cancelling"}
        until(lambda: all(mail.show(one).state == "cancelled" for one in ids), 5, "all are cancelled")
        shown = [mail.show(one) for one in ids]
    time.sleep(0.2)
    copies = copies_in(entries(playground))
    for one in shown:
        assert 2 <= len(one.attempts) <= 8  # I3: 4 s at 600 ms
        if word == "dropat-data":  # in the middle of the body nobody can tell what the system still had to send
            assert not any(attempt.uncertain for attempt in one.attempts)
        assert copies[one.recipient] <= sum(attempt.uncertain for attempt in one.attempts)
        assert (copies[one.recipient] > 0) == is_copied
