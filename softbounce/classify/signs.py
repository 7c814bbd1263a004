"""The signs in a reply: its code, its enhanced status code, and the wordings that fit its text."""

from __future__ import annotations

from dataclasses import dataclass

from softbounce.classify.reply_text import find_enhanced
from softbounce.classify.rule_pack import Rules
from softbounce.classify.wording import TEXT_LIMIT, Text, Wording
from softbounce.reply import Reply
from softbounce.stage import Stage

__all__ = ["Signs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """All that a reply shows.

    :ivar raw: its text as it came, bounded.
    :ivar enhanced: its enhanced status code, wherever in the text it stands.
    :ivar strong: the first wording that names a thing.
    :ivar weak: the first one that is merely general.
    :ivar rules: those that are on.
    """

    code: int
    stage: Stage | None
    enhanced: str | None
    raw: str
    text: Text
    strong: Wording | None
    weak: Wording | None
    rules: Rules

    @classmethod
    def read(cls, reply: Reply, *, stage: Stage | None, site: str | None, rules: Rules) -> Signs:
        """Read a reply. Costs at most what 1 KiB of text costs."""
        raw = _cut(reply.lines)
        text, fitting = rules.read(raw)
        enhanced = reply.enhanced or find_enhanced(raw, reply.code // 100)
        subject = int(enhanced[2]) if enhanced and enhanced[2:3].isdecimal() else None
        weak: Wording | None = None
        strong: Wording | None = None
        site = site.lower() if site else ""
        for wording in fitting:
            if not wording.is_for(reply.code // 100, subject) or (wording.sites and site not in wording.sites):
                continue
            if not wording.is_weak:
                strong = wording
                break
            weak = weak or wording
        return cls(
            code=reply.code,
            stage=stage,
            enhanced=enhanced,
            raw=raw,
            text=text,
            strong=strong,
            weak=weak,
            rules=rules,
        )


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
