"""Classifying replies in bulk: one JSON object a line in, one a line out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import cast

from softbounce.classify.reply_text import parse_reply_text
from softbounce.classify.verdicts import classify
from softbounce.settings import Settings
from softbounce.stage import Stage

__all__ = ["classify_lines"]


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
