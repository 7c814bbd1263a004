"""F08: SIGTERM with 500 open sessions. What is under way ends in good order; what cannot end in time is owned up to."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from reckon import copies_in, entries, reckon, send_each
from service import PlaygroundProcess, Service, until

from softbounce import Shown

if TYPE_CHECKING:
    from conftest import StartService

SESSIONS = 500
DOMAINS = 10
ESTABLISHED = "01"
ENDING = 5  # what `up` and its store need beside the drain
CONFIG = f"""
[worker]
processes = 1
sessions = {SESSIONS}
drain = "%ds"
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["500ms"]
[[lane]]
site = "*"
connections = {SESSIONS // DOMAINS}
"""


def sessions_at(playground: PlaygroundProcess) -> int:
    """How many connections its hosts have open."""
    port = f"{playground.port:04X}"
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        found += local.endswith(f":{port}") and state == ESTABLISHED
    return found


def terminate(service: Service, playground: PlaygroundProcess, recipients: list[str]) -> tuple[list[str], float]:
    """SIGTERM at a moment with 500 sessions; the envelopes, and how long the end took. Its exit code must be 0."""
    ids = send_each(service, recipients)
    until(lambda: sessions_at(playground) >= SESSIONS, 60, "500 sessions are open", pause=0.005)
    began = time.monotonic()
    assert service.stop() == 0
    took = time.monotonic() - began
    assert sessions_at(playground) == 0
    return ids, took


@pytest.mark.long
def test_F08_sigterm_with_500_sessions_doubles_nothing(start: StartService, playground: PlaygroundProcess) -> None:
    """Hosts answer the dot after up to 600 ms, some after seconds: it ends within its drain, and nothing is unsure."""
    drain = 15
    service = start(CONFIG % drain)
    slow = [f"dotslow{6000 if number % 25 == 0 else number % 7 * 100}" for number in range(12 * SESSIONS)]
    recipients = [f"{word}+{number}@d{number % DOMAINS}.test" for number, word in enumerate(slow)]
    ids, took = terminate(service, playground, recipients)
    assert took < drain
    before = copies_in(entries(playground))
    assert 0 < before.total() < len(ids), "it was in the middle"
    assert any(recipient.startswith("dotslow6000") for recipient in before), "some were waited for"
    service.start()
    ended = service.wait_final(ids, 90)
    assert reckon(playground, ended) == 0
    assert not [one for shown in ended.values() for one in shown.attempts if one.uncertain or one.code != 250]


@pytest.mark.long
@pytest.mark.thorough
def test_F08_an_answer_that_comes_after_the_drain_is_owned_up_to(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """It ends with 0 all the same; only whose dot was unanswered then can have a second copy, and is uncertain."""
    drain = 2
    service = start(CONFIG % drain)
    late = [number % 50 == 0 for number in range(12 * SESSIONS)]
    recipients = [
        f"dotslow{9000 if is_late else number % 7 * 100}+{number}@d{number % DOMAINS}.test"
        for number, is_late in enumerate(late)
    ]
    ids, took = terminate(service, playground, recipients)
    assert took < drain + ENDING
    service.start()
    ended = service.wait_final(ids, 90)
    extra = reckon(playground, ended)
    late_ones = [entry for entry in entries(playground) if entry.kept and not entry.is_taken]
    unanswered = {recipient for entry in late_ones for recipient in entry.recipients}
    assert 0 < extra <= len(unanswered), "some hosts were too late"
    assert unsure(ended) == unanswered


def unsure(ended: dict[str, Shown]) -> set[str]:
    """Whose recipients have an uncertain attempt."""
    return {shown.recipient for shown in ended.values() if any(one.uncertain for one in shown.attempts)}
