"""Tables on a terminal of any width, with anything in them."""

from __future__ import annotations

import re
import sys
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softbounce_gateway.cli.output import LEAST, print_table

HEADS = ("id", "what was said", "until", "also said")
WORDS = st.lists(st.text("abcé漢-@.", min_size=1, max_size=30), max_size=20).map(" ".join)
ROWS = st.lists(st.tuples(st.text("0123456789ab", min_size=26, max_size=26), WORDS, WORDS, WORDS), max_size=4)


class Terminal(StringIO):
    """What is written to it is kept."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def printed(rows: list[tuple[str, ...]], width: int, file: StringIO, **how: str) -> list[str]:
    """The lines of a table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", file)
        patch.setenv("COLUMNS", str(width))
        patch.setenv("NO_COLOR", "1")
        patch.setenv("TERM", "xterm")
        print_table(HEADS, rows, fold=("what was said", "also said"), **how)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).splitlines()


@given(rows=ROWS, width=st.integers(20, 200))
def test_issue15_a_table_loses_no_id_and_no_character_at_any_width(rows: list[tuple[str, ...]], width: int) -> None:
    """Each id and each word stands whole on a line, in a terminal and in a pipe, and no character is lost."""
    for file in (Terminal(), StringIO()):
        lines = printed(rows, width, file)
        for row in rows:
            assert any(row[0] in line for line in lines)
            assert all(any(word in line for line in lines) for text in row for word in text.split() if text != "-")
        text = "".join(lines)
        said = "".join(text_of for row in rows for text_of in row if text_of != "-")
        for character in "é漢@":
            assert text.count(character) == said.count(character)


def test_issue15_a_block_begins_with_what_is_copied() -> None:
    """A row becomes lines of a name and a value, the id first wherever its column is, and none is empty."""
    rows = [("2026-01-31", "over quota", "0" * 26, "-"), ("2026-02-01", "", "1" * 26, "b " * 30)]
    assert printed(rows, 50, Terminal(), first="until") == [
        f"until          {'0' * 26}",
        "id             2026-01-31",
        "what was said  over quota",
        "",
        f"until          {'1' * 26}",
        "id             2026-02-01",
        "also said      b b b b b b b b b b b b b b b b b b",
        "               b b b b b b b b b b b b",
    ]


def test_issue15_a_table_stays_one_where_its_texts_have_room_to_break() -> None:
    """What may break goes down to LEAST columns, and not to nothing; one column less, and it is blocks."""
    word = "x" * LEAST
    rows = [("0" * 26, f"{word} {word}", "12:00:00", f"{word} {word}")]
    width = 26 + 8 + 2 * LEAST + 3 * 2
    table = printed(rows, width, Terminal())
    assert table[0].split("  ")[0] == "id"
    assert table[1:] == [f"{'0' * 26}  {word}  12:00:00  {word}", f"{'':26}  {word}  {'':8}  {word}"]
    assert printed(rows, width - 1, Terminal())[0] == f"id             {'0' * 26}"
