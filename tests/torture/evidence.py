"""Reads the three accounts of a run: what the app was told, what the hosts took, what the store says."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metrics_agree import disagreements
from softbounce_playground import Entry, read_ledger

from softbounce import Client, NotFound, Shown
from torture.app import Log
from torture.letters import letter
from torture.mishaps import find_mishaps
from torture.ways import FIRST

__all__ = ["Case", "Evidence", "Tail", "Watch", "gather"]

NOTICE = re.compile(r"<notice-(?P<about>[0-9a-z]+)-bounced@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recipient of one letter.

    :ivar id: the envelope, where the app was told one.
    :ivar was_refused: the app was told that nothing was taken.
    :ivar shown: what the store says of the envelope.
    :ivar entries: the hosts' transactions that accepted the recipient, oldest first.
    """

    recipient: str
    message_id: str
    id: str | None
    was_refused: bool
    shown: Shown | None
    entries: tuple[Entry, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, for whoever looks into it."""
        return {
            "recipient": self.recipient,
            "id": self.id,
            "was_refused": self.was_refused,
            "store": None if self.shown is None else self.shown.to_dict(),
            "hosts": [{name: getattr(entry, name) for name in entry.__struct_fields__} for entry in self.entries],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it.

    :ivar strays: recipients in the ledger to whom no letter was ever sent.
    :ivar unanswered: letters that an app never got an answer for.
    :ivar unsent: letters that the outbox's transactions committed, and that no relay handed over.
    :ivar mishaps: what went wrong in the service by itself, and how often.
    :ivar miscounted: where the counters of `/metrics` do not agree with the event log, in words.
    """

    cases: tuple[Case, ...]
    strays: tuple[str, ...]
    unanswered: int
    unsent: int = 0
    mishaps: Counter[str] = field(default_factory=Counter)
    miscounted: tuple[str, ...] = ()


def gather(
    app_logs: Mapping[str, Path],
    ledger: Path,
    logs: Iterable[Path],
    store_url: str,
    *,
    seed: int,
    tell: Callable[[int], object],
) -> Evidence:
    """Read everything, one envelope after another.

    :param app_logs: by the way in.
    :param logs: of the service's parts.
    :param tell: told now and then how many envelopes were looked at.
    """
    apps = {way: Log(path, FIRST[way]) for way, path in app_logs.items()}
    by_recipient: dict[str, list[Entry]] = defaultdict(list)
    for entry in read_ledger(ledger):
        for recipient in entry.recipients:
            by_recipient[recipient].append(entry)
    cases: list[Case] = []
    with Client(store_url) as mail:
        asked = ((log, number) for way, log in apps.items() for number in range(FIRST[way], log.next))
        for log, number in asked:
            written = letter(seed, number)
            ids: Iterable[str | None] = log.taken.get(number, (None,) * len(written.recipients))
            for recipient, identity in zip(written.recipients, ids, strict=True):
                case = Case(
                    recipient=recipient,
                    message_id=written.message_id,
                    id=identity,
                    was_refused=number in log.refused,
                    shown=None if identity is None else _show(mail, identity),
                    entries=tuple(by_recipient.pop(recipient, ())),
                )
                cases.append(case)
            if number % 500 == 0:
                tell(len(cases))
        miscounted = disagreements(mail, store_url)
    return Evidence(
        cases=tuple(cases),
        strays=tuple(_strays(by_recipient, cases)),
        unanswered=sum(len(log.open) for log in apps.values()),
        unsent=len(apps["outbox"].open) if "outbox" in apps else 0,
        mishaps=find_mishaps(logs),
        miscounted=tuple(miscounted),
    )


def _strays(left: Mapping[str, list[Entry]], cases: Sequence[Case]) -> Iterator[str]:
    """Who got mail that nobody wrote. What bounced is told to its sender: that is written by the service itself."""
    bounced = {case.id for case in cases if case.shown is not None and case.shown.state == "bounced"}
    for recipient, entries in left.items():
        for entry in entries:
            notice = NOTICE.match(entry.message_id) if entry.sender == "" else None
            if entry.complete and (notice is None or notice["about"] not in bounced):
                yield recipient
                break


def _show(mail: Client, identity: str) -> Shown | None:
    try:
        return mail.show(identity)
    except NotFound:
        return None


class Watch:
    """How far a run is, from files that grow: read on from where it stopped.

    :ivar accepted: envelopes that the app was told to be taken.
    :ivar delivered: messages that the hosts took, by recipients.
    """

    def __init__(self, app_logs: Iterable[Path], ledger: Path) -> None:
        self.accepted = 0
        self.delivered = 0
        self._apps = [Tail(path) for path in app_logs]
        self._ledger = Tail(ledger)

    def look(self) -> None:
        """Read what is new."""
        lines = [line for app in self._apps for line in app.lines()]
        self.accepted += sum(line.count(b" ") - 1 for line in lines if line.startswith(b"taken"))
        for line in self._ledger.lines():
            entry = json.loads(line)
            self.delivered += len(entry["recipients"]) * (entry["complete"] and entry["answer"] == 250)


class Tail:
    """A file that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> list[bytes]:
        """The whole lines that were written since."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, _, _ = file.read().rpartition(b"\n")
        if whole:
            self._offset += len(whole) + 1
        return whole.split(b"\n") if whole else []
