"""``softbounce doctor --last``: what the looks of the service's machines found, as they are kept in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from softbounce_gateway.cli.context import client, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.output import local, print_json, print_table, say

if TYPE_CHECKING:
    from softbounce.client.health import HealthFinding, MachineHealth

__all__ = ["show_last"]

ORDER = ("fail", "warn", "unknown", "ok")
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}
NONE = "Nothing was looked at yet: `softbounce up` does so a minute after it started ([health] every)."


def show_last(context: typer.Context, config: Path | None, *, as_json: bool) -> None:
    """Print them, the worst first.

    :raises typer.Exit: something failed (1).
    """
    with client(context, config) as mail:
        machines = mail.health()
    failed = any(one.state == "fail" for machine in machines for one in machine.findings)
    if wants_json(context, as_json):
        print_json({"ok": not failed, "machines": [one.to_dict() for one in machines]})
    else:
        _print(machines)
    if failed:
        raise typer.Exit(FAILED)


def _print(machines: Sequence[MachineHealth]) -> None:
    if not machines:
        say(NONE)
    for machine in machines:
        say(f"{machine.machine}, looked at {local(machine.at) or 'just now for the first time'} UTC")
        findings = sorted(machine.findings, key=lambda one: ORDER.index(one.state) if one.state in ORDER else 0)
        print_table(
            ("", "since (UTC)", "what", "found, and how to mend it"),
            [_row(one) for one in findings],
            fold=("what", "found, and how to mend it"),
        )


def _row(one: HealthFinding) -> tuple[object, ...]:
    from rich.text import Text  # noqa: PLC0415 - only for people

    found = Text(one.found)
    if one.mend:
        found.append(f"\n→ {one.mend}", style="bold")
    known = "" if one.state == one.known or not one.known else f" (was {one.known})"
    return Text(f"{one.state}{known}", style=STYLES.get(one.state, "")), local(one.since) or "-", one.what, found
