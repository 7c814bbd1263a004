"""``softbounce dev``: what becomes of mail, for who writes an app. What it runs: :mod:`softbounce_gateway.dev.run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import InvalidArgument
from softbounce_gateway.cli.context import ConfigFile, Json, file_of, wants_json
from softbounce_gateway.cli.output import console, print_json, say

if TYPE_CHECKING:
    from softbounce.events import Event
    from softbounce_gateway.beside import Service

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="For who writes an app: take its mail by SMTP and HTTP, and show what becomes of it.")(dev)


def dev(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    *,
    smtp: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where SMTP listens; on loopback.")] = "127.0.0.1:1025",
    http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where HTTP listens; on loopback. Else where `up` has it.")
    ] = None,
    policy_speed: Annotated[
        float,
        typer.Option(
            metavar="N", min=1, max=1_000_000, help="Policies' times pass N times as fast: 600 makes a minute 0.1 s."
        ),
    ] = 1.0,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Take mail by SMTP and HTTP, without a login, into a playground that mails nobody; show each reply and retry.

    Needs no file; the policies and rules of one count. Keeps all in a folder of its own, which goes with Ctrl-C.
    """
    from softbounce_config.hosts import check_endpoint  # noqa: PLC0415 - pydantic takes its time
    from softbounce_config.sections import GatewaySection  # noqa: PLC0415

    from softbounce.client.shown import event_as_json  # noqa: PLC0415
    from softbounce_gateway.dev.lines import Repeats, banner, line_of  # noqa: PLC0415
    from softbounce_gateway.dev.run import Wanted, run  # noqa: PLC0415

    http = GatewaySection().http if http is None else http
    for option, place in (("--smtp", smtp), ("--http", http)):
        try:
            check_endpoint(place)
        except ValueError as error:
            raise InvalidArgument(option, f"{place!r} {error}") from None
    in_json = wants_json(context, as_json)
    screen, repeats = console(), Repeats()

    def began(service: Service) -> None:
        if in_json:
            print_json({"ready": True, "smtp": smtp, "http": http, "store": service.url})
        else:
            say("\n".join(banner(smtp, http, service.url, policy_speed)))
        sys.stdout.flush()

    def show(event: Event, sender: str | None) -> None:
        if in_json:
            print_json(event_as_json(event))
        elif not repeats.is_one(event):
            screen.print(line_of(event, sender=sender), soft_wrap=True)
        sys.stdout.flush()

    wanted = Wanted(smtp=smtp, http=http, policy_speed=policy_speed, config=file_of(context, config))
    raise typer.Exit(run(wanted, began, show))
