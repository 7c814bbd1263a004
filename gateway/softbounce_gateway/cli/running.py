"""``softbounce up``: the whole service in the foreground. What it does stands in :mod:`softbounce_gateway.up`."""

from __future__ import annotations

from typing import Annotated

import typer

from softbounce_gateway.cli.opening import ConfigFile, config_of, file_of

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
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=256, help="How many worker processes. [default: as the config says]"),
    ] = None,
    config: ConfigFile = None,
    as_json: Annotated[  # noqa: ARG001 - taken, because every command takes it
        bool, typer.Option("--json", help="Changes nothing: the log on standard error is JSON lines as it is.")
    ] = False,
) -> None:
    """Run the service in the foreground; a line starting `ready` says that it takes work, SIGTERM drains it."""
    loaded = config_of(context, config)
    from softbounce_config import find_file  # noqa: PLC0415 - pydantic takes its time

    from softbounce_gateway.up import run  # noqa: PLC0415

    chosen = None if roles is None else [role.strip() for role in roles.split(",") if role.strip()]
    path = find_file(file_of(context, config))
    raise typer.Exit(run(config=loaded, config_path=path, roles=chosen, playground=playground, workers=workers))
