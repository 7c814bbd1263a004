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

from softbounce.reply import Reply, Trouble
from softbounce.stage import Stage
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.work import Work

__all__ = ["Judged", "Said"]

NEVER_500 = 500
MOST_KEPT = 10
"""So many may wait for their proof: a session of nothing but refusals pauses for it now and then."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said for some recipients of a transaction, all alike."""

    transaction: Transaction
    works: Sequence[Work]
    what: Reply | Trouble
    stage: Stage


class Judged:
    """What a session's host said so far that is not proven. Whoever takes of it has to make something of it."""

    def __init__(self) -> None:
        self._said: list[Said] = []

    def __bool__(self) -> bool:
        """Whether anything waits for its proof."""
        return bool(self._said)

    @property
    def is_full(self) -> bool:
        """Whether it is time for a proof."""
        return len(self._said) >= MOST_KEPT

    def add(self, said: Said) -> None:
        """Keep what was said."""
        if said.works:
            self._said.append(said)

    def take_proven(self) -> list[Said]:
        """All of it: it counts."""
        said, self._said = self._said, []
        return said

    def take_soft(self) -> list[Said]:
        """What is asked again in any case: it counts as soon as its transaction ended with all commands answered."""
        soft = [one for one in self._said if not (isinstance(one.what, Reply) and one.what.code >= NEVER_500)]
        self._said = [one for one in self._said if one not in soft]
        return soft

    def take_back(self, transaction: Transaction | None = None) -> list[Said]:
        """It means nothing: of one transaction, or all of it."""
        taken = [one for one in self._said if transaction in {None, one.transaction}]
        self._said = [one for one in self._said if one not in taken]
        return taken
