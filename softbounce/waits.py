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
from dataclasses import dataclass
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
from softbounce.settings import NOT_OURS, Policy
from softbounce.verdict import Verdict

__all__ = ["Strategy", "Wait", "WaitNumber", "custom_wait", "jittered", "next_wait", "own_wait", "strategy_for"]

Strategy = Callable[[RetryCallState], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitNumber:
    """Whose turn it is to wait: the number of the wait, and the rule whose delays count.

    :ivar number: charged attempts so far, the one that just failed included.
    :ivar rule: the rule that judged it.
    :ivar in_a_row: how many of the latest charged attempts that rule judged.
    :ivar delays: the delays that the rule asks for; empty: the policy's count.
    """

    number: int
    rule: str
    in_a_row: int
    delays: tuple[timedelta, ...] = ()

    @classmethod
    def judged(cls, history: History, verdict: Verdict) -> WaitNumber:
        """The turn after an attempt that *verdict* judges and that *history* does not hold yet."""
        in_a_row = history.judged_in_a_row(verdict.rule) + 1
        return cls(number=history.charged + 1, rule=verdict.rule, in_a_row=in_a_row, delays=verdict.delays)

    @classmethod
    def recorded(cls, history: History) -> WaitNumber:
        """The turn after the latest charged attempt of *history*, which must hold one."""
        last = history.last_charged
        rule = (last and last.rule) or ""
        delays = tuple(timedelta(milliseconds=delay) for delay in last.delays_ms) if last else ()
        return cls(number=history.charged, rule=rule, in_a_row=history.judged_in_a_row(rule), delays=delays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The answer to "how long now?".

    :ivar delay: from the end of the attempt to the next one, in whole milliseconds, never negative.
    :ivar source: who asked for it, in words: the policy, or the rule that judged.
    :ivar custom: it came from a strategy of the user's own, which may answer differently when asked again.
    """

    delay: timedelta
    source: str
    custom: bool = False


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

    The delays of the rule that judged outrank the policy's. A custom strategy that fails, or answers with no usable
    number, must not strand mail: the policy's formula answers in its place, and ``source`` says so.
    """
    turn = WaitNumber.judged(history, verdict)
    if not policy.wait or turn.delays:
        return own_wait(policy, history.id, turn)
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
    """The wait of the rule's delays, else of the policy's delays or formula; the same for the same arguments."""
    state = RetryCallState(Retrying(), None, (), {})
    if turn.delays:
        strategy, source = _chain(turn.delays), f"rule {turn.rule}"
        state.attempt_number = turn.in_a_row
    else:
        strategy, source = _own_strategy(policy), f"policy {policy.name}"
        state.attempt_number = turn.number
    delay = _bounded(strategy(state))
    return Wait(delay=jittered(delay, policy.jitter, message_of(identity), turn.number), source=source)


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
