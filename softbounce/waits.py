"""How long to wait before the next attempt: tenacity strategies, evaluated on the recorded history, plus our jitter.

Nothing sleeps here and tenacity runs no attempt. A strategy is asked one question, "attempt n failed, how long now?",
through a :class:`tenacity.RetryCallState` that is filled from the record. What becomes of the answer (the window, the
last attempt) is decided in :mod:`softbounce.decide`.

A strategy of the user's own sees in that state: ``attempt_number``, the charged attempts so far; ``start_time`` and
``outcome_timestamp``, both in seconds since 1970, so that ``seconds_since_start`` is right; ``outcome.result()``, the
:class:`~softbounce.verdict.Verdict`; and ``kwargs``, with ``policy`` and ``history``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from importlib import import_module
from typing import cast

from tenacity import Future, RetryCallState, Retrying, wait_chain, wait_exponential, wait_fixed

from softbounce.duration import LONGEST, floor_to_ms
from softbounce.errors import ConfigError
from softbounce.history import History
from softbounce.ids import message_of
from softbounce.settings import DEFAULT, GREYLIST_DELAYS, NOT_OURS, Policy
from softbounce.verdict import Reason, Verdict

__all__ = [
    "Strategy",
    "Wait",
    "WaitNumber",
    "custom_wait",
    "greylist_delays",
    "jittered",
    "next_wait",
    "own_wait",
    "strategy_for",
]

Strategy = Callable[[RetryCallState], float]
STATED_BELIEVED = 3
"""So many replies in a row are taken at their word about how long to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitNumber:
    """Whose turn it is to wait: the number of the wait, and the rule whose delays count.

    :ivar number: charged attempts so far, the one that just failed included.
    :ivar rule: the rule that judged it.
    :ivar in_a_row: how many of the latest charged attempts that rule judged.
    :ivar delays: the delays that the rule asks for; empty: the policy's count.
    :ivar is_greylisted: it failed by greylisting, for which a policy may have delays of its own.
    :ivar stated: the wait that the reply states; ``None``: it does not.
    :ivar stated_in_a_row: how many of the latest charged attempts had a reply that stated one.
    """

    number: int
    rule: str
    in_a_row: int
    delays: tuple[timedelta, ...] = ()
    is_greylisted: bool = False
    stated: timedelta | None = None
    stated_in_a_row: int = 0

    @classmethod
    def judged(cls, history: History, verdict: Verdict) -> WaitNumber:
        """The turn after an attempt that *verdict* judges and that *history* does not hold yet."""
        return cls(
            number=history.charged + 1,
            rule=verdict.rule,
            in_a_row=history.judged_in_a_row(verdict.rule) + 1,
            delays=verdict.delays,
            is_greylisted=verdict.reason is Reason.GREYLIST,
            stated=verdict.stated,
            stated_in_a_row=history.stated_in_a_row + 1,
        )

    @classmethod
    def recorded(cls, history: History) -> WaitNumber:
        """The turn after the latest charged attempt of *history*, which must hold one."""
        last = history.last_charged
        rule = (last and last.rule) or ""
        return cls(
            number=history.charged,
            rule=rule,
            in_a_row=history.judged_in_a_row(rule),
            delays=tuple(timedelta(milliseconds=delay) for delay in last.delays_ms) if last else (),
            is_greylisted=last is not None and last.reason == Reason.GREYLIST,
            stated=None if last is None or last.stated_ms is None else timedelta(milliseconds=last.stated_ms),
            stated_in_a_row=history.stated_in_a_row,
        )

    def heeding(self, own: Wait) -> Wait:
        """What counts of our own wait and the one that the reply states.

        The reply's, a few times in a row; then the longer one. A host that says "in a minute" for days would be asked
        every minute for days.
        """
        if self.stated is None or (self.stated_in_a_row > STATED_BELIEVED and self.stated <= own.delay):
            return own
        return Wait(delay=floor_to_ms(self.stated), source="the reply", asks="asks to wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The answer to "how long now?".

    :ivar delay: from the end of the attempt to the next one, in whole milliseconds, never negative.
    :ivar source: who asked for it, in words: the policy, or the rule that judged.
    :ivar asks: what that source does, in words.
    :ivar custom: it came from a strategy of the user's own, which may answer differently when asked again.
    """

    delay: timedelta
    source: str
    asks: str = "waits"
    custom: bool = False


def greylist_delays(policy: Policy) -> tuple[timedelta, ...]:
    """The waits while a host greylists; empty: those that count for all.

    A policy that says nothing of it and has waits of its own means these.
    """
    if policy.greylist is not None:
        return policy.greylist
    own = (policy.first, policy.factor, policy.cap, policy.delays, policy.wait)
    return GREYLIST_DELAYS if own == (DEFAULT.first, DEFAULT.factor, DEFAULT.cap, (), "") else ()


def strategy_for(policy: Policy) -> Strategy:
    """The tenacity strategy of a policy: its own ``wait``, else its ``delays``, else its formula.

    :raises ConfigError: ``wait`` names nothing that can be imported and called.
    """
    if policy.wait.startswith(NOT_OURS):
        raise ConfigError(f"policy {policy.name}: {_not_ours(policy)}")
    if policy.wait:
        return _imported(policy.wait)
    return _own_strategy(policy)


def next_wait(policy: Policy, history: History, verdict: Verdict, now: datetime) -> Wait:
    """How long to wait after the attempt that *verdict* judged, which is not yet in *history*.

    A wait that the reply states outranks the delays of the rule that judged, and these the policy's. A custom strategy
    that fails, or answers with no usable number, must not strand mail: the policy's formula answers in its place, and
    ``source`` says so.
    """
    turn = WaitNumber.judged(history, verdict)
    if not policy.wait or turn.delays or (turn.is_greylisted and greylist_delays(policy)):
        return own_wait(policy, history.id, turn)
    return turn.heeding(_custom_or_own(policy, history, verdict, now))


def _custom_or_own(policy: Policy, history: History, verdict: Verdict, now: datetime) -> Wait:
    turn = replace(WaitNumber.judged(history, verdict), stated=None)
    if policy.wait.startswith(NOT_OURS):
        instead = own_wait(policy, history.id, turn)
        return Wait(delay=instead.delay, source=f"{instead.source} ({_not_ours(policy)})")
    try:
        delay = custom_wait(policy, history, verdict, now)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything, and the mail still needs its turn
        instead = own_wait(policy, history.id, turn)
        fault = f"its wait {policy.wait} failed with {type(error).__name__}, so its formula counts"
        return Wait(delay=instead.delay, source=f"{instead.source} ({fault})")
    return Wait(delay=delay, source=f"policy {policy.name} ({policy.wait})", custom=True)


def _not_ours(policy: Policy) -> str:
    name = policy.wait.removeprefix(NOT_OURS)
    return f"its wait {name} is named by no policy of this process's own configuration, so its formula counts"


def own_wait(policy: Policy, identity: bytes, turn: WaitNumber) -> Wait:
    """The wait that the reply states, else of the rule's delays, else of the policy's delays or formula.

    Greylisting may have delays of its own in a policy.

    The same for the same arguments.
    """
    state = RetryCallState(Retrying(), None, (), {})
    if turn.delays:
        strategy, source = _chain(turn.delays), f"rule {turn.rule}"
        state.attempt_number = turn.in_a_row
    elif turn.is_greylisted and greylist_delays(policy):
        strategy, source = _chain(greylist_delays(policy)), f"policy {policy.name}, greylisted,"
        state.attempt_number = turn.in_a_row
    else:
        strategy, source = _own_strategy(policy), f"policy {policy.name}"
        state.attempt_number = turn.number
    delay = _bounded(strategy(state))
    delay = jittered(delay, policy.jitter, message_of(identity), turn.number)
    return turn.heeding(Wait(delay=delay, source=source))


def custom_wait(policy: Policy, history: History, verdict: Verdict, now: datetime) -> timedelta:
    """What the policy's own strategy answers, asked once.

    :raises ConfigError: it cannot be imported, or its answer is not a number of seconds from 0 up.
    :raises Exception: whatever the strategy raises.
    """
    state = RetryCallState(Retrying(), None, (), {"policy": policy, "history": history})
    state.attempt_number = history.charged + 1
    state.start_time = history.starts_at.timestamp()
    state.outcome = Future(state.attempt_number)
    state.outcome.set_result(verdict)
    state.outcome_timestamp = now.timestamp()
    state.idle_for = max(0.0, state.outcome_timestamp - state.start_time)
    answer: object = strategy_for(policy)(state)
    if not isinstance(answer, (int, float)) or not math.isfinite(answer) or answer < 0:
        raise ConfigError(f"policy {policy.name}: wait {policy.wait} answered {answer!r}, not seconds from 0 up")
    return _bounded(answer)


def jittered(delay: timedelta, share: float, identity: bytes, number: int) -> timedelta:
    """*delay*, longer or shorter by at most *share*: by how much is a hash of the message and the attempt's number.

    So a crowd of messages spreads, and yet the same question has the same answer on every machine and after a reload.
    A message's recipients that were deferred together wait together, and go in one transaction again.
    """
    if share <= 0:
        return delay
    digest = blake2b(identity + number.to_bytes(4), digest_size=7).digest()
    spread = int.from_bytes(digest) / (1 << 55) - 1  # from -1 up to 1
    return max(timedelta(0), floor_to_ms(delay * (1 + min(share, 1.0) * spread)))


def _bounded(seconds: float) -> timedelta:
    return floor_to_ms(timedelta(seconds=max(0.0, min(seconds, LONGEST.total_seconds()))))


def _own_strategy(policy: Policy) -> Strategy:
    if policy.delays:
        return _chain(policy.delays)
    return _formula(policy.first, policy.factor, policy.cap)


@lru_cache(maxsize=256)
def _formula(first: timedelta, factor: float, cap: timedelta) -> Strategy:
    return wait_exponential(multiplier=first.total_seconds(), exp_base=factor, max=cap.total_seconds())


@lru_cache(maxsize=256)
def _chain(delays: tuple[timedelta, ...]) -> Strategy:
    return wait_chain(*(wait_fixed(delay) for delay in delays))


@lru_cache(maxsize=64)
def _imported(path: str) -> Strategy:
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ConfigError(f'wait = "{path}": write "package.module:strategy"')
    try:
        found: object = import_module(module_name)
    except Exception as error:  # importing runs a stranger's code
        raise ConfigError(f'wait = "{path}": importing {module_name} failed: {error!r}') from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise ConfigError(f'wait = "{path}": {module_name} has no {name}')
    if isinstance(found, type) or not callable(found):
        raise ConfigError(
            f'wait = "{path}": {name} is no strategy; name an instance such as wait_fixed(30), '
            "or a function that takes the retry state and returns seconds"
        )
    return cast("Strategy", found)
