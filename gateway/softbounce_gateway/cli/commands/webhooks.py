"""``softbounce webhooks``: the receivers, test, replay, dead, enable, disable, secret."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softbounce.errors import InvalidArgument, NotFound
from softbounce_gateway.cli.context import ConfigFile, Json, client, config_of, file_of, store_at, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.noting import noting
from softbounce_gateway.cli.output import local, print_json, print_table, say, warn

if TYPE_CHECKING:
    from softbounce_config.process_settings import WebhookSettings


__all__ = ["add_to"]

Name = Annotated[str, typer.Argument(metavar="NAME", help="The receiver's name, as `webhooks list` has it.")]
SECRET_OCTETS = 24


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        invoke_without_command=True,
        callback=listed,
        rich_markup_mode=None,
        short_help="Who is told of events by HTTP: how far, test, replay, dead letters.",
        help="Who is told of events by HTTP: how far each is told and how it answers; test, replay, dead letters.",
    )
    group.command("list", short_help="The receivers, and how each does.")(list_webhooks)
    group.command("test", short_help="Send a test event and print the answer.")(send_test)
    group.command(short_help="Tell events again.")(replay)
    group.command(short_help="The events that were given up.")(dead)
    group.command(short_help="Tell a receiver again that was disabled.")(enable)
    group.command(short_help="Tell a receiver nothing more.")(disable)
    group.command(short_help="Make a secret.")(secret)
    app.add_typer(group, name="webhooks")


def listed(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """List them, where no other command is given; what stands before a command counts for that."""
    root = context.find_root()
    root.obj = {"config": file_of(context, config), "json": wants_json(context, as_json)}
    if context.invoked_subcommand is None:
        list_webhooks(context)


def list_webhooks(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """The receivers: how far behind each is, what it answered last, whether it is told, when it is tried next.

    `lag` is the age of the oldest event that it was not told.
    """
    from softbounce_gateway.webhooks.shown import as_json as plain  # noqa: PLC0415 - only when asked
    from softbounce_gateway.webhooks.shown import shown  # noqa: PLC0415

    loaded = config_of(context, config)
    with store_at(loaded.store_url) as store:
        found = shown(store, [table.told() for table in loaded.webhook])
    if wants_json(context, as_json):
        print_json([plain(one) for one in found])
        return
    if not found:
        say("Nobody is told of events: the configuration has no [[webhook]].")
        return
    print_table(
        ("name", "state", "lag", "waiting", "given up", "last answer", "next try (UTC)"),
        [
            (one.name, one.state, one.lag_in_words, one.untold, one.dead, one.last_in_words, local(one.next_at) or "-")
            for one in found
        ],
        right=("waiting", "given up"),
        fold=("last answer",),
    )
    for one in found:
        if one.disabled_why:
            warn(f"{one.name} is told nothing: {one.disabled_why}; `softbounce webhooks enable {one.name}`")
        if one.lost:
            warn(f"{one.name}: {one.lost} entries of the event log were trimmed before it was told of them")


def send_test(context: typer.Context, name: Name, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Send an event of the type `webhook.test`, from this machine, and print what the receiver answers."""
    import asyncio  # noqa: PLC0415 - only when asked

    from softbounce_gateway.webhooks.trial import try_out  # noqa: PLC0415 - as all that speaks HTTP

    told = _told(context, config, name)
    answer = asyncio.run(try_out(told, os.environ, datetime.now(UTC)))
    is_ok = 200 <= answer.code < 300  # noqa: PLR2004 - RFC 9110 §15.3
    body = answer.body.decode("utf-8", "replace")
    if wants_json(context, as_json):
        print_json({"ok": is_ok, "code": answer.code or None, "answer": answer.words, "body": body})
    else:
        say(answer.words)
        if body.strip():
            say("".join(one if one.isprintable() or one == "\n" else "?" for one in body))
    if not is_ok:
        raise typer.Exit(FAILED)


def replay(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    name: Name,
    *,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="CURSOR|TIME",
            help="From behind the event with this cursor, or from a time (RFC 3339, 2026-01-31T08:00:00Z, or 2h ago).",
        ),
    ] = None,
    given_up: Annotated[bool, typer.Option("--dead", help="What was given up, instead.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Tell a receiver events again that it was told, or that were given up; each has the id that it had.

    As far back as the event log goes (`[store] keep_events`). It is told from there on, in order.
    """
    from softbounce.store.webhooks import Order  # noqa: PLC0415 - only when asked

    if given_up == (after is not None):
        raise InvalidArgument("--after", "give one of --after and --dead")
    order = Order(what="dead") if after is None else _replay_order(after, datetime.now(UTC))
    if order.cursor is not None:
        with client(context, config) as mail:
            next(iter(mail.events(after=order.cursor)), None)  # what is behind the log, or of another, is told now
    _give(context, config, name, order, as_json=as_json, detail=f"after {after}" if after else "what was given up")


def dead(context: typer.Context, name: Name, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """The events that were given up for a receiver, oldest first: the last 1,000. `replay NAME --dead` tells them."""
    from softbounce.store.webhooks import read_dead  # noqa: PLC0415 - only when asked
    from softbounce_gateway.webhooks.shown import dead_as_json  # noqa: PLC0415

    loaded = config_of(context, config)
    _known(loaded, name)
    with store_at(loaded.store_url) as store:
        found = [dead_as_json(one) for _, one in store.run(read_dead(name))]
    if wants_json(context, as_json):
        print_json(found)
        return
    if not found:
        say(f"Nothing was given up for {name}.")
        return
    print_table(
        ("given up (UTC)", "type", "envelope", "recipient", "attempts", "last answer"),
        [
            (
                one["given_up_at"],
                one["type"],
                one["data"]["id"],
                one["data"]["recipient"],
                one["attempts"],
                one["answer"],
            )
            for one in found
        ],
        right=("attempts",),
        fold=("last answer",),
        first="envelope",
    )


def enable(context: typer.Context, name: Name, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Tell a receiver again, from where it was left; also one that is away is tried at once."""
    from softbounce.store.webhooks import Order  # noqa: PLC0415 - only when asked

    _give(context, config, name, Order(what="enable"), as_json=as_json)


def disable(context: typer.Context, name: Name, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """Tell a receiver nothing more, until it is enabled. What happens meanwhile waits in the event log."""
    from softbounce.store.webhooks import Order  # noqa: PLC0415 - only when asked

    _give(context, config, name, Order(what="disable"), as_json=as_json)


def secret(context: typer.Context, *, as_json: Json = False) -> None:
    """Make a secret for a receiver, and print it. It is stored nowhere: put it into your configuration, and his."""
    import secrets  # noqa: PLC0415 - only when asked
    from base64 import b64encode  # noqa: PLC0415

    text = f"whsec_{b64encode(secrets.token_bytes(SECRET_OCTETS)).decode()}"
    if wants_json(context, as_json):
        print_json({"secret": text})
    else:
        say(text)


def _replay_order(after: str, now: datetime) -> Any:  # noqa: ANN401 - the class is imported when asked
    from softbounce_config import parse_duration  # noqa: PLC0415 - only when asked

    from softbounce.client.event_log import read_cursor  # noqa: PLC0415
    from softbounce.duration import to_epoch_ms  # noqa: PLC0415
    from softbounce.store.webhooks import Order  # noqa: PLC0415

    for read in (datetime.fromisoformat, lambda text: now - parse_duration(text)):
        try:
            at = read(after)
        except ValueError:
            continue
        if at.tzinfo is None:
            raise InvalidArgument("--after", f"{after!r} has no time zone: write it like 2026-01-31T08:00:00Z")
        return Order(what="replay", from_ms=max(1, to_epoch_ms(at)))
    read_cursor(after)  # who gave neither hears what it should be
    return Order(what="replay", cursor=after)


def _give(  # noqa: PLR0913 - one order, in all that it says
    context: typer.Context,
    config: Path | None,
    name: str,
    order: Any,  # noqa: ANN401 - the class is imported when asked
    *,
    as_json: bool,
    detail: str = "",
) -> None:
    from softbounce.store.webhooks import give_order, read_receivers  # noqa: PLC0415 - only when asked

    loaded = config_of(context, config)
    _known(loaded, name)
    act = f"webhook {'replay' if order.what == 'dead' else order.what}"
    with store_at(loaded.store_url) as store, client(context, config) as mail:
        with noting(mail, act, {"webhook": name}, detail=detail) as answers:
            store.run(give_order(name, order))
            answers["ordered"] = 1
        until_ms, _ = store.run(read_receivers()).get(name, (0, None))
    is_told = until_ms > datetime.now(UTC).timestamp() * 1000
    if wants_json(context, as_json):
        print_json({"name": name, "order": order.what, "under_way": is_told})
    elif is_told:
        say(f"{name}: {order.what}, within a second or two.")
    else:
        say(f"{name}: {order.what}, as soon as a `softbounce up` with the role gateway runs: none tells it now.")


def _told(context: typer.Context, config: Path | None, name: str) -> WebhookSettings:
    return _known(config_of(context, config), name)


def _known(loaded: Any, name: str) -> WebhookSettings:  # noqa: ANN401 - the class is pydantic's, which takes its time
    told: dict[str, WebhookSettings] = {one.name: one for one in (table.told() for table in loaded.webhook)}
    if name not in told:
        names = ", ".join(told) or "none"
        raise NotFound(f"the configuration has no webhook {name!r}; there is: {names}")
    return told[name]
