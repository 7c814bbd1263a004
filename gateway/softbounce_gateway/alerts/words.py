"""What an alert says, to a person and to a program. Pure."""

from __future__ import annotations

from datetime import datetime

from softbounce.client.now.view import Now
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms, in_words, to_epoch_ms
from softbounce.store.alerts import AlertBook
from softbounce_gateway.alerts.book import Letter
from softbounce_gateway.alerts.subjects import plain_text
from softbounce_gateway.alerts.telling import Message

__all__ = ["message_of", "summary_of", "test_of"]

MOST_LISTED = 50


GOODBYE = "The configuration asks for this alert no more: nobody looks for it any more, so it may stand still."


def message_of(letter: Letter, hostname: str, *, is_goodbye: bool = False) -> Message:
    """That something began, or is over.

    :param is_goodbye: the table is no more, or wants to hear of it no more.
    """
    about = letter.about
    since, seen = from_epoch_ms(about.first_ms), from_epoch_ms(about.seen_ms)
    head = "" if letter.state == "began" else "over: "
    lines = [about.what, about.why, "", f"Seen first: {rfc3339(since)}"]
    if about.times:
        lines += [f"It came and went before: {about.times + 1} times by now. It is told once an hour at most."]
    if letter.state == "over":
        lines += [f"Seen last: {rfc3339(seen)}, after {in_words(seen - since)}"]
    if is_goodbye:
        lines += [GOODBYE]
    data = {
        "id": letter.id,
        "state": letter.state,
        "kind": about.kind,
        "level": about.level,
        "what": about.what,
        "why": about.why,
        "since": rfc3339(since),
        "seen": rfc3339(seen),
        "times": about.times + 1,
        "host": hostname,
        **({"removed": True} if is_goodbye else {}),
    }
    return Message(letter.id, letter.state, f"[softbounce {hostname}] {head}{about.what}", _text(lines), data)


def summary_of(book: AlertBook, now: Now, *, table: str, day: str, hostname: str) -> Message:
    """How the service does, once a day: that none comes is news too."""
    standing = sorted((one for one in book.standing if one.told_ms), key=lambda one: one.first_ms)
    counts = {state: number for state, number in now.states.items() if number}
    lines = [plain_text(now.sentence), "", ", ".join(f"{state}: {number:,}" for state, number in counts.items()), ""]
    lines += [f"{len(standing)} told and not over:" if standing else "Nothing stands."]
    lines += [f"- {one.what} (since {rfc3339(from_epoch_ms(one.first_ms))})" for one in standing[:MOST_LISTED]]
    flapping = sorted((one for one in book.standing if one.times), key=lambda one: -one.times)
    lines += ["", "Came and went, told once an hour at most:"] if flapping else []
    lines += [f"- {one.what} ({one.times + 1} times)" for one in flapping[:MOST_LISTED]]
    wanted = [one for one in now.findings if one.level == "note"][:MOST_LISTED]
    lines += ["", "As somebody wanted it, until somebody ends it:"] if wanted else []
    lines += [f"- {plain_text(one.what)}{f' (since {rfc3339(one.since)})' if one.since else ''}" for one in wanted]
    identity = f"alert-{table}-summary-{day}"
    data = {
        "id": identity,
        "state": "summary",
        "flows": now.flows,
        "sentence": plain_text(now.sentence),
        "states": counts,
        "standing": [one.what for one in standing[:MOST_LISTED]],
        "came_and_went": [{"what": one.what, "times": one.times + 1} for one in flapping[:MOST_LISTED]],
        "wanted": [plain_text(one.what) for one in wanted],
        "at": rfc3339(now.at),
        "host": hostname,
    }
    subject = f"[softbounce {hostname}] {day}: {plain_text(now.sentence)}"
    return Message(identity, "summary", subject, _text(lines), data)


def test_of(table: str, now: datetime, *, hostname: str) -> Message:
    """What somebody sends to see that alerts arrive."""
    identity = f"alert-{table}-test-{to_epoch_ms(now)}"
    what = f"This is a test of the alert {table}: nothing is wrong"
    data = {"id": identity, "state": "test", "what": what, "at": rfc3339(now), "host": hostname}
    return Message(identity, "test", f"[softbounce {hostname}] test: {what}", _text([what + "."]), data)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
