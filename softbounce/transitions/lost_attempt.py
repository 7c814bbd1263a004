"""The attempt of a process that is gone, when its dot may have left: what is known of it, and what that means."""

from __future__ import annotations

from softbounce.classify import classify
from softbounce.envelope import Record
from softbounce.reply import Trouble, TroubleKind
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.transitions.attempts import Seen
from softbounce.verdict import Verdict

__all__ = ["lost_attempt"]

_TROUBLE = Trouble(
    kind=TroubleKind.WORKER_LOST,
    text="the worker was lost when the final dot may have left; whether the host took the message is not known",
    enhanced="4.4.2",
)


def lost_attempt(record: Record, settings: Settings, now_ms: int) -> tuple[Seen, Verdict]:
    """The attempt of a marked claim whose process is gone, to be closed as uncertain.

    When it began is not known: it is written down as now, and no other attempt of the envelope begins before that.
    """
    seen = Seen(what=_TROUBLE, stage=Stage.END_OF_DATA, started_ms=now_ms, ended_ms=now_ms, uncertain=True)
    return seen, classify(_TROUBLE, stage=Stage.END_OF_DATA, site=record.envelope.site, settings=settings)
