"""F20 and issue 10, 18: the store's own clock is set wrong under a running service, and set right, or left as it is.

No fault of a clock needs a person, or stops promotion for more than an hour; and a step alone ends no mail within that.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from reckon import BODY, entries, reckon
from service import PlaygroundProcess, Service, until
from stepped import SteppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conftest import SteppedStore

HOUR, DAY = 3600, 86_400
SIZES = {"+1 h": HOUR, "-1 h": -HOUR, "+5 d": 5 * DAY, "-5 d": -5 * DAY}
STEPS = pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(seconds, id=name, marks=() if name == "-1 h" else pytest.mark.thorough)
        for name, seconds in SIZES.items()
    ],
)
BACK = pytest.mark.parametrize(
    "seconds", [-HOUR, pytest.param(5 * DAY, marks=pytest.mark.thorough)], ids=["-1 h", "+5 d"]
)
AHEAD = pytest.mark.parametrize(
    "seconds", [pytest.param(-HOUR, marks=pytest.mark.thorough), 5 * DAY], ids=["-1 h", "+5 d"]
)
UNSEEN = 50
"""Seconds by which clocks may differ while a test sets one after the other."""
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
    """A service on a store whose clock can be set, on a machine that can be paused."""

    def __init__(self, service: Service, store: SteppedStore) -> None:
        self.service = service
        self.set_clock = store.set_clock
        self.store = store

    def pass_hour(self) -> None:
        """An hour goes by, for the store and for the machine."""
        for passed in range(UNSEEN, HOUR + 2 * UNSEEN, UNSEEN):
            self.store.pass_time(UNSEEN)
            self.store.machine.set_steady(passed)
        time.sleep(2)  # who looked between the two looks again

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

    def sees(self, word: str) -> None:
        """Wait until it has said something."""
        until(lambda: self.said(word) != [], 15, word)


@pytest.fixture
def stepping(stepped_store: SteppedStore, playground: PlaygroundProcess) -> Iterator[Stepping]:
    """A service on a store whose clock can be set."""
    config = f'[store]\nurl = "{stepped_store.server.url}"\n' + CONFIG
    service = Service(config, playground, environ=stepped_store.machine.environ)
    try:
        service.start()
        yield Stepping(service, stepped_store)
    finally:
        service.clean()


@STEPS
def test_F20_a_step_of_the_stores_clock_promotes_and_retries_nothing(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """New mail goes out all the while, what waits waits, also when it is set right, and nobody is thought dead."""
    waiting = [*stepping.defer("", "greylist1", 15), *stepping.defer("brief", "greylist1", 15)]
    ids: list[str] = []
    for wrong_by in (seconds, 0):
        stepping.set_clock(wrong_by)
        for turn in range(3):
            name = f"{wrong_by}x{turn}".replace("-", "m")
            ids += stepping.send("", [f"accept+{name}x{one}@d{one % 4}.test" for one in range(10)])
            ids += stepping.send("quick", [f"greylist2+{name}x{one}@d{one % 4}.test" for one in range(5)])
            time.sleep(1)
        stepping.service.wait_final(ids, 25)
        assert stepping.stand(waiting) == [("scheduled", 1)] * len(waiting)
    time.sleep(8)  # longer than a lease, and some sweeps; what lay in the future is mended
    ended = stepping.service.wait_final(ids, 1)
    assert reckon(playground, ended) == 0
    assert max(len(one.attempts) for one in ended.values()) == 3
    assert stepping.stand(waiting) == [("scheduled", 1)] * len(waiting)
    assert stepping.said(*GONE) == []
    assert stepping.said("store_clock_stepped") != []
    assert stepping.said("store_clock_believed") != []
    with stepping.service.client() as mail:
        for one in waiting:
            mail.retry(one)
    assert reckon(playground, stepping.service.wait_final(waiting, 15)) == 0


@AHEAD
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
    ended = stepping.service.wait_final([*before, *during], 30)
    for shown in ended.values():
        assert shown.bounce is not None
        assert shown.bounce.cause == "promoted"


@AHEAD
def test_issue10_18_after_an_hour_a_clock_that_was_set_is_believed(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """Nobody has to say so: all mail comes to its end, and what is sent then is tried as ever."""
    waiting = [*stepping.defer("", "greylist1", 5), *stepping.defer("brief", "greylist1", 5)]
    stepping.set_clock(seconds)
    stepping.sees("store_clock_stepped")
    ids = stepping.send("quick", [f"greylist1+a{one}@d{one}.test" for one in range(5)])
    stepping.service.wait_final(ids, 25)
    time.sleep(6)
    assert stepping.stand(waiting) == [("scheduled", 1)] * 10
    stepping.pass_hour()
    stepping.sees("store_clock_believed")
    ids += stepping.send("quick", [f"greylist2+b{one}@d{one}.test" for one in range(5)])
    short = stepping.send("short", [f"defer+b{one}@d{one}.test" for one in range(3)])
    ended = stepping.service.wait_final([*ids, *waiting, *short], 40)
    assert {ended[one].state for one in short} == {"bounced"}
    assert {ended[one].state for one in ids} == {"delivered"}
    assert reckon(playground, {one: ended[one] for one in ids}) == 0
    assert stepping.said(*GONE) == []


@BACK
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


@pytest.mark.parametrize("seconds", [HOUR, pytest.param(-HOUR, marks=pytest.mark.thorough)], ids=["+1 h", "-1 h"])
def test_F20_a_clock_that_an_operator_believes_rules_at_once(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """The command says what differs; with --believe nobody has to wait for the hour to pass."""
    waiting = stepping.defer("", "greylist1", 5)
    brief = stepping.defer("brief", "defer", 5)
    assert stepping.service.json("clock")[0]["is_believed"] is True
    stepping.set_clock(seconds)
    stepping.sees("store_clock_stepped")
    (row,) = stepping.service.json("clock")
    assert row["is_believed"] is False
    assert abs(row["off_seconds"] - seconds) < 5
    said = stepping.service.cli("clock").stdout.decode()
    assert f"{'ahead of' if seconds > 0 else 'behind'} the time that was believed last" in said
    assert "softbounce clock --believe" in said
    assert stepping.stand([*waiting, *brief]) == [("scheduled", 1)] * 10
    assert stepping.service.json("clock", "--believe")[0]["is_believed"] is True
    stepping.sees("store_clock_believed")
    ended = stepping.service.wait_final(stepping.send("quick", ["greylist1+f1@d1.test"]), 15)
    if seconds > 0:
        ended |= stepping.service.wait_final(waiting, 15)
        assert {one.state for one in stepping.service.wait_final(brief, 15).values()} == {"bounced"}
    else:
        assert stepping.stand([*waiting, *brief]) == [("scheduled", 1)] * 10
    assert reckon(playground, ended) == 0
    assert stepping.said(*GONE) == []


def test_F20_a_scheduler_that_starts_anew_does_not_take_the_wrong_clock_for_right(stepping: Stepping) -> None:
    """What was believed last is in the store, and by which steady clock."""
    waiting = stepping.defer("brief", "greylist1", 10)
    stepping.set_clock(5 * DAY)
    stepping.sees("store_clock_stepped")
    stepping.service.kill()
    stepping.service.start()
    time.sleep(3)
    assert stepping.stand(waiting) == [("scheduled", 1)] * 10
    stepping.set_clock(0)
    until(lambda: stepping.service.json("clock")[0]["is_believed"] is True, 10, "it is right again")
    assert stepping.stand(waiting) == [("scheduled", 1)] * 10


@AHEAD
def test_F20_a_clock_that_is_set_right_while_nothing_runs_rules_again(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """Nothing that was taken before, in between or later waits for days."""
    waiting = stepping.defer("brief", "greylist1", 5)
    stepping.set_clock(seconds)
    stepping.sees("store_clock_stepped")
    ids = stepping.send("quick", [f"greylist1+a{one}@d{one}.test" for one in range(5)])
    stepping.service.kill()
    stepping.set_clock(0)
    ids += stepping.send("quick", [f"greylist1+b{one}@d{one}.test" for one in range(5)])
    stepping.service.start()
    ids += stepping.send("quick", [f"greylist1+c{one}@d{one}.test" for one in range(5)])
    ended = stepping.service.wait_final(ids, 25)
    assert reckon(playground, ended) == 0
    assert stepping.service.json("clock")[0]["is_believed"] is True
    assert stepping.stand(waiting) == [("scheduled", 1)] * 5


@BACK
def test_F20_a_clock_that_is_set_while_nothing_runs_is_doubted_by_who_starts(
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
    ended = stepping.service.wait_final([*due, *fresh], 25)
    assert reckon(playground, ended) == 0
    assert stepping.service.json("clock")[0]["is_believed"] is False
    assert stepping.stand(waiting) == [("scheduled", 1)] * 5


@pytest.mark.parametrize("seconds", [pytest.param(90, marks=pytest.mark.thorough), 2 * HOUR], ids=["90 s", "2 h"])
def test_issue10_18_a_machine_that_was_paused_is_right_again_after_an_hour(
    stepping: Stepping, playground: PlaygroundProcess, seconds: int
) -> None:
    """A virtual machine's snapshot: its steady clock stood still. Mail goes out, windows close an hour late at most."""
    stepping.service.wait_final(stepping.send("", ["accept+a@d1.test"]), 10)
    stepping.store.pass_time(seconds)  # for all but the machine
    stepping.sees("store_clock_stepped")
    short = stepping.send("short", ["defer+b1@d1.test"])
    ids = stepping.send("quick", [f"greylist2+b{one}@d{one}.test" for one in range(5)])
    ended = stepping.service.wait_final(ids, 15)
    assert reckon(playground, ended) == 0
    time.sleep(9)
    assert {state for state, _ in stepping.stand(short)} <= {"scheduled", "ready", "attempting"}
    stepping.pass_hour()
    assert stepping.service.wait_final(short, 20)[short[0]].state == "bounced"
    assert stepping.said(*GONE) == []


def test_issue10_18_a_second_scheduler_sets_a_paused_one_right(
    stepping: Stepping, stepped_store: SteppedStore, playground: PlaygroundProcess, tmp_path: Path
) -> None:
    """It has seen the clock all the while: more schedulers never make it worse, and windows close when they should."""
    machine = SteppedClock(tmp_path / "stepped_clock.so", tmp_path / "another machine")
    config = f'[store]\nurl = "{stepped_store.server.url}"\n' + CONFIG
    healthy = Service(config, playground, environ=machine.environ)
    try:
        healthy.start("--roles", "scheduler")
        stepping.service.wait_final(stepping.send("", ["accept+a@d1.test"]), 10)
        for passed in (30, 60, 90):  # for all but the first machine
            stepping.store.pass_time(30)
            machine.set_steady(passed)
        stepping.sees("store_clock_stepped")
        short = stepping.send("short", [f"defer+b{one}@d{one}.test" for one in range(3)])
        ended = stepping.service.wait_final(short, 20)
        assert {one.state for one in ended.values()} == {"bounced"}
        stepping.sees("store_clock_believed")
        assert "store_clock_stepped" not in healthy.log
    finally:
        healthy.clean()
