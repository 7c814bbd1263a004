"""``softbounce doctor``: looks at all that mail depends on, and says how to mend what is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import ConfigError
from softbounce_gateway.cli.commands.last_looks import show_last
from softbounce_gateway.cli.context import ConfigFile, Json, config_of, wants_json
from softbounce_gateway.cli.exit_codes import FAILED, STORE
from softbounce_gateway.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softbounce_gateway.doctor import Finding
    from softbounce_gateway.doctor.patient import Address

__all__ = ["add_to"]

SMTP_PORT = 25
LEAST, MOST = timedelta(seconds=1), timedelta(minutes=5)
SHARE = 3
"""One question may take so much less than all of them: then a second way can still be tried."""
WORDS = {"fail": "failed", "warn": "to look at", "unknown": "could not be looked at", "ok": "ok"}
"""The worst first."""
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "dim"}
Hosts = Annotated[
    list[str] | None,
    typer.Option("--host", metavar="HOST[:PORT]", help="A mail host to call instead of some large providers'."),
]
Addresses = Annotated[
    list[str] | None, typer.Option("--address", metavar="IP", help="By which the world sees us, behind a NAT.")
]
Domains = Annotated[
    list[str] | None,
    typer.Option("--domain", metavar="DOMAIN", help="A sender domain, instead of those that mail came from."),
]
Last = Annotated[
    bool, typer.Option("--last", help="What the service found when it looked last, and since when; nothing is asked.")
]
Timeout = Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long all of it may take.")]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="What would keep mail from arriving, and how to mend it.")(doctor)


def doctor(  # noqa: PLR0913 - the options
    context: typer.Context,
    *,
    host: Hosts = None,
    address: Addresses = None,
    domain: Domains = None,
    timeout: Timeout = "20s",
    last: Last = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Look at all that mail depends on, from this machine, and say how to mend what is wrong.

    Name and PTR, port 25 out, name servers, SPF, DKIM and DMARC of the domains that mail came from, TLS, clocks, the
    store, file limits, disk. It sends no mail, and calls a mail host of each of two large providers, or those named.

    The service looks by itself, every quarter of an hour ([health]): --last shows what it found, on all machines.

    Exit codes: 0 nothing failed, 1 something did, 2 an option or the configuration cannot be used, 3 the store cannot
    be reached.
    """
    if last:
        show_last(context, config, as_json=as_json)
        return
    from softbounce_config.units import parse_duration  # noqa: PLC0415 - pydantic takes its time

    from softbounce_gateway.doctor import Patient, State, examine  # noqa: PLC0415 - dnspython takes its time
    from softbounce_gateway.doctor.believing import doubted  # noqa: PLC0415
    from softbounce_gateway.doctor.checks import CHECKS  # noqa: PLC0415

    loaded = config_of(context, config)
    try:
        allowed = parse_duration(timeout)
    except ValueError as error:
        raise ConfigError(f"--timeout {timeout}: {error}") from None
    if not LEAST <= allowed <= MOST:
        raise ConfigError(f"--timeout {timeout}: should be from 1s to 5m")
    patient = Patient(
        config=loaded,
        addresses=tuple(_address(one) for one in address or ()),
        hosts=tuple(_host(one) for one in host or ()),
        domains=tuple(_domain(one) for one in domain or ()),
        seconds=round(allowed.total_seconds() / SHARE, 1),
    )
    findings = doubted(examine(CHECKS, patient, allowed.total_seconds()), patient)
    counts = {str(state): sum(one.state is state for one in findings) for state in State}
    is_reached = not any(one.what == "store" and one.state is not State.OK for one in findings)
    if wants_json(context, as_json):
        print_json({"ok": not counts["fail"], "counts": counts, "findings": [one.to_dict() for one in findings]})
    else:
        _print(findings)
        say("\n" + ", ".join(f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state]))
    if not is_reached:
        raise typer.Exit(STORE)
    if counts["fail"]:
        raise typer.Exit(FAILED)


def _print(findings: Sequence[Finding]) -> None:
    """A line each, the worst first, and below those that are not well how to mend them."""
    from rich.text import Text  # noqa: PLC0415 - only for people

    rows: list[tuple[object, ...]] = []
    for one in sorted(findings, key=lambda one: list(WORDS).index(one.state)):
        found = Text(one.found)
        if one.mend:
            found.append(f"\n→ {one.mend}", style="bold")
        rows.append((Text(str(one.state), style=STYLES[one.state]), one.what, found))
    print_table(("", "what", "found, and how to mend it"), rows, fold=("what", "found, and how to mend it"))


def _address(text: str) -> Address:
    from ipaddress import ip_address  # noqa: PLC0415

    try:
        return ip_address(text)
    except ValueError:
        raise ConfigError(f"--address {text}: not an IP address") from None


def _host(text: str) -> tuple[str, int]:
    from ipaddress import ip_address  # noqa: PLC0415

    from softbounce_config.hosts import split_endpoint  # noqa: PLC0415

    try:
        return str(ip_address(text)), SMTP_PORT
    except ValueError:
        pass
    if ":" not in text:
        return _domain(text, "--host"), SMTP_PORT
    try:
        name, port = split_endpoint(text)
        return str(ip_address(name)), port
    except ValueError as error:
        if ":" in text.rpartition(":")[0]:
            raise ConfigError(f"--host {text}: {error}") from None
    try:
        name, port = split_endpoint(text)
    except ValueError as error:
        raise ConfigError(f"--host {text}: {error}") from None
    return _domain(name, "--host"), port


def _domain(text: str, option: str = "--domain") -> str:
    from softbounce.address import ascii_domain  # noqa: PLC0415 - idna takes its time

    try:
        return ascii_domain(text.lower().removesuffix("."))
    except ValueError as error:
        raise ConfigError(f"{option} {text}: {error}") from None
