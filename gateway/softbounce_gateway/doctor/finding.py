"""What a check found: one line of the table, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Finding", "State", "fail", "good", "printable", "unknown", "warn"]

MOST_CHARACTERS = 300


class State(StrEnum):
    """How bad it is. *unknown*: it could not be looked at."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    :ivar check: the check that looked.
    :ivar what: at what.
    :ivar found: what there is, in words.
    :ivar mend: what to do, and where; empty where nothing has to be done.
    """

    check: str = ""
    what: str
    state: State
    found: str
    mend: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "check": self.check,
            "what": self.what,
            "state": str(self.state),
            "found": self.found,
            "mend": self.mend,
        }


def good(what: str, found: str) -> Finding:
    """As it should be."""
    return Finding(what=what, state=State.OK, found=printable(found))


def warn(what: str, found: str, mend: str) -> Finding:
    """Mail goes, and would fare better."""
    return Finding(what=what, state=State.WARN, found=printable(found), mend=printable(mend))


def fail(what: str, found: str, mend: str) -> Finding:
    """Mail does not go, does not arrive, or is not safe."""
    return Finding(what=what, state=State.FAIL, found=printable(found), mend=printable(mend))


def unknown(what: str, found: str, mend: str) -> Finding:
    """It could not be looked at."""
    return Finding(what=what, state=State.UNKNOWN, found=printable(found), mend=printable(mend))


def printable(text: str) -> str:
    """Words of others, and our own, as they may be printed: no control characters, and not too many."""
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}..."
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)
