"""What a look found beside the one before: since when each thing is so, and what has to be told of.

Pure. A thing that could not be looked at keeps what was known of it: a name server that is away turns nothing red or
green, and nobody is told of the same twice because of it. Nor is what was known forgotten where a check hung before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from softbounce.events import StoredEvent
from softbounce.store.health import MOST_FINDINGS, KeptFinding
from softbounce_gateway.doctor.finding import Finding, State

__all__ = ["KIND", "Compared", "compare"]

KIND = "health_changed"
MOST_EVENTS = 20
"""Of one look: more things that changed at once are one trouble, and stand in the look."""
MOST_MISSED = 8
"""Looks that see others of its check and do not get to a thing, after which it is taken for one that is no more."""
NOT_SEEN = "the look did not get to it this time"
WORST = (State.OK, State.UNKNOWN, State.WARN, State.FAIL)
GONE = "gone"
"""In place of a state: what was red is there no more."""
RED = frozenset({State.WARN, State.FAIL})
IN_WORDS: dict[str, str] = {State.OK: "well", State.WARN: "worth mending", State.FAIL: "wrong"}
"""What a thing is in each state that can be known."""


class Compared(NamedTuple):
    """What is kept of a look, and what is told."""

    findings: tuple[KeptFinding, ...]
    events: tuple[StoredEvent, ...]


def compare(before: Iterable[KeptFinding], found: Sequence[Finding], machine: str, now_ms: int) -> Compared:
    """A look beside the one before it.

    :param machine: whose look it is.
    """
    known = {(one.check, one.what): one for one in before}
    worst: dict[tuple[str, str], Finding] = {}
    for one in found:
        place = one.check, one.what
        if place not in worst or WORST.index(one.state) > WORST.index(worst[place].state):
            worst[place] = one
    kept = [_kept(known.get(place), one, now_ms) for place, one in list(worst.items())[:MOST_FINDINGS]]
    blind = {one.check for one in found if one.state is State.UNKNOWN}
    missed = [was for place, was in known.items() if place not in worst and was.check in blind and was.known]
    sees = {one.check for one in found if one.state is not State.UNKNOWN}
    others = [_missed(was, counts=was.check in sees) for was in missed if was.missed < MOST_MISSED]
    kept += others[: MOST_FINDINGS - len(kept)]
    events = [_event(known.get((one.check, one.what)), one, machine) for one in kept]
    there = worst.keys() | {(one.check, one.what) for one in kept}
    left = [was for place, was in known.items() if place not in there]
    events += [_gone(was, machine) for was in left]
    return Compared(tuple(kept), tuple([event for event in events if event is not None][:MOST_EVENTS]))


def _kept(was: KeptFinding | None, one: Finding, now_ms: int) -> KeptFinding:
    known, since_ms = ("", 0) if was is None else (was.known, was.since_ms)
    if one.state is not State.UNKNOWN and str(one.state) != known:
        known, since_ms = str(one.state), now_ms
    return KeptFinding(
        check=one.check,
        what=one.what,
        state=str(one.state),
        found=one.found,
        mend=one.mend,
        known=known,
        since_ms=since_ms,
    )


def _missed(was: KeptFinding, *, counts: bool) -> KeptFinding:
    """What a look did not get to, because its check hung or was told nothing: no news, and not forgotten either.

    :param counts: its check saw something else; where it sees nothing at all, nobody can tell that it is no more.
    """
    return replace(was, state=str(State.UNKNOWN), found=NOT_SEEN, mend="", missed=was.missed + counts)


def _event(was: KeptFinding | None, now: KeptFinding, machine: str) -> StoredEvent | None:
    """What is told of it: that it is another state than was known; of what was not known before only that it failed."""
    before = "" if was is None else was.known
    if now.known == before or (not before and now.known != State.FAIL):
        return None
    turned = f"It is {_word(now.known)}, and was {_word(before)}" if before else f"It is {_word(now.known)}"
    mend = f" To mend it: {now.mend.rstrip('.')}." if now.mend else ""
    why = f"{turned}: {now.found.rstrip('.')}.{mend}"
    return StoredEvent(kind=KIND, id=b"", host=machine, reason=now.known, text=now.what, why=why)


def _gone(was: KeptFinding, machine: str) -> StoredEvent | None:
    """What is told of one that is no more: that it is red no more either, to who heard that it was."""
    if was.known not in RED:
        return None
    why = f"It is not there to be looked at any more, and was {_word(was.known)}."
    return StoredEvent(kind=KIND, id=b"", host=machine, reason=GONE, text=was.what, why=why)


def _word(state: str) -> str:
    """What a thing is, in a sentence; another version may know more states."""
    return IN_WORDS.get(state, state)
