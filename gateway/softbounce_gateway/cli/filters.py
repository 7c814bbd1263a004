"""Which envelopes a command is about: the options that say so, declared once for all commands that have them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from softbounce_gateway.name_value import read_pairs

if TYPE_CHECKING:
    from softbounce.client import Filters

__all__ = ["with_filters"]

Text = str | None


def _option(metavar: str, text: str) -> Any:  # noqa: ANN401 - an annotation
    return Annotated[Text, typer.Option(metavar=metavar, help=text)]


META = "meta"
OPTIONS: dict[str, Any] = {
    "site": _option("GLOB", "Only mail to these sites."),
    "domain": _option("GLOB", "Only mail to these domains."),
    "recipient": _option("GLOB", "Only mail to these addresses."),
    "sender": _option("GLOB", "Only mail from these addresses."),
    "stream": _option("GLOB", "Only mail of these streams."),
    "tenant": _option("GLOB", "Only mail of these tenants."),
    "tag": _option("GLOB", "Only mail with such a tag."),
    META: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="NAME=GLOB", help="Only mail with such metadata; once for each name."),
    ],
    "state": _option("STATE", "Only envelopes in this state."),
    "held_for": _option(
        "WHY",
        "Only held envelopes, held for: operator, quarantined, uncertain, may_duplicate, restored, brake, gate, "
        "standing.",
    ),
    "older": _option("DURATION", "Only what was accepted longer ago than this."),
    "younger": _option("DURATION", "Only what was accepted since then: not longer ago than this."),
    "reply": _option(
        "WORDS", "Only what has these words in its last reply, or in what kept it from one; case aside, * is anything."
    ),
}
"""By the names that :class:`softbounce.client.Filters` has for them, but for metadata."""


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """A command with these options in the place of its parameter ``filters``, which gets what they say; else empty."""

    def filtered(*positional: Any, **given: Any) -> None:  # noqa: ANN401 - as its signature says
        asked: dict[str, Any] = {name: given.pop(name) for name in OPTIONS}
        pairs = asked.pop(META)
        asked["metadata"] = read_pairs(pairs, "--meta") if pairs else None
        filters = {name: value for name, value in asked.items() if value is not None}
        command(*positional, **given, filters=cast("Filters", filters))

    parameters: list[inspect.Parameter] = []
    for one in inspect.signature(command, eval_str=True, locals={"Filters": dict}).parameters.values():
        parameters += _parameters() if one.name == "filters" else [one]
    filtered.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    filtered.__annotations__ = {one.name: one.annotation for one in parameters}
    filtered.__doc__, filtered.__name__ = command.__doc__, command.__name__
    return filtered


def _parameters() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in OPTIONS.items()
    ]
