"""Makes docs/matrix.md: what is required of us, row by row, and the tests that show it. Prints it.

The rows and their words are in tests/requirements.toml; which tests show a row is told by their names. Nothing is run
here: all of these tests run in ``script/test``, which fails where one does, so what the page names holds.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Group", "Test", "page", "read_groups", "read_later", "read_tests"]

TESTS = Path(__file__).parents[1] / "tests"
ROWS = TESTS / "requirements.toml"
DEFENCES = TESTS / "defences" / "defences.toml"
ROW = re.compile(r"(?<=_)[ADFLMPRST]\d\d(?=_)")
MOST_NAMED = 4
HEAD = """\
# What is required, and what shows it

This page is made by `script/docs` of [tests/requirements.toml](../tests/requirements.toml) and of the names of the
tests: `test_D09_...` shows row D09. All of them run in `script/test`, but for those that are marked thorough, and it
fails where a row has none. The sentence behind a test is its own: the rule that it checks. ◆ marks rows with a test
that is proven to fail without the lines of code that it is about (`script/test defences`).

"""


@dataclass(frozen=True)
class Test:
    """A test that bears ids of rows in its name.

    :ivar says: its docstring's first line.
    """

    path: str
    name: str
    says: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Rows that belong together, with their words."""

    title: str
    reference: str
    rows: Mapping[str, str]


def read_groups() -> list[Group]:
    """All rows."""
    told = tomllib.loads(ROWS.read_text("utf-8"))
    return [Group(one["title"], one["reference"], one["rows"]) for one in told["group"]]


def read_later() -> dict[str, str]:
    """Rows that come with a part that is not there yet, and which."""
    later: dict[str, str] = tomllib.loads(ROWS.read_text("utf-8"))["later"]
    return later


def read_tests() -> list[Test]:
    """All tests that bear ids of rows, in the order of their files; those of the playground, a stand-in, come last."""
    paths = sorted(TESTS.rglob("test_*.py"), key=lambda path: ("playground" in path.parts, path))
    return [test for path in paths for test in _tests_in(path)]


def _tests_in(path: Path) -> Iterator[Test]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            rows = tuple(dict.fromkeys(ROW.findall(node.name)))
            if rows:
                says = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
                yield Test(path.relative_to(TESTS.parent).as_posix(), node.name, says, rows)


def read_defended() -> set[str]:
    """The names of tests that are proven to fail without what they are about."""
    told = tomllib.loads(DEFENCES.read_text("utf-8"))["defence"]
    return {one["test"].rpartition("::")[2].partition("[")[0] for one in told}


def page() -> str:
    """The page."""
    groups, later, defended = read_groups(), read_later(), read_defended()
    shown: dict[str, list[Test]] = defaultdict(list)
    for test in read_tests():
        for row in test.rows:
            shown[row].append(test)
    rows = [row for group in groups for row in group.rows]
    proven = sum(1 for row in rows if shown.get(row))
    waiting = [row for row in rows if not shown.get(row)]
    marked = sum(1 for row in rows if any(test.name in defended for test in shown.get(row, ())))
    lines = [HEAD, f"{len(rows)} rows: {proven} are shown, {marked} of them with ◆; {len(waiting)} are to come.\n"]
    for group in groups:
        lines.append(f"\n## {group.title}\n\n{group.reference}\n")
        lines.append("| row | what is required | shown by |\n|---|---|---|")
        lines += [_row(row, words, shown.get(row, ()), later, defended) for row, words in group.rows.items()]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _row(row: str, words: str, tests: Sequence[Test], later: Mapping[str, str], defended: set[str]) -> str:
    if not tests:
        return f"| {row} | {words} | to come: {later.get(row, '?')} |"
    mark = " ◆" if any(test.name in defended for test in tests) else ""
    cells = [f"[`{_short(test, row)}`](../{test.path}): {test.says}" for test in tests[:MOST_NAMED]]
    if len(tests) > MOST_NAMED:
        cells.append(f"and {len(tests) - MOST_NAMED} more")
    return f"| {row}{mark} | {words} | {'<br>'.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _short(test: Test, row: str) -> str:
    """The name without what stands in the row already."""
    name = test.name.removeprefix("test_")
    return re.sub(r"^(issue\d+_(\d\d_)?)?([ADFLMPRST]\d\d_)+", "", name) or row


if __name__ == "__main__":
    sys.stdout.write(page())
