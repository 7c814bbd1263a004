"""What an engine reports: answers, and the two ways in which a session ends without one.

``Broken`` and ``Lost`` are the last event of a session; answers that were complete before always come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from softbounce.reply import Reply, Trouble
from softbounce.stage import Stage
from softbounce_worker.smtp.commands import Command

__all__ = ["Answer", "Broken", "Event", "Lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete reply, with the command that it answers.

    :ivar command: the very object that was sent; ``None`` for the greeting and for a 421 out of the blue.
    :ivar stage: the step that the command belongs to; without a command, the step that the session stands at.
    """

    command: Command | None
    stage: Stage
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The remote made no sense: replies can no longer be matched to commands, and the connection has to be closed.

    :ivar stage: that of the command whose reply it was to be.
    :ivar surplus: the reply that answers no command, when that is what made no sense.
    """

    trouble: Trouble
    stage: Stage
    surplus: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The connection ended.

    :ivar stage: that of the first command without an answer; when all were answered, where the session stood.
    """

    trouble: Trouble
    stage: Stage


Event: TypeAlias = Answer | Broken | Lost
