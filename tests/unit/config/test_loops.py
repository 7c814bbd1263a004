"""The guard of main loops: whatever a step raises, the loop goes on, loudly and not at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from softbounce_config import loops
from softbounce_config.loops import keep_going, pause_after
from structlog.testing import CapturingLogger

from softbounce.errors import StoreError, StoreUnavailable


def run(step: Callable[[], Awaitable[object]], log: CapturingLogger, trouble: list[StoreError]) -> None:
    """Run a loop until its step cancels it."""

    async def go() -> None:
        with pytest.raises(asyncio.CancelledError):
            await keep_going("test", step, log, trouble=trouble.append)

    asyncio.run(go())


@pytest.mark.parametrize(
    "error", [RuntimeError("ours"), ExceptionGroup("of a group", [ValueError("x")]), RecursionError(), MemoryError()]
)
def test_issue10_01_a_step_that_fails_is_said_with_its_trace_and_taken_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error ends the loop, and none is quiet."""
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.0)
    log, taken, trouble = CapturingLogger(), [], list[StoreError]()

    async def step() -> None:
        taken.append(1)
        if len(taken) == 4:
            raise asyncio.CancelledError
        raise error

    run(step, log, trouble)
    assert [(call.method_name, call.args) for call in log.calls] == [("exception", ("loop_failed",))] * 3
    assert trouble == []


def test_a_store_that_is_away_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, without a trace, and whoever wants to know is told."""
    monkeypatch.setattr(loops, "PAUSES", (0.0,))
    log, taken, trouble = CapturingLogger(), [], list[StoreError]()

    async def step() -> None:
        taken.append(1)
        if len(taken) == 3:
            raise asyncio.CancelledError
        raise StoreUnavailable("away")

    run(step, log, trouble)
    assert [call.method_name for call in log.calls] == ["warning"] * 2
    assert len(trouble) == 2


def test_pauses_grow_and_end() -> None:
    """From a tenth of a second to ten, however often it failed."""
    assert [pause_after(failures) for failures in (0, 1, 2, 6, 7, 1000, 10**9)] == [
        0.1,
        0.2,
        0.4,
        6.4,
        10.0,
        10.0,
        10.0,
    ]
