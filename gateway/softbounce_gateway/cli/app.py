"""All commands in one application, and how each kind of error ends it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from softbounce.errors import SoftbounceError
from softbounce_gateway.cli.commands import (
    actions,
    acts,
    alerts,
    classify_and_codes,
    clock,
    dev,
    dkim,
    doctor,
    events,
    holds,
    lanes,
    plan,
    probe,
    queue,
    relay,
    returns,
    send,
    show_and_explain,
    suppress,
    tls,
    token,
    top,
    up,
    webhooks,
)
from softbounce_gateway.cli.commands import config as config_commands
from softbounce_gateway.cli.exit_codes import FAILED, exit_code, words
from softbounce_gateway.cli.output import escape_the_rest
from softbounce_gateway.hang_up import EARLY

__all__ = ["app", "command", "main"]

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Of a write: the disk, the quota or the file has no room, or the device is broken."""


class Commands(TyperGroup):
    """The commands; an expected error of any of them becomes one or two lines and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the context's class is of typer's own click
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except SoftbounceError as error:
            sys.stderr.write(f"softbounce: {words(error)}\n")
            raise typer.Exit(exit_code(error)) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - of typer's own click
        """The command; SIGHUP is no word for any but `up`."""
        found = super().resolve_command(ctx, args)
        if found[0] != "up":
            EARLY.give_back()
        return found

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """The commands, in the order in which they were added."""
        return list(self.commands)


app = typer.Typer(
    name="softbounce",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Hand over a message, and it gets out, or you are told why.",
)


def _print_version(value: bool) -> None:  # noqa: FBT001 - as typer calls it
    if value:
        from importlib.metadata import version  # noqa: PLC0415 - only here

        sys.stdout.write(f"softbounce {version('softbounce')}\n")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The config file. [default: ./softbounce.toml when present]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    context.obj = {"config": config, "json": as_json}


for group in (
    up,
    top,
    dev,
    send,
    show_and_explain,
    queue,
    lanes,
    probe,
    acts,
    actions,
    holds,
    events,
    suppress,
    plan,
    classify_and_codes,
    config_commands,
    dkim,
    doctor,
    clock,
    tls,
    token,
    webhooks,
    alerts,
    relay,
    returns,
):
    group.add_to(app)


@cache
def command() -> Any:  # noqa: ANN401 - of typer's own click
    """The application as it is run. To make it takes a tenth of a second."""
    return get_command(app)


def main() -> int:
    """Run the command line on ``sys.argv``; returns the exit code."""
    escape_the_rest()
    try:
        code = _run()
        if sys.stdout is not None:
            sys.stdout.flush()  # at the interpreter's end nobody could say what went wrong
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        _let_go_of_output()
        with contextlib.suppress(OSError):
            sys.stderr.write(f"softbounce: the output cannot be written: {error.strerror}\n")
        return FAILED
    return code


def _run() -> int:
    try:
        command()(prog_name="softbounce")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _let_go_of_output() -> None:
    """What is left in its buffer goes nowhere: the interpreter writes it at its end, and would complain of the same."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
