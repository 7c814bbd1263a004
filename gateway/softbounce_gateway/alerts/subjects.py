"""What there is to be told of now: the findings of *now*, checks that are red, mail that is old. Pure.

What hosts said stands in it, so each text is bounded and of one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from softbounce.client.now.view import Now
from softbounce.duration import in_words
from softbounce.store.alerts import Standing
from softbounce.store.health import Checkup

__all__ = ["Subject", "Wanted", "hides", "plain_text", "subjects"]

LONGEST = 500
RED = {"fail": "bad", "warn": "warn"}
LEVELS = {"bad": frozenset({"bad"}), "warn": frozenset({"bad", "warn"})}
OLD_MAIL = "old_mail"
WIDE = frozenset({"store", "network"})
HIDING = frozenset({"no_worker", "no_scheduler", "scheduler_late"})


class Subject(NamedTuple):
    """One trouble. ``key``: what makes it the same one as before, whatever is said of it."""

    key: str
    kind: str
    level: str
    scope: str
    what: str
    why: str


class Wanted(NamedTuple):
    """Of what a table wants to hear; ``oldest``: of mail that is older, zero: of none for its age.

    :ivar own: the table's name: that it cannot tell is for the others.
    """

    level: str
    kinds: tuple[str, ...]
    oldest: timedelta
    own: str = ""

    def has(self, one: Subject | Standing) -> bool:
        """Whether this is among it."""
        if one.kind == OLD_MAIL:
            return bool(self.oldest)
        if self.own and one.kind == "health" and one.key.endswith(f" alerts {self.own}"):
            return False
        return one.level in LEVELS[self.level] and (
            not self.kinds or any(fnmatchcase(one.kind, glob) for glob in self.kinds)
        )


def subjects(now: Now, checkups: Mapping[str, Checkup], wanted: Wanted) -> list[Subject]:
    """Those that a table wants."""
    return [one for one in (*_findings(now), *_red(checkups), *_old(now, wanted.oldest)) if wanted.has(one)]


def hides(now: Now) -> bool:
    """Whether something wide stands, beside which sites and senders are not told."""
    return any(one.kind in HIDING or (one.scope in WIDE and one.level == "bad") for one in now.findings)


def _findings(now: Now) -> Iterator[Subject]:
    for one in now.findings:
        yield Subject(
            plain_text(f"{one.kind} {one.about}"),
            one.kind,
            one.level,
            one.scope,
            plain_text(one.what),
            plain_text(one.why),
        )


def _red(checkups: Mapping[str, Checkup]) -> Iterator[Subject]:
    for machine, checkup in checkups.items():
        for one in checkup.findings:
            if one.known in RED:
                what = plain_text(f"{machine}: {one.check}, {one.what}: {one.known}")
                key = plain_text(f"health {machine} {one.check} {one.what}")
                why = plain_text(f"{one.found}. {one.mend}".rstrip(". ") + ".")
                yield Subject(key, "health", RED[one.known], "us", what, why)


def _old(now: Now, oldest: timedelta) -> Iterator[Subject]:
    if oldest and now.oldest is not None and now.at - now.oldest > oldest:
        what = f"Mail waits for {in_words(now.at - now.oldest)}"
        yield Subject(OLD_MAIL, OLD_MAIL, "bad", "us", what, f"It was to be no more than {in_words(oldest)}.")


def plain_text(text: str) -> str:
    """A text of one line, bounded, without what moves a terminal's cursor or ends a header."""
    return "".join(one if one.isprintable() else " " for one in text[:LONGEST])
