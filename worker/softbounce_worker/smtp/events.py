"""What an engine reports: answers, and the two ways in which a session ends without one.

``Broken`` and ``Lost`` are the last event of a session; answers that were complete before always come first.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from softbounce.reply import Reply, Trouble
from softbounce.stage import Stage
from softbounce_worker.smtp.commands import Command

__all__ = ["Answer", "Broken", "Event", "Lost"]


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A complete reply, with the command that it answers.

    :ivar command: the very object that was sent; ``None`` for the greeting and for a 421 out of the blue.
    :ivar stage: the step that the command belongs to; without a command, the step that the session stands at.
    """

    command: Command | None
    stage: Stage
    reply: Reply


class Broken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The remote made no sense: replies can no longer be matched to commands, and the connection has to be closed.

    :ivar stage: that of the command whose reply it was to be.
    :ivar surplus: the reply that answers no command, when that is what made no sense.
    """

    trouble: Trouble
    stage: Stage
    surplus: Reply | None = None


class Lost(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The connection ended.

    :ivar stage: that of the first command without an answer; when all were answered, where the session stood.
    """

    trouble: Trouble
    stage: Stage


Event: TypeAlias = Answer | Broken | Lost
