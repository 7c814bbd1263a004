"""The tables of alerts: what is wrong with one is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from softbounce_config import load

from softbounce.errors import ConfigError

WEBHOOK = '[[webhook]]\nname = "hook"\nurl = "https://h.example"\nsecret_env = "S"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('name = "a"', "give one of to, command, webhook", id="nobody is told"),
        pytest.param('name = "a"\nto = "a@b.example"\ncommand = ["/x"]', "give one of", id="two ways"),
        pytest.param('name = "a"\ncommand = "/bin/page now"', "list of words", id="a line for a shell"),
        pytest.param('name = "a"\ncommand = ["page"]', "whole path", id="a program somewhere in PATH"),
        pytest.param('name = "a"\nto = "a@b.example"\nsummary = "7:00"', "07:00", id="no time of day"),
        pytest.param('name = "a"\nwebhook = "hok"', "this name; did you mean hook?", id="no such webhook"),
        pytest.param('name = "a"\nto = "nobody"', "to", id="no address"),
        pytest.param('name = "a"\nto = "bücher@b.example"', "beyond ASCII", id="an address that few hosts take"),
        pytest.param(
            'name = "a"\nto = "a@b.example"\n[[alert]]\nname = "A"\nto = "a@b.example"', "already", id="twice"
        ),
    ],
)
def test_issue15_5_what_is_wrong_with_an_alert(text: str, said: str, tmp_path: Path) -> None:
    """In words, with what to write."""
    file = tmp_path / "softbounce.toml"
    file.write_text(f"{WEBHOOK}[[alert]]\n{text}\n")
    with pytest.raises(ConfigError) as raised:
        load(file, environ={})
    assert said in str(raised.value)
    assert "alert[" in str(raised.value)
