"""What becomes of an envelope after a verdict: delivered, deferred to an instant, or bounced for a cause.

Pure: the policy, the history, the verdict and the time come as arguments, so that a plan on paper, a reload and a
worker decide alike. Nothing here knows lanes, holds or claims.

The clock. Attempts are numbered by those that were *charged*, real contacts with the remote. The window runs from
creation (or ``at``, when later), plus held time. Its length is the send's own, else that of the rule that judged the
last charged attempt, else the policy's; it is worked out anew each time, never frozen, so that a reload reaches mail
already queued.

The last moment. A window is never wasted: a wait that would reach past the moment ``clamp(window / 20, 200 ms,
2 min)`` before expiry is cut to it, so that one last attempt is made there. After that attempt nothing is planned,
yet the envelope is not promoted before its window closes: a longer window published meanwhile saves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from softbounce.duration import MILLISECOND, floor_to_ms, from_epoch_ms, in_words
from softbounce.history import History
from softbounce.parking import park
from softbounce.settings import Policy
from softbounce.stage import Stage
from softbounce.verdict import Reason, Verdict, VerdictWord
from softbounce.waits import WaitNumber, greylist_delays, next_wait, own_wait

__all__ = [
    "Bounce",
    "Cause",
    "Decision",
    "Defer",
    "Delivered",
    "History",
    "binding_window",
    "decide",
    "expires_at",
    "fit_into_window",
    "last_moment",
    "rederive",
]

LAST_CALL_SHARE = 20
LAST_CALL_MIN = timedelta(milliseconds=200)
LAST_CALL_MAX = timedelta(minutes=2)


class Cause(StrEnum):
    """Why an envelope bounced."""

    REJECTED = "rejected"  # the remote said no for good
    UNROUTABLE = "unroutable"  # there is no host to ask
    PROMOTED = "promoted"  # a soft bounce that the policy made hard
    UNCERTAIN = "uncertain"  # the outcome is not known, and on_uncertain = "bounce"
    SUPPRESSED = "suppressed"  # its address gets no mail
    OPERATOR = "operator"  # somebody ended it by hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The remote has taken the message."""

    why: str = "The host accepted the message."


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Try again later.

    :ivar at: when the next attempt starts; ``None``: no attempt fits before expiry, wait for the window to close.
    :ivar expires_at: when the window closes as things stand.
    :ivar why: the decision in one sentence.
    :ivar planned: ``at`` is the recorded answer of a custom wait, which a reload leaves alone.
    """

    at: datetime | None
    expires_at: datetime
    why: str
    planned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """Give up: a hard bounce.

    :ivar cause: why, in one word.
    :ivar why: why, in one sentence.
    """

    cause: Cause
    why: str


Decision = Delivered | Defer | Bounce
DELIVERED = Delivered()


def decide(policy: Policy, history: History, verdict: Verdict, now: datetime, *, is_time_sure: bool = True) -> Decision:
    """Decide what becomes of an envelope whose latest attempt, not yet in *history*, was judged by *verdict*.

    :param now: when that attempt ended; waits count from it.
    :param is_time_sure: whether *now* can be believed so far that a window may close by it.
    """
    if verdict.word is VerdictWord.DELIVERED:
        return DELIVERED
    number = history.charged + 1
    verdict = park(verdict, policy)
    if verdict.word is VerdictWord.HARD:
        if verdict.stage is Stage.ROUTE:
            return Bounce(cause=Cause.UNROUTABLE, why=f"Attempt {number} found no host to ask ({verdict.rule}).")
        return Bounce(cause=Cause.REJECTED, why=f"Attempt {number} was refused for good (rule {verdict.rule}).")
    failed = f"Attempt {number} failed for now (rule {verdict.rule})"
    if verdict.may_park:
        failed = f"Attempt {number} was refused for our own IP, DNS or signature (rule {verdict.rule}), which parks it"
    if 0 < policy.max_attempts <= number:
        limit = f"policy {policy.name} allows {policy.max_attempts} attempt{'' if policy.max_attempts == 1 else 's'}"
        return Bounce(cause=Cause.PROMOTED, why=f"{failed} and {limit}.")
    window, owner = _window(policy, history, verdict.window, verdict.rule)
    expires = history.starts_at + history.held + window
    if now >= expires and is_time_sure:
        why = f"{failed} and the window of {in_words(window)} ({owner}) has closed."
        return Bounce(cause=Cause.PROMOTED, why=why)
    wait = next_wait(policy, history, verdict, now)
    wanted = now + wait.delay
    if now >= expires:
        why = f"{failed}; whether its window has closed is not sure while the store's clock is wrong, so it goes on."
        return Defer(at=wanted, expires_at=expires, why=why, planned=wait.custom)
    at = _fit(policy, wanted, expires, window, now)
    if at is None:
        closes = f"no further attempt fits into the window of {in_words(window)} ({owner})"
        why = f"{failed}; {closes}, which closes in {in_words(expires - now)}."
    elif at < wanted:
        cut = f"the {in_words(wait.delay)} that {wait.source} asks for reach past the window of {in_words(window)}"
        why = f"{failed}; {cut} ({owner}), so a last attempt comes {in_words(expires - at)} before it closes."
    else:
        why = f"{failed}; {wait.source} {wait.asks} {in_words(wait.delay)} before attempt {number + 1}."
    return Defer(at=at, expires_at=expires, why=why, planned=wait.custom and at is not None)


def expires_at(policy: Policy, history: History) -> datetime:
    """When the window closes, by what *history* records: no attempt starts from then on, and soft becomes hard."""
    return history.starts_at + history.held + _recorded_window(policy, history)


def last_moment(policy: Policy, history: History) -> datetime:
    """When the last attempt starts at the latest."""
    window = _recorded_window(policy, history)
    return history.starts_at + history.held + window - _last_call(policy, window)


def fit_into_window(policy: Policy, history: History, at: datetime, now: datetime) -> datetime | None:
    """Move a planned attempt into the window: to the last moment, or to *now* when only that has passed.

    :returns: *at* itself where it fits; ``None`` where the window is closed, or its last attempt was made already.
    """
    window = _recorded_window(policy, history)
    expires = history.starts_at + history.held + window
    latest = expires - _last_call(policy, window)
    if at <= latest and at < expires:
        return at
    if not policy.final_attempt or now >= expires:
        return None
    if now < latest:
        return latest
    last = history.last_charged
    was_made = last is not None and from_epoch_ms(last.started_ms) + MILLISECOND > latest
    return None if was_made else now


def rederive(policy: Policy, history: History, now: datetime) -> tuple[datetime | None, datetime]:
    """When the next attempt of a scheduled envelope is due, and when it expires, under a policy that changed.

    Before any charged attempt that is its start. Later it is worked out from the last charged attempt and what was
    recorded with it. A policy with a custom wait is not asked again: the recorded time stays, moved into the window.

    :returns: ``(next_attempt_at, expires_at)``; the first is ``None`` where no attempt fits any more.
    """
    last = history.last_charged
    if last is None:
        return history.starts_at, expires_at(policy, history)
    is_by_itself = bool(last.delays_ms) or (last.reason == Reason.GREYLIST and bool(greylist_delays(policy)))
    if policy.wait and not is_by_itself and last.next_ms is not None:
        wanted = from_epoch_ms(last.next_ms)
    else:
        wait = own_wait(policy, history.id, WaitNumber.recorded(history))
        wanted = min(now, from_epoch_ms(last.ended_ms)) + wait.delay
    return fit_into_window(policy, history, wanted, now), expires_at(policy, history)


def _fit(policy: Policy, wanted: datetime, expires: datetime, window: timedelta, now: datetime) -> datetime | None:
    latest = expires - _last_call(policy, window)
    if wanted <= latest and wanted < expires:
        return wanted
    return latest if policy.final_attempt and now < latest else None


def _last_call(policy: Policy, window: timedelta) -> timedelta:
    """How long before expiry the last attempt starts; nothing when the policy wants none."""
    if not policy.final_attempt:
        return timedelta(0)
    return floor_to_ms(min(max(window / LAST_CALL_SHARE, LAST_CALL_MIN), LAST_CALL_MAX))


def _window(policy: Policy, history: History, by_rule: timedelta | None, rule: str | None) -> tuple[timedelta, str]:
    """The window that binds, and in words whose it is."""
    if history.window is not None:
        return history.window, "set by hand" if history.is_window_set else "the send's own"
    if by_rule is not None:
        return by_rule, f"rule {rule}"
    return policy.window, f"policy {policy.name}"


def binding_window(policy: Policy, history: History) -> tuple[timedelta, str]:
    """The window that binds by what *history* records, and in words whose it is."""
    last = history.last_charged
    if last is None or last.window_ms is None:
        return _window(policy, history, None, None)
    return _window(policy, history, timedelta(milliseconds=last.window_ms), last.rule)


def _recorded_window(policy: Policy, history: History) -> timedelta:
    return binding_window(policy, history)[0]
