"""Standing holds as people see them: which stand, how one begins, and how a person ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from softbounce.client.actions import LONGEST_NAME, LONGEST_REASON
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.one_line import check_one_line
from softbounce.client.shown import rfc3339
from softbounce.duration import LONGEST, MILLISECOND, from_epoch_ms, to_epoch_ms
from softbounce.errors import InvalidArgument, NotFound, StoreUnavailable, StoreUncertain
from softbounce.standing import StandingHold, name_as_given, read_name, split_name
from softbounce.store import keys
from softbounce.store.call import Operation
from softbounce.store.clock import read_time
from softbounce.store.standing_holds import MOST_HOLDS, begin_hold, end_hold, read_standing

__all__ = ["ShownHold", "add_hold", "end", "list_holds"]

TURNS = 20
DONE, TOO_MANY = 1, -1
NOTHING = StandingHold()
Wanted: TypeAlias = tuple[StandingHold, Operation[int] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownHold:
    """A hold that stands: it meets what is there, as its turn comes, and what comes later.

    :ivar hold: its name: ``site:google.com``.
    :ivar of: ``site``, ``domain`` (of the recipient), ``sender``, ``stream``, ``tenant`` or ``tag``.
    :ivar value: which one.
    :ivar until: when it ends by itself; ``None``: when somebody ends it.
    :ivar by: who wanted it; empty: nobody said.
    """

    hold: str
    of: str
    value: str
    since: datetime
    until: datetime | None
    reason: str
    by: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        shown = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in shown.items()}


def shown_of(name: str, hold: StandingHold) -> ShownHold:
    """The public form of a hold."""
    of, value = split_name(name)
    return ShownHold(
        hold=name,
        of=of,
        value=value,
        since=from_epoch_ms(hold.since_ms),
        until=from_epoch_ms(hold.until_ms) if hold.until_ms else None,
        reason=hold.reason,
        by=hold.by,
    )


def list_holds() -> Flow[list[ShownHold]]:
    """Those that stand, by name."""
    holds = yield from repeat(read_standing())
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    return [shown_of(name, hold) for name, hold in sorted(holds.items()) if hold.stands(now_ms)]


def add_hold(  # noqa: PLR0913 - what a hold is told; all by name
    knowledge: Knowledge,
    of: str,
    value: str,
    *,
    reason: str = "",
    until: datetime | timedelta | None = None,
    by: str = "",
) -> Flow[ShownHold]:
    """Hold all mail of something from now on. Where it is held already, reason and end are replaced.

    :raises InvalidArgument: there can be no such hold; naming what.
    :raises StoreUnavailable: too many stand.
    """
    name = read_name(of, value)
    check_one_line("reason", reason, LONGEST_REASON)
    check_one_line("by", by, LONGEST_NAME)
    keep = (yield from knowledge.current()).settings.keep_events_max
    until_ms = _until_ms(until, (yield from repeat(read_time(keys.HOME))).now_ms)

    def begin(seen: StandingHold, now_ms: int) -> Wanted:
        stands = seen.since_ms > 0 and seen.stands(now_ms)
        if stands and (seen.until_ms, seen.reason, seen.by) == (until_ms, reason, by):
            return seen, None
        new = StandingHold(since_ms=seen.since_ms if stands else now_ms, until_ms=until_ms, reason=reason, by=by)
        return new, begin_hold(name, new, over=seen, keep_events=keep)

    return (yield from _change(name, begin, "to begin"))


def _change(name: str, decide: Callable[[StandingHold, int], Wanted], what: str) -> Flow[ShownHold]:
    """Change a hold as it was seen; look again where another change came first, or an answer was lost.

    :param decide: what it shall be, at a time, ms, and how; no operation: it is so.
    """
    for _ in range(TURNS):
        seen = (yield from repeat(read_standing())).get(name, NOTHING)
        new, operation = decide(seen, (yield from repeat(read_time(keys.HOME))).now_ms)
        if operation is None:
            return shown_of(name, new)
        try:
            done: int = yield operation
        except StoreUncertain:
            continue  # it shows when it was done
        if done == DONE:
            return shown_of(name, new)
        if done == TOO_MANY:
            raise StoreUnavailable(f"{MOST_HOLDS} holds stand; end some of them first (`softbounce holds list`)")
    raise StoreUnavailable(f"the hold {name} changed {TURNS} times while it was {what}; try again")


def _until_ms(until: datetime | timedelta | None, now_ms: int) -> int:
    if until is None:
        return 0
    if isinstance(until, timedelta):
        if not timedelta(0) < until <= LONGEST:
            raise InvalidArgument("until", "is not in the next ten years")
        return now_ms + until // MILLISECOND
    if until.utcoffset() is None:
        raise InvalidArgument("until", "has no time zone")
    until_ms = to_epoch_ms(until)
    if not now_ms < until_ms <= now_ms + LONGEST // MILLISECOND:
        raise InvalidArgument("until", "is not in the next ten years")
    return until_ms


def end(knowledge: Knowledge, hold: str) -> Flow[ShownHold]:
    """End a hold by hand; what it held is released by the scheduler, within moments.

    :param hold: its name: ``site:google.com``.
    :raises NotFound: no such hold stands.
    """
    name = name_as_given(hold)
    keep = (yield from knowledge.current()).settings.keep_events_max
    was_asked = False

    def lift(seen: StandingHold, now_ms: int) -> Wanted:
        nonlocal was_asked
        if was_asked and seen.ended_ms:
            return seen, None
        if not seen.since_ms or seen.ended_ms:
            raise NotFound(f"no hold named {hold[:64]!r} stands; `softbounce holds list` names those that do")
        was_asked = True
        return seen, end_hold(name, seen, now_ms, why="It was lifted by hand.", keep_events=keep)

    return (yield from _change(name, lift, "to end"))
