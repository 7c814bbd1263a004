"""Every defence of the list stands in the code as the list has it: what moved is seen in a second."""

from __future__ import annotations

from pathlib import Path

from defences.catalogue import read_list

ROOT = Path(__file__).parents[2]


def test_each_can_be_taken_away() -> None:
    """Its lines stand once in its file, and its test is where the list says."""
    assert [one.name for one in read_list() if (ROOT / one.file).read_text().count(one.lines) != 1] == []
    named = (one.test.partition("::") for one in read_list())
    assert [test for file, _, test in named if f"def {test.partition('[')[0]}(" not in (ROOT / file).read_text()] == []
