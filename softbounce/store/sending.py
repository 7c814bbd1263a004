"""What has been answered and what has to be sent (again) while a call is carried to the store. Does no I/O.

A call is sent again only where the server said that it did not run it. What was sent and never answered is uncertain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from softbounce.errors import StoreError, StoreUnavailable, StoreUncertain
from softbounce.store.call import Answer, Call, Refusal, judge_refusal
from softbounce.store.scripts import Script

__all__ = ["Sending"]


class Sending:
    """The state of one ``Shards.call``.

    :ivar answers: one for each call, in order; whole when nothing is pending.
    :ivar refused: why what is pending did not run, when it was refused at the last sending.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self.answers: list[Answer] = [None] * len(calls)
        self.pending: list[int] = list(range(len(calls)))
        self.missing: dict[bytes, Script] = {}
        self.refused: StoreError | None = None

    def commands(self) -> list[tuple[Any, ...]]:
        """What to send now: loads of missing scripts first."""
        loads: list[tuple[Any, ...]] = [(b"SCRIPT", b"LOAD", one.text) for one in self.missing.values()]
        return loads + [self.calls[index].command() for index in self.pending]

    def take(self, answers: Sequence[Answer]) -> None:
        """Take in the answers to the last :meth:`commands`; error replies among them are values."""
        loaded, self.missing = self.missing, {}
        failed = {
            sha: judge_refusal(answer)
            for sha, answer in zip(loaded, answers, strict=False)
            if isinstance(answer, RedisError)
        }
        again: list[int] = []
        self.refused = None
        for index, answer in zip(self.pending, answers[len(loaded) :], strict=True):
            if not isinstance(answer, RedisError):
                self.answers[index] = answer
                continue
            refusal, error = judge_refusal(answer)
            script = self.calls[index].script
            if refusal is Refusal.UNKNOWN_SCRIPT and script is not None:
                if script.sha in failed:
                    refusal, error = failed[script.sha]
                self.missing[script.sha] = script
            if refusal is Refusal.FINAL:
                self.answers[index] = error
                continue
            again.append(index)
            if refusal is Refusal.NOT_NOW or script is None or script.sha in loaded:
                self.refused = error
        self.pending = again
        self.missing = {sha: script for sha, script in self.missing.items() if again}

    def lose(self, answers: Sequence[Answer], error: BaseException) -> None:
        """The connection ended after the commands had left: what has no answer is uncertain."""
        loads = len(self.missing)
        answered = max(0, len(answers) - loads)
        uncertain = self.pending[answered:]
        if answered:
            self.pending = self.pending[:answered]
            self.take(answers)
            self.give_up(StoreUnavailable(f"the store refused, then the connection was lost: {error}"))
        for index in uncertain:
            self.answers[index] = StoreUncertain(f"the connection to the store was lost before it answered: {error}")
        self.pending, self.missing = [], {}

    def give_up(self, error: StoreError) -> None:
        """No connection, or refusals for too long: nothing of what is pending has run."""
        for index in self.pending:
            self.answers[index] = error
        self.pending = []
