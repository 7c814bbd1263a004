"""``softbounce holds``: list, add, release: holds that stand, and meet mail that comes later."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import InvalidArgument
from softbounce.standing import name_as_given, read_name
from softbounce_gateway.cli.commands.send import parse_at
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.noting import noting, who
from softbounce_gateway.cli.output import local, print_json, print_table, say

if TYPE_CHECKING:
    from softbounce.client import ShownHold

__all__ = ["add_to"]

Name = str | None


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        short_help="Holds that meet mail that comes later: list, add, release.",
        help="Holds of a site, a domain, a sender, a stream, a tenant or a tag, that meet what comes later, too: list, "
        "add, release. `softbounce hold` holds what is there now.",
    )
    group.command("list", short_help="Which holds stand, and why.")(list_holds)
    group.command(short_help="Hold all mail of something from now on.")(add)
    group.command(short_help="End a hold: what it held goes on.")(release)
    app.add_typer(group, name="holds")


def list_holds(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Which holds stand, since when and until when, by whom and why."""
    with client(context, config) as mail:
        found = mail.holds()
    if wants_json(context, as_json):
        print_json({"holds": [one.to_dict() for one in found]})
    elif not found:
        say("No hold stands.")
    else:
        print_table(
            ("hold", "since (UTC)", "until (UTC)", "by", "reason"),
            [(one.hold, local(one.since), local(one.until) or "-", one.by or "-", one.reason or "-") for one in found],
            fold=("hold", "reason"),
        )


def add(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    site: Annotated[Name, typer.Option(metavar="NAME", help="All mail to this site.")] = None,
    domain: Annotated[Name, typer.Option(metavar="NAME", help="All mail to this domain.")] = None,
    sender: Annotated[Name, typer.Option(metavar="NAME", help="All from this address, or this domain.")] = None,
    stream: Annotated[Name, typer.Option(metavar="NAME", help="All mail of this stream.")] = None,
    tenant: Annotated[Name, typer.Option(metavar="NAME", help="All mail of this tenant.")] = None,
    tag: Annotated[Name, typer.Option(metavar="NAME", help="All mail with this tag.")] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever asks later.")] = "",
    until: Annotated[
        Name, typer.Option(metavar="WHEN", help='When it ends by itself, or after how long: "2h". [default: never]')
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Hold all mail of one thing from now on. What waits is held when its turn comes, what is being tried is tried.

    Where it is held already, reason and end are replaced. Names are exact, no globs: a `*` or `?`
    of the name itself stands in brackets, `[*]`.
    """
    asked = {"site": site, "domain": domain, "sender": sender, "stream": stream, "tenant": tenant, "tag": tag}
    given = [(of, value) for of, value in asked.items() if value is not None]
    if len(given) != 1:
        raise InvalidArgument("hold", f"is of one thing: give one of {', '.join(f'--{of}' for of in asked)}")
    end = None if until is None else parse_at(until, datetime.now(UTC), option="--until")
    held = {"held": read_name(*given[0])}
    with client(context, config) as mail, noting(mail, "add_hold", held, reason=reason) as answers:
        hold = mail.add_hold(*given[0], reason=reason, until=end, by=who())
        answers["stands"] = 1
    _print(context, hold, as_json, f"{hold.hold} is held until {local(hold.until) or 'somebody ends it'}")


def release(
    context: typer.Context,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Its name, as the list has it: site:google.com.")],
    *,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """End a hold: what it held goes on, at the times that were planned, or now."""
    with client(context, config) as mail, noting(mail, "end_hold", {"held": name_as_given(hold)}) as answers:
        ended = mail.end_hold(hold)
        answers["ended"] = 1
    _print(context, ended, as_json, f"{ended.hold} is held no more; what it held is released within moments")


def _print(context: typer.Context, hold: ShownHold, as_json: bool, words: str) -> None:  # noqa: FBT001
    if wants_json(context, as_json):
        print_json(hold.to_dict())
    else:
        say(words)
