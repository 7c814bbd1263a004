"""``softbounce probe``: has a closed site asked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.noting import who
from softbounce_gateway.cli.output import print_json, say

if TYPE_CHECKING:
    from softbounce.client import ProbedLane

__all__ = ["add_to"]

SHOWN = 3


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Have a closed site asked now, not when its time is up.")(probe)


def probe(
    context: typer.Context,
    *,
    site: Annotated[str, typer.Argument(metavar="SITE", help="The site, or a domain whose mail goes there.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what is closed there.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Have what is closed at SITE asked now, because it is mended.

    Nothing opens by that: one envelope goes ahead, and on any answer that does not blame the site for the same all
    follow. Where it fails again, it is closed for longer. One order in five seconds is heeded.
    """
    with client(context, config) as mail:
        found = mail.probe(site, dry_run=dry_run, by=who())
    if wants_json(context, as_json):
        print_json([one.to_dict() for one in found])
        return
    if not found:
        say(f"Nothing is closed at {site}; `softbounce top {site}` tells what its mail waits for.")
    for one in found:
        say(f"{one.lane}: {_told(one)}")
        if one.domains:
            names = ", ".join(one.domains[:SHOWN])
            say(f"  Mail to {names} is scheduled: `softbounce retry --domain {one.domains[0]}` brings it at once.")
        if one.site and not one.ready:
            say(f"  Nothing is ready there: `softbounce retry --site {site}` brings what is scheduled.")


def _told(one: ProbedLane) -> str:
    what = [
        *(["the site is closed"] if one.site else []),
        *(f"closed alone: {name}" for name in one.domains[:SHOWN]),
        *(f"closed for mail from {name}" for name in one.senders[:SHOWN]),
    ]
    waits = f"{'; '.join(what)}. {one.ready} ready."
    match one.answer:
        case "asked":
            return f"{waits} One goes ahead now; its outcome decides."
        case "noted":
            return f"{waits} No worker has it; whoever takes it asks at once."
        case "would":
            return f"{waits} One would go ahead now."
        case _:
            return f"{waits} Its worker does not listen just now: try again."
