"""The ``[[dkim]]`` tables as they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from softbounce_config import check_file, load, to_plain

GOOD = """
[[dkim]]
domain = "Example.com"
selector = "Mail2026"
key_file = "keys/a.pem"

[[dkim]]
domain = "*.example.com"
d = "example.com"
selector = "mail2026"
key_env = "DKIM_KEY"
canonicalization = "relaxed/simple"
expire = "14d"
"""


def faults(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is wrong, without the place."""
    path = tmp_path / "softbounce.toml"
    path.write_text(text)
    return [line.removeprefix(f"{path}: ") for line in check_file(path, environ or {})]


def test_issue12_a_key_s_file_is_relative_to_the_config_file(tmp_path: Path) -> None:
    """Names are in lower case, and the file is found from anywhere."""
    path = tmp_path / "softbounce.toml"
    path.write_text(GOOD)
    first, second = load(path, environ={}).dkim
    assert (first.domain, first.selector, first.key_file) == ("example.com", "mail2026", tmp_path / "keys/a.pem")
    assert (second.d, second.key_env, second.canonicalization) == ("example.com", "DKIM_KEY", "relaxed/simple")
    shown = to_plain(load(path, environ={}))["dkim"]
    assert shown[1] == {
        "domain": "*.example.com",
        "selector": "mail2026",
        "d": "example.com",
        "key_env": "DKIM_KEY",
        "canonicalization": "relaxed/simple",
        "expire": "14d",
    }


def test_issue12_tables_come_from_the_environment_too(tmp_path: Path) -> None:
    """As a list in JSON, whose paths are relative to the config file."""
    path = tmp_path / "softbounce.toml"
    path.write_text("")
    tables = json.dumps([{"domain": "app.test", "selector": "s", "key_file": "a.pem"}])
    (table,) = load(path, environ={"SOFTBOUNCE__DKIM": tables}).dkim
    assert table.key_file == tmp_path / "a.pem"


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('selector = "s"\nkey_file = "x"', "dkim[0].domain: is missing"),
        ('domain = "a.test"\nkey_file = "x"', "dkim[0].selector: is missing"),
        ('domain = "a.test"\nselector = "s"', "dkim[0]: needs its key: give one of key_file and key_env"),
        (
            'domain = "a.test"\nselector = "s"\nkey_file = "x"\nkey_env = "X"',
            "dkim[0]: needs its key: give one of key_file and key_env",
        ),
        ('domain = "a b"\nselector = "s"\nkey_file = "x"', "dkim[0].domain"),
        ('domain = ""\nselector = "s"\nkey_file = "x"', "dkim[0].domain"),
        ('domain = "*.ä.test"\nselector = "s"\nkey_file = "x"', "dkim[0].domain"),
        ('domain = "a.test"\nselector = "a_b"\nkey_file = "x"', "dkim[0].selector"),
        ('domain = "a.test"\nselector = "a..b"\nkey_file = "x"', "dkim[0].selector"),
        ('domain = "a.test"\nselector = "s"\nkey_file = 3', "dkim[0].key_file"),
        ('domain = "a.test"\nselector = "s"\nkey_env = "SOFTBOUNCE__X"', "dkim[0].key_env"),
        ('domain = "a.test"\nselector = "s"\nkey_file = "x"\nd = "b.test"', "dkim[0].d"),
        ('domain = "a.test"\nselector = "s"\nkey_file = "x"\nd = "x.a.test"', "dkim[0].d"),
        ('domain = "xa.test"\nselector = "s"\nkey_file = "x"\nd = "a.test"', "dkim[0].d"),
        ('domain = "a.test"\nselector = "s"\nkey_file = "x"\nl = 3', "dkim[0].l"),
        ('domain = "a.test"\nselector = "s"\nkey_file = "x"\nexpire = 0', "dkim[0].expire"),
        ('domain = "a.test"\nselector = "s"\nkey_file = "x"\ncanonicalization = "nofws"', "dkim[0].canon"),
    ],
)
def test_issue12_each_mistake_is_told_with_its_place(tmp_path: Path, table: str, fault: str) -> None:
    """One line, which names table and key."""
    (told,) = faults(tmp_path, f"[[dkim]]\n{table}\n")
    assert told.startswith(fault)


def test_issue12_a_domain_in_unicode_is_its_a_labels(tmp_path: Path) -> None:
    """Also where the domain that signs is written the other way."""
    path = tmp_path / "softbounce.toml"
    path.write_text('[[dkim]]\ndomain = "x.Bücher.test"\nd = "xn--bcher-kva.test"\nselector = "s"\nkey_file = "x"\n')
    (table,) = load(path, environ={}).dkim
    assert (table.domain, table.d) == ("x.xn--bcher-kva.test", "xn--bcher-kva.test")


def test_issue12_a_selector_is_used_once_a_domain(tmp_path: Path) -> None:
    """Two keys cannot share a record."""
    table = '[[dkim]]\ndomain = "a.test"\nselector = "s"\nkey_file = "x"\n'
    (told,) = faults(tmp_path, table + table)
    assert told == 'dkim[1].selector = "s": dkim[0] has this selector for the domain already'


def test_issue12_a_key_in_place_of_a_variable_s_name_is_not_told_on(tmp_path: Path) -> None:
    """Neither by the check nor by what is in effect."""
    secret = "-----BEGIN PRIVATE KEY----- MC4CAQAwBQYDK2VwBCIEIA"
    told = faults(tmp_path, f'[[dkim]]\ndomain = "a.test"\nselector = "s"\nkey_env = "{secret}"\n')
    assert len(told) == 1
    assert "MC4CAQAwBQYDK2VwBCIEIA" not in told[0]
