"""Writing to the terminal or to a pipe: JSON for programs, tables for people. Colour only where it can be seen."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["STATE_STYLES", "console", "local", "print_json", "print_table", "say", "styled", "warn"]

WIDTH_OF_PIPES = 160
STATE_STYLES = {
    "scheduled": "cyan",
    "ready": "cyan",
    "attempting": "blue",
    "held": "yellow",
    "delivered": "green",
    "bounced": "red",
    "cancelled": "dim",
    "soft": "yellow",
    "hard": "red",
}


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """One JSON value on a line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """A line for a person, or for a pipe."""
    sys.stdout.write(text + "\n")


def warn(text: str) -> None:
    """A line beside the result."""
    sys.stderr.write(f"softbounce: {text}\n")


def console() -> Console:
    """Where tables go. A pipe gets them wide and without colour; NO_COLOR is obeyed."""
    from rich.console import Console  # noqa: PLC0415 - only for tables

    width = None if sys.stdout.isatty() else WIDTH_OF_PIPES
    return Console(width=width, highlight=False, markup=False, emoji=False)


def styled(word: str) -> Text:
    """A word of the closed sets in its colour."""
    from rich.text import Text  # noqa: PLC0415

    return Text(word, style=STATE_STYLES.get(word, ""))


def print_table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = (), fold: Iterable[str] = ()
) -> None:
    """A table without lines, whose cells are taken as they are.

    :param right: heads of the columns of numbers.
    :param fold: heads of the columns that may break; all others stay whole.
    """
    from rich.table import Table  # noqa: PLC0415

    table: Table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    numeric, folding = set(right), set(fold)
    for head in heads:
        table.add_column(
            head,
            justify="right" if head in numeric else "left",
            no_wrap=head not in folding,
            overflow="fold" if head in folding else "ellipsis",
        )
    for row in rows:
        table.add_row(*(_cell(one) for one in row))
    to = console()
    with to.capture() as captured:
        to.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _cell(value: object) -> Text | str:
    from rich.text import Text  # noqa: PLC0415

    return value if isinstance(value, Text) else "" if value is None else str(value)


def local(instant: datetime | None) -> str:
    """An instant as tables show it, in UTC to the second."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"
