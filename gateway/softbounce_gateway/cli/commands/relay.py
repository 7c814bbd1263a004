"""``softbounce relay``: hand over what an app's own transactions have put into its outbox."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import InvalidArgument
from softbounce_gateway.cli.context import ConfigFile, Json, config_of, wants_json
from softbounce_gateway.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from softbounce.outbox.relay.aside import Outbox
    from softbounce.outbox.relay.relay import Relay

__all__ = ["add_to"]

DRAIN_SECONDS = 20.0
"""After which it ends in the middle of a batch, which another relay takes up when the claim has lapsed."""


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Hand over what an app's transactions have put into its outbox.")(relay)


def relay(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    *,
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="SOFTBOUNCE_DATABASE", help="The app's database, such as postgresql://user@host/name."
        ),
    ],
    keep: Annotated[
        str, typer.Option(metavar="DURATION", help="How long what was sent stays in the table, with its receipt.")
    ] = "0s",
    batch: Annotated[int, typer.Option(metavar="N", min=1, max=500, help="Rows handed over at once.")] = 100,
    poll: Annotated[
        str, typer.Option(metavar="DURATION", help="After how long to look again where nothing waited.")
    ] = "500ms",
    once: Annotated[bool, typer.Option("--once", help="End when nothing waits any more.")] = False,
    aside: Annotated[bool, typer.Option("--aside", help="Show what waits and what was set aside, and end.")] = False,
    again: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Let a row that was set aside wait again, or `all` of them.")
    ] = None,
    drop: Annotated[list[int] | None, typer.Option(metavar="ID", help="Delete a row that was set aside.")] = None,
    ddl: Annotated[bool, typer.Option("--ddl", help="Print the SQL that makes the table there, and end.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Hand over what an app's transactions have put into its outbox, each row once, until told to end.

    Any number of relays may serve one database. A row that softbounce refuses is set aside with the reason, and is in
    no other's way.
    """
    in_json = wants_json(context, as_json)
    if ddl:
        from softbounce.outbox.sqlalchemy.database import ddl as statements  # noqa: PLC0415 - SQLAlchemy takes its time

        say(statements(database).rstrip())
    elif aside:
        from softbounce.outbox.relay.aside import look  # noqa: PLC0415

        _show(asyncio.run(look(database)), in_json=in_json)
    elif again:
        from softbounce.outbox.relay.aside import try_again  # noqa: PLC0415

        _tell("waiting_again", asyncio.run(try_again(database, _ids(again))), in_json=in_json)
    elif drop:
        from softbounce.outbox.relay.aside import drop as drop_rows  # noqa: PLC0415

        _tell("dropped", asyncio.run(drop_rows(database, drop)), in_json=in_json)
    else:
        from softbounce.outbox.relay.relay import Relay  # noqa: PLC0415

        store = config_of(context, config).store_url
        made = Relay(database, store, keep=_duration("--keep", keep), batch=batch, poll=_duration("--poll", poll))
        if once:
            _tell("sent", asyncio.run(made.run_once()), in_json=in_json)
        else:
            _run(made, in_json=in_json)


def _ids(named: list[str]) -> list[int] | None:
    if named == ["all"]:
        return None
    try:
        return [int(one) for one in named]
    except ValueError:
        raise InvalidArgument("--again", f"{named} are no numbers of rows, as --aside shows them, nor `all`") from None


def _duration(option: str, text: str) -> timedelta:
    from softbounce_config import parse_duration  # noqa: PLC0415 - pydantic takes its time

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InvalidArgument(option, f"{text!r}: {error}") from None


def _tell(what: str, number: int, *, in_json: bool) -> None:
    if in_json:
        print_json({what: number})
    else:
        say(f"{number} {what.replace('_', ' ')}")


def _show(outbox: Outbox, *, in_json: bool) -> None:
    if in_json:
        print_json(outbox.to_dict())
        return
    counts = outbox.counts
    say(f"{counts.waiting} waiting, {counts.sent} sent and still kept, {counts.aside} set aside")
    if outbox.rows:
        say("")
        print_table(("id", "state", "key", "octets", "reason"), outbox.rows, right=("id", "octets"), fold=("reason",))


def _run(relay: Relay, *, in_json: bool) -> None:
    """Until told to end; then for so long until the batch under way is over."""
    from softbounce_config.logs import log_json_lines  # noqa: PLC0415

    log_json_lines()

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def end() -> None:
            relay.stop()
            loop.call_later(DRAIN_SECONDS, os._exit, 0)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        if in_json:
            print_json({"ready": True})
        else:
            say("ready: hands over what comes; Ctrl-C ends it")
        sys.stdout.flush()
        await relay.run()

    asyncio.run(serve())
