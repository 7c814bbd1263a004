"""Actions as whoever asks for them sees them: begun, listed, looked at, undone. Carried out they are elsewhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

import msgspec

from softbounce.client.action_run import selection_of
from softbounce.client.actions import LONGEST_NAME, bounce_words
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.matching import ACTS, WAITING_FIRST, act_of, act_on_all, doing_of, find_matching
from softbounce.client.one_line import check_one_line
from softbounce.client.resending import Over
from softbounce.client.selection import Filters, select
from softbounce.client.shown import rfc3339
from softbounce.client.terms import Chosen, as_text, check_terms, read_terms
from softbounce.duration import MILLISECOND, format_duration, from_epoch_ms, in_words
from softbounce.errors import CannotUndo, InvalidArgument, NotFound, StoreUnavailable
from softbounce.store import keys
from softbounce.store.actions import (
    ACTION_OCTETS,
    MOST_ACTIONS,
    MOST_LOGGED,
    Action,
    change_action,
    log_action,
    read_actions,
    read_log,
)
from softbounce.store.call import Operation
from softbounce.store.clock import StoreTime, ask_time, read_time, time_of

__all__ = [
    "GRACE",
    "ShownAction",
    "act_on_matching",
    "begin",
    "find",
    "latest_ms",
    "list_actions",
    "new_action",
    "undo",
]

GRACE = timedelta(seconds=5)
"""How long what ends envelopes waits, where nobody says."""
LONGEST_GRACE = timedelta(days=1)
LONGEST_SPREAD = timedelta(days=7)
KNOWN_TO = {"reason": {"bounce"}, "force": {"resend"}, "grace": WAITING_FIRST, "spread": {"resend"}}
"""What an act may be told, and which acts know it."""
ONE_THING = frozenset({"id", "address", "file", "held"})
"""What an act on one thing names, and no act by filter does."""
TURNS = 20
LOG_STEP = 100
WOULD = "matched"
TOO_MANY = -1
TEXT = 600
"""Characters of one filter."""
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAction:
    """An act on all envelopes that fit.

    :ivar state: ``waiting``: for its grace period, with what it will end held meanwhile; ``running``; ``begun``: its
        caller carries it out, and its end was not heard (yet): a caller that died may have done it, or some of it;
        ``done``; ``failed``; ``undoing``; ``undone``.
    :ivar filter: which envelopes.
    :ivar by: who wanted it; empty: nobody said.
    :ivar count: so many fitted when it was previewed; ``None``: it was not.
    :ivar answers: so many envelopes got which answer, so far; a process that dies meanwhile may leave some uncounted.
    :ivar held: so many it held while it waited, of which
    :ivar released: so many went on because it was undone.
    :ivar due_at: when its grace period is over.
    :ivar can_undo: whether `undo` takes something back, as things stand.
    :ivar detail: what went wrong, or what it waits for.
    :ivar chosen: of a change or a redirect: which policy, window or route.
    """

    id: str
    action: str
    state: str
    filter: Mapping[str, Any]
    by: str
    reason: str
    force: bool
    count: int | None
    answers: Mapping[str, int]
    held: int
    released: int
    asked_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    can_undo: bool
    detail: str
    chosen: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        shown = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in shown.items()}


def shown_of(action: Action) -> ShownAction:
    """The public form of an action."""
    return ShownAction(
        id=action.id.hex(),
        action=action.act,
        state="waiting" if action.state == "holding" else "begun" if action.is_only_begun else action.state,
        filter=dict(action.filters),
        by=action.by,
        reason=action.reason,
        force=action.force,
        count=action.count if action.count >= 0 else None,
        answers=dict(action.answers),
        held=action.held,
        released=action.released,
        asked_at=from_epoch_ms(action.asked_ms),
        due_at=from_epoch_ms(action.due_ms) if action.grace_ms else None,
        ended_at=from_epoch_ms(action.ended_ms) if action.ended_ms else None,
        can_undo=not _why_not(action),
        detail=action.detail,
        chosen=dict(action.chosen),
    )


def new_action(  # noqa: PLR0913 - what an action may be told; all by name
    act: str,
    filters: Filters,
    *,
    by: str = "",
    reason: str = "",
    force: bool = False,
    grace: timedelta | None = None,
    spread: timedelta | None = None,
    chosen: Chosen | None = None,
    identity: bytes | None = None,
    count: int = -1,
    before_ms: int = 0,
) -> Action:
    """An action, checked.

    :param grace: how long it waits before it ends what it holds; ``None``: :data:`GRACE`.
    :param spread: over how long those that are sent again begin; ``None``: at once.
    :param chosen: of a change or a redirect: which policy, window or route.
    :param identity: its id: begun twice it is one.
    :param count: how many fitted when it was previewed; -1: it was not.
    :param before_ms: what was accepted later than its preview is not touched; 0: than when it is begun.
    :raises InvalidArgument: naming what cannot be so.
    """
    stored = _stored(filters)
    check_one_line("by", by, LONGEST_NAME)
    act_of(act)
    for name, value in (("reason", reason), ("force", force), ("grace", grace), ("spread", spread)):
        if value not in {None, "", False} and act not in KNOWN_TO[name]:
            raise InvalidArgument(name, f"a {act} knows none; {' and '.join(sorted(KNOWN_TO[name]))} do")
    if act == "bounce":
        bounce_words(reason, by)
    terms = read_terms(act, chosen or {})
    wait = grace if grace is not None else GRACE if act in WAITING_FIRST else timedelta(0)
    for name, length, longest in (("grace", wait, LONGEST_GRACE), ("spread", spread, LONGEST_SPREAD)):
        if length is not None and not timedelta(0) <= length <= longest:
            raise InvalidArgument(name, f"is not between 0 and {in_words(longest)}")
    return Action(
        id=identity or secrets.token_bytes(ACTION_OCTETS),
        act=act,
        filters=stored,
        by=by,
        reason=reason,
        force=force,
        grace_ms=wait // MILLISECOND,
        spread_ms=(spread or timedelta(0)) // MILLISECOND,
        state="holding" if wait else "running",
        count=count,
        chosen=as_text(terms),
        before_ms=before_ms,
    )


def _stored(filters: Filters) -> dict[str, str | dict[str, str]]:
    """Filters as an action keeps them."""
    given = {
        name: format_duration(value) if isinstance(value, timedelta) else value
        for name, value in filters.items()
        if value is not None and value != {}
    }
    for name, value in given.items():
        texts = value.values() if isinstance(value, Mapping) else [value]
        if not all(isinstance(text, str) and len(text) <= TEXT for text in texts):
            raise InvalidArgument(name, f"is no text of at most {TEXT} characters")
    stored = {name: dict(value) if isinstance(value, Mapping) else str(value) for name, value in given.items()}
    selection_of(stored)
    return stored


def begin(knowledge: Knowledge, action: Action) -> Flow[ShownAction]:
    """Have an action carried out by the service. The same one again changes nothing.

    :raises InvalidArgument: there is no such policy or route.
    :raises StoreUnavailable: too many are under way.
    """
    known = yield from _find(action.id)
    if known is not None:
        return shown_of(known)
    shards, settings = yield from knowledge.current()
    check_terms(read_terms(action.act, action.chosen), settings)
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    action = replace(
        action,
        asked_ms=now_ms,
        before_ms=action.before_ms or (yield from latest_ms(shards)),
        due_ms=now_ms + action.grace_ms,
        begun_ms=0 if action.grace_ms else now_ms,
    )
    if (yield from repeat(change_action(action, action, tell=True))) == TOO_MANY:
        raise StoreUnavailable(f"{MOST_ACTIONS} actions are under way; wait until one is over (`softbounce actions`)")
    return shown_of(replace(action, revision=1))


def act_on_matching(  # noqa: PLR0913 - what an act may be told; all by name
    knowledge: Knowledge,
    act: str,
    filters: Filters,
    *,
    dry_run: bool = False,
    reason: str = "",
    by: str = "",
    force: bool = False,
    spread: timedelta | None = None,
    chosen: Chosen | None = None,
    told: Callable[[Mapping[str, int]], object] | None = None,
) -> Flow[dict[str, int]]:
    """Act on all that fit, at once and by the caller; in the log of actions where it says who wants it.

    :param told: called with the answers so far, again and again.
    """
    known = yield from knowledge.current()
    grace = timedelta(0) if act in WAITING_FIRST else None
    action = new_action(act, filters, by=by, reason=reason, force=force, grace=grace, spread=spread, chosen=chosen)
    terms = read_terms(act, action.chosen)
    check_terms(terms, known.settings)
    selection = select(**filters)
    if dry_run:
        matched = (yield from find_matching(known, doing_of(act, selection, force=force, terms=terms))).count
        return {WOULD: matched} if matched else {}
    now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
    action = replace(action, asked_ms=now_ms, detail="its caller carries it out")
    if by:
        yield from repeat(log_action(action))
    before_ms = yield from latest_ms(known.shards)
    doing = doing_of(
        act,
        selection,
        reason=reason,
        by=by,
        force=force,
        action=action.id if by else b"",
        before_ms=before_ms,
        over=Over(before_ms, action.spread_ms) if action.spread_ms else None,
        terms=terms,
    )
    answers = yield from act_on_all(knowledge, doing, told)
    if by:
        ended_ms = (yield from repeat(read_time(keys.HOME))).now_ms
        done = replace(action, state="done", answers=answers, ended_ms=ended_ms, detail="")
        yield from repeat(log_action(done, begun=action))
    return answers


def latest_ms(shards: int) -> Flow[int]:
    """The latest time of any shard, and the one that it dates by: what is accepted from now on is not older."""
    operation: Operation[list[StoreTime]] = Operation(
        [ask_time(shard) for shard in range(shards)], lambda answers: [time_of(answer) for answer in answers]
    )
    return max(max(time.now_ms, time.seen_ms) for time in (yield from repeat(operation)))


def find(identity: str) -> Flow[ShownAction]:
    """The action with this id.

    :raises NotFound: there is none (any more).
    """
    return shown_of((yield from _known(identity)))


def list_actions(limit: int) -> Flow[list[ShownAction]]:
    """Those that are under way, then those that are over, the latest first; of one that was undone its last state.

    What was done to one envelope, address or site stands among them.
    """
    under_way = yield from repeat(read_actions())
    most = min(2 * limit + len(under_way), MOST_LOGGED)  # of some that their callers carried out there are two entries
    logged = yield from repeat(read_log(0, most))
    single = yield from repeat(read_log(0, most, single=True))
    by_id: dict[bytes, Action] = {}
    for one in (*sorted(under_way.values(), key=_age), *merge(logged, single, key=_age)):
        by_id.setdefault(one.id, one)
    return [shown_of(one) for one in list(by_id.values())[:limit]]


def _age(action: Action) -> int:
    return -max(action.asked_ms, action.ended_ms)


def undo(identity: str) -> Flow[ShownAction]:
    """Take an action back: let go what it holds, and end nothing more.

    :raises CannotUndo: nothing of it can be taken back.
    :raises NotFound: there is none (any more).
    """
    for _ in range(TURNS):
        action = yield from _known(identity)
        if action.state in {"undoing", "undone"}:
            return shown_of(action)
        if why := _why_not(action):
            raise CannotUndo(identity, action.act, why)
        now_ms = (yield from repeat(read_time(keys.HOME))).now_ms
        undoing = replace(
            action,
            state="undoing",
            due_ms=min(action.due_ms, now_ms),
            ended_ms=0,
            shard=0,
            cursor="0",
            round=0,
            changed=0,
        )
        if (yield from repeat(change_action(action, undoing, tell=True))) == 1:
            return shown_of(undoing)
    raise StoreUnavailable(f"action {identity} changed {TURNS} times while it was to be undone; try again")


def _why_not(action: Action) -> str:
    """Why nothing of it can be taken back; empty: something can."""
    if action.state in {"undoing", "undone"}:
        return "it is undone already"
    if action.filters.keys() & ONE_THING or action.act not in ACTS:
        return "it was done to one thing alone; do what takes it back to that"
    if action.act == "hold" or not action.is_over:
        return ""
    match action.act:
        case "cancel" | "bounce":
            return "its envelopes have ended; resend sends them again, while their messages are kept"
        case "resend":
            return "its envelopes are under way; cancel those that it made"
        case "release":
            return "its envelopes are tried; hold them again"
        case "change":
            return "its envelopes have that; `change --policy - --window -` gives back what is configured"
        case "redirect":
            return "its envelopes go that way; `redirect --route -` sends them as the routes say"
        case _:
            return "its envelopes were tried"


def _known(identity: str) -> Flow[Action]:
    try:
        octets = bytes.fromhex(identity.strip())
    except ValueError:
        octets = b""
    found = (yield from _find(octets)) if len(octets) == ACTION_OCTETS else None
    if found is None:
        raise NotFound(f"no action has the id {identity[:64]!r}; `softbounce actions` lists those that are known")
    return found


def _find(octets: bytes) -> Flow[Action | None]:
    under_way = yield from repeat(read_actions())
    if octets in under_way:
        return under_way[octets]
    for single in (False, True):
        for begin in range(0, MOST_LOGGED, LOG_STEP):
            page = yield from repeat(read_log(begin, LOG_STEP, single=single))
            for one in page:
                if one.id == octets:
                    return one
            if len(page) < LOG_STEP:
                break
    return None
