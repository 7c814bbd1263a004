"""``softbounce queue``: how many envelopes there are and where, or which."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.duration import in_words
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.filters import with_filters
from softbounce_gateway.cli.output import local, print_json, print_table, say, styled

if TYPE_CHECKING:
    from softbounce.client import Filters, Page, QueueCounts, QueueRow

__all__ = ["add_to"]

WAITING = ("scheduled", "ready", "held")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="How many envelopes there are, and where; or which.")(with_filters(queue))


def queue(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    filters: Filters,
    listed: Annotated[bool, typer.Option("--list", help="The envelopes themselves, a page of them.")] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="With --list: so many at most.")] = 100,
    after: Annotated[str | None, typer.Option(metavar="PAGE", help="With --list: the page behind this one.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Counts by state, lane and stream, with the oldest's age; --list pages through the envelopes."""
    in_json = wants_json(context, as_json)
    with client(context, config) as mail:
        if not listed:
            counts = mail.queue(**filters)
            if in_json:
                print_json(counts.to_dict())
            else:
                _print_counts(counts)
            return
        page = mail.page(**filters, after=after, limit=limit)
    if in_json:
        print_json(
            {
                "envelopes": [shown.to_dict() for shown in page.envelopes],
                "next": page.next,
                "unreadable": page.unreadable,
            }
        )
    else:
        _print_page(page)


def _print_counts(counts: QueueCounts) -> None:
    states = [f"{number} {word}" for word, number in counts.states.items() if number]
    say(f"{counts.total} envelope{'' if counts.total == 1 else 's'}{': ' if states else ''}{', '.join(states)}")
    if counts.held_for:
        say(f"held for: {', '.join(f'{number} {why}' for why, number in counts.held_for.items())}")
    for one in counts.held_streams:
        say(f"stream {one.stream or '(none)'}, held by its brake since {local(one.held_at)} UTC: {one.why}")
    if counts.unreadable:
        say(f"unreadable: {counts.unreadable}, set aside; `softbounce queue --list` names them")
    if counts.rows:
        say("")
        print_table(
            ("state", "site", "stream", "count", "oldest"),
            (
                (styled(row.state), _place(row), row.stream or "-", row.count, _age(row, counts.at))
                for row in counts.rows
            ),
            right=("count",),
            fold=("site", "stream"),
        )


def _place(row: QueueRow) -> str:
    if row.site is not None:
        return row.site
    domain = row.lane.removeprefix("?")
    return f"{domain} (not resolved yet)" if row.state in WAITING else domain


def _age(row: QueueRow, now: datetime) -> str:
    return f"{in_words(max(now - row.oldest_at, now - now))} ago"


def _print_page(page: Page) -> None:
    print_table(
        ("id", "state", "recipient", "stream", "policy", "attempts", "next (UTC)", "expires (UTC)", "last reply"),
        (
            (
                shown.id,
                styled(shown.state),
                shown.recipient,
                shown.stream or "-",
                shown.policy,
                len(shown.attempts),
                local(shown.next_attempt_at) or "-",
                local(shown.expires_at),
                " ".join(str(one) for one in (shown.attempts[-1].code, shown.attempts[-1].text) if one)[:60]
                if shown.attempts
                else "-",
            )
            for shown in page.envelopes
        ),
        right=("attempts",),
        fold=("last reply",),
    )
    if page.unreadable:
        say(f"\nTheir records cannot be read: {', '.join(page.unreadable)}")
    if page.next is not None:
        say(f"\nThere are more: add --after {page.next}")
