"""The one guard of all main loops: whatever a step of one meets, the loop goes on, and so do all others.

A store that is away is waited for. Anything else that a step raises is a fault of ours: it is said loudly, with its
trace, and the step is taken again later, the later the oftener it failed. What a step worked at is its own business: a
loop that has items takes out the one that it cannot do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from softbounce.errors import StoreError

__all__ = ["keep_going", "pause_after"]

PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds after the store was away, once and again."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0


async def keep_going(
    name: str,
    step: Callable[[], Awaitable[object]],
    log: Any,  # noqa: ANN401 - structlog's loggers have no common type
    *,
    trouble: Callable[[StoreError], object] | None = None,
) -> NoReturn:
    """Take one step after another until cancelled.

    :param name: the loop's, for the log.
    :param trouble: told of each failure of the store.
    """
    away = failed = 0
    while True:
        try:
            await step()
        except StoreError as error:
            log.warning("store_trouble", loop=name, error=str(error))
            if trouble is not None:
                trouble(error)
            await asyncio.sleep(PAUSES[min(away, len(PAUSES) - 1)])
            away += 1
        except Exception:  # whatever it is, the other loops need not end for it
            pause = pause_after(failed)
            log.exception("loop_failed", loop=name, again_in=pause)
            await asyncio.sleep(pause)
            failed += 1
        else:
            away = failed = 0


def pause_after(failures: int) -> float:
    """Seconds to wait after what failed so many times in a row before."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures, 32))
