"""``softbounce plan``: every attempt that a policy would make, on paper."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.address import parse_address, parse_sender
from softbounce_gateway.cli.context import ConfigFile, Json, config_of, wants_json
from softbounce_gateway.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from softbounce.plan import Plan
    from softbounce.settings import Policy, Settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Every attempt that a policy would make.")(plan)


def plan(  # noqa: PLR0913 - each is an option
    context: typer.Context,
    *,
    to: Annotated[str | None, typer.Option(metavar="ADDR", help="For mail to this recipient.")] = None,
    stream: Annotated[str, typer.Option(metavar="NAME", help="For mail of this stream.")] = "",
    sender: Annotated[str, typer.Option("--from", metavar="ADDR", help="For mail from this sender.")] = "",
    site: Annotated[str | None, typer.Option(metavar="SITE", help="For mail to this site.")] = None,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="For mail of this tenant.")] = "",
    published: Annotated[
        bool, typer.Option("--published", help="By the settings in the store, not those of the file.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Every attempt time that a policy would make if each attempt failed for now, and the moment of promotion."""
    from softbounce.plan import plan_of_mail  # noqa: PLC0415 - tenacity takes its time

    settings = _settings(context, config, published=published)
    domain = "" if to is None else parse_address(to, field="--to").domain
    address = parse_sender(sender, field="--from").canonical
    made, policy, is_quiet = plan_of_mail(
        settings, stream=stream, domain=domain, site=site, sender=address, tenant=tenant, starts_at=datetime.now(UTC)
    )
    if wants_json(context, as_json):
        print_json(made.to_dict(policy))
    else:
        _print(made, policy, is_quiet=is_quiet)


def _settings(context: typer.Context, config: Path | None, *, published: bool) -> Settings:
    loaded = config_of(context, config)
    if not published:
        return loaded.settings()
    from softbounce.settings import BUILT_IN  # noqa: PLC0415 - only when asked
    from softbounce.store.published import read_settings  # noqa: PLC0415
    from softbounce.store.shards import Shards  # noqa: PLC0415

    store = Shards(loaded.store_url)
    try:
        return store.run(read_settings(waits=loaded.settings().waits)) or BUILT_IN
    finally:
        store.close()


def _print(made: Plan, policy: Policy, *, is_quiet: bool) -> None:
    from softbounce_config import format_duration  # noqa: PLC0415 - only for people

    most = policy.max_attempts
    limit = f", at most {most} attempt{'' if most == 1 else 's'}" if most else ""
    jitter = f"; each wait is up to {policy.jitter:.0%} shorter or longer than shown" if policy.jitter else ""
    say(f"Policy {made.policy}: a soft bounce stays soft for {format_duration(policy.window)}{limit}{jitter}.")
    if is_quiet:
        say("Accepted now: what falls into its quiet hours begins at their end, within five minutes, and is not older.")
    say("")
    before = timedelta(0)
    rows: list[tuple[object, ...]] = []
    for one in made.attempts:
        wait = "" if one.number == 1 else format_duration(one.offset - before)
        rows.append(
            (
                one.number,
                wait,
                f"+{format_duration(one.offset)}" if one.offset else "at once",
                "last" if one.mark == "last" else "",
            )
        )
        before = one.offset
    print_table(("attempt", "wait", "after acceptance", ""), rows, right=("attempt", "wait", "after acceptance"))
    say("")
    if made.is_cut:
        say(f"There are more; only {len(made.attempts)} are listed.")
    by = "its window closes" if made.promoted_by == "window" else "no attempt is left"
    say(f"Promoted to a hard bounce at +{format_duration(made.promoted_at)}, when {by}.")
    if made.is_sample:
        say("The policy's own wait strategy was asked: this is a sample, and it may answer otherwise next time.")
