"""Suppression lists as CSV (RFC 4180): a line at a time, so that a list of millions takes no memory.

The first line names the columns. A cell in quotes may go on in the next lines, as hosts' words do in what other
services export. A line that cannot be read is told with its number, and costs no other: nor does a quote that never
ends. A time that cannot be read costs no address.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from softbounce.client import NewSuppression, Suppression
from softbounce.client.suppressions.changing import check
from softbounce.errors import InvalidArgument, InvalidMessage
from softbounce_gateway.suppression_list.columns import COLUMNS, cells_of, columns_of, suppression_of

__all__ = ["BadLine", "Line", "Unknown", "Unread", "heading", "line_of", "read_lines"]

LONGEST_LINE = 8192
MOST_LINES = 50
"""Of one entry."""
DELIMITERS = (",", ";", "\t")


class Line(NamedTuple):
    """What a line says, with its number, from 1."""

    number: int
    suppression: NewSuppression


class BadLine(NamedTuple):
    """A line that cannot be read, and why."""

    number: int
    why: str


class Unread(NamedTuple):
    """A time in a line that cannot be read. The line counts without it, and comes next."""

    number: int
    why: str


class Unknown(NamedTuple):
    """Columns that are passed over: they mean nothing here, or another means it better."""

    names: Sequence[str]


def read_lines(octets: Iterable[bytes]) -> Iterator[Line | BadLine | Unread | Unknown]:
    """What the lines of a file say.

    :param octets: its lines, of any length, or any other parts that end where lines do.
    :raises InvalidArgument: the first line names no column of addresses.
    """
    lines = _Lines(octets)
    number, head = next(((number, one) for number, one in lines if one.strip()), (1, b""))
    delimiter, columns, unknown = _head(number, head)
    if unknown:
        yield Unknown(unknown)
    for number, line in lines:
        if not line.strip():
            continue
        try:
            suppression, unread = suppression_of(_cells(line, lines, delimiter), columns)
            check(suppression)
        except (ValueError, csv.Error, InvalidArgument, InvalidMessage) as error:
            yield BadLine(number, str(error))
        else:
            for why in unread:
                yield Unread(number, why)
            yield Line(number, suppression)


def _head(number: int, line: bytes) -> tuple[str, dict[str, int], list[str]]:
    try:
        text = _text(line.removeprefix(b"\xef\xbb\xbf"))
        delimiter = max(DELIMITERS, key=text.count)
        return delimiter, *columns_of(next(csv.reader([text], delimiter=delimiter), []))
    except (ValueError, csv.Error) as error:
        raise InvalidArgument(f"line {number}", str(error)) from None


class _Lines:
    """The lines of a file with their numbers, of which some can be put back."""

    def __init__(self, octets: Iterable[bytes]) -> None:
        self._lines = enumerate(octets, 1)
        self._back: deque[tuple[int, bytes]] = deque()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return self

    def __next__(self) -> tuple[int, bytes]:
        return self._back.popleft() if self._back else next(self._lines)

    def put_back(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """They come next, in their order."""
        self._back.extendleft(reversed([*lines]))


def _cells(line: bytes, lines: _Lines, delimiter: str) -> list[str]:
    """Those of the entry that begins with this line, and of as many of the next as a cell in quotes goes on in.

    :raises ValueError: it cannot be read; so does ``csv.Error``. The next lines are there still.
    """
    taken: list[tuple[int, bytes]] = []

    def texts() -> Iterator[str]:
        yield _text(line)
        octets = len(line)
        for one in lines:
            taken.append(one)
            octets += len(one[1])
            if octets > LONGEST_LINE or len(taken) == MOST_LINES:
                return
            yield f" {_text(one[1])}"  # a line end within a cell is a blank: a reason is one line

    try:
        return next(csv.reader(texts(), delimiter=delimiter, strict=True), [])
    except (ValueError, csv.Error):
        lines.put_back(taken)
        alone = csv.reader([_text(line)], delimiter=delimiter, strict=True)  # raises what is wrong with it alone
        return next(alone, [])


def _text(line: bytes) -> str:
    if len(line) > LONGEST_LINE:
        raise ValueError(f"it is longer than {LONGEST_LINE} octets")
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8, from octet {error.start + 1} on") from None
    if "\0" in text:
        raise ValueError("it has a NUL in it")
    return text


def heading() -> str:
    """The first line of a list, with its line end."""
    return _written(COLUMNS)


def line_of(one: Suppression) -> str:
    """The line of a suppression, with its line end."""
    return _written(cells_of(one))


def _written(cells: Iterable[str]) -> str:
    to = io.StringIO()
    csv.writer(to).writerow(cells)
    return to.getvalue()
