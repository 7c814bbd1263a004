"""What a host said to commands of a session, kept until it is proven that each reply answers its own command.

A host that answers something twice shifts all that follows by one: what it says of one recipient would be read as said
of the next, and a living address would bounce. Nobody can see that in a reply. So what is said before a dot counts once

* a 354 came in its place behind it: nothing but DATA has that answer;
* or the host, all its answers given, said nothing more for as long as these had taken;
* or the session ended without a reply too many.

Where it proves out of step instead, nothing of this was said of anybody, and all of it is asked again. A 4yz counts as
soon as its transaction has ended: the recipient is asked again in any case, and other mail shall hear of it soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softbounce.reply import Reply, Trouble
from softbounce.stage import Stage

from .transaction import Transaction

if TYPE_CHECKING:
    from .session import Session
    from .work import Work

__all__ = ["Judged", "Verdict"]

NEVER_500 = 500
MOST_KEPT = 10
"""So many may wait for their proof: a session of nothing but refusals pauses for it now and then."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said for some recipients of a transaction, all alike."""

    transaction: Transaction
    works: Sequence[Work]
    what: Reply | Trouble
    stage: Stage


class Judged:
    """What a session's host said so far that is not proven."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._verdicts: list[Verdict] = []

    def __bool__(self) -> bool:
        """Whether anything waits for its proof."""
        return bool(self._verdicts)

    @property
    def is_full(self) -> bool:
        """Whether it is time for a proof."""
        return len(self._verdicts) >= MOST_KEPT

    def add(self, verdict: Verdict) -> None:
        """Keep what was said."""
        if verdict.works:
            self._verdicts.append(verdict)

    def settle(self) -> None:
        """It is proven: it counts."""
        verdicts, self._verdicts = self._verdicts, []
        for verdict in verdicts:
            conclude(self._session, verdict)

    def settle_soft(self) -> None:
        """Its transaction has ended with all commands answered: what is asked again in any case counts."""
        soft = [one for one in self._verdicts if not (isinstance(one.what, Reply) and one.what.code >= NEVER_500)]
        self._verdicts = [one for one in self._verdicts if one not in soft]
        for verdict in soft:
            conclude(self._session, verdict)

    def take_back(self, transaction: Transaction | None = None) -> list[Verdict]:
        """It means nothing: of one transaction, or all of it."""
        taken = [one for one in self._verdicts if transaction in {None, one.transaction}]
        self._verdicts = [one for one in self._verdicts if one not in taken]
        return taken


def conclude(session: Session, verdict: Verdict) -> None:
    """An attempt ended for these recipients, and it is certain that no dot of theirs left."""
    session.lane.outcomes.conclude(
        session, verdict.works, verdict.what, verdict.stage, verdict.transaction.started_ms, uncertain=False
    )
