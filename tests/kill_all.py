"""kill -9 of all workers of a volume in the middle of a load, and what the hosts' ledger says then of each envelope.

``python tests/kill_all.py --times 20`` does it again and again, at moments of chance, and prints the figures.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dying import running_worker
from reckon import entries, reckon, send_each
from service import PlaygroundProcess, Service, until
from softbounce_playground import Entry

from softbounce import Shown

__all__ = ["CONFIG", "DOMAINS", "ENVELOPES", "Figures", "kill_all", "start_another"]

ENVELOPES = 5000
DOMAINS = 16
SURE_AFTER = 0.05
"""Seconds after which a 250 that left its host can be forgotten by no kill, where a worker has its turn."""
ALL_ARE_SENT = timedelta(seconds=5)
NOBODY_HEARS = 0.5
"""Seconds after a kill from which on no host answers a connection of the dead."""
CONFIG = """
[worker]
processes = 2
[policy.default]
window = "10m"
delays = ["500ms"]
"""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a kill came to.

    :ivar taken: copies that were answered before it.
    :ivar sure: those of them whose 250 had left before the workers were seen asleep, with nothing left to read.
    :ivar doubled: recipients of those that have another copy, and their story; there must be none.
    :ivar extra: copies more than one a recipient, in all.
    :ivar uncertain: attempts that are owned up to.
    :ivar unfounded: recipients with more uncertain attempts than transactions that reached DATA; there must be none.
    :ivar youngest: how long ago the oldest 250 had left that was forgotten, in seconds; 0: none was.
    :ivar resumed: seconds until a host kept a copy again.
    :ivar everywhere: seconds until that had come true of every domain with mail left.
    """

    taken: int
    sure: int
    doubled: tuple[str, ...]
    extra: int
    uncertain: int
    unfounded: tuple[str, ...]
    youngest: float
    resumed: float
    everywhere: float


def start_another(service: Service, stack: ExitStack) -> None:
    """Another worker on the same store, with a volume of its own, until the stack is left."""
    folder = service.folder / "other.toml"
    folder.write_text(f'[store]\nurl = "{service.url}"\ndata_dir = "other"\n' + service.config.read_text())
    stack.enter_context(running_worker(service, config=folder)).wait_ready()


def kill_all(service: Service, playground: PlaygroundProcess, *, after: int, within: float = 90.0) -> Figures:
    """Send everything, kill the workers when so many transactions are over, wait for the end of all, and reckon."""
    recipients = [f"dotslow{number % 7 * 50}+{number}@d{number % DOMAINS}.test" for number in range(ENVELOPES)]
    workers = service.pids("softbounce_worker")
    ids = send_each(service, recipients, at=datetime.now(UTC) + ALL_ARE_SENT)
    until(lambda: lines_in(playground.ledger) >= after, 60, "the load is under way", pause=0.005)
    with playground.standing_still():
        until_asleep(workers, playground.port)
    read = lines_in(playground.ledger)
    heard = time.time()
    until(lambda: lines_in(playground.ledger) > read, 10, "the load goes on", pause=0.005)
    began = time.time()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    killed = time.time()
    ended = service.wait_final(ids, within)
    extra = reckon(playground, ended)
    return figures(entries(playground), ended, (heard, began, killed), extra)


def until_asleep(pids: list[int], port: int) -> None:
    """Wait until processes have read all that the hosts at a port said.

    For :data:`SURE_AFTER` nothing was on its way to them, and none of their threads was seen to run. A clock alone does
    not say so: on a busy machine a process may have its turn later than that, and so may the system, which carries
    from one socket to the other.
    """
    since = time.monotonic()
    end = since + 20
    while time.monotonic() < since + SURE_AFTER:
        if is_on_its_way(port) or any(is_running(pid) for pid in pids):
            since = time.monotonic()
        assert since < end, "they come to rest"
        time.sleep(0.002)


def is_on_its_way(port: int) -> bool:
    """Whether a host at this port sent something that did not arrive yet, or that nobody has read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues = line.split()[:5]
        unsent, unread = (int(octets, 16) for octets in queues.split(":"))
        if (unsent and ends_at(local, port)) or (unread and ends_at(remote, port)):
            return True
    return False


def ends_at(address: str, port: int) -> bool:
    """Whether an address as the system's table of sockets has it is of this port."""
    return int(address.rpartition(":")[2], 16) == port


def is_running(pid: int) -> bool:
    """Whether a thread of it runs, waits for its turn, or waits for a disk."""
    states = (task.read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat"))
    return any(state in "RD" for state in states)


def figures(written: list[Entry], ended: Mapping[str, Shown], times: tuple[float, float, float], extra: int) -> Figures:
    """Compare the ledger with the envelopes.

    :param times: when every 250 was read, and when the first and the last worker was killed.
    """
    heard, began, killed = times
    copies: Counter[str] = Counter()
    begun: Counter[str] = Counter()
    answered: dict[str, float] = {}
    resumed: dict[str, float] = {}
    for entry in written:
        at = datetime.fromisoformat(entry.at).timestamp()
        for recipient in entry.recipients:
            copies[recipient] += entry.kept
            begun[recipient] += entry.data_begun
            if entry.is_taken and at < began:
                answered[recipient] = at
            elif entry.is_taken and at > killed + NOBODY_HEARS:
                domain = recipient.rpartition("@")[2]
                resumed.setdefault(domain, at - killed)
    owned = {
        shown.recipient: sum(one.uncertain or one.code == 250 for one in shown.attempts) for shown in ended.values()
    }
    doubled = {recipient: at for recipient, at in answered.items() if copies[recipient] > 1}
    return Figures(
        taken=len(answered),
        sure=sum(at < heard for at in answered.values()),
        doubled=tuple(story(recipient, written, ended) for recipient, at in doubled.items() if at < heard),
        extra=extra,
        uncertain=sum(one.uncertain for shown in ended.values() for one in shown.attempts),
        unfounded=tuple(recipient for recipient, number in owned.items() if number > begun[recipient]),
        youngest=max((began - at for at in doubled.values()), default=0.0),
        resumed=min(resumed.values(), default=float("inf")),
        everywhere=max(resumed.values(), default=float("inf")),
    )


def story(recipient: str, written: list[Entry], ended: Mapping[str, Shown]) -> str:
    """What the hosts wrote down of a recipient, and what was attempted."""
    copies = [f"{entry.at} {entry.peer} answered {entry.answer}" for entry in written if recipient in entry.recipients]
    attempts = [str(one) for shown in ended.values() if shown.recipient == recipient for one in shown.attempts]
    return "; ".join([recipient, *copies, *attempts])


def lines_in(path: Path) -> int:
    """How many lines a file has by now."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main() -> int:
    """Kill again and again; exit code 1: a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - moments, no secrets
    broken = 0
    for number in range(options.times):
        after = chance.randrange(100, ENVELOPES - 500)
        with ExitStack() as stack:
            playground = PlaygroundProcess(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            stack.callback(playground.end)
            service = Service(CONFIG, playground)
            stack.callback(service.clean)
            service.start()
            if number % 2:
                start_another(service, stack)
            found = kill_all(service, playground, after=after)
        late = found.youngest > SURE_AFTER
        broken += bool(late or found.doubled or found.unfounded or found.extra > found.uncertain or found.resumed > 15)
        print(f"{number + 1}: {'another alive' if number % 2 else 'all'}, after {after}: {found}", flush=True)  # noqa: T201
    print(f"{options.times} kills, {broken} with a broken promise")  # noqa: T201 - a script
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
