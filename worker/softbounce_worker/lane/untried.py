"""What becomes of mail that no host heard of: no session could be had, no route, or its site is closed.

It goes back to its lane uncharged, or to that of another road; only what can never go anywhere ends here.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from msgspec.structs import replace

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Tls
from softbounce.reply import Reply, Trouble
from softbounce.site import shown_of
from softbounce.stage import Stage
from softbounce.store.keys import HOME
from softbounce.transitions import Change, Seen
from softbounce.verdict import Verdict, VerdictWord
from softbounce_worker.lane.concluded_lane import ConcludedLane
from softbounce_worker.lane.other_ways import as_not_final, detour_of
from softbounce_worker.lane.tls_counts import count_failure
from softbounce_worker.lane.trouble_memory import told_by
from softbounce_worker.posture import Posture
from softbounce_worker.process import WorkerProcess
from softbounce_worker.results.claim_ledger import ClaimLedger
from softbounce_worker.session.dialling import Failed, Opening
from softbounce_worker.tls_results.tally import TlsTally
from softbounce_worker.transcript import packed
from softbounce_worker.work import Work

__all__ = ["Untried"]

log = structlog.get_logger("softbounce.worker")


class Untried:
    """Sees to it for one lane."""

    __slots__ = ("_lane", "_ledger", "_process", "_tally")

    def __init__(self, lane: ConcludedLane, process: WorkerProcess, ledger: ClaimLedger, tally: TlsTally) -> None:
        self._lane = lane
        self._process = process
        self._ledger = ledger
        self._tally = tally

    def no_session(self, failed: Failed, opening: Opening) -> None:
        """No session could be had on any host: the lane's trouble, unless another was had since this was begun.

        Nor is it, where a host would take mail that asks for less of TLS.
        """
        lane = self._lane
        posture = opening.wants.posture
        if failed.is_ours:
            why = failed.what.text[:200]
            log.error("login_refused" if failed.stage is Stage.AUTH else "road_refused", lane=lane.name, why=why)
        if failed.is_about_tls and not (lane.way.is_relay and posture.is_of_road):
            self._lacks_tls(posture, failed)
            return
        is_served = failed.is_limit or lane.sessions.any_is_open or lane.sessions.had_one_since(opening.began_at)
        if is_served or lane.is_closed:
            lane.sessions.open_fewer()  # the host takes no more, and those that stand carry on; or the trouble is known
            if failed.is_limit and lane.rule.adaptive:
                lane.trouble.save()
            return
        head = lane.backlog.take_first()
        self._lanes_fault([] if head is None else [head], failed)

    def _lacks_tls(self, posture: Posture, failed: Failed) -> None:
        """What asks for this of TLS waits with its domains, uncharged, and nothing else does. Nobody heard of it."""
        works = self._lane.backlog.take_posture(posture)
        count_failure(self._tally, failed, posture, {work.domain for work in works})
        verdict = self._judge(failed.what, failed.stage)
        seen = replace(self._seen_at(failed), tls=Tls(rule=posture.rule))
        if verdict.word is VerdictWord.HARD:  # nobody can ever give it
            for work in works:
                now_ms = self._process.clock.now_of(work.record.id)
                its_own = replace(seen, started_ms=now_ms, ended_ms=now_ms)
                change = transitions.conclude(work.record, its_own, verdict, self._process.settings, now_ms)
                self._ledger.commit(work, change)
            return
        for domain in {work.domain for work in works}:
            self._lane.trouble.lacks_tls(domain, told_by(seen, verdict))
        for work in works:
            now_ms = self._process.clock.now_of(work.record.id)
            its_own = replace(seen, started_ms=now_ms, ended_ms=now_ms)
            until_ms = self._lane.trouble.until_ms(work)
            self._ledger.commit(work, transitions.wait_for_domain(work.record, its_own, verdict, until_ms))

    def no_route(self, works: Sequence[Work], trouble: Trouble) -> None:
        """The lane's domain cannot be resolved for now: what was claimed goes back uncharged, and the lane closes."""
        self._lanes_fault(works, Failed(what=trouble, stage=Stage.ROUTE, host=None, address=None))

    def _lanes_fault(self, works: Sequence[Work], failed: Failed) -> None:
        self.close(works, self._seen_at(failed), self._judge(failed.what, failed.stage))

    def close(self, works: Sequence[Work], seen: Seen, verdict: Verdict) -> None:
        """The lane closes, and they go back uncharged: behind what waited for them, or each knock would be theirs."""
        self._lane.trouble.close(told_by(seen, verdict))
        self.send_back(works, seen, verdict)

    def send_back(self, works: Sequence[Work], seen: Seen, verdict: Verdict) -> None:
        """They go back uncharged, to the lane of the road that they take now."""
        for work in works:
            now_ms = self._process.clock.now_of(work.record.id)
            its_own = replace(seen, started_ms=now_ms, ended_ms=now_ms)
            change = transitions.return_to_lane(work.record, its_own, as_not_final(verdict))
            work.record.lane = self._lane.way.lane_for(work.record)
            self._ledger.commit(work, change)

    def unroutable(self, work: Work, seen: Seen, verdict: Verdict) -> Change:
        """What becomes of an envelope whose domain has no host to ask: it bounces, unless a route is for such mail."""
        way, record = self._lane.way, work.record
        choice = way.choice_after(record, verdict.reason)
        if choice is None or choice.after_reason is None or not choice.road.is_relay:
            return transitions.conclude(record, seen, verdict, self._process.settings, seen.ended_ms)
        note = f"Its domain has no host to ask; {choice.rule} is for such mail."
        change = transitions.return_to_lane(record, replace(seen, note=note), as_not_final(verdict))
        record.lane = way.lane_for(record)
        return change

    def take_detours(self, works: Sequence[Work]) -> list[Work]:
        """Send those on around the site that is closed for whom a route leads there, uncharged; the others."""
        lane, told = self._lane, self._lane.trouble.machine.told
        left: list[Work] = []
        for work in works:
            choice = lane.way.detour(work.record, told.reason)
            if choice is None:
                left.append(work)
                continue
            seen, verdict = detour_of(told, choice, self._process.clock.now_of(work.record.id))
            change = transitions.return_to_lane(work.record, seen, verdict)
            work.record.lane = lane.way.lane_for(work.record)
            self._ledger.commit(work, change)
        return left

    def _seen_at(self, failed: Failed) -> Seen:
        """That no session was had, as it is now."""
        now_ms = self._process.clock.now_ms(HOME)
        return Seen(
            what=failed.what,
            stage=failed.stage,
            started_ms=now_ms,
            ended_ms=now_ms,
            host=failed.host,
            address=failed.address,
            transcript=packed(failed.notes, "", delivered=False),
        )

    def _judge(self, what: Reply | Trouble, stage: Stage) -> Verdict:
        return classify(what, stage=stage, site=shown_of(self._lane.name), settings=self._process.settings)
