"""``softbounce returns``: what came back of mail that had left, in numbers, and what of it nobody understood."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import NotFound
from softbounce_gateway.cli.context import ConfigFile, Json, config_of, store_at, wants_json
from softbounce_gateway.cli.output import local, print_json, print_table, say

if TYPE_CHECKING:
    from softbounce.store.returns import UnreadReport

__all__ = ["add_to"]

WORDS = {
    "returned": "came back: could not be delivered after it had left",
    "complained": "complaints",
    "repeated": "told before",
    "delayed": "late there, and tried still",
    "delivered": "delivered there, or passed on",
    "auto_reply": "automatic replies",
    "other_feedback": "feedback that is no complaint",
    "unknown": "not understood",
    "unmatched": "understood, of mail that nobody knows",
    "too_often": "put off: too many to one address",
    "forged": "refused: return paths that are none of ours",
    "stale": "refused: return paths that are too old",
    "relay": "refused: other addresses",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        short_help="Bounces and complaints that came back.",
        help="What came back of mail that had left: counts, and what was not understood.",
    )
    group.command("list", short_help="How many of what came back, and what was not understood.")(list_returns)
    group.command(short_help="The beginning of one that was not understood.")(show)
    app.add_typer(group, name="returns")


def list_returns(context: typer.Context, *, config: ConfigFile = None, as_json: Json = False) -> None:
    """How many of what came back so far, and the latest hundred that were not understood.

    What was understood is in `softbounce events`: `returned` and `complained`.
    """
    from softbounce.store.returns import read_counts, read_unread  # noqa: PLC0415 - only when asked

    with store_at(config_of(context, config).store_url) as store:
        counts, unread = store.run(read_counts()), store.run(read_unread())
    if wants_json(context, as_json):
        print_json({"counts": counts, "unread": [_plain(one) for one in unread]})
        return
    if not counts and not unread:
        say("Nothing came back so far.")
        return
    known = [(name, counts[name]) for name in WORDS if name in counts]
    print_table(("number", "what", ""), [(f"{number:,}", name, WORDS[name]) for name, number in known], fold=("",))
    if unread:
        say("")
        print_table(
            ("not understood", "came", "from", "octets", "envelope", "why"),
            [
                (str(number), local(_at(one)), one.peer, f"{one.octets:,}", _id(one) or "-", one.why)
                for number, one in enumerate(unread, 1)
            ],
            fold=("why",),
        )
        say("`softbounce returns show NUMBER` prints the beginning of one.")


def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `returns list` counts; 1 is the newest.")],
    *,
    config: ConfigFile = None,
) -> None:
    """The beginning of one that was not understood, up to 16 KiB, with what is not printable in it escaped."""
    from softbounce.store.returns import read_unread  # noqa: PLC0415 - only when asked

    with store_at(config_of(context, config).store_url) as store:
        unread = store.run(read_unread())
    if number > len(unread):
        raise NotFound(f"there are {len(unread)} that were not understood; `softbounce returns list` shows them")
    say(printable(unread[number - 1].head))


def printable(head: bytes) -> str:
    """What a stranger wrote, as a terminal may have it."""
    text = head.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def _plain(one: UnreadReport) -> dict[str, object]:
    from softbounce.client.shown import rfc3339  # noqa: PLC0415 - only when asked

    return {
        "at": rfc3339(_at(one)),
        "id": _id(one),
        "peer": one.peer,
        "octets": one.octets,
        "why": one.why,
        "head": printable(one.head),
    }


def _id(one: UnreadReport) -> str | None:
    from softbounce.ids import format_id  # noqa: PLC0415 - only when asked

    return format_id(one.id) if one.id else None


def _at(one: UnreadReport) -> datetime:
    from softbounce.duration import from_epoch_ms  # noqa: PLC0415 - only when asked

    return from_epoch_ms(one.at_ms)
