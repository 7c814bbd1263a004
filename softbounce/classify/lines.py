"""Classifying replies in bulk: one JSON object a line in, one a line out; and reading a reply from one line of text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import cast

from softbounce.classify.signs import find_enhanced
from softbounce.classify.verdicts import classify
from softbounce.reply import Reply
from softbounce.settings import Settings
from softbounce.stage import Stage

__all__ = ["classify_lines", "parse_reply_text"]

CODE = re.compile(r"\s*(\d{3})(?:[ \t-]|$)")
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def parse_reply_text(text: str) -> Reply:
    """Read a reply that was written as text: ``550 5.1.1 User unknown``, its lines joined by spaces or line breaks.

    A code that is repeated at the start of each line (``550-``, ``550 ``) is taken off, as is the enhanced status.

    :raises ValueError: it does not begin with three digits.
    """
    begin = CODE.match(text)
    if begin is None:
        shown = CONTROL.sub("?", text[:40])
        raise ValueError(f"a reply begins with three digits and a space, this one with {shown!r}")
    code = begin[1]
    enhanced: str | None = None
    lines: list[str] = []
    for line in text.splitlines():
        rest = line.strip()
        if rest.startswith((f"{code} ", f"{code}-")) or rest == code:
            rest = rest[len(code) + 1 :].lstrip()
        found = ENHANCED.match(rest)
        if found is not None and enhanced in (None, found[1]):
            enhanced = found[1]
            rest = rest[found.end() :]
        lines.append(CONTROL.sub(lambda control: f"\\x{ord(control[0]):02x}", rest))
    return Reply(code=int(code), enhanced=enhanced or find_enhanced(text, int(code[0])), lines=tuple(lines))


def classify_lines(lines: Iterable[str], settings: Settings) -> Iterator[str]:
    """Classify ``{id, reply, stage, provider}`` objects, one a line; empty lines are passed over.

    Answers ``{id, retry, dead_address, fault, reason, rule}``: the fault in its fine words; ``retry`` is null where
    the code says give up and knowledgeable sources differ.

    :raises ValueError: a line cannot be read; the message names the line's number and what is wrong with it.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _classify_line(line, settings)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error


def _classify_line(line: str, settings: Settings) -> str:
    try:
        read: object = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(read, dict):
        raise ValueError(  # noqa: TRY004 - wrong input, not a wrong call
            f'expected an object such as {{"id": 1, "reply": "250 OK"}}, got {type(read).__name__}'
        )
    row = cast("dict[str, object]", read)
    text = row.get("reply")
    if not isinstance(text, str):
        raise ValueError(  # noqa: TRY004 - the same
            '"reply" must be a string such as "550 5.1.1 User unknown"'
        )
    provider = row.get("provider")
    if provider is not None and not isinstance(provider, str):
        raise ValueError('"provider" must be a string or null')
    verdict = classify(parse_reply_text(text), stage=_stage(row.get("stage")), site=provider, settings=settings)
    answer = {
        "id": row.get("id"),
        "retry": None if verdict.undecided else verdict.retry,
        "dead_address": verdict.suppress,
        "fault": verdict.fine_fault,
        "reason": verdict.reason,
        "rule": verdict.rule,
    }
    return json.dumps(answer, ensure_ascii=False)


def _stage(name: object) -> Stage | None:
    if name is None:
        return None
    try:
        return Stage(cast("str", name))
    except ValueError as error:
        raise ValueError(f'"stage" must be null or one of {", ".join(Stage)}') from error
