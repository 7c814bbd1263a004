"""``softbounce actions``: who did what to how many; and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from softbounce.errors import InvalidArgument
from softbounce_gateway.cli.context import ConfigFile, Json, client, wants_json
from softbounce_gateway.cli.output import local, print_json, print_table, say

if TYPE_CHECKING:
    from softbounce.client import ShownAction

__all__ = ["add_to"]

UNDO = "undo"
FACTS = 16
ONE_THING = ("id", "address", "file", "held", "webhook", "token", "clock")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(short_help="Who did what to which mail; how far acts by filter are; undo.")(actions)


def actions(
    context: typer.Context,
    *,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[ID | undo ID]", help="One of them; or take it back.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="The latest so many.")] = 50,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Who did what: acts by filter under way, then those that are over, with acts on one envelope, address or site.

    `undo ID` takes an act by filter back, as far as that can be.
    """
    asked = words or []
    if len(asked) > 2 or (len(asked) == 2 and asked[0] != UNDO) or asked == [UNDO]:  # noqa: PLR2004 - two words
        raise InvalidArgument("ID", "write `softbounce actions`, `actions ID` or `actions undo ID`")
    in_json = wants_json(context, as_json)
    with client(context, config) as mail:
        if not asked:
            found = mail.actions(limit=limit)
            if in_json:
                print_json({"actions": [one.to_dict() for one in found]})
            else:
                _print_list(found)
            return
        one = mail.undo_action(asked[1]) if asked[0] == UNDO else mail.action(asked[0])
    if in_json:
        print_json(one.to_dict())
    else:
        _print_one(one)


def _print_list(found: list[ShownAction]) -> None:
    if not found:
        say("There were no acts yet.")
        return
    print_table(
        ("id", "asked (UTC)", "by", "act", "which", "state", "matched", "answers"),
        (
            (
                one.id,
                local(one.asked_at),
                one.by or "-",
                act_words(one),
                filter_words(one),
                state_words(one),
                "-" if one.count is None else one.count,
                answer_words(one) or "-",
            )
            for one in found
        ),
        right=("matched",),
        fold=("act", "which", "answers"),
    )


def _print_one(one: ShownAction) -> None:
    facts: list[tuple[str, object]] = [
        ("action", one.id),
        ("act", act_words(one)),
        ("which", filter_words(one)),
        ("by", one.by or "-"),
        ("asked (UTC)", local(one.asked_at)),
        ("state", state_words(one)),
        ("matched", "-" if one.count is None else one.count),
        ("answers", answer_words(one) or "-"),
    ]
    if one.reason:
        facts.insert(3, ("reason", one.reason))
    if one.due_at is not None and one.state == "waiting":
        facts.append(("held", f"{one.held}, until {local(one.due_at)} UTC"))
    if one.released:
        facts.append(("released", f"{one.released}, because it was undone"))
    if one.ended_at is not None:
        facts.append(("ended (UTC)", local(one.ended_at)))
    if one.detail:
        facts.append(("detail", one.detail))
    facts.append(("undo", f"softbounce actions undo {one.id}" if one.can_undo else "not possible"))
    for label, value in facts:
        say(f"{label.ljust(FACTS)}{value}")


def act_words(one: ShownAction) -> str:
    """What is done, as the command line writes it."""
    return " ".join([one.action, *(f"--{name} {value}" for name, value in one.chosen.items())])


def state_words(one: ShownAction) -> str:
    """How far it is."""
    return "begun, end not heard" if one.state == "begun" else one.state


def filter_words(one: ShownAction) -> str:
    """Its filter, or the one thing that it was done to, as the command line writes it."""
    parts: list[str] = []
    for name, value in one.filter.items():
        if isinstance(value, dict):
            parts += [f"--meta {key}={glob}" for key, glob in value.items()]
        elif name in ONE_THING:
            parts.append(value)
        else:
            parts.append(f"--{name.replace('_', '-')} {value}")
    return " ".join("".join(char if char.isprintable() else "?" for char in part) for part in parts)


def answer_words(one: ShownAction) -> str:
    """How many got which answer."""
    return ", ".join(f"{count} {answer.replace('_', ' ')}" for answer, count in one.answers.items())
