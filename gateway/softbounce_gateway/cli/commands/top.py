"""``softbounce top``: does mail flow, and if not, why and what helps."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from softbounce.errors import ConfigError
from softbounce_gateway.cli.context import ConfigFile, Json, client, config_of, wants_json
from softbounce_gateway.cli.output import console, print_json, say

__all__ = ["add_to"]

SHORTEST, LONGEST = 0.5, 3600.0
Once = Annotated[bool, typer.Option("--once", help="Print it once, and end; so it does without a terminal.")]
Every = Annotated[float, typer.Option("--every", metavar="SECONDS", help="How often it looks.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Does mail flow, what is wrong, and what helps; live.")(top)


def top(  # noqa: PLR0913 - the options
    context: typer.Context,
    *,
    site: Annotated[
        str | None, typer.Argument(metavar="[SITE]", help="A site, or a domain whose mail goes there.")
    ] = None,
    once: Once = False,
    every: Every = 2.0,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Does mail flow, how much is where, and trouble first: each with its reason, since when, and the act that helps.

    With a SITE that alone: its state, why, the next probe, what was learned, and what was said there last. Keys: arrows
    choose, Enter opens a site or a message, s lists the sites, Esc goes back, q ends. A look costs the store the same
    whatever waits there; numbers of a sample are said to be "about".

    Exit codes: 0 it was shown, 1 no such site, 2 an option or the configuration cannot be used, 3 the store cannot be
    asked.
    """
    from softbounce_gateway.cli.top.pages import Page, Pages  # noqa: PLC0415 - rich takes its time
    from softbounce_gateway.cli.top.run import ask_now, lines_of, watch, written  # noqa: PLC0415

    if not SHORTEST <= every <= LONGEST:
        raise ConfigError(f"--every {every:g}: should be from {SHORTEST:g} to {LONGEST:g} seconds")
    loaded = config_of(context, config)
    with client(context, config) as mail:
        if wants_json(context, as_json):
            found = ask_now(mail, loaded) if site is None else mail.site(site)
            print_json(found.to_dict())
        elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            if site is not None:
                mail.site(site)
            page = Page() if site is None else Page("site", site)
            written(lines_of(mail, loaded, page, console().width), say)
        else:
            first = Pages() if site is None else Pages((Page(), Page("site", site)))
            watch(mail, loaded, console(), first, every=every)
