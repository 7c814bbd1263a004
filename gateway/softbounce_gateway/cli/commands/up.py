"""``softbounce up``: the whole service in the foreground. What it does: :mod:`softbounce_gateway.up.service`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from softbounce.errors import InvalidArgument
from softbounce_gateway.cli.context import ConfigFile, config_of, file_of, wants_json

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Run the service in the foreground.")(up)


def up(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    roles: Annotated[
        str | None, typer.Option(metavar="ROLE,...", help="Only these: store, scheduler, worker, gateway.")
    ] = None,
    playground: Annotated[
        bool, typer.Option("--playground", help="Send all mail to a local playground instead of the world.")
    ] = False,
    policy_speed: Annotated[
        float,
        typer.Option(metavar="N", min=1, max=1_000_000, help="In a playground: policies' times pass N times as fast."),
    ] = 1.0,
    inbox: Annotated[
        bool,
        typer.Option("--inbox", help="In a playground: keep what was accepted last, to be looked at by HTTP at /dev."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=256, help="How many worker processes. [default: as the config says]"),
    ] = None,
    hold_all: Annotated[
        bool,
        typer.Option(
            "--hold-all", help="Hold all mail first, and report what may be duplicated: after a restore from a backup."
        ),
    ] = False,
    accept_copy: Annotated[
        bool,
        typer.Option(
            "--accept-copy",
            help="Work with a store restored from a backup as it is: what was delivered since is sent again.",
        ),
    ] = False,
    config: ConfigFile = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="The report of --hold-all as a line of JSON. The log on standard error is JSON as it is."
        ),
    ] = False,
) -> None:
    """Run the service in the foreground; a line starting `ready` says that it takes work, SIGTERM drains it."""
    loaded = config_of(context, config)
    from softbounce_config import find_file, unread_keys  # noqa: PLC0415 - pydantic takes its time

    from softbounce_gateway.terminal import complain  # noqa: PLC0415
    from softbounce_gateway.up.service import CopyOrder, Orders, run  # noqa: PLC0415

    if hold_all and accept_copy:
        raise InvalidArgument("--hold-all", "holds all mail, and --accept-copy holds none: one of the two")
    if policy_speed != 1 and not playground:
        raise InvalidArgument("--policy-speed", "is for --playground: real hosts do not live faster")
    if inbox and not playground:
        raise InvalidArgument("--inbox", "is for --playground: mail for the world is kept until it is out, no longer")
    copy = CopyOrder.HOLD_ALL if hold_all else CopyOrder.ACCEPT if accept_copy else CopyOrder.REFUSE
    chosen = None if roles is None else [role.strip() for role in roles.split(",") if role.strip()]
    path = find_file(file_of(context, config))
    for line in unread_keys(path, os.environ):
        complain(line)
    in_json = wants_json(context, as_json)
    orders = Orders(
        roles=chosen,
        playground=playground,
        policy_speed=policy_speed,
        inbox=inbox,
        workers=workers,
        copy=copy,
        as_json=in_json,
    )
    raise typer.Exit(run(loaded, path, orders))
