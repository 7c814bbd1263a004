"""What stands, and what is to be told of it: a look goes in, letters come out. Pure.

==============================  ====================================================================================
seen, not told                  told when it has stood for ``after``, and an hour after it was told before
told, seen                      nothing: once is enough
heard, missed for five minutes   *over*, told once; one that comes back sooner is the same trouble
over, or gone untold            forgotten, an hour after it was told; one that comes back sooner begins anew, and counts
no table wants it any more      *over*, told once at once to who has heard, or may have; all else is forgotten
==============================  ====================================================================================

Who was told has heard of it, and who may have: one that was cut off before it answered may have an open incident. So
what comes and goes all day is told to begin once an hour at most, and as often to be over; the summary says how often
it came back. What is narrower is not over while something wider stands, which hides it: nobody can tell then. The same
where a look had more to say than it may. Over a number an hour letters wait, and none is dropped: a recovery is as
worth telling as what began. One that could not be told is tried again after a wait that doubles, from half a minute to
an hour.
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

__all__ = ["Letter", "about_to_tell", "all_over", "could_not_tell", "due", "is_resting", "look_at", "not_told", "told"]

GONE_AFTER_MS = 300_000
HOUR_MS = 3_600_000
FIRST_WAIT_MS, LONGEST_WAIT_MS = 30_000, HOUR_MS
MOST_DOUBLED = 10
MOST_GOODBYES = 8
"""So often it is tried to tell that a table is no more, over an hour; then who was told is left to themselves."""
LONGEST_WORDS = 300
NARROW = frozenset({"site", "sender"})


class Letter(NamedTuple):
    """What is to be told of one trouble. ``id``: the same whenever it is told again."""

    id: str
    state: str
    about: Standing


def look_at(book: AlertBook, seen: Iterable[Subject], now_ms: int, *, is_cut: bool, hides: bool = False) -> AlertBook:
    """The book after a look.

    :param is_cut: there was more than the look told.
    :param hides: something wide stands, beside which nothing narrow is told.
    """
    now = {one.key: one for one in seen}
    kept, resting = [], []
    for was in book.standing:
        subject = now.pop(was.key, None)
        if subject is not None:
            kept.append(_seen(was, subject, now_ms))
        elif is_resting(was, now_ms):
            resting.append(was)
        elif is_cut or (hides and was.scope in NARROW):
            kept.append(replace(was, gone_ms=0))
        else:
            kept.append(replace(was, gone_ms=min(was.gone_ms or now_ms, now_ms)))  # a clock may be set back
    new = [Standing(**one._asdict(), first_ms=now_ms, seen_ms=now_ms) for one in now.values()]
    quiet = [one for one in resting if 0 < one.quiet_ms - now_ms <= HOUR_MS]
    hour = tuple(at for at in book.told if 0 <= now_ms - at < HOUR_MS)
    return replace(book, standing=(*kept, *new, *quiet)[:MOST_STANDING], told=hour)


def all_over(book: AlertBook, now_ms: int) -> AlertBook:
    """The book of a table that is no more: what was told, or may have been, is over."""
    owed = (one for one in book.standing if (one.told_ms or one.maybe) and one.failures < MOST_GOODBYES)
    hour = tuple(at for at in book.told if 0 <= now_ms - at < HOUR_MS)
    return replace(book, standing=tuple(replace(one, gone_ms=now_ms - GONE_AFTER_MS) for one in owed), told=hour)


def is_resting(one: Standing, now_ms: int) -> bool:
    """Whether it is over, and all is told of it that was to be."""
    return not (one.told_ms or one.maybe) and _is_over(one, now_ms)


def _is_over(one: Standing, now_ms: int) -> bool:
    return bool(one.gone_ms) and now_ms - one.gone_ms >= GONE_AFTER_MS


def _seen(was: Standing, subject: Subject, now_ms: int) -> Standing:
    if is_resting(was, now_ms):
        was = replace(was, first_ms=now_ms, times=was.times + 1, failures=0, next_ms=0)
    first_ms = min(was.first_ms, now_ms)
    return replace(
        was, what=subject.what, why=subject.why, level=subject.level, first_ms=first_ms, seen_ms=now_ms, gone_ms=0
    )


def due(book: AlertBook, now_ms: int, *, table: str, after: timedelta, most_an_hour: int) -> Sequence[Letter]:
    """The letters to be sent now, those that waited longest first.

    :param now_ms: that of the look: what was not seen by it has not begun, as far as one knows.
    """
    wait_ms = after // MILLISECOND
    found = []
    for one in book.standing:
        if 0 < one.next_ms - now_ms <= LONGEST_WAIT_MS:
            continue
        if (one.told_ms or one.maybe) and _is_over(one, now_ms):
            found.append(_letter(table, "over", one))
        elif one.told_ms:
            continue
        elif one.seen_ms == now_ms >= one.first_ms + wait_ms and not 0 < one.quiet_ms - now_ms <= HOUR_MS:
            found.append(_letter(table, "began", one))
    found.sort(key=lambda letter: letter.about.first_ms)
    return found[: max(0, most_an_hour - len(book.told))]


def about_to_tell(book: AlertBook, letter: Letter) -> AlertBook:
    """The book just before a letter goes: who is killed then has told it, for all that anybody knows."""
    maybe = int(letter.state == "began" or letter.about.maybe)
    return replace(book, standing=_with(book, replace(letter.about, maybe=maybe)))


def told(book: AlertBook, letter: Letter, now_ms: int) -> AlertBook:
    """The book after a letter was told."""
    about = replace(letter.about, failures=0, next_ms=0)
    if letter.state == "over":
        quiet_ms = now_ms + HOUR_MS if about.maybe else about.quiet_ms
        about = replace(about, told_ms=0, maybe=0, quiet_ms=quiet_ms)
    else:
        about = replace(about, told_ms=now_ms, maybe=0, quiet_ms=now_ms + HOUR_MS)
    standing = _with(book, about)
    return replace(book, standing=standing, told=(*book.told, now_ms), failures=0, failed_ms=0, failed_why="")


def could_not_tell(book: AlertBook, letter: Letter, now_ms: int, why: str, *, maybe: bool = False) -> AlertBook:
    """The book after a letter could not be told.

    :param why: in words.
    :param maybe: it may have been heard.
    """
    wait = min(FIRST_WAIT_MS << min(letter.about.failures, MOST_DOUBLED), LONGEST_WAIT_MS)
    heard = int(maybe or letter.about.maybe)
    failed = replace(letter.about, failures=letter.about.failures + 1, next_ms=now_ms + wait, maybe=heard)
    return not_told(replace(book, standing=_with(book, failed)), now_ms, why)


def not_told(book: AlertBook, now_ms: int, why: str) -> AlertBook:
    """One more that could not be told, a summary too: how often in a row, since when, and why last."""
    since = book.failed_ms if book.failures else now_ms
    return replace(book, failures=book.failures + 1, failed_ms=since, failed_why=why[:LONGEST_WORDS])


def _with(book: AlertBook, changed: Standing) -> tuple[Standing, ...]:
    return tuple(changed if one.key == changed.key else one for one in book.standing)


def _letter(table: str, state: str, about: Standing) -> Letter:
    digest = sha256(about.key.encode()).hexdigest()[:16]
    return Letter(f"alert-{table}-{digest}-{about.first_ms}-{state}", state, about)
