"""One child kept alive: readiness, restarts, and an end that cannot be refused."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import pytest
from softbounce_gateway.supervise import child as supervised
from softbounce_gateway.supervise.child import Child, how_ended
from softbounce_gateway.supervise.program import Program

WITHIN = 10.0
SAYS_READY = "print('ready here', flush=True);"
STAYS = "import time; time.sleep(60)"
REFUSES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"


def python(code: str, *, arguments: tuple[str, ...] = ()) -> Callable[[], Program]:
    """A child that runs some Python."""
    return lambda: Program(name="child", arguments=(sys.executable, "-I", "-S", "-c", code, *arguments))


async def within(question: asyncio.Event) -> None:
    """Wait for what must come soon."""
    await asyncio.wait_for(question.wait(), WITHIN)


def test_a_child_says_that_it_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    """The line that begins with ready is kept; other lines go to stderr with the child's name."""

    async def play() -> None:
        child = Child(python(f"print('hello', flush=True); {SAYS_READY} {STAYS}"))
        child.start()
        await within(child.ready)
        assert child.ready_line == "ready here"
        assert child.pid is not None
        assert await child.stop(WITHIN)
        assert child.pid is None

    asyncio.run(play())
    assert "softbounce: child: hello" in capsys.readouterr().err


def test_a_child_that_ends_is_started_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is restarted with a pause that doubles up to a longest one, and each time that is said."""
    monkeypatch.setattr(supervised, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervised, "LONGEST_PAUSE", 0.03)

    async def play() -> None:
        starts = 0
        enough = asyncio.Event()

        def program() -> Program:
            nonlocal starts
            starts += 1
            if starts > 4:  # one call is for the name
                enough.set()
            return python("raise SystemExit(7)")()

        child = Child(program, lambda: "so it said")
        child.start()
        await within(enough)
        await child.stop(WITHIN)

    asyncio.run(play())
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == [
        f"softbounce: child failed (exit code 7): so it said; restarting it in {pause} s"
        for pause in (0.01, 0.02, 0.03)
    ]


def test_a_child_that_does_not_end_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    """SIGTERM comes first, SIGKILL after the time it was given."""

    async def play() -> None:
        child = Child(python(f"{REFUSES} {SAYS_READY} {STAYS}"))
        child.start()
        await within(child.ready)
        assert not await child.stop(0.1)

    asyncio.run(play())
    assert "child did not end within 0.1 s and is killed" in capsys.readouterr().err


def test_a_second_signal_kills_at_once() -> None:
    """A kill ends a stop that is under way."""

    async def play() -> None:
        child = Child(python(f"{REFUSES} {SAYS_READY} {STAYS}"))
        child.start()
        await within(child.ready)
        stopping = asyncio.create_task(child.stop(60))
        await asyncio.sleep(0)
        child.kill()
        assert await asyncio.wait_for(stopping, WITHIN)

    asyncio.run(play())


def test_a_child_ends_even_if_a_grandchild_keeps_its_output() -> None:
    """Whoever inherits the child's stdout and lives on holds up nothing."""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{STAYS}']); {SAYS_READY}"

    async def play() -> None:
        child = Child(python(code))
        child.start()
        await within(child.ended)
        await child.stop(WITHIN)

    asyncio.run(play())


@pytest.mark.parametrize("end", ["import os; os.kill(os.getpid(), 9)", "raise SystemExit(3)"])
def test_who_is_killed_or_met_no_store_before_it_is_ready_has_not_given_up(
    monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Neither says anything of the next start, so that is waited for; who ends by itself says what it lacks."""
    monkeypatch.setattr(supervised, "FIRST_PAUSE", 0.01)
    codes = iter(["pass", end, f"{SAYS_READY} {STAYS}"])  # one call is for the name

    def program() -> Program:
        return python(next(codes))()

    async def play() -> None:
        child = Child(program)
        child.start()
        assert await asyncio.wait_for(child.takes_work(), WITHIN)
        assert child.ended.is_set()
        assert not child.gave_up.is_set()
        await child.stop(WITHIN)
        other = Child(python("raise SystemExit(7)"))
        other.start()
        assert not await asyncio.wait_for(other.takes_work(), WITHIN)
        assert other.gave_up.is_set()
        await other.stop(WITHIN)

    asyncio.run(play())


def test_a_child_never_started_stops() -> None:
    """Stopping what was never started is nothing."""
    assert asyncio.run(Child(python(STAYS)).stop(0.1))


def test_a_program_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that cannot be started is said, and tried again later."""

    async def play() -> None:
        child = Child(lambda: Program(name="child", arguments=("/nowhere/at/all",)))
        child.start()
        await within(child.gave_up)
        await child.stop(WITHIN)

    asyncio.run(play())
    assert "child cannot be started" in capsys.readouterr().err


def test_a_very_long_line_is_dropped() -> None:
    """A child that writes without end on one line is still heard afterwards."""

    async def play() -> None:
        child = Child(python(f"print('x' * 300000, flush=True); {SAYS_READY} {STAYS}"))
        child.start()
        await within(child.ready)
        await child.stop(WITHIN)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended by itself"),
        (3, "failed (exit code 3)"),
        (-9, "was ended by SIGKILL"),
        (-250, "was ended by signal 250"),
    ],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    """An exit code is said as what happened."""
    assert how_ended(code) == words


def test_pids_are_real() -> None:
    """The child's pid is that of a process of ours."""

    async def play() -> None:
        child = Child(python(f"{SAYS_READY} {STAYS}"))
        child.start()
        await within(child.ready)
        assert child.pid is not None
        assert os.getpgid(child.pid) == child.pid
        await child.stop(WITHIN)

    asyncio.run(play())
