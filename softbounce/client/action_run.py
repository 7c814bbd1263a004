"""Carries out actions, one bounded step after another: by a scheduler, by a gateway, by whoever takes its lease first.

An action that ends envelopes holds them first, and waits: undone meanwhile it lets all of them go, and nothing was
lost. A walk is repeated until a round of it finds nothing to do, because a round may miss what a server that began
anew in its middle has elsewhere, or what was being tried. Whoever dies leaves its lease: the next one goes on where
it was, and what was done twice is done once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import msgspec

from softbounce.client.actions import HoldAnswer
from softbounce.client.flow import Flow, repeat
from softbounce.client.held_streams import NO_WHOLES, read_wholes, release_streams
from softbounce.client.knowledge import Knowledge, KnownStore
from softbounce.client.matching import RELEASED, Doing, Step, act_step, doing_of, holding_of, releasing_of
from softbounce.client.resending import Over
from softbounce.client.selection import Filters, Selection, select
from softbounce.client.terms import check_terms, read_terms
from softbounce.errors import InvalidArgument, StoreFull
from softbounce.store import keys
from softbounce.store.actions import LEASE, Action, ActionState, change_action, read_actions
from softbounce.store.clock import read_time

__all__ = ["IDLE", "run_some", "selection_of"]

IDLE = 5.0
"""Seconds between two looks where nothing is under way, and nobody says that something is."""
FULL_AGAIN = 2.0
DONE = 1
MOST_ROUNDS = 6
HOLDING = str(HoldAnswer.HOLDING)
LEASE_MS = LEASE // timedelta(milliseconds=1)
replace = msgspec.structs.replace


def selection_of(filters: Mapping[str, str | dict[str, str]]) -> Selection:
    """What an action's filters select.

    :raises InvalidArgument: they are none that this version knows.
    """
    unknown = filters.keys() - Filters.__annotations__.keys()
    if unknown:
        raise InvalidArgument("filter", f"there is none named {min(unknown)!r}")
    return select(**filters)  # type: ignore[arg-type]


def run_some(knowledge: Knowledge, owner: str) -> Flow[float]:
    """One step of each action that nobody else carries out; seconds until there may be more to do.

    :param owner: who we are; different for each process.
    """
    found = yield from repeat(read_actions())
    if not found:
        return IDLE
    known = yield from knowledge.current()
    wait = IDLE
    for action in found.values():
        now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
        wait = min(wait, (yield from _run(knowledge, known, action, owner, now_ms)))
    return wait


def _run(knowledge: Knowledge, known: KnownStore, action: Action, owner: str, now_ms: int) -> Flow[float]:
    lease_left_ms = action.owned_until_ms - now_ms
    if action.owner != owner:
        if 0 < lease_left_ms <= LEASE_MS:  # longer is no lease: a clock was set back
            return lease_left_ms / 1000
        ours = replace(action, owner=owner, owned_until_ms=now_ms + LEASE_MS)
        if (yield from repeat(change_action(action, ours))) == DONE:
            return 0.0  # it is read anew: nothing is done before it is known to be ours
        return 1.0
    owned = replace(action, owned_until_ms=now_ms + LEASE_MS)
    if owned.state == "waiting":
        if now_ms < owned.due_ms <= now_ms + owned.grace_ms:
            if lease_left_ms < LEASE_MS / 2:
                yield from repeat(change_action(action, owned))
            return min(1.0, (owned.due_ms - now_ms) / 1000)
        owned = _walk_anew(owned, "running", begun_ms=now_ms)
    try:
        selection = selection_of(owned.filters)
        released = yield from _release_streams(known, owned, selection)
        doing = yield from _doing(known, owned, selection)
        step = yield from act_step(knowledge, known, doing, owned.shard, owned.cursor)
    except StoreFull as error:
        yield from repeat(change_action(action, replace(owned, detail=f"{error}; it goes on as soon as there is room")))
        return FULL_AGAIN
    except InvalidArgument as error:
        yield from repeat(change_action(action, _failed(owned, error, now_ms)))
        return 0.0
    counted = _counted(owned, step, released)
    yield from repeat(change_action(action, _gone_on(known, counted, step.cursor, now_ms)))
    return 0.0


def _doing(known: KnownStore, action: Action, selection: Selection) -> Flow[Doing]:
    """What is to be done now.

    :raises InvalidArgument: there is no such act, or what was chosen is there no more.
    """
    if action.state == "undoing":
        return releasing_of(action.id, has_asked=bool(action.asked or action.answers.get(HOLDING)))
    wholes = (yield from read_wholes()) if action.act == "release" else NO_WHOLES
    terms = read_terms(action.act, action.chosen)
    check_terms(terms, known.settings)
    doing = doing_of(
        action.act,
        selection,
        wholes=wholes,
        reason=action.reason,
        by=action.by,
        force=action.force,
        action=action.id,
        before_ms=action.before_ms,
        begun_ms=action.begun_ms,
        over=Over(action.before_ms, action.spread_ms) if action.spread_ms else None,
        terms=terms,
    )
    return holding_of(doing, known.settings) if action.state == "holding" else doing


def _release_streams(known: KnownStore, action: Action, selection: Selection) -> Flow[int]:
    """Release whole streams, where these are asked for, before their mail is."""
    is_begin = (action.round, action.shard, action.cursor) == (0, 0, "0") and action.state == "running"
    if action.act != "release" or not is_begin or not selection.is_of_streams:
        return 0
    return (yield from release_streams(known, selection.stream))


def _failed(action: Action, error: InvalidArgument, now_ms: int) -> Action:
    """An action that cannot go on, because what was chosen is there no more: what it holds is released."""
    if action.held or action.asked:
        detail = f"{error}; what it held is released"
        return replace(_walk_anew(action, "undoing", begun_ms=action.begun_ms), detail=detail)
    return replace(action, state="failed", detail=f"{error}; what was done is done", ended_ms=now_ms)


def _counted(action: Action, step: Step, released: int) -> Action:
    """The action with what a step did."""
    number = step.done.total()
    detail = action.detail if action.state == "undoing" else ""
    action = replace(action, changed=action.changed + number, detail=detail)
    match action.state:
        case "holding":
            asked = step.done[HOLDING]
            return replace(action, held=action.held + number - asked, asked=action.asked + asked)
        case "undoing":
            return replace(action, released=action.released + number)
        case _:
            answers = Counter(action.answers) + step.done + Counter({RELEASED: released})
            if not action.round:  # what is spared is met again in each round
                answers += step.spared
            return replace(action, answers=dict(answers))


def _gone_on(known: KnownStore, action: Action, cursor: str, now_ms: int) -> Action:
    """The action behind a step of its walk."""
    if cursor != "0":
        return replace(action, cursor=cursor)
    if action.shard + 1 < known.shards:
        return replace(action, shard=action.shard + 1, cursor="0")
    if action.changed and action.round + 1 < MOST_ROUNDS:
        return replace(action, shard=0, cursor="0", changed=0, round=action.round + 1)
    match action.state:
        case "holding":
            return replace(action, state="waiting")
        case "undoing":
            return replace(action, state="undone", ended_ms=now_ms)
        case _:
            return replace(action, state="done", ended_ms=now_ms)


def _walk_anew(action: Action, state: ActionState, *, begun_ms: int) -> Action:
    return replace(action, state=state, begun_ms=begun_ms, shard=0, cursor="0", round=0, changed=0)
