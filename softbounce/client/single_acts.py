"""Writes down what a person did to one thing: an envelope, an address, a site; beside the acts by filter.

Nothing is carried out here, and nothing can be undone by it. It is written when the act was done: who dies in between
leaves it out, and who repeats the act, because no answer came, writes it anew. These have a list of their own, so that
a program which acts on thousands by their ids pushes no act by filter out of what is remembered.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict, Unpack

from softbounce.client.flow import Flow, repeat
from softbounce.client.one_line import check_one_line
from softbounce.errors import InvalidArgument
from softbounce.store.actions import ACTION_OCTETS, Action, log_single
from softbounce.store.clock import read_time
from softbounce.store.keys import HOME

__all__ = ["Noted", "note_act", "of_addresses"]

LONGEST_WORD, LONGEST_TEXT = 64, 600
MOST_FACTS = 8


class Noted(TypedDict):
    """What is written down of an act: ``by``, who did it; ``answers``, what came of it, and how often.

    And where it applies ``reason``, ``force``, and a ``detail`` in words.
    """

    by: str
    answers: Mapping[str, int]
    reason: NotRequired[str]
    force: NotRequired[bool]
    detail: NotRequired[str]


def note_act(act: str, of: Mapping[str, str], **noted: Unpack[Noted]) -> Flow[None]:
    """Write down an act that was done.

    :param of: to what: ``id``, ``address``, ``site`` or ``file``, and what it was narrowed to.
    :raises InvalidArgument: something of it is too long, or not to be printed.
    """
    by, answers = noted["by"], noted["answers"]
    reason, detail = noted.get("reason", ""), noted.get("detail", "")
    words = {"act": act, "by": by, **{f"answer {name}": name for name in answers}}
    texts = {"reason": reason, "detail": detail, **of}
    for most, them in ((LONGEST_WORD, words), (LONGEST_TEXT, texts)):
        for name, text in them.items():
            check_one_line(name, text, most)
    if max(len(of), len(answers)) > MOST_FACTS:
        raise InvalidArgument("of", f"has more than {MOST_FACTS} parts")
    now_ms = (yield from repeat(read_time(HOME))).now_ms
    action = Action(
        id=secrets.token_bytes(ACTION_OCTETS),
        act=act,
        filters=dict(of),
        by=by,
        reason=reason,
        force=noted.get("force", False),
        state="done",
        count=-1,
        answers=dict(answers),
        asked_ms=now_ms,
        ended_ms=now_ms,
        detail=detail,
    )
    yield from repeat(log_single(action))


def of_addresses(addresses: Sequence[str], *, stream: str | None = None, tenant: str | None = None) -> dict[str, str]:
    """The addresses of one act as they are written down: the first, and how many more."""
    first = "".join(char if char.isprintable() else "?" for char in addresses[0][: LONGEST_TEXT // 2])
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    narrowed = {"stream": stream, "tenant": tenant}
    return {"address": first + more, **{name: value for name, value in narrowed.items() if value is not None}}
