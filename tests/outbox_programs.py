"""Programs of the outbox's fault tests: an app that makes transactions, a relay, and relays that die at a line.

The first two are forked off a process that has imported everything, so that being killed a hundred times costs little.
``python tests/outbox_programs.py URL STORE STEP`` is the third.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from outboxes import Order, forgive, lapse, letter, waiting
from softbounce_gateway.cli import main
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

import softbounce.outbox.relay.relay as relays
from softbounce import outbox

__all__ = ["app", "relay"]

LEASE = timedelta(seconds=1)
"""Of claims here, so that what a dead relay had is free again soon."""
TRACED = ("/softbounce/outbox/", "/client/send/accepting.py", "/client/flow.py")
ADDED_EACH = 3


def is_kept(number: int) -> bool:
    """Whether the transaction of that number means to commit its order: each third is rolled back."""
    return number % 3 != 0


def app(url: str, file: Path, first: int, limit: int) -> None:
    """Make transactions, each tried once: its number is written down before it begins."""
    engine = create_engine(url)
    done = file.read_text().split() if file.exists() else []
    with file.open("a") as numbers:
        for number in range(int(done[-1]) + 1 if done else first, limit):
            numbers.write(f"{number} ")
            numbers.flush()
            transact(engine, number)


def relay(url: str, store: str, log: Path, *more: str) -> None:
    """Run the command as people run it."""
    relays.LEASE = LEASE
    os.environ["SOFTBOUNCE_URL"] = store
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["softbounce", "relay", "--database", url, "--poll", "50ms", *more]
    os._exit(main())


def transact(engine: Any, number: int) -> None:  # noqa: ANN401
    """One transaction: an order and its letter, or neither; every other rollback is one to a savepoint."""
    with Session(engine) as session, session.begin() as whole:
        around = session.begin_nested() if number % 2 else whole
        session.add(Order(number=number))
        outbox.add(session, **letter(number), key=f"order-{number}" if number % 5 else None)
        session.flush()
        if not is_kept(number):
            around.rollback()


def lines(url: str, store: str, step: int) -> None:
    """For each line that a relay comes to: add mail, and let a relay die there. Prints how many orders there were.

    :param step: 1 takes each of them, 5 each fifth.
    """
    engine = create_engine(url, poolclass=NullPool)
    relays.LEASE = LEASE
    orders = 0
    for line in itertools.count(1, step):
        for _ in range(ADDED_EACH):
            transact(engine, orders)
            orders += 1
        child = os.fork()
        if not child:
            die_at(line)
            asyncio.run(relays.Relay(url, store).run_once())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"the relay that was to die at line {line} failed"
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        lapse(engine)
        forgive(engine)
    asyncio.run(relays.Relay(url, store).run_once())
    assert waiting(engine) == 0
    print(line, orders)  # noqa: T201 - what the test reads


def die_at(line: int) -> None:
    """End this process at the line of ours that it comes to as so many-th, in whatever thread it is."""
    met: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: object) -> Any:  # noqa: ANN401
        if not any(part in frame.f_code.co_filename for part in TRACED):
            return None
        if event == "line":
            met.add((frame.f_code.co_filename, frame.f_lineno))
            if len(met) == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    sys.settrace(trace)


if __name__ == "__main__":
    lines(sys.argv[1], sys.argv[2], int(sys.argv[3]))
