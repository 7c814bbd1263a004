"""URLs of stores: what is one, and that no part of a password is ever shown."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from softbounce_config import check_file

from softbounce import AsyncClient, Client, ConfigError
from softbounce.store.address import StoreAddress
from softbounce.store.masking import redact, redact_in

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://user:secret@h/0", "redis://user:***@h/0"),
        ("redis://:secret@h/0", "redis://:***@h/0"),
        ("redis://secret@h/0", "redis://***@h/0"),
        ("redis://u:se:cr@e/t@h/0", "redis://u:***@h/0"),
        ("redis://h/0?password=secret&db=1", "redis://h/0?password=***&db=1"),
        ("unix://:secret@/run/s.sock", "unix://:***@/run/s.sock"),
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        ("embedded", "embedded"),
        ("redis://:pa?s3cret@host", "redis://:***@host"),
        ("redis://:pa?x=s3cret@host", "redis://:***@host"),
        ("redis://:pa?password=s3cret@host", "redis://:***"),
        ("redis://h/0?password=a@b&db=1", "redis://***"),
        ("redis://user:pa ss@h/0", "redis://user:***@h/0"),
        ("redis://user:pa#ss@h/0", "redis://user:***@h/0"),
        ("redis://u:p%40@[2001:db8::1]:6379/0", "redis://u:***@[2001:db8::1]:6379/0"),
        ("redis://h?pass%77ord=s3cret&ssl_password=s3cret", "redis://h?pass%77ord=***&ssl_password=***"),
        ("redis://h?password=a#s3cret", "redis://h?password=***"),
        ("redis+sentinel://u:p@s,t/mail?sentinel_password=x", "redis+sentinel://u:***@s,t/mail?sentinel_password=***"),
        ("redis:///:s3cret@host", "redis://***@host"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    """A URL is shown without the password in it."""
    assert redact_in(text) == redact(text) == shown


@pytest.mark.parametrize("odd", list("?#/@% &=:;\\\"'"))
@pytest.mark.parametrize(
    "url",
    [
        "redis://:pa{0}s3cret@host",
        "redis://:s3cret{0}@host/0",
        "redis://user:{0}s3cret{0}@host:6379/0?db=1",
        "redis://us{0}er:pa{0}s3cret@[2001:db8::1]:6379",
        "redis+cluster://:12{0}s3cret@a:7000,b:7001",
        "redis+sentinel://:pa{0}s3cret@a:26379/mail",
        "unix://:pa{0}s3cret@/run/store.sock",
        "redis://host/0?password=pa{0}s3cret",
        "redis:/:pa{0}s3cret@host",
        "redis:///:pa{0}s3cret@host",
        "pa{0}s3cret@host",
        "redis://host:{0}s3cret@host",
    ],
)
def test_issue10_27_no_part_of_a_password_is_told(url: str, odd: str) -> None:
    """Neither by what shows a URL, nor by an error about one, its causes and its traceback included."""
    written = url.format(odd)
    assert SECRET not in redact(written)
    for make in (Client, AsyncClient):
        told = ""
        try:
            make(written)
        except ConfigError as error:
            told = "".join(line for line in traceback.format_exception(error) if "make(" not in line)
        assert SECRET not in told
        assert "'pa'" not in told


@pytest.mark.parametrize("odd", ["?", "#", "/", " ", "%", "@"])
def test_issue10_27_a_config_file_s_faults_tell_no_password(odd: str, tmp_path: Path) -> None:
    """A URL that is refused, or stands where none should, is shown without it."""
    file = tmp_path / "softbounce.toml"
    for text in (f"redis://:12{odd}s3cret@host/x", f"redis:/:12{odd}s3cret@host"):
        file.write_text(f"[store]\nurl = {json.dumps(text)}\n[jobs]\nurl = {json.dumps(text)}\n")
        faults = check_file(file, {})
        assert faults
        assert SECRET not in "\n".join(faults)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://:pa?ss@host", "%3F"),
        ("redis://a:12?x=@host", "%3F"),
        ("redis://a:12/34@host", "%2F"),
        ("redis://:pa#ss@host", "%23"),
        ("redis://h/0?password=a@b", "%40"),
        ("redis://h/0?password=a@b", r"\+ as %2B"),
        ("redis://h?no_such_option=1", "no_such_option"),
        ("redis://h?socket_timeout=soon", "socket_timeout"),
        (7, "not text"),
    ],
)
def test_issue10_27_a_url_that_cannot_be_used_is_told_at_once(url: str, reason: str) -> None:
    """Before anything is connected to, and with how such a password is written."""
    for make in (Client, AsyncClient):
        with pytest.raises(ConfigError, match=reason):
            make(url)


@pytest.mark.parametrize("password", ["p@ss", "pa%3Fss", "pa%2Fs%23s", "%", "pa%ss", "a:b"])
def test_issue10_27_a_password_that_can_be_read_is_taken(password: str) -> None:
    """Escaped, or with what cannot be taken for another part of the URL."""
    assert StoreAddress.parse(f"redis://user:{password}@[::1]:6379/0")
    assert StoreAddress.parse("unix:///run/a@b/store.sock?db=2")


@pytest.mark.parametrize(
    "text",
    [
        "[store]\npassword = 's3cret'",
        "[store]\nurll = 'redis:/:s3cret@h'\nurl_ = 'redis://u:s3cret@h'\nauth_token = 's3cret'",
        "[[webhook]]\nurl = 'https://h'\nsecret = 's3cret'",
        "[gateway.tls]\nkey = 's3cret'",
        "[jobs]\nurl = ['redis:/:s3cret@h', {password = 's3cret'}]",
    ],
)
def test_issue11_a_key_that_is_not_known_tells_no_secret(text: str, tmp_path: Path) -> None:
    """A password where none belongs, a URL under a name with a slip in it, a table for what is to come."""
    file = tmp_path / "softbounce.toml"
    file.write_text(text)
    faults = check_file(file, {})
    assert faults
    assert SECRET not in "\n".join(faults)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOFTBOUNCE__STORE__PASSWORD", "s3cret"),
        ("SOFTBOUNCE__STOR__URL", "redis:/:s3cret@h"),
        ("SOFTBOUNCE__JOBS__URL", "redis:/:s3cret@h"),
        ("SOFTBOUNCE__WEBHOOK__SECRET", "s3cret"),
    ],
)
def test_issue11_a_variable_that_is_not_known_tells_no_secret(name: str, value: str) -> None:
    """As a key of the file."""
    faults = check_file(None, {name: value})
    assert faults
    assert SECRET not in "\n".join(faults)
