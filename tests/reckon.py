"""What the hosts took against what the store says, envelope by envelope: the invariants that every fault test asserts.

I1: what was accepted is queued or in exactly one end. I2: extra copies only where the envelope owns up to an uncertain
attempt. I4: no 250 is claimed that no host gave.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from service import PlaygroundProcess, Service, until
from softbounce_playground import Entry, read_ledger

from softbounce import Shown

__all__ = ["BODY", "copies_in", "entries", "reckon", "send_each"]

WRITTEN_WITHIN = 0.25
"""Seconds after which the ledger has what a host did, also on a busy machine."""
BODY = b"Subject: a test\r\n\r\nHello.\r\n"


def send_each(
    service: Service, recipients: Sequence[str], *, message: bytes = BODY, at: datetime | None = None
) -> list[str]:
    """One message a recipient; the envelopes' ids in their order."""
    with service.client() as mail:
        receipts = mail.send_many(
            {"sender": "app@app.test", "recipients": [one], "message": message, "at": at} for one in recipients
        )
    return [next(iter(receipt.envelopes.values())) for receipt in receipts]


def entries(playground: PlaygroundProcess) -> list[Entry]:
    """What the hosts have written down so far."""
    return read_ledger(playground.ledger) if playground.ledger.exists() else []


def copies_in(some: Iterable[Entry]) -> Counter[str]:
    """How many copies the hosts have, by recipient."""
    return Counter(recipient for entry in some if entry.kept for recipient in entry.recipients)


def reckon(playground: PlaygroundProcess, ended: Mapping[str, Shown]) -> int:
    """Assert that all were delivered, and that no copy is unowned; tells how many extra copies there are."""
    assert {shown.state for shown in ended.values()} == {"delivered"}
    wanted = {shown.recipient for shown in ended.values()}
    time.sleep(WRITTEN_WITHIN)
    until(lambda: wanted <= set(copies_in(entries(playground))), 3, "the ledger is written")
    written = entries(playground)
    copies = copies_in(written)
    answered = Counter(recipient for entry in written if entry.is_taken for recipient in entry.recipients)
    extra = 0
    for shown in ended.values():
        uncertain = sum(attempt.uncertain for attempt in shown.attempts)
        claimed = sum(attempt.verdict == "delivered" for attempt in shown.attempts)
        assert copies[shown.recipient] - 1 <= uncertain, f"I2: an unowned copy: {shown.to_dict()}"
        assert claimed == 1 <= answered[shown.recipient], f"I4: no host gave this 250: {shown.to_dict()}"
        extra += copies[shown.recipient] - 1
    return extra
