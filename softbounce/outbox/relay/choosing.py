"""Which of the rows that may be claimed are claimed now, by their numbers alone: pure, before a message is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from softbounce.duration import MILLISECOND, in_words
from softbounce.outbox.relay.statements import Candidate

__all__ = ["Bounds", "Choice", "choose"]

BATCH_OCTETS = 8 * 1024 * 1024
ARGUMENTS_OCTETS = 4 * 1024 * 1024
"""More than a thousand recipients take, with all that can be said of each."""
ALONE_AFTER, NEVER_AFTER = 3, 20
"""So many claims that ended without a word: the row may be what ends relays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a choice keeps to.

    :ivar rows: of a batch.
    :ivar message_octets: the largest message that the store takes.
    :ivar keys_last: for how long the store surely knows a key again.
    """

    rows: int
    message_octets: int
    keys_last: timedelta


@dataclass(slots=True)
class Choice:
    """What is claimed.

    :ivar ids: in the order in which they are handed over.
    :ivar aside: rows to set aside, and why.
    :ivar behind: the number of the last new row among them.
    """

    ids: list[int] = field(default_factory=list)
    aside: dict[int, str] = field(default_factory=dict)
    behind: int = 0


def choose(due: Sequence[Candidate], new: Sequence[Candidate], bounds: Bounds) -> Choice:
    """Of what is due again a quarter of a batch at least, and more where there is less that is new.

    So neither waits for the other, however much there is of it.
    """
    choice = Choice()
    octets = 0
    number_due = max(1, bounds.rows // 4, bounds.rows - len(new))
    for at, one in enumerate([*due[:number_due], *new][: bounds.rows]):
        reason = _never(one, bounds)
        if reason:
            choice.aside[one.id] = reason
            continue
        is_suspect = one.tries >= ALONE_AFTER
        if choice.ids and is_suspect:
            continue  # has its turn when it is the first
        if choice.ids and octets + one.octets > BATCH_OCTETS:
            break
        choice.ids.append(one.id)
        octets += one.octets
        if at >= len(due[:number_due]):
            choice.behind = max(choice.behind, one.id)
        if is_suspect:
            break
    return choice


def _never(one: Candidate, bounds: Bounds) -> str:
    """Why a row is set aside unseen; empty: it is not."""
    if one.octets > bounds.message_octets + ARGUMENTS_OCTETS:
        return f"it has {one.octets} octets; softbounce takes messages of up to {bounds.message_octets}"
    if one.tries >= NEVER_AFTER:
        return f"{one.tries} relays ended while they had it, without a word"
    doubt = one.doubt_ms * MILLISECOND
    if doubt >= bounds.keys_last:
        return (
            f"it may have been handed over {in_words(doubt)} ago, and softbounce may have forgotten its key since: "
            "look whether its mail was sent"
        )
    return ""
