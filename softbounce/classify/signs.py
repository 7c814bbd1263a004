"""The signs in a reply: its code, its enhanced status code, and the wordings that fit its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from softbounce.classify.built_in_rules import active_wordings
from softbounce.classify.wording import TEXT_LIMIT, Text, Wording, read_text
from softbounce.reply import Reply
from softbounce.stage import Stage

__all__ = ["Signs", "find_enhanced"]

EMBEDDED = re.compile(r"(?<![\d.])([245])\.([0-7])\.(\d{1,3})(?![\d.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """All that a reply shows.

    :ivar enhanced: its enhanced status code, wherever in the text it stands.
    :ivar strong: the first wording that names a thing.
    :ivar weak: the first one that is merely general.
    :ivar active: the wordings that the user left on.
    """

    code: int
    stage: Stage | None
    enhanced: str | None
    text: Text
    strong: Wording | None
    weak: Wording | None
    active: tuple[Wording, ...]

    @classmethod
    def read(cls, reply: Reply, *, stage: Stage | None, site: str | None, disabled: tuple[str, ...]) -> Signs:
        """Read a reply. Costs at most what 1 KiB of text costs."""
        raw = _cut(reply.lines)
        text = read_text(raw)
        active = active_wordings(disabled)
        enhanced = reply.enhanced or find_enhanced(raw, reply.code // 100)
        subject = int(enhanced[2]) if enhanced and enhanced[2:3].isdecimal() else None
        fitting = _fitting(_applicable(active, reply.code // 100, subject, site.lower() if site else ""), text)
        weak: Wording | None = None
        strong: Wording | None = None
        for wording in fitting:
            if not wording.is_weak:
                strong = wording
                break
            weak = weak or wording
        return cls(
            code=reply.code,
            stage=stage,
            enhanced=enhanced,
            text=text,
            strong=strong,
            weak=weak,
            active=active,
        )


def find_enhanced(text: str, digit: int) -> str | None:
    """The first enhanced status code within a text whose class is the reply code's first digit.

    Some hosts write it at the end, as in ``(#5.1.1)``. Addresses and versions do not pass for one.
    """
    return next((found.group() for found in EMBEDDED.finditer(text[:TEXT_LIMIT]) if int(found[1]) == digit), None)


def _cut(lines: tuple[str, ...]) -> str:
    """The first octets of all lines together, never joining more than are read."""
    kept: list[str] = []
    room = TEXT_LIMIT
    for line in lines:
        kept.append(line[:room])
        room -= len(line) + 1
        if room <= 0:
            break
    return " ".join(kept)


def _applicable(active: tuple[Wording, ...], digit: int, subject: int | None, site: str) -> Iterator[Wording]:
    for wording in active:
        if wording.digit not in (0, digit) or wording.subject not in (None, subject):
            continue
        if not wording.sites or site in wording.sites:
            yield wording


def _fitting(applicable: Iterator[Wording], text: Text) -> Iterator[Wording]:
    return (wording for wording in applicable if wording.fits(text))
