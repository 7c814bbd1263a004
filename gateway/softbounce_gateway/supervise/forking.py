"""What the nursery does: import, then fork a child for each order, and tell when one has ended. One thread, no loop."""

from __future__ import annotations

import fcntl
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import setproctitle

__all__ = ["LONGEST_ORDER", "serve"]

LONGEST_ORDER = 65_536
MOST_DESCRIPTORS = 16
MARGIN = 64
"""Numbers above those that a child wants its files to have, for the time in which they are moved there."""
OURS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Who sends these means who forked us off. They stay blocked until a child has its own ways of ending."""


def serve(orders: socket.socket, modules: Sequence[str]) -> NoReturn:
    """Serve until nobody is left to give orders."""
    try:
        os.setpgid(0, 0)  # Ctrl-C at the terminal is for who forked us off
        signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(nothing, number)
        os.close(nothing)
        setproctitle.setproctitle(f"softbounce: starts the processes of {os.getppid()}")
        if not sys.flags.safe_path:
            del sys.path[0]  # a file in the working folder that is called like a library is not taken for it
        _import(modules)
        gc.freeze()
        _serve(orders)
    except BaseException:  # noqa: BLE001 - nothing of this process may run on in the code of who forked it off
        traceback.print_exc()
    finally:
        os._exit(1)


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        importlib.import_module(f"{module}.__main__")
        if importlib.util.find_spec(f"{module}.service") is not None:
            importlib.import_module(f"{module}.service")


def _serve(orders: socket.socket) -> None:
    ended, wakeup = os.pipe()
    for descriptor in (ended, wakeup):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        readable, _, _ = select.select([orders.fileno(), ended], [], [])
        if ended in readable:
            os.read(ended, 4096)
            _tell_of_ended(orders)
        if orders.fileno() in readable:
            try:
                octets, descriptors, _, _ = socket.recv_fds(orders, LONGEST_ORDER, MOST_DESCRIPTORS)
            except ConnectionResetError:  # it was killed with an answer unread
                os._exit(0)
            if not octets:
                os._exit(0)
            _fork(orders, json.loads(octets), descriptors)


def _tell_of_ended(orders: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _answer(orders, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _fork(orders: socket.socket, order: dict[str, Any], descriptors: list[int]) -> None:
    try:
        pid = os.fork()
        if pid == 0:
            orders.detach()
            _become(order, descriptors)
        handle = os.pidfd_open(pid)  # it is our child, so until we wait for it this is no other process
    except OSError as error:
        _answer(orders, {"error": [error.errno, error.strerror]})
    else:
        _answer(orders, {"pid": pid}, [handle])
        os.close(handle)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _answer(orders: socket.socket, answer: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    try:
        socket.send_fds(orders, [json.dumps(answer).encode()], descriptors)
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # who gave the orders is gone; each child sees that for itself


def _become(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Be a program of its own, as if it had been run as a command."""
    code: int | str | None = 1
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (*OURS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _take(descriptors, [1, *order["descriptors"]])
        os.environ.update(order["set"])
        for name in order["unset"]:
            os.environ.pop(name, None)
        setproctitle.setproctitle(order["title"])
        sys.argv = [order["module"], *order["options"]]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        code = importlib.import_module(f"{order['module']}.__main__").main(order["options"])
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - told, as the interpreter tells it
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                code = code or 1
        os._exit(code if isinstance(code, int) else int(code is not None))


def _take(descriptors: list[int], wanted: list[int]) -> None:
    """Have these files under the numbers wanted, and of the others only stdin and stderr."""
    above = max(*wanted, *descriptors) + MARGIN
    moved = [fcntl.fcntl(one, fcntl.F_DUPFD, above) for one in descriptors]
    os.closerange(3, above)
    for one, number in zip(moved, wanted, strict=True):
        os.dup2(one, number, inheritable=number <= 2)  # noqa: PLR2004 - the three that every process has
        os.close(one)
