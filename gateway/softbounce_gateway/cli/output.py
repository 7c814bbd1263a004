"""Writing to the terminal or to a pipe: JSON for programs, tables for people. Colour only where it can be seen.

No word of a table is ever cut, whatever the width: ids, addresses and names are there to be copied.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from io import TextIOWrapper
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["STATE_STYLES", "console", "escape_the_rest", "local", "print_json", "print_table", "say", "styled", "warn"]

WIDTH_OF_PIPES = 160
GAP = 2
"""Between two columns."""
LEAST = 20
"""So wide stays a column that may break: in less, words become a ribbon that nobody reads."""
NOTHING = frozenset({"", "-"})
DEFAULTS = frozenset({"strict", "surrogateescape"})
"""What Python does with such characters where nobody chose: the second in the locale C."""
WORD = re.compile(r"\s*\S+")
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


def escape_the_rest() -> None:
    r"""Have what the encoding of standard output lacks written as ``\u8bf7``: no character ends a command.

    These are JSON's escapes, so that JSON stays what it is. Whoever chose another way (``PYTHONIOENCODING``) has it.
    """
    codecs.register_error("softbounce.escapes", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in DEFAULTS and not _is_utf8(stream.encoding):
            stream.reconfigure(errors="softbounce.escapes")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


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
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[str] = (),
    fold: Iterable[str] = (),
    first: str | None = None,
) -> None:
    """A table without lines, whose cells are taken as they are; in a terminal too narrow for it a block for each row.

    :param right: heads of the columns of numbers.
    :param fold: heads of the columns that may break between words, and be as narrow as :data:`LEAST`; all others stay
        whole.
    :param first: the head of what a block begins with, where that is not the first column.
    """
    cells = [[_cell(one) for one in row] for row in rows]
    folding = set(fold)
    widest = [_widest(head, [row[number] for row in cells]) for number, head in enumerate(heads)]
    least = [
        min(widest[number], max(LEAST, _longest_word([head, *(row[number].plain for row in cells)])))
        if head in folding
        else widest[number]
        for number, head in enumerate(heads)
    ]
    to = console()
    room = to.width - GAP * (len(heads) - 1)
    with to.capture() as captured:
        if cells and sum(least) > room and sys.stdout.isatty():
            order = sorted(range(len(heads)), key=lambda number: first is not None and heads[number] != first)
            _print_blocks(to, [heads[number] for number in order], [[row[number] for number in order] for row in cells])
        else:
            _print_columns(to, heads, cells, _shared_out(room, least, widest), set(right))
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _shared_out(room: int, least: Sequence[int], widest: Sequence[int]) -> list[int]:
    """The columns' widths: what is left goes to the narrowest of those that want more."""
    widths = list(least)
    for _ in range(room - sum(least)):
        wanting = [number for number, width in enumerate(widths) if width < widest[number]]
        if not wanting:
            break
        widths[min(wanting, key=widths.__getitem__)] += 1
    return widths


def _print_columns(
    to: Console, heads: Sequence[str], cells: Sequence[Sequence[Text]], widths: Sequence[int], numeric: set[str]
) -> None:
    """Not by Rich's own tables, which take from whichever column they please when there is little room."""
    from rich.text import Text  # noqa: PLC0415

    for row in [[Text(head, style="bold") for head in heads], *cells]:
        columns = [cell.wrap(to, width, overflow="fold") for cell, width in zip(row, widths, strict=True)]
        for pieces in zip_longest(*columns):
            line: list[Text] = []
            for head, piece, width in zip(heads, pieces, widths, strict=True):
                text = piece or Text()
                space = Text(" " * (width - _width(text.plain)))
                line.append(space + text if head in numeric else text + space)
            to.print(Text(" " * GAP).join(line), soft_wrap=True)


def _print_blocks(to: Console, heads: Sequence[str], cells: Sequence[Sequence[Text]]) -> None:
    """What is in each row line by line, with its name; a line for nothing is none."""
    from rich.text import Text  # noqa: PLC0415

    label = max(map(_width, heads)) + GAP
    for number, row in enumerate(cells):
        if number:
            to.print()
        for head, cell in zip(heads, row, strict=True):
            if cell.plain in NOTHING:
                continue
            name = head.ljust(label) if head else ""
            for line in _lines(cell, max(to.width - label, LEAST)):
                to.print(Text(name, style="bold") + line, soft_wrap=True)
                name = " " * len(name)


def _lines(text: Text, room: int) -> Iterator[Text]:
    """Its lines, broken between words alone: one that has no room stays whole, and is copied as one."""
    for line in text.split("\n", allow_blank=True):
        starts: list[int] = []
        used = 0
        for word in WORD.finditer(line.plain):
            bare = word[0].lstrip()
            if used and used + _width(word[0]) > room:
                starts.append(word.end() - len(bare))
                used = _width(bare)
            else:
                used += _width(word[0])
        for part in line.divide(starts):
            part.rstrip()
            yield part


def _widest(head: str, column: Iterable[Text]) -> int:
    """Columns of a terminal that its longest line takes."""
    return max(map(_width, [head, *(line for cell in column for line in cell.plain.split("\n"))]))


def _longest_word(texts: Iterable[str]) -> int:
    return max((_width(word) for text in texts for word in text.split()), default=0)


def _width(text: str) -> int:
    from rich.cells import cell_len  # noqa: PLC0415

    return cell_len(text)


def _cell(value: object) -> Text:
    from rich.text import Text  # noqa: PLC0415

    return value if isinstance(value, Text) else Text("" if value is None else str(value).expandtabs(1))


def local(instant: datetime | None) -> str:
    """An instant as tables show it, in UTC to the second."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"
