from __future__ import annotations

import json
import tomllib
from pathlib import Path

from softbounce_config import load, to_plain, to_toml

EXAMPLE = Path(__file__).parents[3] / "examples" / "softbounce.toml"


def test_values_are_shown_as_the_file_has_them() -> None:
    """Effective values are in the notation of the file, and JSON can hold them."""
    plain = to_plain(load(EXAMPLE, environ={}))
    assert plain["smtp"]["timeouts"]["connect"] == "30s"
    assert plain["smtp"]["max_message"] == "25MiB"
    assert plain["policy"]["otp"]["delays"] == ["10s", "30s", "1m", "2m"]
    assert plain["lane"][0]["rate"] == "100/s"
    assert plain["lane"][1]["rate"] == 0
    assert plain["assign"][0] == {"stream": "otp", "policy": "otp"}
    assert json.loads(json.dumps(plain)) == plain


def test_passwords_are_masked() -> None:
    """``config show`` shows no password."""
    config = load(EXAMPLE, environ={"SOFTBOUNCE__STORE__URL": "redis://u:geheim@h/0"})
    assert to_plain(config)["store"]["url"] == "redis://u:***@h/0"
    assert config.store_url == "redis://u:geheim@h/0"


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    """The TOML of the effective values is a config file with the same values."""
    config = load(EXAMPLE, environ={"SOFTBOUNCE__CLASSIFY__DISABLED_RULES": 'a "quoted" rule\x7f'})
    text = to_toml(to_plain(config))
    assert tomllib.loads(text) == to_plain(config)
    shown = tmp_path / "shown.toml"
    shown.write_text(text)
    assert load(shown, environ={}) == config
