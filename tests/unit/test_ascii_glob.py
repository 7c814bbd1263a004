"""Names of domains that are written in their own letters: whatever asks for them finds them in A-labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from softbounce_config import load

from softbounce.address import ascii_glob
from softbounce.client.selection import select
from softbounce.client.suppressions.listing import Wanted
from softbounce.suppression import Entry, Source

RULES = """
[[tls]]
domain = "bücher.example"
mode = "required"
[[assign]]
sender = "*@*.bücher.example"
policy = "default"
[[lane]]
site = "bücher.example"
connections = 1
"""


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("*@example.com", "*@example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
        ("*@BÜCHER.EXAMPLE", "*@xn--bcher-kva.EXAMPLE"),
        ("bü*.example", "bü*.example"),
        ("☃.-.example", "☃.-.example"),
    ],
)
def test_a_glob_is_compared_as_names_are_stored(written: str, stored: str) -> None:
    """Label by label; what has no such form stays as it is."""
    assert ascii_glob(written) == stored


def test_whoever_searches_may_write_a_domain_in_its_own_letters() -> None:
    """In each filter that is about a domain; metadata and tags are the app's own words."""
    asked = select(domain="bücher.example", recipient="*@bücher.example", sender="a@bücher.example", tag="bücher.x")
    assert (asked.domain, asked.recipient) == ("xn--bcher-kva.example", "*@xn--bcher-kva.example")
    assert (asked.sender, asked.tag) == ("a@xn--bcher-kva.example", "bücher.x")
    entry = Entry(source=Source.OPERATOR, since_ms=0)
    assert Wanted(domain="bücher.example").fits("a@xn--bcher-kva.example", entry)


def test_a_rule_for_a_domain_in_its_own_letters_binds(tmp_path: Path) -> None:
    """One that asks for TLS above all: it would never have fitted."""
    file = tmp_path / "softbounce.toml"
    file.write_text(RULES)
    settings = load(file, environ={}).settings()
    assert settings.tls_rule_for(domain="xn--bcher-kva.example", site=None)[1].mode == "required"
    assert settings.assign[0].sender == "*@*.xn--bcher-kva.example"
    assert settings.lane_rule_for("xn--bcher-kva.example").connections == 1
