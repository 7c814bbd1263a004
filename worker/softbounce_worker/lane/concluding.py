"""Concludes what sessions had of a lane: judges it, hands over what it makes of each envelope, tells the lane.

What an outcome means is said in :mod:`.outcomes` and :mod:`.trouble`, purely; here is who is told. The marker before a
dot is here too, because its answer may be an outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog
from msgspec import structs

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Flag, Tls
from softbounce.ids import format_id
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.transitions import Seen
from softbounce.verdict import Reason, Verdict, VerdictWord
from softbounce_worker.lane.caps import Cap, cap_of
from softbounce_worker.lane.concluded_lane import ConcludedLane
from softbounce_worker.lane.denial_guard import DenialGuard, DenialTurns, as_not_believed, is_denial
from softbounce_worker.lane.denials import LONGEST, DenialTurn
from softbounce_worker.lane.evidence import Evidence, blames_host, evidence_of, is_no_tls, wants_tls
from softbounce_worker.lane.other_ways import (
    another_way,
    as_not_final,
    refuses_us,
    wants_login,
    was_turned_back,
)
from softbounce_worker.lane.outcomes import change_of, sign_of
from softbounce_worker.lane.signs import NOBODY, Reaction
from softbounce_worker.lane.site_hosts import is_lack
from softbounce_worker.lane.tls_counts import count_session
from softbounce_worker.lane.trouble_memory import told_by
from softbounce_worker.lane.untried import Untried
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.session.conversation import Conversation
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.tls_results.tally import TlsTally
from softbounce_worker.transcript import packed
from softbounce_worker.work import NO_HOSTS, Work

__all__ = ["Concluding"]

GO_ON, CANCELLED = 1, 2
BLAMES_OF_A_HOST = 3
ONE_DOMAIN = "builtin:one-domain-a-transaction"
OF_ALL = frozenset({Stage.DATA, Stage.END_OF_DATA})
"""Stages at which a host answers for all recipients of a transaction at once."""
UNSPECIFIC = frozenset({Reason.SYSTEM, Reason.UNKNOWN, Reason.PROTOCOL})
CLOSING_421 = 421
MENDED_BY = {
    Reason.IP_REPUTATION: "ask for the address to be taken off the list that the reply names",
    Reason.SENDER_DNS: "softbounce doctor says what to set: PTR record, EHLO name, the sender domain's MX",
    Reason.AUTH: "softbounce doctor says what to set: SPF, DKIM, DMARC of the sender domain",
    Reason.RATE_LIMIT: "send less there: [[lane]] rate and connections",
}
log = structlog.get_logger("softbounce.worker")


class Concluding:
    """Concludes for one lane.

    :ivar under_way: how many envelopes sessions have.
    """

    __slots__ = ("_denials", "_health", "_lane", "_ledger", "_process", "_shown", "_tally", "_untried", "under_way")

    def __init__(  # noqa: PLR0913, PLR0917 - whom it needs
        self,
        lane: ConcludedLane,
        process: WorkerProcess,
        ledger: ClaimLedger,
        health: HostHealth,
        denials: DenialGuard,
        tally: TlsTally,
        untried: Untried,
    ) -> None:
        self.under_way = 0
        self._lane = lane
        self._shown = shown_of(lane.name)
        self._process = process
        self._ledger = ledger
        self._health = health
        self._denials = denials
        self._tally = tally
        self._untried = untried

    def begin(self, works: Sequence[Work]) -> None:
        """A session has them."""
        self.under_way += len(works)

    async def mark(self, works: Sequence[Work]) -> bool:
        """Store the marker for envelopes whose dot is about to leave. False: the dot must not leave."""
        answers = await self._ledger.mark(works)
        if all(answer == GO_ON for answer in answers):
            return True
        self._told_nothing(works)
        if ended := [work for work, answer in zip(works, answers, strict=True) if answer == CANCELLED]:
            await self._ledger.hear(ended)
        for work, answer in zip(works, answers, strict=True):
            if answer == CANCELLED:
                work.record.flags |= Flag.CANCEL_ASKED
                self._ledger.commit(work, transitions.cancel(work.record, self._process.clock.now_of(work.record.id)))
            elif answer == GO_ON:
                self._lane.give_back([work])
            else:  # somebody else's by now
                self._ledger.let_go(work)
        return False

    def asks_for_its_own(self, session: Conversation, transaction: Transaction, work: Work, reply: Reply) -> bool:
        """Whether the host wants this recipient in a transaction of its own, because of its domain.

        It says so; or it says an unspecific "not now" to the first recipient of a domain behind accepted ones of
        others, which may mean so: asked alone, it gets an answer of its own.
        """
        if work.goes_alone or {work.domain} == {one.domain for one in transaction.works}:
            return False
        verdict = self._judge(reply, Stage.RCPT)
        if verdict.rule == ONE_DOMAIN:
            self._health.wants_one_domain(session.host)
            return True
        domains = {one.domain for one in transaction.accepted}
        return verdict.retry and verdict.reason in UNSPECIFIC and bool(domains) and work.domain not in domains

    def not_tried(self, works: Sequence[Work]) -> None:
        """Take back envelopes of which the host heard nothing that counts; no attempt is charged."""
        self._told_nothing(works)
        self._lane.take_back(works)

    def broke_off(self, session: Conversation, transaction: Transaction, error: Exception) -> None:
        """A session failed by a fault of ours. What its host cannot have goes back for later, the rest is uncertain."""
        untried, transaction.waiting = transaction.waiting, []
        self._told_nothing(untried)
        for work in untried:
            self._ledger.put_off(work, error, may_be_taken=False)
        taken = [work for work in transaction.accepted if self._ledger.has(work)]
        trouble = Trouble(kind=TroubleKind.CONNECTION_LOST, text="a fault of softbounce's own ended the session")
        self.conclude(session, taken, trouble, Stage.END_OF_DATA, transaction.started_ms, uncertain=True)

    def _told_nothing(self, works: Sequence[Work]) -> None:
        """These are under way no more; if a canary is among them, another may go."""
        self.under_way -= len(works)
        for work in works:
            self._lane.trouble.came_back(work)

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
        if not works:
            return
        count_session(self._tally, session, works)
        clock, one = self._process.clock, works[0].record.id  # recipients of one message: all are in its shard
        what, verdict = self._read(session, what, stage)
        if stage in OF_ALL and len(works) > 1:  # nobody can tell which of the addresses is meant
            verdict = replace(verdict, suppress=False)
        seen = Seen(
            what=what,
            stage=stage,
            started_ms=started_ms,
            ended_ms=clock.now_of(one),
            host=session.host,
            address=session.address,
            uncertain=uncertain,
            is_time_sure=clock.is_sure(one),
            tls=_asked_by(works[0].posture.rule, session.tls),
            tells_sender=session.offered.dsn,
            keeps_time=session.offered.deliver_by is not None,
        )
        if verdict.word is VerdictWord.DELIVERED:
            session.blamed = 0
            for work in works:
                turns = self._denials.taken(self._lane.name, work.domain, work.record.envelope.recipient)
                if turns:
                    self._note_turns(turns)
        else:
            works = self._pass_on(session, works, seen, verdict)
        if works:
            evidence = self._settle(works, seen, verdict)
            self._learn(session, len(works), seen, verdict, evidence)

    def _learn(self, session: Conversation, number: int, seen: Seen, verdict: Verdict, evidence: Evidence) -> None:
        """What it says of how hard the site may be pushed."""
        organisation = self._lane.sessions.organisation
        is_news = False
        if evidence is Evidence.TAKEN:
            organisation.took(number)
        elif evidence is Evidence.CAPS:
            cap = cap_of(seen.what)
            if cap is Cap.SESSION:
                session.finish()
            elif cap is Cap.SESSIONS:
                is_news = organisation.are_too_many()
            elif cap is Cap.PACE:
                is_news = organisation.is_too_fast((seen.ended_ms - seen.started_ms) / 1000)
        elif verdict.may_park and verdict.reason is not Reason.AUTH:
            is_news = organisation.blames()
        if is_news and self._lane.rule.adaptive:
            log.info("pushed_less", lane=self._lane.name, **self._lane.sessions.in_force(), text=seen.what.text[:200])
            self._lane.trouble.save()

    def _pass_on(self, session: Conversation, works: Sequence[Work], seen: Seen, verdict: Verdict) -> Sequence[Work]:
        """Those whose outcome it is; the others have another by now, or none."""
        if not seen.uncertain:
            if self._lane.way.is_relay and wants_login(seen):
                return self._do_not_know_us(session, works, seen, verdict)
            works = self._try_otherwise(works, seen, verdict)
        if not works:
            return works
        if is_denial(verdict, self._process.settings):
            return self._disbelieve(works, seen, verdict)
        if seen.uncertain:
            return works
        if verdict.rule == ONE_DOMAIN and len({work.domain for work in works}) > 1:
            return self._part(session, works)
        if blames_host(seen.what, verdict) or is_no_tls(seen.what):
            return self._ask_next(session, works, seen, verdict)
        return works

    def _read(self, session: Conversation, what: Reply | Trouble, stage: Stage) -> tuple[Reply | Trouble, Verdict]:
        """What it was, and what it means.

        Where a host refuses clear text, and we speak it because TLS failed, that is no word on the mail: the session
        ends, and TLS has its turn again, whatever is remembered of the host.
        """
        verdict = self._judge(what, stage)
        if not isinstance(what, Reply) or not wants_tls(what, verdict):
            return what, verdict
        if session.tls.version is not None or session.posture.is_clear_as_asked:
            return what, verdict
        self._health.wants_tls(session.address)
        session.finish()
        text = f"{session.tls.clear}; and in clear: {what.code} {what.text}"
        what = Trouble(kind=TroubleKind.TLS_FAILED, text=text, enhanced="4.7.4")
        return what, self._judge(what, stage)

    def _settle(self, works: Sequence[Work], seen: Seen, verdict: Verdict) -> Evidence:
        """What it makes of these envelopes, and of the lane; what it is evidence of."""
        lane = self._lane
        self.under_way -= len(works)
        evidence = evidence_of(seen.what, verdict, seen.stage)
        told = NOBODY if evidence is Evidence.TAKEN else told_by(seen, verdict)
        settings = self._process.settings
        reactions = [lane.trouble.meet(sign_of(work, seen, evidence, told, verdict, settings)) for work in works]
        try:
            lane.trouble.react(reactions)  # first: what waits behind a closed lane's canary goes back before it does
            if is_no_tls(seen.what) and seen.stage is Stage.MAIL:  # so it says to all: each would ask in vain
                for domain in {work.domain for work in works}:
                    lane.trouble.lacks_tls(domain, told)
        finally:
            for work, reaction in zip(works, reactions, strict=True):
                self._commit(work, seen, verdict, reaction)
        if verdict.may_park:
            self._blamed_us(seen, verdict)
        if evidence is Evidence.CAPS and not lane.rule.adaptive:  # else what it says is learned
            lane.sessions.open_fewer()
        return evidence

    def _blamed_us(self, seen: Seen, verdict: Verdict) -> None:
        """Say loudly, and rarely, that somebody has to mend something of ours."""
        if self._health.blamed_us(self._shown, str(verdict.reason)):
            log.error(
                "sender_refused",
                site=self._shown,
                reason=verdict.reason,
                rule=verdict.rule,
                host=seen.host,
                address=seen.address,
                text=seen.what.text[:200],
                mend=MENDED_BY.get(verdict.reason or Reason.UNKNOWN, ""),
            )

    def _commit(self, work: Work, seen: Seen, verdict: Verdict, reaction: Reaction) -> None:
        """One envelope's outcome. What fails in it by a fault of ours is its own: the others have theirs."""
        try:
            until_ms, line = self._lane.trouble.place(work, reaction.waits)
            its_own = _with_transcript(seen, work, delivered=verdict.word is VerdictWord.DELIVERED)
            change = change_of(work.record, its_own, verdict, reaction.waits, self._process.settings, until_ms)
            change.line = line
            if not work.record.state.is_final:
                work.record.lane = self._lane.way.lane_for(work.record)
            self._lane.trouble.holding.concluded(work, verdict)
            self._ledger.commit(work, change)
        except Exception as error:  # noqa: BLE001 - as it says above
            self._ledger.put_off(work, error, may_be_taken=seen.uncertain or seen.stage is Stage.END_OF_DATA)

    def _disbelieve(self, works: Sequence[Work], seen: Seen, verdict: Verdict) -> Sequence[Work]:
        """Defer those whom nobody believes to be gone; the others."""
        believed: list[Work] = []
        for work in works:
            recipient = work.record.envelope.recipient
            why, turns = self._denials.denied(self._lane.name, work.domain, recipient, alone=len(works) == 1)
            self._note_turns(turns)
            if why:
                self._settle([work], structs.replace(seen, note=why), as_not_believed(verdict))
            else:
                believed.append(work)
        return believed

    def _try_otherwise(self, works: Sequence[Work], seen: Seen, verdict: Verdict) -> Sequence[Work]:
        """Defer those to whom another way is left before they end; the others."""
        left: list[Work] = []
        way, hosts, settings = self._lane.way, self._lane.hosts, self._process.settings
        is_hard = verdict.word is VerdictWord.HARD
        for work in works:
            policy = transitions.policy_of(work.record, settings)
            is_last = 0 < policy.max_attempts <= work.record.charged + 1
            why = another_way(work, seen, verdict, way, hosts) if is_hard or is_last else ""
            if why and is_last and not was_turned_back(work, seen):
                self._told_nothing([work])
                self._untried.send_back([work], structs.replace(seen, note=why), verdict)
            elif is_hard and not is_last and (why := why or refuses_us(way, verdict)):
                self._settle([work], structs.replace(seen, note=why), as_not_final(verdict))
            else:
                left.append(work)
        return left

    def _do_not_know_us(
        self, session: Conversation, works: Sequence[Work], seen: Seen, verdict: Verdict
    ) -> Sequence[Work]:
        """A smarthost wants a login that it did not get: no mail is to blame, and all of it waits. Nobody is left."""
        log.error("login_needed", lane=self._lane.name, host=seen.host, stage=seen.stage, text=seen.what.text[:200])
        session.finish()
        self._told_nothing(works)
        self._untried.close(works, seen, verdict)
        return ()

    def _note_turns(self, turns: DenialTurns) -> None:
        """Whoever has the lane next shall know it too."""
        for domain, turn in turns.items():
            self._lane.trouble.disbelieve(domain, LONGEST if turn is DenialTurn.BEGAN else 0.0)

    def _part(self, session: Conversation, works: Sequence[Work]) -> Sequence[Work]:
        """All of them go again, with those of their own domain only. Nobody is left."""
        self._health.wants_one_domain(session.host)
        for work in works:
            work.goes_alone = True
        self.not_tried(works)
        return ()

    def _ask_next(self, session: Conversation, works: Sequence[Work], seen: Seen, verdict: Verdict) -> Sequence[Work]:
        """A host blames itself: its envelopes go to the next one within the same attempt. Those for whom none is left.

        Where that was the answer to the dot, a marker stays meanwhile: a crash would then own up to more than happened.
        """
        lane, host = self._lane, session.host
        session.blamed += 1
        is_closing = isinstance(seen.what, Reply) and seen.what.code == CLOSING_421
        if is_closing or seen.stage is Stage.MAIL or session.blamed >= BLAMES_OF_A_HOST:
            self._health.failed(host)
            session.finish()
        for work in works:
            work.tried |= {host}
        moving = {work: None for work in works if lane.hosts.find_one_for(work)}
        if moving:
            text = seen.what.text[:200]
            log.info("host_passed_over", lane=lane.name, host=host, stage=seen.stage, rule=verdict.rule, text=text)
            for work in moving:
                work.pass_over(f"{host} [{session.address}] at {seen.stage}: {text}")
            self.not_tried(list(moving))
        return [work for work in works if work not in moving]

    def cannot_be_sent(self, session: Conversation, work: Work, trouble: Trouble, started_ms: int) -> None:
        """A session took an envelope that its host cannot be sent, or nobody can.

        What one host lacks is asked of the next within the same attempt. Where none has 8BITMIME the message is made
        7-bit, if that may be. Else the attempt is a soft one, unless all hosts of the site said the same.
        """
        lane = self._lane
        if is_lack(trouble):
            asks_again = not session.by_ehlo and session.address not in work.tried  # by EHLO this time
            if asks_again:
                session.finish()
            work.tried |= {session.address}
            if lane.hosts.find_one_for(work) or asks_again:
                self.not_tried([work])
                return
            if trouble.kind is TroubleKind.NEEDS_8BITMIME and work.parcel.may_become_seven_bit():
                self._ask_for_seven_bit(work)
                return
            if not lane.hosts.all_lack(work):
                text = f"{trouble.text}; another of the site's hosts may take it"
                trouble = Trouble(kind=TroubleKind.HOST_LACKS, text=text, enhanced="4.3.3")
        self.conclude(session, [work], trouble, Stage.MAIL, started_ms, uncertain=False)

    def _ask_for_seven_bit(self, work: Work) -> None:
        """It goes again, to any of the hosts, as what they all take; where it cannot become that, it ends."""
        log.info("seven_bit_wanted", lane=self._lane.name, message=format_id(work.record.message))
        work.parcel.wants_seven_bit = True
        work.tried = work.shuns = NO_HOSTS
        self.not_tried([work])

    def _judge(self, what: Reply | Trouble, stage: Stage) -> Verdict:
        return classify(what, stage=stage, site=self._shown, settings=self._process.settings)


def _asked_by(rule: str, tls: Tls) -> Tls:
    """A session's TLS, as it is told of mail for which this rule asked."""
    return tls if tls.rule == rule else structs.replace(tls, rule=rule)


def _with_transcript(seen: Seen, work: Work, *, delivered: bool) -> Seen:
    """What was seen, with what was said of one recipient, where that is kept."""
    recipient = work.record.envelope.recipient
    transcript = packed(work.notes, recipient, delivered=delivered, before=work.passed_over)
    return structs.replace(seen, transcript=transcript) if transcript else seen
