"""Lists of tables as a whole: a name twice, and too many tables, are said alike of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_config.list_checks import LISTS, NamedTables

from softbounce.errors import ConfigError

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TABLES = {
    "reply": 'name = "{name}"\ncode = "552"\nretry = true\n',
    "quota": 'name = "{name}"\nmessages = "5/h"\n',
    "route": 'name = "{name}"\nby_hand = true\n',
    "webhook": f'name = "{{name}}"\nurl = "https://a.test/"\nsecret = "{SECRET}"\n',
    "alert": 'name = "{name}"\nto = "a@b.example"\n',
}


def faults(folder: Path, key: str, names: list[str]) -> list[str]:
    """What is said of a list with these names, without its file."""
    file = folder / "softbounce.toml"
    file.write_text("".join(f"[[{key}]]\n{TABLES[key].format(name=name)}" for name in names))
    try:
        load(file, environ={})
    except ConfigError as error:
        return [line.partition(": ")[2] for line in str(error).splitlines()]
    return []


def test_issue15_each_list_of_named_tables_is_tried_here() -> None:
    """One that is added is tried too."""
    assert [one.key for one in LISTS] == list(TABLES)


@pytest.mark.parametrize("one", LISTS, ids=[one.key for one in LISTS])
def test_issue15_a_name_is_given_once_and_tables_have_a_bound(one: NamedTables, tmp_path: Path) -> None:
    """Said of each further one, with the first; where names are read by people, whatever their case."""
    already = f"{one.key}[1].name = {{}}: {one.key}[0] has this name already{one.because}"
    assert faults(tmp_path, one.key, ["a", "b"]) == []
    assert faults(tmp_path, one.key, ["a", "a"]) == [already.format('"a"')]
    assert faults(tmp_path, one.key, ["a", "A"]) == ([already.format('"A"')] if one.ignores_case else [])
    said = faults(tmp_path, one.key, [f"n{number}" for number in range(one.most + 2 if one.most else 150)])
    assert said == ([f"{one.key}[{one.most}]: there may be {one.most} at most"] if one.most else [])
