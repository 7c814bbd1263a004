"""What is left to try before a refusal is final: the other family of addresses, or a road for mail that was refused so.

A refusal is turned into a deferral by that, once for each way: its reason is recorded, and the way is taken by the next
attempt. Where the policy leaves it no further attempt, this one is not charged, once. And a smarthost that does not
relay for us refuses us, not the mail. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from softbounce.classify.rule_pack import PREFIX
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.routing import Choice
from softbounce.stage import Stage
from softbounce.transitions import Seen
from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord
from softbounce_worker.lane.families import ABOUT_ADDRESSES, family_of
from softbounce_worker.lane.lane_road import LaneRoad
from softbounce_worker.lane.signs import Told
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.session.login import LOGIN_NEEDED
from softbounce_worker.work import Work

__all__ = ["another_way", "as_not_final", "detour_of", "refuses_us", "wants_login", "was_turned_back"]

LOGIN_RULE = "builtin:tls-or-auth-needed"


def another_way(work: Work, seen: Seen, verdict: Verdict, way: LaneRoad, hosts: SiteHosts) -> str:
    """Which other way is left to an envelope before what it met is final, in a sentence; empty: none."""
    choice = way.choice_after(work.record, verdict.reason)
    if choice is not None and choice.after_reason is not None and choice.road != way.road:
        return f"It was refused ({verdict.reason}), and {choice.rule} is for such mail: that is not final."
    if verdict.reason in ABOUT_ADDRESSES and seen.address is not None:
        other = hosts.another_family(work.record, seen.address)
        if other is not None:
            return f"It was refused over {family_of(seen.address)}; before that is final it is tried over {other}."
    return ""


def refuses_us(way: LaneRoad, verdict: Verdict) -> str:
    """Why a smarthost's refusal is not final, in a sentence; empty: it is."""
    if way.is_relay and (verdict.reason is Reason.RELAY_DENIED or verdict.rule == LOGIN_RULE):
        return "The smarthost takes no mail from us as we are: that is no fault of this mail, and not final."
    return ""


def was_turned_back(work: Work, seen: Seen) -> bool:
    """Whether an envelope went another way already, uncharged, because of this family of addresses."""
    own = None if seen.address is None else family_of(seen.address)
    return any(
        not one.charged and one.address is not None and family_of(one.address) == own and one.reason in ABOUT_ADDRESSES
        for one in work.record.envelope.attempts
    )


def as_not_final(verdict: Verdict) -> Verdict:
    """The same as a deferral."""
    return replace(verdict, word=VerdictWord.SOFT, suppress=False, may_park=False)


def wants_login(seen: Seen) -> bool:
    """Whether a smarthost refuses mail because it does not know us (RFC 4954 §6): that is about no mail."""
    return isinstance(seen.what, Reply) and seen.what.code in LOGIN_NEEDED


def detour_of(told: Told, choice: Choice, now_ms: int) -> tuple[Seen, Verdict]:
    """What is recorded of an envelope that goes around a site that is closed: what that closed for."""
    what: Reply | Trouble
    if told.code is None:
        what = Trouble(kind=TroubleKind.SITE_UNAVAILABLE, text=told.text, enhanced=told.enhanced)
    else:
        what = Reply(code=told.code, enhanced=told.enhanced, lines=(told.text,))
    note = f"The site is in trouble, not this mail; {choice.rule} leads around it."
    stage = Stage(told.stage)
    seen = Seen(what=what, stage=stage, started_ms=now_ms, ended_ms=now_ms, host=told.host, note=note)
    rule = PREFIX + TroubleKind.SITE_UNAVAILABLE.value.replace("_", "-")
    verdict = Verdict(
        word=VerdictWord.SOFT,
        fault=Fault.SYSTEM,
        fine_fault=FineFault.RECEIVER_SYSTEM,
        reason=Reason(told.reason or Reason.NETWORK),
        rule=rule,
        stage=stage,
    )
    return seen, verdict
