"""Actions: acts on all envelopes that fit a filter, as records in the store, so that they outlive whoever began them.

An action that is under way has one owner at a time, by a lease in its record; each change names the revision that it
saw. One that is over is an entry in a log, which is also the answer to who did what to how many. What somebody did to
one envelope, address or site is an entry in a second log beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

import msgspec

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.scripts import script

__all__ = [
    "ACTION_OCTETS",
    "LEASE",
    "MOST_ACTIONS",
    "MOST_LOGGED",
    "Action",
    "ActionState",
    "change_action",
    "log_action",
    "log_single",
    "read_actions",
    "read_log",
    "withdraw_single",
]

MOST_ACTIONS = 50
"""Under way at a time."""
MOST_LOGGED = 1_000
ACTION_OCTETS = 8
LEASE = timedelta(seconds=5)
ActionState = Literal["holding", "waiting", "running", "done", "failed", "undoing", "undone"]


class Action(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What is known of an action.

    :ivar revision: grows by one with each change; 0: it is not under way, or whoever asked for it carries it out.
    :ivar act: what is done.
    :ivar filters: to which envelopes, as :class:`softbounce.client.Filters`.
    :ivar by: who wanted it.
    :ivar state: ``holding``: what it will end is being held; ``waiting``: it is, until ``due_ms``.
    :ivar count: so many fitted when it was previewed.
    :ivar answers: so many envelopes got which answer.
    :ivar held: so many it holds while it waits, and
    :ivar asked: so many are held when their attempts are over.
    :ivar released: so many of them go on because it was undone.
    :ivar grace_ms: for how long it waits.
    :ivar force: also what is spared otherwise.
    :ivar asked_ms: when it was asked for.
    :ivar before_ms: what was accepted later is not touched: the latest time of any shard then.
    :ivar begun_ms: when it began to be done; 0: not yet.
    :ivar ended_ms: when it was over; 0: it is not.
    :ivar spread_ms: over how long what is sent again begins; 0: at once.
    :ivar chosen: of a change or a redirect: which policy, window or route, as it was written.
    :ivar shard: where its walk is, and
    :ivar cursor: how far there.
    :ivar changed: so many were changed by this round of its walk: the next one finds what this one could not.
    :ivar owner: who carries it out, until
    :ivar owned_until_ms: unless it is renewed.
    """

    id: bytes
    act: str
    revision: int = 0
    filters: Mapping[str, str | dict[str, str]] = {}
    by: str = ""
    reason: str = ""
    force: bool = False
    state: ActionState = "running"
    count: int = 0
    answers: Mapping[str, int] = {}
    held: int = 0
    released: int = 0
    grace_ms: int = 0
    asked_ms: int = 0
    due_ms: int = 0
    begun_ms: int = 0
    ended_ms: int = 0
    detail: str = ""
    shard: int = 0
    cursor: str = "0"
    round: int = 0
    changed: int = 0
    owner: str = ""
    owned_until_ms: int = 0
    before_ms: int = 0
    spread_ms: int = 0
    asked: int = 0
    chosen: Mapping[str, str] = {}

    @property
    def is_over(self) -> bool:
        """Whether nothing more becomes of it by itself."""
        return self.state in {"done", "failed", "undone"}

    @property
    def is_only_begun(self) -> bool:
        """Whether its caller wrote down that it begins, and no end of it: it is under way there, or its caller died."""
        return self.state == "running" and not self.revision


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Action).decode


def read_actions() -> Operation[dict[bytes, Action]]:
    """Those that are under way, by id."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "actions"))

    def read(answers: list[StoreAnswer]) -> dict[bytes, Action]:
        flat = of_type(answers[0], "actions", [])
        found = (_action(octets[4:], int.from_bytes(octets[:4])) for octets in flat[1::2])
        return {one.id: one for one in found if one is not None}

    return Operation((call,), read)


def read_log(begin: int, number: int, *, single: bool = False) -> Operation[list[Action]]:
    """So many of the log, the latest first.

    :param single: of the log of acts on one thing.
    """
    log = keys.key(HOME, "acted_one") if single else keys.key(HOME, "acted")
    call = Call.read(HOME, b"LRANGE", log, begin, begin + number - 1)

    def read(answers: list[StoreAnswer]) -> list[Action]:
        logged = of_type(answers[0], "actions", [])
        return [one for octets in logged if (one := _action(octets, 0)) is not None]

    return Operation((call,), read)


def _action(octets: bytes, revision: int) -> Action | None:
    try:
        return msgspec.structs.replace(_decode(octets), revision=revision)
    except msgspec.DecodeError:
        ignore("action", octets)
        return None


def change_action(seen: Action, new: Action, *, tell: bool = False) -> Operation[int]:
    """Replace an action as it was seen. 1: done; 0: another change came first; -1: there are too many.

    :param tell: somebody is to look at it now.
    """
    revision = seen.revision % 0xFFFFFFFF + 1  # 0 is for what is not there
    octets = _encode(new)
    entry = b"" if new.is_over else revision.to_bytes(4) + octets
    return _call(new.id, seen.revision, entry, octets if new.is_over else b"", tell=tell)


def log_action(action: Action, *, begun: Action | None = None) -> Operation[int]:
    """Write one into the log that is carried out by who asked for it: when it begins, and when it is over.

    :param begun: as it was written down then; it is replaced.
    """
    return _call(action.id, 0, b"", _encode(action), tell=False, begun=begun)


def log_single(action: Action, *, begun: Action | None = None) -> Operation[int]:
    """Write down an act on one thing: when it begins, and when it is over.

    :param begun: as it was written down then; it is replaced.
    """
    return _call(action.id, 0, b"", _encode(action), tell=False, is_single=True, begun=begun)


def withdraw_single(begun: Action) -> Operation[int]:
    """Take out of the log an act on one thing that began and did nothing."""
    return _call(begun.id, 0, b"", b"", tell=False, is_single=True, begun=begun)


def _call(  # noqa: PLR0913 - what the script takes
    identity: bytes,
    revision: int,
    entry: bytes,
    logged: bytes,
    *,
    tell: bool,
    is_single: bool = False,
    begun: Action | None = None,
) -> Operation[int]:
    arguments: Sequence[bytes | str | int] = (
        identity,
        revision,
        entry,
        logged,
        MOST_ACTIONS,
        MOST_LOGGED,
        "1" if tell else "",
        b"" if begun is None else _encode(begun),
    )
    touched = keys.of(HOME, "actions", "acted", "news")
    if is_single:
        touched = keys.of(HOME, "actions", "acted_one", "news")
    call = Call(HOME, script("action"), touched, arguments)
    return Operation((call,), first)
