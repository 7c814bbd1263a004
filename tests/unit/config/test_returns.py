"""``[[returns]]``: what it becomes, and what of it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from softbounce_config import load

from softbounce.errors import ConfigError
from softbounce.settings import ReturnsRule


def test_the_tables_become_rules(tmp_path: Path) -> None:
    """In their order; a domain in A-labels."""
    file = tmp_path / "softbounce.toml"
    file.write_text('[[returns]]\nstream = "own"\n[[returns]]\ndomain = "Bounce.Bücher.example"\nfeedback = "fbl"\n')
    assert load(file, environ={}).settings().returns == (
        ReturnsRule(stream="own"),
        ReturnsRule(domain="bounce.xn--bcher-kva.example", feedback="fbl"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[gateway]\nreturns = "127.0.0.1:25"', "gateway.returns = '127.0.0.1:25': would take nothing"),
        ('[gateway]\nreturns_lmtp = "127.0.0.1:25"\n[[returns]]\nstream = "x"', "gateway.returns_lmtp"),
        ('[[returns]]\nfeedback = "fbl"', "returns[0].feedback = 'fbl': needs domain beside it"),
        ('[[returns]]\ndomain = "a@b"', "returns[0].domain"),
        ('[[returns]]\ndomain = "b.example"\nfeedback = "F B L"', "returns[0].feedback"),
        ('[returns]\ndomain = "b.example"', "returns"),
    ],
)
def test_what_makes_no_sense_is_said(tmp_path: Path, text: str, said: str) -> None:
    """With its place."""
    file = tmp_path / "softbounce.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file, environ={})
    assert said.replace("'", '"') in str(refused.value).replace("'", '"'), refused.value
