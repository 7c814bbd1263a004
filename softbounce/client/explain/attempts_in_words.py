"""Attempts in words: the last one in a sentence, and all of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from softbounce.client.explain.situation import Situation, moment
from softbounce.duration import from_epoch_ms, in_words
from softbounce.envelope import Attempt

__all__ = ["histogram", "said", "tries"]

SHOWN = 10
KINDS = 6
LONGEST_REPLY = 300
LONGEST_CELL = 48
ANSWERED = {
    "connect": "the connection",
    "greeting": "the connection",
    "ehlo": "EHLO",
    "starttls": "STARTTLS",
    "auth": "AUTH",
    "mail": "MAIL",
    "rcpt": "RCPT",
    "data": "DATA",
    "end_of_data": "the end of the message",
}


def said(attempt: Attempt, now: datetime) -> str:
    """Who said what, when, and how it was read."""
    when = moment(from_epoch_ms(attempt.ended_ms), now)
    who = attempt.host or "the DNS" if attempt.stage == "route" else attempt.host or "No host"
    if attempt.address and attempt.address != attempt.host:
        who += f" [{attempt.address}]"
    text = _cut(attempt.text, LONGEST_REPLY)
    if attempt.code is not None:
        to = ANSWERED.get(attempt.stage, attempt.stage)
        what = f"{who} answered {to} {when}: {_reply(attempt, text)}"
    else:
        what = f"{who}, at {attempt.stage}, {when}: {_reply(attempt, text)}"
    what = f"{what[0].upper()}{what[1:]}" if attempt.host is None else what
    if attempt.verdict == "delivered":
        return what
    end = "" if what.endswith((".", "!", "?")) else "."
    verb = "Read as" if attempt.verdict else "Counted as"
    return f"{what}{end} {verb} {_reading(attempt)}."


def _reading(attempt: Attempt) -> str:
    word = attempt.verdict or "unanswered"
    reason = f", {attempt.reason.replace('_', ' ')}" if attempt.reason else ""
    fault = f", the fault of the {attempt.fault}" if attempt.fault else ""
    rule = f" (rule {attempt.rule})" if attempt.rule else ""
    charge = "" if attempt.charged else "; not charged to this envelope"
    return f"{word}{reason}{fault}{rule}{charge}"


def histogram(attempts: Sequence[Attempt]) -> str:
    """What was answered over the window, and how often, the most frequent first; empty: there was no attempt."""
    counts = Counter(_kind(attempt) for attempt in attempts)
    return ", ".join(f"{number} x {kind}" for kind, number in counts.most_common(KINDS))


def _kind(attempt: Attempt) -> str:
    said = " ".join(str(one) for one in (attempt.code, attempt.enhanced) if one) or "no reply"
    reason = attempt.reason.replace("_", " ") if attempt.reason else "unanswered"
    return f"{said} ({reason}, at {ANSWERED.get(attempt.stage, attempt.stage)})"


def tries(situation: Situation) -> list[str]:
    """The attempts, one a line, under a heading; nothing where there is none."""
    attempts = situation.record.envelope.attempts
    if not attempts:
        return []
    shown = attempts[-SHOWN:]
    earlier = len(attempts) - len(shown)
    note = f" ({earlier} earlier left out; `softbounce show` has all)" if earlier else ""
    rows = [("#", "when (UTC)", "took", "host", "stage", "verdict", "reply"), *(_row(one) for one in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    marks = (
        ["  * uncharged: it did not advance the envelope's backoff"] if any(not one.charged for one in shown) else []
    )
    return ["", f"Attempts{note}", *(f"  {line}" for line in table), *marks]


def _row(attempt: Attempt) -> tuple[str, ...]:
    took = timedelta(milliseconds=max(0, attempt.ended_ms - attempt.started_ms))
    return (
        f"{attempt.number}{'' if attempt.charged else '*'}",
        f"{from_epoch_ms(attempt.started_ms):%m-%d %H:%M:%S}",
        in_words(took),
        _cut(attempt.host or "-", LONGEST_CELL),
        attempt.stage,
        attempt.verdict or "uncertain",
        _cut(_reply(attempt, attempt.text), LONGEST_CELL),
    )


def _reply(attempt: Attempt, text: str) -> str:
    return " ".join(str(one) for one in (attempt.code, attempt.enhanced, text) if one)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
