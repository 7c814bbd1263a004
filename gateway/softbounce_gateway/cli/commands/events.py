"""``softbounce events``: the event log, one event a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.output import print_json, say

if TYPE_CHECKING:
    from softbounce.events import Event

__all__ = ["add_to"]

KIND_WIDTH = 15


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="The event log.")(events)


def events(
    context: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Do not end, but wait for more.")] = False,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Only what came behind this event.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """The event log, oldest first, one event a line; --json has the cursor of each."""
    from softbounce.client.shown import event_as_json  # noqa: PLC0415 - only when asked

    in_json = wants_json(context, as_json)
    with client(context, config) as mail:
        for event in mail.events(after=after, follow=follow):
            if in_json:
                print_json(event_as_json(event))
            else:
                say(_line(event))
            if follow:
                sys.stdout.flush()


def _whose(event: Event) -> str:
    """Of which envelope it is, or of what else."""
    if event.id:
        return f"{event.id} {event.recipient}"
    subject = event.kind.partition("_")[0]
    return f"{subject} {event.stream or event.host or '(none)'}"


def _line(event: Event) -> str:
    reply = " ".join(str(one) for one in (event.code, event.enhanced, event.text) if one)
    next_at = f"; next {event.next_attempt_at:%Y-%m-%d %H:%M:%S}" if event.next_attempt_at else ""
    what = reply or event.why
    head = f"{event.at:%Y-%m-%d %H:%M:%S} {event.kind.ljust(KIND_WIDTH)} {_whose(event)}"
    return f"{head}  {what}{next_at}".rstrip()
