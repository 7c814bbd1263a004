"""What is on the screen, as lines: of the service, of its sites, of one site, of one message. Pure.

A line that can be entered bears what lies behind it. What hosts said stands in lines as text: nothing in it is obeyed.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from softbounce.client.now.sites import Closed, SiteDetail, SiteView
from softbounce.client.now.view import Finding, Now
from softbounce.duration import in_words

__all__ = ["Line", "Target", "of_message", "of_now", "of_site", "of_sites"]

BAR = 24
LABEL = 9
"""Columns of the words before an explanation's paragraphs."""
LEVELS = {"bad": ("●", "bold red"), "warn": ("●", "yellow"), "note": ("○", "cyan")}
FLOWS = {"yes": "bold green", "partly": "bold yellow", "no": "bold red"}
STATES = {"open": "green", "closed": "red", "probing": "magenta"}
SITE_PAGE = "/ui/sites/"


class Target(NamedTuple):
    """What lies behind a line: a ``site`` or a ``message``, by its name."""

    what: str
    name: str


class Line(NamedTuple):
    """A line: pieces of text, each with its style, and what lies behind it."""

    pieces: tuple[tuple[str, str], ...] = ()
    target: Target | None = None

    @property
    def text(self) -> str:
        """Without its styles."""
        return "".join(text for text, _ in self.pieces)


def plain(text: str) -> str:
    """Words of others, as they may be shown: a sign that cannot be seen is written out."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)


def _line(text: str = "", style: str = "", target: Target | None = None) -> Line:
    return Line(((plain(text), style),), target)


def _wrapped(text: str, width: int, *, indent: int = 0, style: str = "", first: str = "") -> Iterator[Line]:
    lines = textwrap.wrap(plain(text), max(20, width - indent), break_on_hyphens=False)
    for number, line in enumerate(lines):
        yield Line(((first if number == 0 and first else " " * indent, "dim"), (line, style)))


def of_now(now: Now, width: int) -> list[Line]:
    """The service."""
    lines = list(_wrapped(f"Does mail flow? {now.sentence}", width, style=FLOWS[now.flows]))
    if now.states:
        lines += list(_wrapped(_counts(now), width))
    if now.recent is not None:
        counts = ", ".join(f"{number:,} {kind}" for kind, number in now.recent.counts.items())
        since = f"{now.recent.since:%H:%M:%S}"
        lines += _wrapped(f"since {since}: {counts}", width, style="dim")
    lines += [_line(), _line("Trouble first" if now.findings else "No trouble", "bold")]
    for finding in now.findings:
        lines += _of_finding(finding, now.at, width)
    if now.more:
        lines.append(_line(f"and {now.more} more: softbounce top --json has what there is to say", "dim"))
    lines += [_line(), *_ages(now, width)]
    return lines


def _counts(now: Now) -> str:
    live = ", ".join(f"{number:,} {state}" for state, number in now.states.items() if state != "ended")
    parts = (
        f"{now.workers} worker{'' if now.workers == 1 else 's'}, scheduler {'runs' if now.schedulers else 'MISSING'}"
    )
    closed = now.lanes.get("closed", 0)
    return f"{live}; {parts}; {closed} site{'' if closed == 1 else 's'} closed"


def _of_finding(finding: Finding, now: datetime, width: int) -> Iterator[Line]:
    sign, style = LEVELS[finding.level]
    facts = [] if finding.since is None else [f"for {in_words(max(now - finding.since, now - now))}"]
    facts += [] if finding.waiting is None else [f"{finding.waiting:,} wait"]
    site = finding.place.removeprefix(SITE_PAGE)
    target = Target("site", site) if finding.place.startswith(SITE_PAGE) else None
    about = f"  {', '.join(facts)}" if facts else ""
    head, *rest = textwrap.wrap(plain(finding.what), max(20, width - 2 - len(about))) or [""]
    yield Line(((f"{sign} ", style), (head, style), (about, "dim")), target)
    for line in rest:
        yield Line((("  ", ""), (line, style)))
    yield from _wrapped(finding.why, width, indent=4)
    yield from _wrapped(finding.next, width, indent=4, style="dim")
    if finding.command:
        said = f"{shlex.join(finding.command)}: {finding.act}"
        yield from _wrapped(said, width, indent=4, style="bold", first="  $ ")


def _ages(now: Now, width: int) -> Iterator[Line]:
    if not any(one.count for one in now.ages):
        return
    about = ", about" if now.is_estimate else ""
    oldest = (
        ""
        if now.oldest is None
        else f"; the oldest{' seen' if now.is_estimate else ''} {in_words(now.at - now.oldest)}"
    )
    yield _line(f"Backlog by age{about}{oldest}", "bold")
    most = max(one.count for one in now.ages)
    before = 0
    for one in now.ages:
        name = f"over {_short(before)}" if one.seconds is None else f"up to {_short(one.seconds)}"
        bar = "█" * max(1 if one.count else 0, round(min(BAR, width - 30) * one.count / most))
        if one.count:
            yield Line(((f"  {name:<12}{one.count:>10,}  ", ""), (bar, "cyan")))
        before = one.seconds or before
    if now.reasons:
        told = ", ".join(f"{reason} {number:,}" for reason, number in list(now.reasons.items())[:6])
        yield from _wrapped(f"by their own clock: {told}", width, indent=2, style="dim")


def _short(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def of_sites(views: Sequence[SiteView], more: int, width: int) -> list[Line]:
    """All that are known."""
    name = min(44, max(16, width - 52))
    lines = [_line(f"{'site':<{name}}{'state':<9}{'waiting':>10}  why", "bold")]
    for one in views:
        trouble = one.worst
        why = "" if trouble is None else f"{'' if one.trouble else f'{trouble.name}: '}{trouble.why}"
        lines.append(
            Line(
                (
                    (f"{_cut(plain(one.site), name - 1):<{name}}", ""),
                    (f"{one.state:<9}", STATES[one.state]),
                    (f"{one.waiting:>10,}  ", ""),
                    (plain(why), "dim"),
                ),
                Target("site", one.site),
            )
        )
    if not views:
        lines.append(_line("No site is known: no mail waits or was tried of late.", "dim"))
    if more:
        lines.append(_line(f"and {more:,} more", "dim"))
    return lines


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def of_site(detail: SiteDetail, width: int) -> list[Line]:
    """One site."""
    lines: list[Line] = []
    for one in detail.lanes:
        lines.append(Line(((f"{plain(one.site)}: ", "bold"), (one.state, STATES[one.state]), (_place(one), ""))))
        if one.trouble is not None:
            lines += _of_closed(
                "The site is closed" if one.state == "closed" else "It feels its way", one.trouble, detail.at, width
            )
        for closed in one.senders:
            lines += _of_closed(f"Closed for mail from {closed.name}", closed, detail.at, width)
        for closed in one.domains:
            lines += _of_closed(f"Closed for {closed.name} alone", closed, detail.at, width)
        lines += _wrapped(_pace(one), width, indent=2)
        lines += _wrapped(one.learned, width, indent=2)
    lines += [_line(), _line("Said last", "bold")]
    lines += [_said(one.at, one.kind, one.recipient, one.words, one.id) for one in detail.said]
    if not detail.said:
        lines.append(_line("  nothing, as far as the end of the event log goes back", "dim"))
    lines += [_line(), _line("Waiting", "bold")]
    lines += [Line((("  ", ""), (one, "")), Target("message", one)) for one in detail.waiting]
    if not detail.waiting:
        lines.append(_line("  nothing that was seen", "dim"))
    return lines


def _place(one: SiteView) -> str:
    streams = ", ".join(f"{stream or 'no stream'} {number:,}" for stream, number in list(one.streams.items())[:4])
    return f", {one.waiting:,} wait{f' ({streams})' if streams else ''}"


def _pace(one: SiteView) -> str:
    rate = f", {one.rate_hour:,.0f} messages an hour, {one.rate_from}" if one.rate_hour else ""
    out = (
        f": what waits is out in {in_words(timedelta(seconds=one.out_in_seconds))} at the earliest"
        if one.out_in_seconds
        else ""
    )
    owner = f" Worker {one.owner} has it." if one.owner else " No worker has it now."
    return f"Ceiling: {one.connections} connections{rate}{out}.{owner}"


def _of_closed(head: str, closed: Closed, now: datetime, width: int) -> Iterable[Line]:
    next_at = (
        "now" if closed.next_at is None else f"in {in_words(closed.next_at - now)} ({closed.next_at:%H:%M:%S} UTC)"
    )
    times = f"{closed.failures} failure{'' if closed.failures == 1 else 's'} in a row"
    text = f"{head}, after {times}; {closed.waiting:,} wait. {closed.why} Next probe {next_at}."
    return _wrapped(text, width, indent=2, style="yellow")


def _said(at: datetime, kind: str, recipient: str, words: str, identity: str) -> Line:
    pieces = ((f"  {at:%H:%M:%S} ", "dim"), (f"{kind:<10}", ""), (plain(f"{recipient}  {words}"), ""))
    return Line(pieces, Target("message", identity))


def _paragraphs(text: str) -> list[str]:
    """The lines of an explanation, each that was broken whole again."""
    whole: list[str] = []
    for line in text.splitlines():
        continues = whole and whole[-1] and line.startswith(" " * LABEL) and line[LABEL : LABEL + 1] not in {"", " "}
        if continues or (len(whole) == 1 and line):
            whole[-1] = f"{whole[-1]} {line.strip()}"
        else:
            whole.append(line)
    return whole


def of_message(identity: str, text: str, width: int) -> list[Line]:
    """One message, explained."""
    lines = [_line(f"Message {identity}", "bold")]
    for line in _paragraphs(text):
        lines += [
            _line(piece) for piece in textwrap.wrap(plain(line), max(20, width), subsequent_indent=" " * LABEL)
        ] or [_line()]
    return lines
