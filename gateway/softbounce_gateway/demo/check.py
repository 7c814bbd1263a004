"""Holds what softbounce says became of each envelope against the plan and against the playground's ledger.

Three accounts must agree: the plan (what must come out), softbounce's own records (``show`` and the event log), and
what the mail hosts wrote down. Each contradiction is one sentence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from softbounce_playground import Entry

from softbounce import Shown
from softbounce_gateway.demo.plan import Behaviour

__all__ = ["Account", "Row", "disagreements", "outcome_of", "rows"]

FINAL_STATES = frozenset({"delivered", "bounced", "cancelled"})
PROMOTION_EARLY = timedelta(seconds=2)
"""A final attempt starts shortly before expiry, and its reply promotes."""

PROMOTION_LATE = timedelta(seconds=5)
"""An attempt that began in time may end later: our longest time limit, and the scheduler's sweep."""

EVERY_DOT = "dropdot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is known of one envelope.

    :ivar outcome: what must have come out.
    :ivar shown: what softbounce says.
    :ivar ended_at: when its last event was, by the store's clock.
    """

    behaviour: Behaviour
    recipient: str
    outcome: str
    shown: Shown
    ended_at: datetime | None


@dataclass(slots=True)
class Row:
    """What became of the envelopes of one behaviour."""

    behaviour: Behaviour
    envelopes: int = 0
    attempts: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    seconds: list[float] = field(default_factory=list)


def outcome_of(shown: Shown) -> str:
    """``delivered``, ``bounced:CAUSE``, or the state of what has not ended."""
    return f"bounced:{shown.bounce.cause}" if shown.bounce is not None else shown.state


def disagreements(accounts: Iterable[Account], entries: Iterable[Entry]) -> list[str]:
    """A sentence for each contradiction; empty when all is well."""
    ledger = _Ledger(entries)
    found: list[str] = []
    known = set()
    for account in accounts:
        known.add(account.recipient)
        found += [f"{account.recipient} ({account.behaviour.name}): {what}" for what in _about(account, ledger)]
    found += [f"{recipient} was taken, but nobody sent to it" for recipient in ledger.taken if recipient not in known]
    return found


def rows(accounts: Iterable[Account], entries: Iterable[Entry]) -> list[Row]:
    """Counts by behaviour, in the order of the plan."""
    ledger = _Ledger(entries)
    table: dict[str, Row] = {}
    for account in accounts:
        row = table.setdefault(account.behaviour.name, Row(account.behaviour))
        row.envelopes += 1
        row.attempts += len(account.shown.attempts)
        row.outcomes[outcome_of(account.shown)] += 1
        row.copies += ledger.copies[account.recipient]
        if account.ended_at is not None:
            row.seconds.append((account.ended_at - account.shown.created_at).total_seconds())
    return list(table.values())


class _Ledger:
    """The hosts' entries, by recipient."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.taken: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.codes: defaultdict[str, list[int]] = defaultdict(list)
        for entry in entries:
            for refusal in entry.refused:
                self.codes[refusal.recipient].append(refusal.code)
            for recipient in entry.recipients:
                self.taken[recipient] += entry.is_taken
                self.copies[recipient] += entry.kept
                if entry.answer is not None:
                    self.codes[recipient].append(entry.answer)


def _about(account: Account, ledger: _Ledger) -> Iterator[str]:
    shown, outcome, recipient = account.shown, outcome_of(account.shown), account.recipient
    taken, copies = ledger.taken[recipient], ledger.copies[recipient]
    if shown.state not in FINAL_STATES:
        yield f"is still {shown.state}"
        return
    if outcome != account.outcome:
        yield f"should be {account.outcome} and is {outcome}"
    if shown.state == "delivered":
        lost_answers = sum(attempt.uncertain for attempt in shown.attempts)
        if taken != 1:
            yield f"is delivered, and hosts answered 250 for it {taken} times"
        if copies > 1 + lost_answers:
            yield f"hosts have {copies} copies, and only {lost_answers} can be explained by a lost answer"
    elif taken:
        yield f"is {outcome}, but a host took it"
    elif copies and account.behaviour.word != EVERY_DOT:
        yield f"is {outcome}, but hosts have {copies} copies"
    yield from _about_bounce(account, ledger.codes[recipient])


def _about_bounce(account: Account, codes: list[int]) -> Iterator[str]:
    bounce, shown = account.shown.bounce, account.shown
    if bounce is None:
        return
    if bounce.code != account.behaviour.code:
        yield f"should have kept the code {account.behaviour.code} and has {bounce.code} ({bounce.text})"
    if not bounce.text:
        yield "does not say what it bounced for"
    if codes and bounce.code != codes[-1]:
        yield f"keeps the code {bounce.code}, and the host's last word was {codes[-1]}"
    if bounce.cause != "promoted":
        return
    if account.ended_at is None:
        yield "was promoted, and the event log does not know it"
    elif not shown.expires_at - PROMOTION_EARLY <= account.ended_at <= shown.expires_at + PROMOTION_LATE:
        late = (account.ended_at - shown.expires_at).total_seconds()
        yield f"was promoted {abs(late):.1f} s {'after' if late > 0 else 'before'} its window closed"
