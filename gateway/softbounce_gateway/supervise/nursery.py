"""A process that has imported what the children need, and forks them.

Prevents that each of them imports the same nine hundred modules for itself, for half a second of CPU at each start and
restart: a child that is forked begins at once, and shares their memory with the others. Forked off before we have
threads, a loop or open files, and without them for ever, so that its forks are sound. It ends when we do. Where there
is none, or it was killed, programs are run as commands.

Orders and answers are datagrams of JSON; open files travel with them (SCM_RIGHTS).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from softbounce_gateway.supervise.forking import LONGEST_ORDER, serve
from softbounce_gateway.supervise.program import Program
from softbounce_gateway.terminal import complain

__all__ = ["Forked", "Nursery"]

CODE_UNKNOWN = -9
"""Of a child that ended after the nursery, which alone would have heard it: it is restarted as one that was killed."""


class Forked:
    """A child of the nursery, with what :class:`asyncio.subprocess.Process` has.

    :param handle: a descriptor of the process, so that a signal never meets a later one with its number.
    :ivar returncode: once it has ended.
    """

    def __init__(self, pid: int, handle: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._handle = handle
        self._ended = asyncio.Event()

    def send_signal(self, number: int) -> None:
        """:raises ProcessLookupError: it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        signal.pidfd_send_signal(self._handle, number)

    async def wait(self) -> int:
        """Wait until it has ended; its exit code, negative for a signal."""
        await self._ended.wait()
        assert self.returncode is not None  # noqa: S101 - it was set before
        return self.returncode

    def has_ended(self, code: int) -> None:
        """The nursery said so."""
        self.returncode = code
        os.close(self._handle)
        self._ended.set()

    def watch(self) -> None:
        """Nobody will say so any more: the kernel will."""
        loop = asyncio.get_running_loop()

        def look() -> None:
            loop.remove_reader(self._handle)
            self.has_ended(CODE_UNKNOWN)

        loop.add_reader(self._handle, look)


class Nursery:
    """Our side of it.

    :ivar pid: of the process.
    """

    def __init__(self, orders: socket.socket, pid: int) -> None:
        self.pid = pid
        self._orders = orders
        self._environment = dict(os.environ)
        self._waiting: list[asyncio.Future[Forked]] = []
        self._children: dict[int, Forked] = {}
        self._hears = False

    @classmethod
    def begin(cls, modules: Sequence[str]) -> Self | None:
        """Fork it off; ``None`` where that is not sound, or the system cannot do what it takes.

        :param modules: what the children will run, each the name of a package with a ``__main__.main``. They are
            imported in this order.
        """
        if not hasattr(os, "pidfd_open") or threading.active_count() > 1:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            os.close(os.pidfd_open(os.getpid()))  # older kernels, and some sandboxes, refuse it
            gc.freeze()  # what is there by now is garbage nowhere: collections would only make copies of its pages
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            ours.close()
            serve(theirs, modules)
        theirs.close()
        ours.setblocking(False)  # noqa: FBT003
        return cls(ours, pid)

    @property
    def is_lost(self) -> bool:
        """Whether it forks no more."""
        return self._orders.fileno() < 0

    async def start(self, program: Program, stdout: int) -> Forked:
        """Fork a child that runs a module.

        :raises OSError: it cannot.
        """
        loop = asyncio.get_running_loop()
        if self.is_lost:
            raise BrokenPipeError
        if not self._hears:
            self._hears = True
            loop.add_reader(self._orders, self._hear)
        environment = program.environment
        order = {
            "module": program.module,
            "options": program.options,
            "title": " ".join(program.arguments),
            "set": {name: value for name, value in environment.items() if self._environment.get(name) != value},
            "unset": [name for name in self._environment if name not in environment],
            "descriptors": program.descriptors,
        }
        octets = json.dumps(order).encode()
        if len(octets) > LONGEST_ORDER:
            raise BlockingIOError("too much environment")
        began: asyncio.Future[Forked] = loop.create_future()
        socket.send_fds(self._orders, [octets], [stdout, *program.descriptors])
        self._waiting.append(began)
        return await began

    def close(self) -> None:
        """End it, after its children, and after the loop."""
        self._orders.close()
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)  # it holds nothing, and might stand still
            os.waitpid(self.pid, 0)

    def _hear(self) -> None:
        try:
            octets, handles, _, _ = socket.recv_fds(self._orders, LONGEST_ORDER, 1)
        except BlockingIOError:
            return
        except OSError:
            octets, handles = b"", []
        if not octets:
            complain("the process that starts the others was lost: from now on they are started without it")
            self._lose()
            return
        answer: dict[str, Any] = json.loads(octets)
        if "ended" in answer:
            self._children.pop(answer["ended"]).has_ended(answer["code"])
            return
        began = self._waiting.pop(0)
        if "error" in answer:
            if not began.cancelled():
                began.set_exception(OSError(*answer["error"]))
            return
        child = self._children[answer["pid"]] = Forked(answer["pid"], handles[0])
        if began.cancelled():
            child.send_signal(signal.SIGKILL)
        else:
            began.set_result(child)

    def _lose(self) -> None:
        asyncio.get_running_loop().remove_reader(self._orders)
        self._orders.close()
        for child in self._children.values():
            child.watch()
        for began in self._waiting:
            if not began.cancelled():
                began.set_exception(BrokenPipeError())
        self._children.clear()
        self._waiting.clear()
