"""``softbounce alerts``: what stands, since when, and who was told; ``--test`` tells each a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import NotFound
from softbounce_gateway.cli.context import PATIENCE, ConfigFile, Json, config_of, store_at, wants_json
from softbounce_gateway.cli.exit_codes import FAILED
from softbounce_gateway.cli.output import local, print_json, print_table, say, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softbounce_config import Config

    from softbounce_gateway.alerts.shown import ShownAlert, ShownStanding

__all__ = ["add_to"]

UNLOOKED = "{name}: nobody looks for trouble now; `softbounce up` with the role gateway does"
NONE = "Nobody is told of trouble: the configuration has no [[alert]]."
Test = Annotated[
    bool,
    typer.Option("--test", help="Send one test alert by each way, from this machine and as you, and say how it went."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Who is told of trouble: what stands, since when, told when; a test.")(alerts)


def alerts(context: typer.Context, *, test: Test = False, config: ConfigFile = None, as_json: Json = False) -> None:
    """What each [[alert]] has standing: since when, and when its person was told.

    `waits`: it is told when it has stood for `after`, or when its turn comes; `told`: and it stands; `over`: it seems
    to be over, which is told in a few minutes; `quiet`: it is over, and comes and goes.

    Exit codes: 0 done, 1 a test was not told, or there is no [[alert]] to test, 2 the configuration cannot be used, 3
    the store cannot be reached.
    """
    loaded = config_of(context, config)
    if test:
        _test(loaded, as_json=wants_json(context, as_json))
        return
    found = _read(loaded)
    if wants_json(context, as_json):
        print_json([one.to_dict() for one in found])
    else:
        _print(found)


def _print(found: Sequence[ShownAlert]) -> None:
    if not found:
        say(NONE)
        return
    rows = [(alert, one) for alert in found for one in alert.standing]
    if rows:
        print_table(
            ("alert", "state", "since (UTC)", "told (UTC)", "what, and why"),
            [(alert.name, one.state, local(one.since), local(one.told) or "-", _words(one)) for alert, one in rows],
            fold=("what, and why",),
        )
    else:
        say(f"Nothing stands. Told of trouble: {', '.join(f'{one.name} ({one.way} {one.whom})' for one in found)}.")
    for alert in found:
        if not alert.is_looked:
            warn(UNLOOKED.format(name=alert.name))
        failing = [one for one in alert.standing if one.failures]
        if failing:
            next_try = min(one.next for one in failing if one.next is not None)
            warn(
                f"{alert.name}: {alert.way} {alert.whom} failed {max(one.failures for one in failing)} times, next try "
                f"{local(next_try)} UTC; the log says why (alert_not_told), `softbounce alerts --test` tries it now"
            )


def _words(one: ShownStanding) -> str:
    came = f" It came {one.times} times." if one.times > 1 else ""
    return f"{one.what}\n{one.why}{came}"


def _warn_unlooked(config: Config) -> None:
    """A test that arrives does not say that anybody would tell what is no test."""
    from softbounce.errors import StoreError  # noqa: PLC0415 - only when asked

    try:
        found = _read(config)
    except StoreError as error:
        warn(f"whether somebody looks for trouble cannot be told: {error}")
        return
    for alert in found:
        if not alert.is_looked:
            warn(UNLOOKED.format(name=alert.name))


def _read(config: Config) -> Sequence[ShownAlert]:
    from softbounce.store import keys  # noqa: PLC0415 - only when asked
    from softbounce.store.alerts import read_alerts  # noqa: PLC0415
    from softbounce.store.clock import read_time  # noqa: PLC0415
    from softbounce_gateway.alerts.shown import shown  # noqa: PLC0415

    with store_at(config.store_url) as store:
        return shown(config.alert, store.run(read_alerts()), store.run(read_time(keys.HOME)).now_ms)


def _test(config: Config, *, as_json: bool) -> None:
    """:raises typer.Exit: somebody was not told (1)."""
    import asyncio  # noqa: PLC0415 - only when asked

    from softbounce_gateway.alerts.trial import try_out  # noqa: PLC0415 - as all that speaks HTTP

    if not config.alert:
        raise NotFound(NONE)
    said = asyncio.run(try_out(config, PATIENCE))
    if as_json:
        print_json([{"name": table.name, "ok": one.is_told, "said": one.words} for table, one in said])
    else:
        rows = [(table.name, "told" if one.is_told else "NOT TOLD", one.words) for table, one in said]
        print_table(("alert", "", "what came of it"), rows, fold=("what came of it",))
        if any(table.to and one.is_told for table, one in said):
            say("Mail is in the queue: `softbounce show ID` says whether it arrived.")
    _warn_unlooked(config)
    if not all(one.is_told for _, one in said):
        raise typer.Exit(FAILED)
