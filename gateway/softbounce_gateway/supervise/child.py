"""Keeps one child process alive: starts it, hears when it is ready, restarts it with a growing pause, ends it.

Knows nothing of what the child does. Each child is supervised by itself: one that dies stops none of the others.
A child says that it takes work by a line on its stdout that begins with ``ready``; its stderr is ours.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from softbounce_gateway.supervise.nursery import Forked, Nursery
from softbounce_gateway.supervise.program import Program
from softbounce_gateway.terminal import complain, complain_of_fault

__all__ = ["READY", "Child", "how_ended"]

READY = "ready"
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
SETTLED_AFTER = 30.0
"""Seconds after which a child counts as healthy: its next death is answered by the shortest pause again."""

LAST_LINES_WITHIN = 0.5
DOING_WELL = 0
STORE_AWAY = 3
"""As each of our processes says it: that passes, and the next start is another matter."""
NEVER_BEGAN = -256


class Child:
    """A program that is kept running until :meth:`stop`.

    :param program: makes what to run, anew for each start: ports may be known better by then.
    :param last_words: tells why it ended, where the child itself writes that down.
    :param may_start: asked before each start; while it says no, it is asked again after a pause.
    :param nursery: forks it, where it is a module of ours; where there is none, it is run as a command.
    :ivar ready: set while it takes work.
    :ivar ready_line: what it said when it was.
    :ivar ended: set once it has ended for the first time.
    :ivar gave_up: set once it has ended for what the next start lacks as well: by itself, not by a signal nor because
        the store is away.
    """

    def __init__(
        self,
        program: Callable[[], Program],
        last_words: Callable[[], str] = str,
        may_start: Callable[[], Awaitable[bool]] | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self._program = program
        self._nursery = nursery
        self._may_start = may_start
        self._last_words = last_words
        self._process: asyncio.subprocess.Process | Forked | None = None
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.name = program().name
        self.ready = asyncio.Event()
        self.ready_line = ""
        self.ended = asyncio.Event()
        self.gave_up = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin to keep it running."""
        self._task = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def takes_work(self) -> bool:
        """Wait until it does. False: it gave up before that, and has said what it lacks."""
        ready, gave_up = (asyncio.create_task(one.wait()) for one in (self.ready, self.gave_up))
        try:
            await asyncio.wait({ready, gave_up}, return_when=asyncio.FIRST_COMPLETED)
            return ready.done()
        finally:
            ready.cancel()
            gave_up.cancel()

    async def stop(self, within: float) -> bool:
        """End it by SIGTERM, and by SIGKILL after so many seconds. Whether it went in good order."""
        self._ending.set()
        if self._task is None:
            return True
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self._task}, timeout=within)
        if not done:
            complain(f"{self.name} did not end within {within:g} s and is killed")
            self.kill()
        await self._task
        return bool(done)

    def kill(self) -> None:
        """End it at once, and for good."""
        self._ending.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        now = asyncio.get_running_loop().time
        while not self._ending.is_set():
            began = now()
            if not await self._is_time():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), FIRST_PAUSE)
                continue
            how, code = await self._run()
            self.ready.clear()
            self.ended.set()
            if code == NEVER_BEGAN or (code >= 0 and code != STORE_AWAY):
                self.gave_up.set()
            if self._ending.is_set():
                return
            if now() - began >= SETTLED_AFTER:
                pause = FIRST_PAUSE
            words = self._last_words() if code >= 0 else ""
            complain(f"{self.name} {how}{': ' if words else ''}{words}; restarting it in {pause:g} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _is_time(self) -> bool:
        """Whether it may start now. Where that cannot even be asked, by a fault of ours, it is asked again."""
        try:
            return self._may_start is None or await self._may_start()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody else would ever start it again
            complain_of_fault(f"whether {self.name} may start cannot be told", error)
            return False

    async def _run(self) -> tuple[str, int]:
        """Run it once; how it ended, in words and as an exit code."""
        program = self._program()
        if not program.speaks:
            return await self._run_with(program, None)
        # A pipe of our own, which we can close: a grandchild may keep its end open for as long as it likes.
        reading, writing = os.pipe()
        lines = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(reading, "rb")
        )
        hearing = asyncio.create_task(self._hear(lines))
        try:
            return await self._run_with(program, writing)
        finally:
            os.close(writing)
            await asyncio.wait({hearing}, timeout=LAST_LINES_WITHIN)
            hearing.cancel()
            transport.close()

    async def _run_with(self, program: Program, stdout: int | None) -> tuple[str, int]:
        try:
            process = await self._begin(program, stdout)
        except OSError as error:
            return f"cannot be started ({error})", NEVER_BEGAN
        self._process = process
        if self._ending.is_set():
            self._signal(signal.SIGTERM)  # stop() came while it was being started
        code = await process.wait()
        self._process = None
        return how_ended(code), code

    async def _begin(self, program: Program, stdout: int | None) -> asyncio.subprocess.Process | Forked:
        """Start it in a group of its own: Ctrl-C at the terminal is for us, who end the children in their order."""
        nursery = self._nursery
        if nursery is not None and not nursery.is_lost and program.module and stdout is not None:
            with suppress(BrokenPipeError):  # it was lost in this moment
                return await nursery.start(program, stdout)
        return await asyncio.create_subprocess_exec(
            *program.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            env=program.environment,
            pass_fds=program.descriptors,
            process_group=0,
        )

    async def _hear(self, lines: asyncio.StreamReader) -> None:
        """Read what it says on stdout: ``ready`` is for us, the rest goes where its log goes."""
        while True:
            try:
                line = await lines.readline()
            except ValueError:  # longer than the reader's limit, which has dropped it
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            if text.startswith(READY):
                self.ready_line = text
                self.ready.set()
            elif text:
                complain(f"{self.name}: {text}")


def how_ended(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return "ended by itself" if code == DOING_WELL else f"failed (exit code {code})"
