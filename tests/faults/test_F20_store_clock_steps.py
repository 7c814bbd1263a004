"""F20: the store's own clock is set wrong under a running service, and set right again."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from reckon import BODY, entries, reckon
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conftest import SteppedStore

STEPS = pytest.mark.parametrize("seconds", [3600, -3600, 5 * 86_400], ids=["+1 h", "-1 h", "+5 d"])
CONFIG = """
[worker]
lease = "2s"
[scheduler]
sweep = "500ms"
[policy.default]
window = "5d"
delays = ["10m"]
[policy.brief]
window = "10m"
delays = ["5m"]
[policy.quick]
window = "10m"
delays = ["1s"]
[policy.short]
window = "8s"
delays = ["1s"]
[[assign]]
stream = "brief"
policy = "brief"
[[assign]]
stream = "quick"
policy = "quick"
[[assign]]
stream = "short"
policy = "short"
"""
GONE = ("process_lapsed", "lease_lost", "claims_returned")
"""What is logged when a process is thought dead."""


class Stepping:
    """A service on a store whose clock can be set."""

    def __init__(self, service: Service, store: SteppedStore) -> None:
        self.service = service
        self.set_clock = store.set_clock

    def send(self, stream: str, recipients: Sequence[str]) -> list[str]:
        """One message a recipient, of a stream; the envelopes' ids."""
        with self.service.client() as mail:
            receipts = mail.send_many(
                {"sender": "app@app.test", "recipients": [one], "message": BODY, "stream": stream} for one in recipients
            )
        return [next(iter(receipt.envelopes.values())) for receipt in receipts]

    def defer(self, stream: str, word: str, number: int) -> list[str]:
        """Mail that is soft-bounced once, and waits."""
        ids = self.send(stream, [f"{word}+{stream}{one}@d{one % 3}.test" for one in range(number)])
        until(lambda: self.stand(ids) == [("scheduled", 1)] * len(ids), 20, "all are soft-bounced")
        return ids

    def stand(self, ids: Sequence[str]) -> list[tuple[str, int]]:
        """State and number of attempts of envelopes."""
        with self.service.client() as mail:
            return [(one.state, len(one.attempts)) for one in map(mail.show, ids)]

    def said(self, *words: str) -> list[str]:
        """The lines of its log with one of these words."""
        return [line for line in self.service.log.splitlines() if any(word in line for word in words)]


@pytest.fixture
def stepping(stepped_store: SteppedStore, playground: PlaygroundProcess) -> Iterator[Stepping]:
    """A service on a store whose clock can be set."""
    service = Service(f'[store]\nurl = "{stepped_store.server.url}"\n' + CONFIG, playground)
    try:
        service.start()
        yield Stepping(service, stepped_store)
    finally:
        service.clean()


@STEPS
def test_F20_a_step_of_the_stores_clock_promotes_and_retries_nothing(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """New mail goes out all the while, what waits waits as long as it would have, and nobody is thought dead."""
    waiting = [*stepping.defer("", "greylist1", 15), *stepping.defer("brief", "greylist1", 15)]
    ids: list[str] = []
    for wrong_by in (seconds, 0):
        stepping.set_clock(wrong_by)
        for turn in range(3):
            name = f"{wrong_by}x{turn}".replace("-", "m")
            ids += stepping.send("", [f"accept+{name}x{one}@d{one % 4}.test" for one in range(10)])
            ids += stepping.send("quick", [f"greylist2+{name}x{one}@d{one % 4}.test" for one in range(5)])
            time.sleep(1)
        stepping.service.wait_final(ids, 15)
        assert stepping.stand(waiting) == [("scheduled", 1)] * len(waiting)
    time.sleep(3)  # longer than a lease, and some sweeps
    ended = stepping.service.wait_final(ids, 1)
    assert reckon(playground, ended) == 0
    assert max(len(one.attempts) for one in ended.values()) == 3
    assert stepping.stand(waiting) == [("scheduled", 1)] * len(waiting)
    assert stepping.said(*GONE) == []
    assert len(stepping.said("store_clock_is_right")) == 1
    with stepping.service.client() as mail:
        for one in waiting:
            shown = mail.show(one)
            assert shown.next_attempt_at is not None
            assert timedelta(minutes=4) < shown.next_attempt_at - shown.attempts[0].ended_at < timedelta(minutes=12)
            mail.retry(one)
    assert reckon(playground, stepping.service.wait_final(waiting, 15)) == 0


@STEPS
def test_F20_while_the_stores_clock_is_wrong_no_window_closes(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """Mail whose window ends meanwhile waits for the clock to be right again, and then ends as it should."""
    before = stepping.send("short", [f"defer+b{one}@d{one}.test" for one in range(3)])
    until(lambda: all(number for _, number in stepping.stand(before)), 5, "the scheduler has seen the right time")
    stepping.set_clock(seconds)
    during = stepping.send("short", [f"defer+d{one}@d{one}.test" for one in range(3)])
    time.sleep(11)
    assert {state for state, _ in stepping.stand([*before, *during])} <= {"scheduled", "ready", "attempting"}
    tries = len(entries(playground))
    assert tries < 6 * 14
    stepping.set_clock(0)
    ended = stepping.service.wait_final([*before, *during], 15)
    for shown in ended.values():
        assert shown.bounce is not None
        assert shown.bounce.cause == "promoted"


@STEPS
def test_F20_a_worker_that_dies_while_the_stores_clock_is_wrong_is_missed(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """Its lease ends when it would have ended; what it had goes to others, and each extra copy is owned."""
    ids = stepping.send("quick", [f"slow700+{one}@d{one % 4}.test" for one in range(40)])
    until(lambda: any(state == "attempting" for state, _ in stepping.stand(ids)), 10, "mail is under way")
    stepping.set_clock(seconds)
    for pid in stepping.service.pids("softbounce_worker"):
        os.kill(pid, signal.SIGKILL)
    ended = stepping.service.wait_final(ids, 90)
    reckon(playground, ended)
    assert all(len(one.attempts) <= 2 for one in ended.values())


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["+1 h", "-1 h"])
def test_F20_a_clock_that_an_operator_believes_rules_again(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """Set for good: the command says what differs, and with --believe all goes by the clock as it is."""
    waiting = stepping.defer("", "greylist1", 5)
    brief = stepping.defer("brief", "defer", 5)
    stepping.set_clock(seconds)
    until(lambda: stepping.service.json("clock")[0]["is_believed"] is False, 10, "the step is seen")
    said = stepping.service.cli("clock").stdout.decode()
    assert f"1 h {'ahead of' if seconds > 0 else 'behind'} the time that softbounce goes by" in said
    assert "softbounce clock --believe" in said
    assert stepping.stand([*waiting, *brief]) == [("scheduled", 1)] * 10
    stepping.service.json("clock", "--believe")
    assert stepping.service.json("clock")[0]["is_believed"] is True
    fresh = stepping.send("quick", [f"greylist1+f{one}@d{one}.test" for one in range(5)])
    ended = stepping.service.wait_final(fresh, 15)
    if seconds > 0:
        ended |= stepping.service.wait_final(waiting, 15)
        assert {one.state for one in stepping.service.wait_final(brief, 15).values()} == {"bounced"}
    else:
        assert stepping.stand([*waiting, *brief]) == [("scheduled", 1)] * 10
    assert reckon(playground, ended) == 0
    assert stepping.said(*GONE) == []


def test_F20_a_scheduler_that_starts_anew_keeps_the_correction(stepping: Stepping) -> None:
    """What was seen of the step is in the store: whoever comes later does not take the wrong clock for right."""
    waiting = stepping.defer("brief", "greylist1", 10)
    stepping.set_clock(5 * 86_400)
    until(lambda: stepping.service.json("clock")[0]["is_believed"] is False, 10, "the step is seen")
    stepping.service.kill()
    stepping.service.start()
    time.sleep(3)
    assert stepping.stand(waiting) == [("scheduled", 1)] * 10
    stepping.set_clock(0)
    until(lambda: stepping.service.json("clock")[0]["is_believed"] is True, 10, "it is right again")
    assert stepping.stand(waiting) == [("scheduled", 1)] * 10


@STEPS
def test_F20_a_clock_that_is_set_right_while_nothing_runs_rules_again(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """The correction goes with the error: nothing that was taken before, in between or later waits for days."""
    waiting = stepping.defer("brief", "greylist1", 5)
    stepping.set_clock(seconds)
    until(lambda: stepping.service.json("clock")[0]["is_believed"] is False, 10, "the step is seen")
    ids = stepping.send("quick", [f"greylist1+a{one}@d{one}.test" for one in range(5)])
    stepping.service.kill()
    stepping.set_clock(0)
    ids += stepping.send("quick", [f"greylist1+b{one}@d{one}.test" for one in range(5)])
    stepping.service.start()
    ids += stepping.send("quick", [f"greylist1+c{one}@d{one}.test" for one in range(5)])
    ended = stepping.service.wait_final(ids, 20)
    assert reckon(playground, ended) == 0
    assert stepping.service.json("clock")[0]["is_believed"] is True
    assert stepping.stand(waiting) == [("scheduled", 1)] * 5


@STEPS
def test_F20_a_clock_that_is_set_while_nothing_runs_is_corrected_by_who_starts(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """It knows what time it was, and how long ago: what was due is due, what waits waits, and new mail goes out."""
    waiting = stepping.defer("brief", "greylist1", 5)
    due = stepping.defer("quick", "greylist1", 5)
    stepping.service.kill()
    stepping.set_clock(seconds)
    fresh = stepping.send("quick", [f"greylist1+a{one}@d{one}.test" for one in range(5)])
    stepping.service.start()
    fresh += stepping.send("quick", [f"greylist1+b{one}@d{one}.test" for one in range(5)])
    ended = stepping.service.wait_final([*due, *fresh], 20)
    assert reckon(playground, ended) == 0
    assert stepping.service.json("clock")[0]["is_believed"] is False
    assert stepping.stand(waiting) == [("scheduled", 1)] * 5
