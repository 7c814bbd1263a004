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
from softbounce.store.health import Checkup

__all__ = ["Subject", "plain_text", "subjects"]

LONGEST = 500
RED = {"fail": "bad", "warn": "warn"}


class Subject(NamedTuple):
    """One trouble. ``key``: what makes it the same one as before, whatever is said of it."""

    key: str
    kind: str
    level: str
    scope: str
    what: str
    why: str


def subjects(
    now: Now, checkups: Mapping[str, Checkup], *, level: str, kinds: tuple[str, ...], oldest: timedelta
) -> list[Subject]:
    """Those that a table wants."""
    levels = {"bad"} if level == "bad" else {"bad", "warn"}
    found = [*_findings(now), *_red(checkups)]
    wanted = [one for one in found if one.level in levels and _is_wanted(one.kind, kinds)]
    return [*wanted, *_old(now, oldest)]


def _is_wanted(kind: str, kinds: tuple[str, ...]) -> bool:
    return not kinds or any(fnmatchcase(kind, glob) for glob in kinds)


def _findings(now: Now) -> Iterator[Subject]:
    for one in now.findings:
        command = () if one.kind == "site_closed" else one.command  # which goes by what the site said last
        key = " ".join((one.kind, one.place, *command))
        yield Subject(plain_text(key), one.kind, one.level, one.scope, plain_text(one.what), plain_text(one.why))


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
        yield Subject("old_mail", "old_mail", "bad", "us", what, f"It was to be no more than {in_words(oldest)}.")


def plain_text(text: str) -> str:
    """A text of one line, bounded, without what moves a terminal's cursor or ends a header."""
    return "".join(one if one.isprintable() else " " for one in text[:LONGEST])
