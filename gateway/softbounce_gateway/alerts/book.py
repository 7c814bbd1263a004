"""What stands, and what is to be told of it: a look goes in, letters come out. Pure.

==============================  ====================================================================================
seen, not told                  told when it has stood for ``after``
told, seen                      nothing: once is enough
told, not seen for five minutes *over*, told once; one that comes back sooner is the same trouble
not told, gone for five minutes forgotten
==============================  ====================================================================================

What is narrower is not over while something wider stands, which hides it: nobody can tell then. The same where a look
had more to say than it may. Over a number an hour letters wait, and none is dropped: a recovery is as worth telling as
what began. One that could not be told is tried again after a wait that doubles, from half a minute to an hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from msgspec.structs import replace

from softbounce.duration import MILLISECOND
from softbounce.store.alerts import MOST_STANDING, AlertBook, Standing
from softbounce_gateway.alerts.subjects import Subject

__all__ = ["Letter", "could_not_tell", "due", "look_at", "told"]

GONE_AFTER_MS = 300_000
HOUR_MS = 3_600_000
FIRST_WAIT_MS, LONGEST_WAIT_MS = 30_000, HOUR_MS
MOST_DOUBLED = 10
NARROW = frozenset({"site", "sender"})
WIDE = frozenset({"store", "network"})
HIDING = frozenset({"no_worker", "no_scheduler", "scheduler_late"})


class Letter(NamedTuple):
    """What is to be told of one trouble. ``id``: the same whenever it is told again."""

    id: str
    state: str
    about: Standing


def look_at(book: AlertBook, seen: Iterable[Subject], now_ms: int, *, is_cut: bool) -> AlertBook:
    """The book after a look.

    :param is_cut: there was more than the look told.
    """
    before = {one.key: one for one in book.standing}
    now = {one.key: one for one in seen}
    hides = any((one.scope in WIDE and one.level == "bad") or one.kind in HIDING for one in now.values())
    kept = []
    for key, was in before.items():
        subject = now.pop(key, None)
        if subject is not None:
            kept.append(replace(was, what=subject.what, why=subject.why, level=subject.level, seen_ms=now_ms))
        elif is_cut or (hides and was.scope in NARROW):
            kept.append(replace(was, seen_ms=now_ms))
        elif was.told_ms or now_ms - was.seen_ms < GONE_AFTER_MS:
            kept.append(was)
    new = [Standing(**one._asdict(), first_ms=now_ms, seen_ms=now_ms) for one in now.values()]
    hour = tuple(at for at in book.told if 0 <= now_ms - at < HOUR_MS)
    return replace(book, standing=(*kept, *new)[:MOST_STANDING], told=hour)


def due(book: AlertBook, now_ms: int, *, table: str, after: timedelta, most_an_hour: int) -> Sequence[Letter]:
    """The letters to be sent now, those that waited longest first."""
    wait_ms = after // MILLISECOND
    found = []
    for one in book.standing:
        if one.next_ms - now_ms > 0 and one.next_ms - now_ms <= LONGEST_WAIT_MS:
            continue
        is_over = now_ms - one.seen_ms >= GONE_AFTER_MS
        if one.told_ms and is_over:
            found.append(_letter(table, "over", one))
        elif not one.told_ms and not is_over and one.seen_ms - one.first_ms >= wait_ms:
            found.append(_letter(table, "began", one))
    found.sort(key=lambda letter: letter.about.first_ms)
    return found[: max(0, most_an_hour - len(book.told))]


def told(book: AlertBook, letter: Letter, now_ms: int) -> AlertBook:
    """The book after a letter was told."""
    if letter.state == "over":
        rest = tuple(one for one in book.standing if one.key != letter.about.key)
    else:
        rest = _with(book, replace(letter.about, told_ms=now_ms, failures=0, next_ms=0))
    return replace(book, standing=rest, told=(*book.told, now_ms))


def could_not_tell(book: AlertBook, letter: Letter, now_ms: int) -> AlertBook:
    """The book after a letter could not be told."""
    wait = min(FIRST_WAIT_MS << min(letter.about.failures, MOST_DOUBLED), LONGEST_WAIT_MS)
    failed = replace(letter.about, failures=letter.about.failures + 1, next_ms=now_ms + wait)
    return replace(book, standing=_with(book, failed))


def _with(book: AlertBook, changed: Standing) -> tuple[Standing, ...]:
    return tuple(changed if one.key == changed.key else one for one in book.standing)


def _letter(table: str, state: str, about: Standing) -> Letter:
    digest = sha256(about.key.encode()).hexdigest()[:16]
    return Letter(f"alert-{table}-{digest}-{about.first_ms}-{state}", state, about)
