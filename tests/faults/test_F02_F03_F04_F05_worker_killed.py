"""F02 to F05: kill -9 of a worker at each line that matters, from before the connection to after the 250.

Before the marker nothing can have been taken: no copy, no attempt charged. After it the attempt is uncertain, and at
most one extra copy is owned. A 250 that reached the journal is committed by whoever replays it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import redis
from dying import LAST_LINES, running_worker
from reckon import copies_in, entries, reckon, send_each
from service import PlaygroundProcess, Service, until

from softbounce.envelope import Record
from softbounce.ids import parse_id

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[worker]
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["200ms"]
"""
ENVELOPES = 4
LARGE = b"Subject: a large one\r\n\r\n" + b"0123456789 The quick brown fox.\r\n" * 8000
UNMARKED = {
    "F02": "before the connection",
    "F03-mail": "after MAIL",
    "F03-rcpt": "after RCPT",
    "F03-354": "after 354",
    "F03-body": "in the middle of the body",
}


@pytest.fixture
def service(start: StartService) -> Iterator[Service]:
    """The store and the scheduler; the tests have workers of their own."""
    return start(CONFIG, "store", "scheduler")


def records(service: Service, ids: list[str]) -> list[Record]:
    """The envelopes as the store has them."""
    with redis.Redis.from_url(service.url) as raw:
        return [Record.unpack(parse_id(one), raw.hget("sb:{0}:e", parse_id(one)) or b"") for one in ids]


def hold(service: Service, act: str, ids: list[str]) -> None:
    """Hold envelopes, or release them."""
    with service.client() as mail:
        for one in ids:
            assert getattr(mail, act)(one) in {"held", "released"}


def test_F02_F03_before_the_marker_nothing_is_charged_and_nothing_doubled(
    service: Service, playground: PlaygroundProcess
) -> None:
    """Killed there, its envelopes go back within lease and sweep, uncharged, one claim more, and are delivered once."""
    everything: list[str] = []
    for case, where in UNMARKED.items():
        recipients = [f"accept+{number}@{case.lower()}.test" for number in range(ENVELOPES)]
        ids = send_each(service, recipients, message=LARGE)
        everything += ids
        with running_worker(service, LAST_LINES[where]) as worker:
            assert worker.wait(20) == -signal.SIGKILL, where
        until(lambda ids=ids: all(one.state.word != "attempting" for one in records(service, ids)), 6, "I5")  # type: ignore[misc]
        after = records(service, ids)
        assert max(one.claims for one in after) == 1, where
        assert not any(one.charged or one.envelope.attempts for one in after), where
        assert not copies_in(entries(playground)), where
        hold(service, "hold", ids)  # out of the way of the next worker
    hold(service, "release", everything)
    with running_worker(service):
        ended = service.wait_final(everything, 30)
    assert reckon(playground, ended) == 0
    assert all(len(shown.attempts) == 1 for shown in ended.values())


def kill_and_deliver(service: Service, where: str) -> list[str]:
    """A worker is killed there; another one, on the same volume, delivers what is left."""
    ids = send_each(service, [f"accept+{number}@d.test" for number in range(ENVELOPES)])
    with running_worker(service, LAST_LINES[where]) as worker:
        assert worker.wait(20) == -signal.SIGKILL
    return ids


def test_F04_after_the_marker_the_attempt_is_uncertain(service: Service, playground: PlaygroundProcess) -> None:
    """No dot has left, and nobody can know: closed as uncertain, charged, tried again; here without any extra copy."""
    ids = kill_and_deliver(service, "after the marker")
    with running_worker(service):
        ended = service.wait_final(ids, 30)
    assert reckon(playground, ended) == 0
    uncertain = [attempt for shown in ended.values() for attempt in shown.attempts if attempt.uncertain]
    assert uncertain
    assert all(attempt.charged for attempt in uncertain)


def test_F05_after_a_250_that_nobody_wrote_down_a_copy_is_owned(
    service: Service, playground: PlaygroundProcess
) -> None:
    """At most one extra copy each, and its attempt is uncertain."""
    ids = kill_and_deliver(service, "after the 250")
    with running_worker(service):
        ended = service.wait_final(ids, 30)
    assert 1 <= reckon(playground, ended) <= ENVELOPES


def test_F05_a_250_in_the_journal_is_committed_without_a_copy(service: Service, playground: PlaygroundProcess) -> None:
    """The next worker on the volume replays it before it claims anything: delivered by the dead one's attempt."""
    ids = kill_and_deliver(service, "after the journal")
    until(lambda: bool(copies_in(entries(playground))), 2, "the ledger is written")
    known = copies_in(entries(playground))
    with running_worker(service):
        ended = service.wait_final(ids, 30)
    reckon(playground, ended)
    journalled = [shown for shown in ended.values() if len(shown.attempts) == 1 and shown.recipient in known]
    assert journalled
    assert all(copies_in(entries(playground))[shown.recipient] == 1 for shown in journalled)
