"""When an event that was not taken is tried again, or that it is given up: by the same policies as mail. Pure.

The window begins with an event's first attempt, so that one that waited in the log while its receiver was away has all
of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from softbounce.decide import Bounce, Defer, decide
from softbounce.duration import MILLISECOND, from_epoch_ms, to_epoch_ms
from softbounce.envelope import Attempt
from softbounce.history import History
from softbounce.settings import Policy
from softbounce.store.webhooks import Try, Untold
from softbounce.verdict import Fault, Reason, Verdict, VerdictWord
from softbounce.waits import WaitNumber, own_wait
from softbounce_gateway.webhooks.answer import Answer

__all__ = ["note_try", "pause_of"]

KEPT_TRIES = 4
"""As many as a policy asks about."""
AGAIN_AT_LEAST = timedelta(milliseconds=100)
IDENTITY_OCTETS = 16


def note_try(event: Untold, place: bytes, answer: Answer, policy: Policy, times: tuple[int, int]) -> bool:
    """Note an attempt that was not taken, with when the next one is; whether there is none any more.

    :param times: when it began and ended, ms.
    """
    began_ms, ended_ms = times
    event.first_ms = event.first_ms or began_ms
    now = from_epoch_ms(ended_ms)
    decision = decide(policy, _history(event, place), _verdict(answer), now)
    stated_ms = None if answer.stated is None else answer.stated // MILLISECOND
    one = Try(started_ms=began_ms, ended_ms=ended_ms, rule=answer.rule, stated_ms=stated_ms)
    event.tries = (*event.tries, one)[-KEPT_TRIES:]
    event.charged += 1
    if isinstance(decision, Bounce):
        return True
    if isinstance(decision, Defer):
        event.next_ms = to_epoch_ms(max(decision.at or decision.expires_at, now + AGAIN_AT_LEAST))
    return False


def pause_of(policy: Policy, name: str, probes: int) -> timedelta:
    """How long a receiver that was found away so many times in a row is left alone, by the policy."""
    turn = WaitNumber(number=probes, rule="webhook", in_a_row=probes)
    return max(own_wait(policy, _identity(name.encode()), turn).delay, AGAIN_AT_LEAST)


def _verdict(answer: Answer) -> Verdict:
    return Verdict(
        word=VerdictWord.SOFT, fault=Fault.SYSTEM, reason=Reason.SYSTEM, rule=answer.rule, stated=answer.stated
    )


def _history(event: Untold, place: bytes) -> History:
    first: datetime = from_epoch_ms(event.first_ms)
    return History(
        id=_identity(place),
        created_at=first,
        attempts=[
            Attempt(
                number=number,
                started_ms=one.started_ms,
                ended_ms=one.ended_ms,
                rule=one.rule,
                stated_ms=one.stated_ms,
            )
            for number, one in enumerate(event.tries, start=1)
        ],
        forgotten=event.charged - len(event.tries),
    )


def _identity(octets: bytes) -> bytes:
    """What spreads the waits, as an envelope's id does."""
    return octets[-IDENTITY_OCTETS:].rjust(IDENTITY_OCTETS, b"\0")
