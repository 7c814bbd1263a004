"""``softbounce clock``: whether the clocks of the store's servers are believed, and the word that they are right."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softbounce_gateway.cli.context import ConfigFile, Json, client, config_of, store_at, wants_json
from softbounce_gateway.cli.noting import noting
from softbounce_gateway.cli.output import local, print_json, say

if TYPE_CHECKING:
    from softbounce.client import Client
    from softbounce.store.clock import StoreTime
    from softbounce.store.shards import Shards

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Whether the store's clock is believed.")(clock)


def clock(
    context: typer.Context,
    *,
    believe: Annotated[
        bool,
        typer.Option("--believe", help="The clock is right as it is: go by it now, whatever that makes due or old."),
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Say what the clock of each of the store's servers says, and whether it is believed.

    It is not for an hour after it was set by more than a minute: no mail is promoted by it, and what it jumped over is
    tried when it would have been. After that it is, or when it is set back.
    """
    from softbounce.store.clock import read_time  # noqa: PLC0415 - redis takes its time

    loaded = config_of(context, config)
    rows: list[dict[str, Any]] = []
    with store_at(loaded.store_url) as store:
        if believe:
            with client(context, config) as mail:
                _believe(mail, store, loaded.store.shards)
        for shard in range(loaded.store.shards):
            told = store.run(read_time(shard))
            rows.append(_row(shard, told))
            if not wants_json(context, as_json):
                say(_line(rows[-1], told))
    if wants_json(context, as_json):
        print_json(rows)
    elif not all(row["is_believed"] for row in rows):
        say("If it is wrong, set it right. Else it is believed after an hour, or now: softbounce clock --believe")


def _believe(mail: Client, store: Shards, shards: int) -> None:
    """Write down that the clocks are right, and before that who says so: mail that is old by them is promoted."""
    from softbounce.store.clock import note_time, read_time  # noqa: PLC0415

    for shard in range(shards):
        told = store.run(read_time(shard))
        says = _line(_row(shard, told), told)
        with noting(mail, "clock believe", {"clock": f"shard {shard}"}, detail=says) as answers:
            if store.run(note_time(shard, told.now_ms)):
                answers["believed"] = 1


def _row(shard: int, told: StoreTime) -> dict[str, Any]:
    from softbounce.client.shown import rfc3339  # noqa: PLC0415
    from softbounce.duration import from_epoch_ms  # noqa: PLC0415
    from softbounce.store.clock_watch import ClockWatch, steady_seconds  # noqa: PLC0415

    watch, at = ClockWatch(), steady_seconds()
    watch.look(told, at, at)
    return {
        "shard": shard,
        "server_at": rfc3339(from_epoch_ms(told.now_ms)),
        "believed_at": rfc3339(from_epoch_ms(told.seen_ms)) if told.seen_ms else None,
        "is_believed": watch.is_sure,
        "off_seconds": round(watch.off_seconds),
    }


def _line(row: dict[str, Any], told: StoreTime) -> str:
    from softbounce.duration import from_epoch_ms, in_words  # noqa: PLC0415

    says = f"shard {row['shard']}: its server's clock says {local(from_epoch_ms(told.now_ms))}"
    if row["is_believed"]:
        return f"{says}, and is believed"
    off = in_words(timedelta(seconds=abs(row["off_seconds"])))
    side = "ahead of" if row["off_seconds"] > 0 else "behind"
    return f"{says}, {off} {side} the time that was believed last"
