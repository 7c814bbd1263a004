"""Bounces that are written for people: who it is about by flufl.bounce, which knows the forms, and what the host said.

Mailman's people keep that library, whose rules come from thirty years of bounces. It tells addresses; the reply that
stands beside them is looked for here.
"""

from __future__ import annotations

import re

from flufl.bounce import all_failures

from softbounce_gateway.returns.reading.parts import Parts
from softbounce_gateway.returns.reading.report import Kind, Outcome, Report

__all__ = ["find_reply", "is_of_exim", "read_free_form"]

MOST_ADDRESSES = 100
LONGEST_REPLY = 600
TEXT_CHARACTERS = 64 * 1024
REPLY = re.compile(r"(?<![0-9A-Za-z.@/:-])([45][0-9]{2})[ -](?=[ \t]*[0-9A-Za-z(<\"'##])")
STATUS = re.compile(r"(?<![0-9.])([45]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")
RETURNED = re.compile(
    r"^(?:-{2,}.{0,80}(?:copy of the message|original message|header.{0,20}message|message follows|returned message)"
    r"|received: from )",
    re.IGNORECASE | re.MULTILINE,
)
EXIM = "X-Failed-Recipients"


def read_free_form(parts: Parts) -> Report | None:
    """Read it; ``None``: it has no form that is known."""
    try:
        delayed, failed = all_failures(parts.message)
    except Exception:  # noqa: BLE001 - written for people's mail, given what a stranger wrote to break it
        return None
    kind = Kind.FAILED if failed else Kind.DELAYED
    named = sorted(failed or delayed)[:MOST_ADDRESSES]
    addresses = tuple(text for one in named if "@" in (text := one.decode("ascii", "replace").strip(" <>")))
    if not addresses:
        return None
    said = find_reply(parts.prose)
    status = STATUS.search(said or parts.prose[:TEXT_CHARACTERS])
    outcomes = tuple(
        Outcome(kind=kind, addresses=(one,), status=status[1] if status else "", diagnostic=said) for one in addresses
    )
    return Report(kind=kind, outcomes=outcomes, why="a bounce written for people")


def is_of_exim(parts: Parts) -> bool:
    """Whether its header says whom it could not be delivered to, as Exim's does, which calls itself automatic too."""
    return bool(parts.field(EXIM))


def find_reply(prose: str) -> str:
    """The host's reply as a bounce for people quotes it, up to the blank line behind it; empty: there is none."""
    text = prose[:TEXT_CHARACTERS]
    cut = RETURNED.search(text)
    text = text[: cut.start()] if cut else text
    found = REPLY.search(text)
    if found is None:
        return ""
    rest = text[found.start() : found.start() + LONGEST_REPLY]
    paragraph = re.split(r"\n[ \t]*\n", rest, maxsplit=1)[0]
    return "\n".join(line.strip(" \t>|") for line in paragraph.splitlines()).strip()
