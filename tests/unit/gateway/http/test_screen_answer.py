"""How words of strangers are shown, and where a finding's command leads to."""

from __future__ import annotations

import pytest
from softbounce_gateway.http.screen.answer import MOST_MARKS, plain
from softbounce_gateway.http.screen.filtering import act_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a..b.c@x.test", "a..b.c@x.test", id="dots"),
        pytest.param("admin\u200b@x.test", "admin\\u200b@x.test", id="a zero-width space"),
        pytest.param("admin\u2060\ufeff", "admin\\u2060\\ufeff", id="joiners"),
        pytest.param("txt.exe\u202efdp", "txt.exe\\u202efdp", id="what turns the line round"),
        pytest.param("a\u3164b\u115fc\u2800d", "a\\u3164b\\u115fc\\u2800d", id="letters that nobody sees"),
        pytest.param("a\u00a0b\u2003c", "a\\u00a0b\\u2003c", id="spaces that are none"),
        pytest.param("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd", id="Hebrew"),
        pytest.param("\u0e01\u0e33\u0e49", "\u0e01\u0e33\u0e49", id="Thai with its marks"),
        pytest.param("Z" + "\u0300" * 900 + "!", "Z" + "\u0300" * MOST_MARKS + "\u2026!", id="a pile of marks"),
        pytest.param("a\x1b[2Jb\x00", "a\\u001b[2Jb\\u0000", id="a terminal's orders"),
        pytest.param("\ud800", "\\ud800", id="half a character"),
    ],
)
def test_A20_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    """And what would be drawn over other lines is not."""
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("command", "path"),
    [
        (
            "softbounce hold --site slow.test --stream newsletter",
            "/ui/act?action=hold&site=slow.test&stream=newsletter",
        ),
        ("softbounce release --held-for may_duplicate", "/ui/act?action=release&held_for=may_duplicate"),
        ("softbounce retry --domain a&b=c.test", "/ui/act?action=retry&domain=a%26b%3Dc.test"),
        ("softbounce doctor --domain tenant.test", "/ui/health"),
        ("softbounce release --stream ''", ""),
        ("softbounce holds list", ""),
        ("softbounce top a.test", ""),
        ("softbounce up --roles worker", ""),
        ("df -h /srv", ""),
        ("", ""),
    ],
)
def test_issue15_1_what_a_command_does_can_be_done_on_a_page(command: str, path: str) -> None:
    """Where it acts by filters that a form can say, which are quoted; no other command leads anywhere."""
    found, words = act_of(tuple(command.split(" ")) if command else ())
    assert found == path
    assert bool(words) == bool(path)
