"""What was said over one connection, and whom it concerns: the part of a session that its transactions share.

Here is what a refusal, a lost step or an end in the middle means for those without an outcome; who talks is in
:mod:`.asking` and :mod:`.sending`, and what lies between transactions in :mod:`.session`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.posture import Posture
from softbounce_worker.session.dialling import Dialled, Timeouts
from softbounce_worker.session.judged import Judged, Said
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.smtp import Answer, Event
from softbounce_worker.work import Work

__all__ = ["Concludes", "Conversation", "Place", "trouble_of"]

RECIPIENTS = 100  # of a transaction, RFC 5321 §4.5.3.1.8
RETOLD = 2
"""So often a recipient is named again, uncharged, by another session."""


class Concludes(Protocol):
    """Who makes of each outcome what it means, for the envelopes and for all that waits beside them."""

    async def mark(self, works: Sequence[Work]) -> bool:
        """Store the marker for envelopes whose dot is about to leave. False: the dot must not leave."""
        ...

    def asks_for_its_own(self, session: Conversation, transaction: Transaction, work: Work, reply: Reply) -> bool:
        """Whether the host wants this recipient in a transaction of its own."""
        ...

    def not_tried(self, works: Sequence[Work]) -> None:
        """The host heard nothing of these that counts; no attempt is charged."""

    def broke_off(self, session: Conversation, transaction: Transaction, error: Exception) -> None:
        """A session failed by a fault of ours."""

    def cannot_be_sent(self, session: Conversation, work: Work, trouble: Trouble, started_ms: int) -> None:
        """A session has an envelope that its host cannot be sent, or nobody can."""

    def conclude(  # noqa: PLR0913 - one attempt, as it was seen
        self,
        session: Conversation,
        works: Sequence[Work],
        what: Reply | Trouble,
        stage: Stage,
        started_ms: int,
        *,
        uncertain: bool,
    ) -> None:
        """An attempt ended for these envelopes, all by the same reply."""


class Place(NamedTuple):
    """Where a session is, what was asked of TLS when it was opened, and whether DANE proved the host."""

    host: str
    address: str
    posture: Posture
    by_dane: bool = False


class Conversation:
    """One connection past EHLO, and all that was said there.

    :ivar posture: what was asked of TLS when it was opened.
    :ivar tls: what it is protected by.
    :ivar place: where it is, and with what asked of TLS.
    :ivar tls_failure: what went wrong with TLS, though it stands.
    :ivar counted: the domains for which it was counted.
    :ivar most_recipients: how many the host takes in one transaction, as far as it said.
    :ivar most_domains: how many different domains of recipients the host takes in a session, if it said (RFC 9422).
    :ivar by_ehlo: what the host does not offer it does not have.
    :ivar is_through: it takes nothing more.
    :ivar blamed: how often its host blamed itself, with nothing delivered in between.
    :ivar had_since: when it stood (loop time).
    :ivar is_careful: the host lost step lately: one transaction, one command at a time, and nobody is told again.
    :ivar has_worked: the host has answered something after EHLO.
    :ivar begun: how many transactions were.
    :ivar carried: how many dots may have left.
    :ivar judged: what the host said that is not proven yet.
    """

    def __init__(self, outcomes: Concludes, dialled: Dialled, timeouts: Timeouts) -> None:
        self.outcomes = outcomes
        self.host = dialled.host
        self.address = dialled.address
        self.offered = dialled.offered
        self.health = dialled.health
        self.connection = dialled.connection
        self.posture = dialled.posture
        self.tls = dialled.tls
        self.place = Place(self.host, self.address, self.posture, bool(self.tls.by))
        self.tls_failure = dialled.connection.tls_failure
        self.counted: set[str] = set()
        self.timeouts = timeouts
        most = 1 if dialled.health.takes_one_recipient(dialled.host) else RECIPIENTS
        self.most_recipients = min(most, dialled.offered.limits.rcpt_max or RECIPIENTS)
        self.most_domains = dialled.offered.limits.rcpt_domain_max
        self.by_ehlo = dialled.by_ehlo
        self.had_since = asyncio.get_running_loop().time()
        self.is_through = False
        self.blamed = 0
        self.is_careful = self.health.is_out_of_step(self.host)
        self.has_worked = False
        self.begun = 0
        self.carried = 0
        self.judged = Judged()
        self._domains: set[str] = set()

    @property
    def takes_chunks(self) -> bool:
        """Whether BDAT may be said (RFC 3030). To a host out of step it may not: no 354 would show that."""
        is_told = self.offered.chunking and not self.connection.smtp.is_lmtp  # LMTP answers a chunk as often as a dot
        return is_told and not self.is_careful and self.health.takes_chunks(self.host)

    def wake(self) -> None:
        """There may be work, or it is time to go."""
        self.connection.wake()

    def admits(self, domain: str) -> bool:
        """Whether recipients of this domain may be named in this session; from now on they count."""
        if self.most_domains is None or domain in self._domains:
            return True
        if len(self._domains) >= min(self.most_domains, RECIPIENTS):
            return False
        self._domains.add(domain)
        return True

    def finish(self) -> None:
        """Take nothing more: what waits needs another host, or another session."""
        self.is_through = True
        self.connection.wake()

    def abort(self) -> None:
        """End at once."""
        self.connection.abort()

    # -- whom it concerns ---------------------------------------------------------------------------------------------

    def conclude(self, said: Said) -> None:
        """An attempt ended for these recipients, and it is certain that no dot of theirs left."""
        self.outcomes.conclude(self, said.works, said.what, said.stage, said.transaction.started_ms, uncertain=False)

    def settle(self) -> None:
        """What was judged is proven."""
        for said in self.judged.take_proven():
            self.conclude(said)

    def tell_again(self, said: Said) -> None:
        """Its recipients go by another session, uncharged: it was said of nobody. Who did so too often, keeps it."""
        again = [work for work in said.works if work.retold < RETOLD and not self.is_careful]
        for work in again:
            work.retold += 1
        kept = [work for work in said.works if work not in again]
        self.conclude(Said(said.transaction, kept, said.what, said.stage))
        self.give_back(again)

    def give_back(self, works: Sequence[Work]) -> None:
        """Nothing that counts was said to the host for these."""
        if works:
            self.outcomes.not_tried(works)

    def judge(self, transaction: Transaction, works: Sequence[Work], what: Reply | Trouble, stage: Stage) -> None:
        """End the attempt for these recipients, once what was said is proven."""
        works = list(works)
        for work in works:
            transaction.waiting.remove(work)
        self.judged.add(Said(transaction, works, what, stage))

    def lose_step(self, event: Event, transaction: Transaction | None = None) -> None:
        """Replies did not fit the commands: all that is not proven was said of nobody."""
        self.health.lost_step(self.host)
        trouble = trouble_of(event)
        taken_back = self.judged.take_back()
        if transaction is not None:
            taken_back.append(Said(transaction, transaction.take_waiting(), trouble, event.stage))
        for said in taken_back:
            self.tell_again(Said(said.transaction, said.works, trouble, event.stage))
        self.connection.abort()


def trouble_of(event: Event) -> Trouble:
    """What an event means that is no answer, or one where none belongs."""
    if isinstance(event, Answer):
        return Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=f"unexpected reply {event.reply.code}")
    return event.trouble
