"""Writes down what a person does to one thing: an envelope, an address, a site; beside the acts by filter.

Nothing is carried out here, and nothing can be undone by it. It is written down before the act that it begins, and what
came of it when it was done: of whoever dies in between it stays that it began. Who repeats the act, because no answer
came, writes it anew. These have a list of their own, so that a program which acts on thousands by their ids pushes no
act by filter out of what is remembered.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, Unpack

import msgspec

from softbounce.client.flow import Flow, repeat
from softbounce.client.one_line import check_one_line
from softbounce.errors import InvalidArgument
from softbounce.store.actions import ACTION_OCTETS, Action, log_single, withdraw_single
from softbounce.store.clock import read_time
from softbounce.store.keys import HOME

__all__ = ["Begun", "BegunAct", "Noted", "begin_act", "end_act", "note_act", "of_addresses", "printable"]

LONGEST_WORD, LONGEST_TEXT = 64, 600
MOST_FACTS = 8
replace = msgspec.structs.replace


class Begun(TypedDict):
    """What is written down of an act that begins: ``by``, who does it.

    And where it applies ``reason``, ``force``, and a ``detail`` in words.
    """

    by: str
    reason: NotRequired[str]
    force: NotRequired[bool]
    detail: NotRequired[str]


class Noted(Begun):
    """The same of one that was done: ``answers``, what came of it, and how often."""

    answers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BegunAct:
    """An act that began. It is handed back when it is over.

    :ivar action: as it was written down.
    """

    action: Action

    @property
    def id(self) -> str:
        """What it is listed by."""
        return self.action.id.hex()


def begin_act(act: str, of: Mapping[str, str], **begun: Unpack[Begun]) -> Flow[BegunAct]:
    """Write down that an act begins: ahead of it.

    :param of: to what: ``id``, ``address``, ``site`` or ``file``, and what it is narrowed to.
    :raises InvalidArgument: something of it is too long, or not to be printed.
    """
    action = _checked(act, of, begun, {})
    action = replace(action, asked_ms=(yield from repeat(read_time(HOME))).now_ms)
    yield from repeat(log_single(action))
    return BegunAct(action)


def end_act(begun: BegunAct, answers: Mapping[str, int] | None) -> Flow[None]:
    """Write down what came of an act. Once more, nothing changes.

    :param answers: what, and how often; ``None``: nothing was done, so that nothing of it is to be kept.
    :raises InvalidArgument: something of it is too long, or not to be printed.
    """
    if answers is None:
        yield from repeat(withdraw_single(begun.action))
        return
    _check_answers(answers)
    now_ms = (yield from repeat(read_time(HOME))).now_ms
    ended = replace(begun.action, state="done", answers=dict(answers), ended_ms=now_ms)
    yield from repeat(log_single(ended, begun=begun.action))


def note_act(act: str, of: Mapping[str, str], **noted: Unpack[Noted]) -> Flow[None]:
    """Write down an act that was done.

    :param of: to what: ``id``, ``address``, ``site`` or ``file``, and what it was narrowed to.
    :raises InvalidArgument: something of it is too long, or not to be printed.
    """
    action = _checked(act, of, noted, noted["answers"])
    now_ms = (yield from repeat(read_time(HOME))).now_ms
    yield from repeat(log_single(replace(action, state="done", asked_ms=now_ms, ended_ms=now_ms)))


def _checked(act: str, of: Mapping[str, str], begun: Begun, answers: Mapping[str, int]) -> Action:
    by, reason, detail = begun["by"], begun.get("reason", ""), begun.get("detail", "")
    for name, text in (("act", act), ("by", by)):
        check_one_line(name, text, LONGEST_WORD)
    for name, text in {"reason": reason, "detail": detail, **of}.items():
        check_one_line(name, text, LONGEST_TEXT)
    if len(of) > MOST_FACTS:
        raise InvalidArgument("of", f"has more than {MOST_FACTS} parts")
    _check_answers(answers)
    return Action(
        id=secrets.token_bytes(ACTION_OCTETS),
        act=act,
        filters=dict(of),
        by=by,
        reason=reason,
        force=begun.get("force", False),
        state="running",
        count=-1,
        answers=dict(answers),
        detail=detail,
    )


def _check_answers(answers: Mapping[str, int]) -> None:
    for name in answers:
        check_one_line(f"answer {name}", name, LONGEST_WORD)
    if len(answers) > MOST_FACTS:
        raise InvalidArgument("answers", f"has more than {MOST_FACTS} parts")


def of_addresses(addresses: Sequence[str], *, stream: str | None = None, tenant: str | None = None) -> dict[str, str]:
    """The addresses of one act as they are written down: the first, and how many more."""
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    narrowed = {"stream": stream, "tenant": tenant}
    return {
        "address": printable(addresses[0], LONGEST_TEXT // 2) + more,
        **{name: printable(value) for name, value in narrowed.items() if value is not None},
    }


def printable(text: str, most: int = LONGEST_TEXT) -> str:
    """What can be written down of a text."""
    return "".join(char if char.isprintable() else "?" for char in text[:most])
