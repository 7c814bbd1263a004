"""From claimed rows to what becomes of each: handed over, put off, set aside, or given back because the store is away.

One row never decides for others: where the hand-over of a batch fails for what nobody has foreseen, each goes alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from softbounce.client import AsyncClient
from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.duration import MILLISECOND
from softbounce.errors import (
    InvalidMessage,
    KeyReused,
    QuotaExceeded,
    SoftbounceError,
    StoreError,
    StoreUncertain,
)
from softbounce.outbox.row import NewerRow, Row, outgoing_of

__all__ = ["HandedOver", "hand_over"]

log = logging.getLogger("softbounce.outbox")
NO_ROOM = timedelta(minutes=1)
"""After which a quota is asked again that does not say when it has room."""
LONGEST_WAIT = timedelta(hours=1)
SHORTEST_WAIT = timedelta(seconds=1)
REASON_CHARACTERS = 500


@dataclass(slots=True)
class HandedOver:
    """What became of a batch.

    :ivar sent: the receipt of each row that softbounce has, as JSON, by the row's number.
    :ivar put_off: milliseconds and reason, of what was certainly not taken and may be later.
    :ivar aside: the reason, of what never will be taken as it is.
    :ivar not_taken: the store is away; none of these was taken.
    :ivar uncertain: any of these may have been taken.
    :ivar trouble: why, where the store is away.
    """

    sent: dict[int, str] = field(default_factory=dict)
    put_off: dict[int, tuple[int, str]] = field(default_factory=dict)
    aside: dict[int, str] = field(default_factory=dict)
    not_taken: list[int] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    trouble: StoreError | None = None

    def note(self, id_: int, outcome: Receipt | SoftbounceError) -> None:
        """Sort in what became of one row."""
        match outcome:
            case Receipt():
                self.sent[id_] = json.dumps(outcome.to_dict())
            case InvalidMessage() | KeyReused():
                self.aside[id_] = _short(str(outcome))
            case QuotaExceeded():
                wait = min(max(outcome.retry_after or NO_ROOM, SHORTEST_WAIT), LONGEST_WAIT)
                self.put_off[id_] = wait // MILLISECOND, _short(str(outcome))
            case StoreUncertain():
                self.uncertain.append(id_)
                self.trouble = outcome
            case StoreError():
                self.not_taken.append(id_)
                self.trouble = outcome
            case _:  # an error that comes with a later version
                self.aside[id_] = _short(f"{type(outcome).__name__}: {outcome}")


async def hand_over(client: AsyncClient, rows: Sequence[Row]) -> HandedOver:
    """Hand rows over, each by its key."""
    over = HandedOver()
    readable: list[tuple[int, Outgoing]] = []
    for row in rows:
        try:
            readable.append((row.id, outgoing_of(row)))
        except NewerRow as error:
            over.put_off[row.id] = NO_ROOM // MILLISECOND, _short(str(error))
        except InvalidMessage as error:
            over.aside[row.id] = _short(str(error))
    if readable:
        await _send(client, readable, over)
    return over


async def _send(client: AsyncClient, sends: Sequence[tuple[int, Outgoing]], over: HandedOver) -> None:
    try:
        outcomes = await client.send_each([outgoing for _, outgoing in sends])
    except StoreError as error:  # before anything was handed over
        for id_, _ in sends:
            over.note(id_, error)
    except Exception as error:  # a fault of ours, met by one of them: the others go on
        if len(sends) > 1:
            for one in sends:
                await _send(client, [one], over)
            return
        log.exception("outbox_row_failed id=%d", sends[0][0])
        over.aside[sends[0][0]] = _short(f"a fault of softbounce: {type(error).__name__}: {error}")
    else:
        for (id_, _), outcome in zip(sends, outcomes, strict=True):
            over.note(id_, outcome)


def _short(reason: str) -> str:
    return "".join(one if one.isprintable() else " " for one in reason[:REASON_CHARACTERS])
