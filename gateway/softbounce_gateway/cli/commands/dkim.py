"""``softbounce dkim``: new, check."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import ConfigError
from softbounce_gateway.cli.context import ConfigFile, Json, config_of, file_of, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.output import print_json, say, warn

if TYPE_CHECKING:
    from softbounce_worker.dkim.rules import SigningRule

    from softbounce_gateway.dkim.published import Found

__all__ = ["add_to"]

Kind = Annotated[str, typer.Option("--type", metavar="rsa|ed25519", help="The kind of key.")]
Selector = Annotated[str, typer.Option("--selector", help="The selector. [default: the type and today's date]")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The key's file. [default: dkim/DOMAIN.SELECTOR.pem]")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        short_help="DKIM: make a key, see whether it is published.",
        help="DKIM signatures: make a key and its DNS record, see whether the records are published and match.",
    )
    group.command(short_help="Make a key; print its DNS record.")(new)
    group.command(short_help="Are the keys' records published?")(check)
    app.add_typer(group, name="dkim")


def new(  # noqa: PLR0913 - the options
    context: typer.Context,
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="The domain that signs.")],
    *,
    selector: Selector = "",
    kind: Kind = "rsa",
    out: Out = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Make a private key (0600; never over another one), and print the DNS record and the table for the config file.

    An RSA key has 2048 bits. The file is put into the folder dkim/ beside the config file.
    """
    from softbounce_config import find_file  # noqa: PLC0415 - pydantic takes its time
    from softbounce_config.dkim import check_selector  # noqa: PLC0415
    from softbounce_worker.dkim.keys import TYPES  # noqa: PLC0415 - so does cryptography

    from softbounce_gateway.dkim.new_key import FOLDER, default_selector, make_key, split_text  # noqa: PLC0415

    signer = _domain(domain)
    if kind not in TYPES:
        raise ConfigError(f"--type {kind}: should be one of {', '.join(TYPES)}")
    try:
        chosen = check_selector(selector or default_selector(kind, datetime.now(UTC)))
    except ValueError as error:
        raise ConfigError(f"--selector {selector}: {error}") from None
    file = find_file(file_of(context, config))
    base = Path.cwd() if file is None else file.absolute().parent
    path = out or base / FOLDER / f"{signer}.{chosen}.pem"
    made = make_key(signer, chosen, kind, path=path, base=base)
    if wants_json(context, as_json):
        record = {"name": made.name, "type": "TXT", "value": made.key.record, "strings": split_text(made.key.record)}
        told = {"domain": signer, "selector": chosen, "type": kind, "bits": made.key.bits, "key_file": str(made.path)}
        print_json({**told, "record": {**record, "zone": made.zone_line}, "config": made.config})
        return
    say(f"Made {made.path} ({kind}, {made.key.bits} bits). Keep it secret, and back it up.\n")
    say(f"1. Publish this TXT record, as a zone file has it:\n\n{made.zone_line}\n")
    say(f"   or, where a form asks for name and value:\n\n{made.name}\n{made.key.record}\n")
    say("2. When `softbounce dkim check` finds it, or at once, add to the config file, and restart `softbounce up`:\n")
    say(made.config)


def check(
    context: typer.Context,
    domain: Annotated[str | None, typer.Argument(metavar="[DOMAIN]", help="Of a From field.")] = None,
    *,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """See whether the records of all keys, or of those that sign mail from DOMAIN, are published and match.

    Exit codes: 0 all of them, 1 some is not or cannot be looked up, 2 a key or the configuration cannot be used.
    """
    from softbounce_config.dkim import is_glob  # noqa: PLC0415 - pydantic takes its time

    from softbounce_gateway.dkim.configured import configured_rules  # noqa: PLC0415

    loaded = config_of(context, config)
    rules = configured_rules(loaded)
    author = None if domain is None else _domain(domain)
    if author is not None:
        from softbounce_worker.dkim.rules import SigningRules  # noqa: PLC0415 - cryptography takes its time

        rules = tuple(SigningRules(rules).for_author(author))
    if not rules:
        raise ConfigError("no [[dkim]] table is configured" if domain is None else f"no [[dkim]] table fits {author}")
    rows: list[dict[str, object]] = []
    for rule, found in _look(rules, loaded.dns.servers, loaded.dns.timeout.total_seconds(), author):
        signer = rule.told.d or author or rule.told.domain
        told = {"domain": rule.told.domain, "d": None if is_glob(signer) else signer, "selector": rule.told.selector}
        key = {"type": rule.key.type, "bits": rule.key.bits, "warnings": list(rule.warnings)}
        rows.append({**told, **key, "state": found.state.value, "detail": found.detail, "record": rule.key.record})
    is_good = all(row["state"] == "ok" for row in rows)
    if wants_json(context, as_json):
        print_json({"ok": is_good, "keys": rows})
    else:
        for row in rows:
            name = f"{row['selector']}._domainkey.{row['d'] or row['domain']}"
            say(f"{name} ({row['type']}): {row['state']}: {row['detail']}")
            if row["state"] not in {"ok", "unknown"}:
                say(f"    should be: {row['record']}")
        for rule in rules:
            for warning in rule.warnings:
                warn(f"dkim ({rule.told.selector}, {rule.told.domain}): {warning}")
    if not is_good:
        raise typer.Exit(FAILED)


def _look(
    rules: tuple[SigningRule, ...], servers: tuple[tuple[str, int], ...], seconds: float, author: str | None
) -> list[tuple[SigningRule, Found]]:
    """What DNS has for each."""
    import dns.resolver  # noqa: PLC0415 - only here
    from softbounce_config.dkim import is_glob  # noqa: PLC0415

    from softbounce_gateway.dkim.published import Found, Published, look_up, resolver_of  # noqa: PLC0415

    try:
        resolver = resolver_of(servers, seconds)
    except dns.resolver.NoResolverConfiguration:
        raise ConfigError("dns.nameservers is empty, and this system names none in /etc/resolv.conf") from None
    found: list[tuple[SigningRule, Found]] = []
    for rule in rules:
        signer = rule.told.d or author or rule.told.domain
        if is_glob(signer):
            one = Found(Published.UNKNOWN, "it signs for many domains: name one, softbounce dkim check DOMAIN")
        else:
            one = look_up(resolver, f"{rule.told.selector}._domainkey.{signer}", rule.key)
        found.append((rule, one))
    return found


def _domain(text: str) -> str:
    from softbounce.address import ascii_domain  # noqa: PLC0415 - idna takes its time

    try:
        return ascii_domain(text.lower().removesuffix("."))
    except ValueError as error:
        raise ConfigError(f"{text!r} is no domain: {error}") from None
