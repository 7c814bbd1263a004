"""Has this machine looked at, time and again, by a process of its own: what hangs in it harms nobody, and is ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from softbounce_gateway.supervise.program import Program
from softbounce_gateway.terminal import complain

__all__ = ["Checkups"]

FIRST_AFTER = 60.0
"""Seconds: what has just been started is not itself yet."""
WITHIN = 120.0
ENDS_WITHIN = 5.0


class Checkups:
    """The looks of one ``up``.

    :param every: from one look to the next, up to a tenth less: machines that were started together drift apart.
    :param program: what looks once.
    """

    def __init__(
        self,
        every: timedelta,
        program: Callable[[], Program],
        *,
        first_after: float = FIRST_AFTER,
        within: float = WITHIN,
    ) -> None:
        self._every = every.total_seconds()
        self._program = program
        self._first_after = first_after
        self._within = within
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Look, until cancelled."""
        await asyncio.sleep(min(self._first_after, self._every))
        while True:
            await self._look()
            await asyncio.sleep(self._every * random.uniform(0.9, 1.0))  # noqa: S311 - no secret

    async def _look(self) -> None:
        if self._process is not None and self._process.returncode is None:
            return  # not even the kernel ends it: a second one would hang beside it
        program = self._program()
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *program.arguments,
                env=dict(program.environment),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=program.descriptors,
            )
        except OSError as error:
            complain(f"health could not be looked at: {error.strerror or error}")
            return
        try:
            async with asyncio.timeout(self._within):
                await process.wait()
        except TimeoutError:
            complain(f"the look at health had no end within {self._within:g} s, and is ended")
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ENDS_WITHIN):
                        await process.wait()
