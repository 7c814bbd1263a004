"""The softbounce that comes after this one: a copy of the source in which all that is stored has one field more.

It is what a release may be within a schema: it appends fields with defaults to records, attempts, events, journal
entries, settings and jobs, sets a flag of its own, and has other texts of scripts. It marks what it touches, so that a
test can tell through whose hands an envelope went.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from defences.catalogue import PACKAGES, Stale, copy_tree, put_instead

from softbounce.envelope import Attempt, Envelope, Flag, Record

__all__ = ["MOON", "Moons", "moons_of", "next_version"]

ROOT = Path(__file__).parents[1]
MOON = 128
"""The flag that only the next version knows."""
MORE = "    moon: str = 'full'\n"
"""The field that is appended to all that is stored."""
APPENDED = (
    ("softbounce/envelope.py", "    smtputf8: bool = False\n", MORE),
    ("softbounce/envelope.py", "    deliver_by: DeliverBy | None = None\n", "    moons: int = 0\n"),
    (
        "softbounce/envelope.py",
        "    HOLD_ASKED = 2  # while attempting: to *held* when it comes back\n",
        f"    MOON = {MOON}\n",
    ),
    ("softbounce/envelope.py", "            unknown = self._unknown\n", "            self._envelope.moons += 1\n"),
    ("softbounce/envelope.py", "            self._envelope.moons += 1\n", "            self.flags |= Flag.MOON\n"),
    ("softbounce/envelope.py", "    stated_ms: int | None = None\n", "    moon: str = ''\n"),
    ("softbounce/events.py", '    asked: str = ""\n', MORE),
    ("softbounce/settings.py", "    stream: tuple[StreamRule, ...] = ()\n", MORE),
    ("softbounce/store/sites.py", "    learnt_ms: int\n", MORE),
    ("softbounce/store/webhooks.py", "    noted_ms: int = 0\n", MORE),
    ("softbounce/store/webhooks.py", "    next_ms: int = 0\n", MORE),
    ("softbounce/store/scripts/claim.lua", "#!lua flags=allow-oom\n", "-- as the next version has it\n"),
    ("softbounce/store/scripts/move.lua", "#!lua flags=allow-oom\n", "-- as the next version has it\n"),
    (
        "softbounce/transitions/attempts.py",
        "    attempts.append(attempt)\n",
        "    attempts[-1] = msgspec.structs.replace(attempt, moon='next')\n",
    ),
    ("worker/softbounce_worker/results/journal.py", "    event: bytes\n    at: float\n", MORE),
    (
        "scheduler/softbounce_scheduler/jobs.py",
        "args = (lane, now_ms, others) if others else (lane, now_ms)\n",
        "            args = (lane, now_ms, others, 'full')\n",
    ),
)
"""File, lines that are in it exactly once, and what comes behind them."""


def next_version(folder: Path) -> dict[str, str]:
    """Make the next version in a new folder; the environment in which Python runs it.

    :raises Stale: the code has moved on, and the list above has to follow.
    """
    if MOON in {flag.value for flag in Flag}:
        raise Stale(f"this version has given flag {MOON} a meaning: the next one needs another")
    copy_tree(ROOT, folder)
    for file, lines, more in APPENDED:
        put_instead(folder / file, lines, lines + more, name="the next version")
    return {"PYTHONPATH": os.pathsep.join(str(folder / package) for package in PACKAGES)}


@dataclass(frozen=True, slots=True)
class Moons:
    """What the next version left on an envelope.

    :ivar changes: how often it changed it.
    :ivar attempts: for each attempt, whether it was of its making.
    """

    changes: int
    attempts: list[bool]
    is_flagged: bool


def moons_of(record: Record) -> Moons:
    """Through whose hands an envelope went, by what stands behind the fields that this version knows."""
    fields = msgspec.msgpack.decode(record.payload)
    attempts = fields[Envelope.__struct_fields__.index("attempts")]
    known, more = len(Attempt.__struct_fields__), fields[len(Envelope.__struct_fields__) :]
    return Moons(more[0] if more else 0, [one[known:] == ["next"] for one in attempts], bool(record.flags & MOON))
