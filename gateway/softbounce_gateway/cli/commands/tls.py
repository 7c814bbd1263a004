"""``softbounce tls``: how often TLS with mail hosts succeeded, and what went wrong, a day at a time."""

from __future__ import annotations

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, config_of, store_at, wants_json
from softbounce_gateway.cli.output import print_json, say

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="How often TLS with hosts succeeded and failed.")(tls)


def tls(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Count results of TLS by day (UTC), policy and kind, as RFC 8460 names them; the last 30 days.

    A session counts once for each domain whose mail it carried, and a domain each time that no host gave it what is
    asked. Workers write down what they counted every ten seconds.
    """
    from softbounce.store.tls_results import read_results  # noqa: PLC0415 - redis takes its time

    with store_at(config_of(context, config).store_url) as store:
        counts = store.run(read_results())
    if wants_json(context, as_json):
        print_json([{**count._asdict(), "number": number} for count, number in counts.items()])
        return
    for count, number in counts.items():
        say(f"{count.day}  {count.policy:16}  {count.result:26}  {number:>9,}")
    if not counts:
        say("Nothing was counted yet.")
