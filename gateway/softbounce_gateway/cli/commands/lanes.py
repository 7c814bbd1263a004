"""``softbounce lanes``: the roads that have mail now, and which limits are in force on each, by which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, client, config_of, wants_json
from softbounce_gateway.cli.output import local, print_json, print_table, say, styled

if TYPE_CHECKING:
    from softbounce.client import LaneView
    from softbounce.settings import LaneRule

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="The lanes that have mail, their state and limits.")(lanes)


def lanes(
    context: typer.Context,
    *,
    site: Annotated[str | None, typer.Argument(metavar="[SITE]", help="Only these sites: a name or a glob.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """The lanes that have mail now: state, owner, and the limits that are in force there, with the rule they are from.

    With a SITE that has no mail, which limits would be in force.
    """
    with client(context, config) as mail:
        found = mail.lanes(site=site)
    if wants_json(context, as_json):
        print_json([lane.to_dict() for lane in found])
        return
    if not found:
        say(f"No mail for {site} now." if site else "No mail waits or is under way.")
        if site and not set(site) & set("*?["):
            say(f"In force there would be {_limits(config_of(context, config).settings().lane_rule_for(site))}.")
        return
    print_table(
        ("site", "state", "opens (UTC)", "envelopes", "limits", "from", "seen last"),
        (
            (
                lane.site or f"{lane.lane.removeprefix('?')} (not resolved yet)",
                styled(lane.state),
                local(lane.opens_at) or "-",
                ", ".join(f"{number} {state}" for state, number in lane.envelopes.items()),
                "; ".join(filter(None, (_limits(lane.limits, with_source=False), _learned(lane))))
                if lane.site
                else "-",
                (lane.limits.source or "built in") if lane.site else "-",
                _trouble(lane),
            )
            for lane in found
        ),
        fold=("site", "envelopes", "limits", "from", "seen last"),
    )


def _limits(rule: LaneRule, *, with_source: bool = True) -> str:
    parts = [f"{rule.connections} connections"]
    if rule.messages_per_connection:
        parts.append(f"{rule.messages_per_connection} messages each")
    if rule.rate:
        parts.append(f"{rule.rate:g} messages/s")
    source = f" ({rule.source or 'built in'})" if with_source else ""
    return ", ".join(parts) + source


def _learned(lane: LaneView) -> str:
    """What the site itself allows, as far as it said so by refusing."""
    learned = lane.learned
    if learned is None:
        return ""
    parts = [f"{number} connections to {address}" for address, number in learned.addresses.items()]
    if learned.connections:
        parts.append(f"{learned.connections} connections")
    if learned.rate:
        parts.append(f"{learned.rate * 60:.3g} messages/min")
    return f"learned: {', '.join(parts)}" if parts else ""


def _trouble(lane: LaneView) -> str:
    closed = f"closed alone: {', '.join(lane.closed_domains[:3])}" if lane.closed_domains else ""
    senders = f"closed for mail from: {', '.join(lane.closed_senders[:3])}" if lane.closed_senders else ""
    return "; ".join(filter(None, (lane.last[:120], closed, senders))) or "-"
