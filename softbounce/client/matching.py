"""What an operator does to all envelopes that fit a selection: one bounded step of a walk after another.

It reaches what is there; mail that is accepted afterwards is not touched, and no rule is left behind in the store. A
release of whole streams lifts the holds that a brake left there, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from softbounce.client import actions
from softbounce.client.actions import Ask, Wish
from softbounce.client.flow import Flow, repeat
from softbounce.client.held_streams import NO_WHOLES, Wholes, read_wholes, release_streams
from softbounce.client.knowledge import Knowledge, KnownStore
from softbounce.client.queue import scan
from softbounce.client.resending import Over, ResendAnswer, resend_all
from softbounce.client.selection import Selection
from softbounce.envelope import Flag, Record, State
from softbounce.errors import AlreadyEnded, InvalidArgument, NotFound, StoreUncertain
from softbounce.ids import format_id
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.moving import Move, MoveResult, move
from softbounce.store.reading import count_step, read_unopened
from softbounce.transitions import NO_TERMS, Terms, ends_at_once

__all__ = [
    "ACTS",
    "DESTRUCTIVE",
    "RELEASED",
    "WAITING_FIRST",
    "Doing",
    "Matching",
    "Step",
    "act_of",
    "act_on_all",
    "act_step",
    "doing_of",
    "find_matching",
    "holding_of",
    "releasing_of",
]

CHANGED = "changed_meanwhile"
RELEASED = "streams_released"
UNREADABLE = "unreadable"
RESEND, RESENT = "resend", str(ResendAnswer.RESENT)
Decide = Callable[[Record, Settings, int], Wish[StrEnum]]
ENDED_BADLY = frozenset({State.BOUNCED, State.CANCELLED})
LIVE = frozenset(state for state in State if not state.is_final)
ACTS: dict[str, frozenset[State]] = {
    "cancel": LIVE,
    "retry": frozenset({State.SCHEDULED}),
    "hold": LIVE - {State.HELD},
    "release": frozenset({State.HELD}),
    "bounce": LIVE,
    RESEND: ENDED_BADLY,
    "change": LIVE,
    "redirect": LIVE,
}
"""What can be done, and to envelopes in which states."""
DESTRUCTIVE = frozenset({"cancel", "bounce"})
WAITING_FIRST = DESTRUCTIVE | {"change"}
"""What holds that which it ends for a while before it does, so that it can be undone until then."""
WITHOUT_PAYLOAD = frozenset({"cancel", "bounce", "hold", "release"})
"""Of these a record's header tells whether they mean something for it."""


def act_of(word: str) -> str:
    """The act with this name.

    :raises InvalidArgument: there is none.
    """
    if word not in ACTS:
        raise InvalidArgument("act", f"{word!r} is none; acts are {', '.join(ACTS)}")
    return word


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One act on all that fit.

    :ivar decide: what becomes of one of them; ``None``: it is sent again.
    :ivar states: of those of which something can become.
    :ivar action: what this action holds fits too, and is what it holds.
    :ivar only_its_own: nothing else does.
    :ivar before_ms: what was accepted later does not fit.
    :ivar begun_ms: what was tried since is not retried anew.
    :ivar over: over how long what is sent again begins.
    :ivar terms: what an operator chose.
    :ivar only_if: of what fits, only that of which this is so at a time, ms.
    """

    act: str
    selection: Selection
    decide: Decide | None
    states: frozenset[State]
    action: bytes = b""
    only_its_own: bool = False
    before_ms: int | None = None
    begun_ms: int = 0
    force: bool = False
    by: str = ""
    over: Over | None = None
    terms: Terms = NO_TERMS
    only_if: Callable[[Record, int], bool] | None = None

    def reaches(self, record: Record, now_ms: int) -> bool:
        """Whether something is to be done to it; not to one that nobody can read, where it has to be read for that."""
        try:
            return self._fits(record, now_ms)
        except (ValueError, LookupError, OverflowError):  # what is stored there may be anything
            return False

    def _fits(self, record: Record, now_ms: int) -> bool:
        if record.state not in self.states:
            return False
        if self.before_ms is not None and record.created_ms > self.before_ms:
            return False
        is_own = bool(self.action) and self._is_its_own(record)
        if not is_own and (self.only_its_own or not self.selection.fits(record, self.counted_from(now_ms))):
            return False
        if not self._means_something(record, now_ms, is_own=is_own):
            return False
        return self.only_if is None or self.only_if(record, now_ms)

    def _is_its_own(self, record: Record) -> bool:
        """Whether it is what holds it, or will."""
        is_kept = record.state is State.HELD or record.flags & Flag.HOLD_ASKED
        return bool(is_kept) and record.glance.held_by == self.action

    def counted_from(self, now_ms: int) -> int:
        """When the age of an envelope counts: when the act was asked for, however long it takes; now, in a preview."""
        return now_ms if self.before_ms is None else self.before_ms

    def _means_something(self, record: Record, now_ms: int, *, is_own: bool) -> bool:
        """Whether it was not done before: what was asked of an attempt under way, and was retried, has it."""
        match self.act:
            case "cancel" | "bounce":
                return not record.flags & Flag.CANCEL_ASKED
            case "hold":
                return not record.flags & Flag.HOLD_ASKED
            case "retry":
                return not 0 < record.next_ms <= now_ms and not self._is_tried(record)
            case "resend":
                return not record.glance.resent_as
            case "change" | "redirect":
                return is_own or not self.terms.are_of(record.glance)
            case _:
                return True

    def _is_tried(self, record: Record) -> bool:
        """Whether it was since this began."""
        attempts = record.envelope.attempts if self.begun_ms else []
        return bool(attempts) and attempts[-1].started_ms >= self.begun_ms


def doing_of(  # noqa: PLR0913 - what an act may be told; all by name
    act: str,
    selection: Selection,
    *,
    wholes: Wholes = NO_WHOLES,
    reason: str = "",
    by: str = "",
    force: bool = False,
    action: bytes = b"",
    before_ms: int | None = None,
    begun_ms: int = 0,
    over: Over | None = None,
    terms: Terms = NO_TERMS,
) -> Doing:
    """What an act does.

    :param wholes: what is held as a whole.
    :param reason: of a bounce, in words.
    :param by: who wants it.
    :param force: of a resend: also what was delivered, where just that is asked for.
    :param over: of a resend: over how long they begin.
    :param terms: of a change or a redirect.
    :raises InvalidArgument: there is no such act, or its words cannot be said.
    """
    states = ACTS[act_of(act)]
    decide: Decide | None
    match act:
        case "cancel":
            decide = actions.decide_cancel
        case "bounce":
            decide = partial(actions.decide_bounce, why=actions.bounce_words(reason, by))
        case "retry":
            decide = actions.decide_retry
        case "hold":
            decide = partial(actions.decide_hold, action=action)
        case "release":
            decide = partial(actions.decide_release, wholes=wholes)
        case "change" | "redirect":
            decide = partial(actions.decide_change, terms=terms, act=act, action=action)
        case _:
            decide = None
            if force and selection.state is State.DELIVERED:
                states |= {State.DELIVERED}
    return Doing(
        act=act,
        selection=selection,
        decide=decide,
        states=states,
        action=action,
        before_ms=before_ms,
        begun_ms=begun_ms,
        force=force,
        by=by,
        over=over,
        terms=terms,
    )


def holding_of(doing: Doing, settings: Settings) -> Doing:
    """Hold what an act is to end, until it does: what is being tried, when it comes back."""

    def ends(record: Record, now_ms: int) -> bool:
        return ends_at_once(record, settings, now_ms, doing.terms)

    return Doing(
        act="hold",
        selection=doing.selection,
        decide=partial(actions.decide_hold, action=doing.action),
        states=ACTS["hold"],
        before_ms=doing.before_ms,
        by=doing.by,
        only_if=None if doing.act in DESTRUCTIVE else ends,
    )


def releasing_of(action: bytes, *, has_asked: bool) -> Doing:
    """Let go what an action holds.

    :param has_asked: it asked that some be held when they come back, which nothing lists: a walk over all finds these.
    """
    return Doing(
        act="release",
        selection=Selection() if has_asked else Selection(state=State.HELD),
        decide=actions.decide_release,
        states=frozenset({State.HELD, State.ATTEMPTING}),
        action=action,
        only_its_own=True,
    )


class Step(NamedTuple):
    """One step of a walk over a shard.

    :ivar cursor: where the next one begins; ``0``: that was the last.
    :ivar done: how many got which answer, of those that it changed, and
    :ivar spared: of those that it did not.
    """

    cursor: str
    done: Counter[str]
    spared: Counter[str]


def act_step(knowledge: Knowledge, known: KnownStore, doing: Doing, shard: int, cursor: str) -> Flow[Step]:
    """Act on some of those that fit."""
    cursor, now_ms, records = yield from scan(shard, cursor, doing.selection, read_unopened)
    fitting = [record for record in records if isinstance(record, Record) and doing.reaches(record, now_ms)]
    if doing.decide is None:
        fitting = [record for record in fitting if _can_be_read(record)]
    if not fitting:
        return Step(cursor, Counter(), Counter())
    if doing.decide is None:
        words = Counter((yield from resend_all(known, fitting, force=doing.force, by=doing.by, over=doing.over)))
        resent = words.pop(RESENT, 0)
        return Step(cursor, Counter({RESENT: resent}) if resent else Counter(), words)
    done, spared = yield from _act_on(knowledge, known, doing.decide, (fitting, now_ms))
    return Step(cursor, done, spared)


def _can_be_read(record: Record) -> bool:
    try:
        record.envelope  # noqa: B018 - reads it
    except ValueError:
        return False
    return True


def act_on_all(
    knowledge: Knowledge, doing: Doing, told: Callable[[Mapping[str, int]], object] | None = None
) -> Flow[dict[str, int]]:
    """Act on all that fit and are in a state where the act means something: how many got which answer.

    :param told: called with the answers so far, after each step.
    """
    known = yield from knowledge.current()
    answers: Counter[str] = Counter()
    if doing.act == "release":
        if doing.selection.is_of_streams:
            answers[RELEASED] = yield from release_streams(known, doing.selection.stream)
        wholes = yield from read_wholes()
        doing = replace(doing, decide=partial(actions.decide_release, wholes=wholes))
    for shard in range(known.shards):
        cursor = "0"
        while True:
            cursor, done, spared = yield from act_step(knowledge, known, doing, shard, cursor)
            answers.update(done + spared)
            if told is not None:
                told(answers)
            if cursor == "0":
                break
    return {answer: count for answer, count in answers.items() if count}


@dataclass(frozen=True, slots=True)
class Matching:
    """What an act would reach now.

    :ivar ends: so many of them would outlive their window by it.
    :ivar sample: some of them.
    :ivar now_ms: when that was looked at.
    """

    count: int
    ends: int
    sample: list[Record]
    now_ms: int


def find_matching(known: KnownStore, doing: Doing, sample: int = 0) -> Flow[Matching]:
    """How many an act would reach now, and some of them."""
    counted: int | None = None
    if doing.act in WITHOUT_PAYLOAD and not doing.selection.asks_payload:
        counted = yield from _count_by_header(known, doing)
    matched, ends, now_ms, some = 0, 0, 0, list[Record]()
    is_found = counted is not None and not (sample and counted)
    for shard in range(known.shards):
        cursor = "0"
        while not is_found:
            cursor, now_ms, records = yield from scan(shard, cursor, doing.selection, read_unopened)
            reached = [one for one in records if isinstance(one, Record) and doing.reaches(one, now_ms)]
            matched += len(reached)
            some += [one for one in reached if _can_be_read(one)] if len(some) < sample else []
            ends += sum(_ends(known, doing, one, now_ms) for one in reached)
            is_found = counted is not None and len(some) >= sample
            if cursor == "0":
                break
    return Matching(matched if counted is None else counted, ends, some[:sample], now_ms)


def _ends(known: KnownStore, doing: Doing, record: Record, now_ms: int) -> bool:
    try:
        return ends_at_once(record, known.settings, now_ms, doing.terms)
    except (ValueError, LookupError, OverflowError):
        return False


def _count_by_header(known: KnownStore, doing: Doing) -> Flow[int]:
    """The same where the store can count them: no record is read."""
    matched = 0
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    accepted = doing.selection.accepted(doing.counted_from(now_ms))
    for shard in range(known.shards):
        cursor = "0"
        while True:
            cursor, tallies = yield from repeat(count_step(shard, cursor, accepted=accepted))
            matched += sum(
                tally.number
                for tally in tallies
                if tally.state in doing.states and doing.selection.fits_place(tally.state, tally.lane, tally.stream)
            )
            if cursor == "0":
                break
    return matched


class Planned(NamedTuple):
    """What is to become of some envelopes: moves with the answers when they succeed, and who has to be asked alone."""

    moves: list[Move]
    expected: list[StrEnum]
    alone: list[Record]
    spared: Counter[str]


def _plan(known: KnownStore, decide: Decide, records: Sequence[Record], now_ms: int) -> Planned:
    planned = Planned([], [], [], Counter())
    for record in records:
        version = record.version
        try:
            answer, wish = decide(record, known.settings, now_ms)
        except (ValueError, LookupError, OverflowError):  # what is stored there may be anything
            planned.spared[UNREADABLE] += 1
            continue
        if isinstance(wish, Ask):
            planned.alone.append(record)
        elif wish is None:
            planned.spared[answer] += 1
        else:
            planned.expected.append(answer)
            planned.moves.append(
                Move(record=wish.record, version=version, look_ms=wish.look_ms, event=wish.event, ahead=wish.ahead)
            )
    return planned


def _act_on(
    knowledge: Knowledge, known: KnownStore, decide: Decide, found: tuple[Sequence[Record], int]
) -> Flow[tuple[Counter[str], Counter[str]]]:
    """Act on some envelopes in one call; on those that changed meanwhile one by one. Answers of changed and spared."""
    moves, expected, alone, spared = _plan(known, decide, *found)
    done: Counter[str] = Counter()
    if moves:
        try:
            results: list[int] = yield move(moves, keep_events=known.settings.keep_events_max)
        except StoreUncertain:
            results = [MoveResult.STALE] * len(moves)
        for one, answer, result in zip(moves, expected, results, strict=True):
            if result == MoveResult.MOVED:
                done[answer] += 1
            else:
                alone.append(one.record)
    for record in alone:
        try:
            done[(yield from actions.act_on(knowledge, format_id(record.id), decide))] += 1
        except (NotFound, AlreadyEnded):
            spared[CHANGED] += 1
    return done, spared
