"""``softbounce clock``: whether the clocks of the store's servers are believed, and the word that they are right."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softbounce_gateway.cli.opening import PATIENCE, ConfigFile, Json, config_of, wants_json
from softbounce_gateway.cli.output import local, print_json, say

if TYPE_CHECKING:
    from softbounce.store.clock import StoreTime

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Whether the store's clock is believed.")(clock)


def clock(
    context: typer.Context,
    *,
    believe: Annotated[
        bool,
        typer.Option("--believe", help="The clock is right as it is: go by it, whatever that makes due or old."),
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Say what the clock of each of the store's servers says, and what time softbounce goes by.

    They differ after a clock was set by more than a minute: the time runs on as if it had not been, and no mail is
    promoted until the clock is back.
    """
    from softbounce.store.clock import correct_clock, read_time  # noqa: PLC0415 - redis takes its time
    from softbounce.store.shards import Shards  # noqa: PLC0415

    loaded = config_of(context, config)
    store = Shards(loaded.store_url, patience=PATIENCE)
    lease_ms = loaded.worker.lease // timedelta(milliseconds=1)
    rows: list[dict[str, Any]] = []
    try:
        for shard in range(loaded.store.shards):
            told = store.run(read_time(shard))
            is_taken = (
                believe and told.correction_ms and store.run(correct_clock(shard, told.correction_ms, 0, lease_ms))
            )
            rows.append(_row(shard, told, is_believed=not told.correction_ms or bool(is_taken)))
            if not wants_json(context, as_json):
                say(_line(rows[-1], told))
    finally:
        store.close()
    if wants_json(context, as_json):
        print_json(rows)
    elif not all(row["is_believed"] for row in rows):
        say("Set the server's clock right. If it is right: softbounce clock --believe")


def _row(shard: int, told: StoreTime, *, is_believed: bool) -> dict[str, Any]:
    from softbounce.client.shown import rfc3339  # noqa: PLC0415
    from softbounce.duration import from_epoch_ms  # noqa: PLC0415

    return {
        "shard": shard,
        "server_at": rfc3339(from_epoch_ms(told.server_ms)),
        "at": rfc3339(from_epoch_ms(told.server_ms if is_believed else told.now_ms)),
        "is_believed": is_believed,
    }


def _line(row: dict[str, Any], told: StoreTime) -> str:
    from softbounce.duration import from_epoch_ms, in_words  # noqa: PLC0415

    says = f"shard {row['shard']}: its server's clock says {local(from_epoch_ms(told.server_ms))}"
    if row["is_believed"]:
        return f"{says}, and is believed"
    off = timedelta(milliseconds=abs(told.correction_ms))
    side = "ahead of" if told.correction_ms < 0 else "behind"
    return f"{says}, {in_words(off)} {side} the time that softbounce goes by, {local(from_epoch_ms(told.now_ms))}"
