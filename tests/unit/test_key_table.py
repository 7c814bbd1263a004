"""The table of all keys of the store: whole, and with a bound for each."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from softbounce.store.key_table import KEYS, kind_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("softbounce", "scheduler", "worker", "gateway", "config")
CHANNELS = {"wake", "news"}
NAMERS = {"key": 1, "of": 1, "_look": 1}
"""Functions that take the names of keys, and behind how many other arguments."""
BUILT = {
    "b:{message}": "b:%s",
    "ready:{lane, share, stream}": ":ready:",
    "claims:{process}": ":claims:",
    "quota:{bucket}": ":quota:",
    "line:{digest}": ":line:",
    "untold:{webhook}": ":untold:",
    "dead:{webhook}": ":dead:",
}
"""Keys whose names have parts, and how ``keys.py`` writes them."""


def names_in_code() -> set[str]:
    """Every literal name of a key that code gives to what makes a key of it."""
    found: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    names = node.args[NAMERS[name] :] if name in NAMERS else []
                    found |= {
                        one.value for one in names if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    }
    return found


def test_issue10_21_every_key_that_code_names_is_in_the_table() -> None:
    """And every key of the table is one that code names."""
    plain = {kind.name for kind in KEYS if "{" not in kind.name}
    assert names_in_code() - CHANNELS == plain
    assert {kind.name for kind in KEYS} - plain == set(BUILT)
    source = (ROOT / "softbounce/store/keys.py").read_text()
    assert [part for part in BUILT.values() if part not in source] == []


@pytest.mark.parametrize("kind", KEYS, ids=lambda kind: kind.name)
def test_issue10_21_every_key_has_a_bound(kind: object) -> None:
    """Type, meaning and what bounds it are said, and the docs name it too."""
    name, type_, meaning, bound, _ = kind  # type: ignore[misc] # a NamedTuple by way of parametrize
    assert type_ and meaning and bound  # noqa: PT018 - one rule
    text = (ROOT / "docs/store.md").read_text()
    assert re.search(rf"`{re.escape(name.partition('{')[0].rstrip(':'))}[`:]", text), f"docs/store.md lacks {name}"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b"sb:{0}:e", "e"),
        (b"sb:{12}:e", "e"),
        (b"sb:{0}:exp", "exp"),
        (b"sb:{0}:b:00ff", "b:{message}"),
        (b"sb:{3}:ready:a.test~1|0|otp", "ready:{lane, share, stream}"),
        (b"sb:{0}:line:00ff", "line:{digest}"),
        (b"sb:{0}:claims:host-1", "claims:{process}"),
        (b"sb:{0}:owner", "owner"),
        (b"sb:{1}:owner", None),
        (b"sb:{0}:b:", None),
        (b"sb:{0}:nonsense", None),
        (b"dramatiq:softbounce", None),
        (b"\xff", None),
    ],
)
def test_issue10_21_a_key_is_found_in_the_table(key: bytes, name: str | None) -> None:
    """By its name, in a shard where it belongs."""
    kind = kind_of(key)
    assert (kind.name if kind else None) == name
