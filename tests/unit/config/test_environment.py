from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from softbounce_config import load

from softbounce.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("SMTP__PORT", "2525", "config.smtp.port == 2525"),
        ("SMTP__ALLOW_PRIVATE_ADDRESSES", "true", "config.smtp.allow_private_addresses is True"),
        ("SMTP__ALLOW_PRIVATE_ADDRESSES", "Off", "config.smtp.allow_private_addresses is False"),
        ("SMTP__TIMEOUTS__CONNECT", "5s", "config.smtp.timeouts.connect.seconds == 5"),
        ("WORKER__DRAIN", "0", "config.worker.drain.seconds == 0"),
        ("IDENTITY__ADDRESSES", "interfaces,192.0.2.1", "config.identity.addresses == ('interfaces', '192.0.2.1')"),
        ("IDENTITY__HOSTNAME", "mail.example.com", "config.identity.hostname == 'mail.example.com'"),
        ("JOBS__URL", "", "config.jobs.url == ''"),
        ("DNS__NAMESERVERS", "127.0.0.1:53, ::1", "config.dns.nameservers == ('127.0.0.1:53', '::1')"),
        ("DNS__NAMESERVERS", '["[::1]:53"]', "config.dns.nameservers == ('[::1]:53',)"),
        ("DNS__NAMESERVERS", '["127.0.0.1"]', "config.dns.nameservers == ('127.0.0.1',)"),
        ("DNS__NAMESERVERS", "", "config.dns.nameservers == ()"),
        ("POLICY__DEFAULT__FACTOR", "1.5", "config.policy['default'].factor == 1.5"),
        ("POLICY__DEFAULT__FACTOR", "3", "config.policy['default'].factor == 3"),
        ("POLICY__OTP__DELAYS", "5s,10s", "len(config.policy['otp'].delays) == 2"),
        ("LANE", '[{"site": "*", "rate": "5/s"}]', "config.lane[0].rate == 5"),
        ("LANE", '[{"connections": 3}]', "config.lane[0].connections == 3"),
        ("smtp__port", "2525", "config.smtp.port == 2525"),
    ],
)
def test_variable_sets_its_key(name: str, text: str, shown: str) -> None:
    """A variable's text becomes a value of its key's type."""
    config = load(None, environ={f"SOFTBOUNCE__{name}": text, "PATH": "/bin", "SOFTBOUNCE_OTHER": "not ours"})
    assert eval(shown, {"config": config})  # noqa: S307  # written a few lines above


def test_bracketed_address_is_no_json() -> None:
    """A list that begins with a bracketed address and is no JSON says so."""
    with pytest.raises(ConfigError, match="should be a list in JSON"):
        load(None, environ={"SOFTBOUNCE__DNS__NAMESERVERS": "[::1]:53"})


def test_policy_of_the_file_is_found_whatever_its_case(folder: Path) -> None:
    """A variable cannot tell the case of a policy's name, so it takes that of the file's."""
    (folder / "softbounce.toml").write_text('[policy.OTP]\nwindow = "5m"\n')
    config = load(None, environ={"SOFTBOUNCE__POLICY__OTP__MAX_ATTEMPTS": "3"})
    assert set(config.policy) == {"default", "OTP"}
    assert config.policy["OTP"].max_attempts == 3


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("SMTP__PROT", "25", "unknown variable; did you mean SOFTBOUNCE__SMTP__PORT?"),
        ("STOER__URL", "x", "unknown variable; did you mean SOFTBOUNCE__STORE?"),
        ("", "x", "unknown variable; known: SOFTBOUNCE__STORE, SOFTBOUNCE__JOBS"),
        ("SMTP", "x", "is a table; its keys are variables, such as SOFTBOUNCE__SMTP__PORT"),
        ("POLICY", "x", "is a table; its keys are variables, such as SOFTBOUNCE__POLICY__NAME"),
        ("SMTP__PORT__X", "x", "nothing is below SOFTBOUNCE__SMTP__PORT"),
        ("LANE__0__SITE", "x", "nothing is below SOFTBOUNCE__LANE"),
        ("LANE", "x", "should be a list in JSON"),
        ("LANE", "{}", "should be a list in JSON, in [ and ]"),
        ("SMTP__ALLOW_PRIVATE_ADDRESSES", "ja", "should be true or false"),
    ],
)
def test_variable_that_leads_nowhere_is_an_error(name: str, text: str, reason: str) -> None:
    """A SOFTBOUNCE__ variable that is no key is refused, with the one that was probably meant."""
    with pytest.raises(ConfigError) as refused:
        load(None, environ={f"SOFTBOUNCE__{name}": text})
    assert str(refused.value).startswith(f'environment: SOFTBOUNCE__{name} = "{text}": {reason}')


def test_variable_does_not_hide_a_fault_of_the_file(folder: Path) -> None:
    """Where the file has a value in the place of a table, a variable below it mends nothing."""
    (folder / "softbounce.toml").write_text("smtp = 25\n")
    with pytest.raises(ConfigError, match=r"^softbounce\.toml: smtp = 25: is a table, not a value$"):
        load(None, environ={"SOFTBOUNCE__SMTP__TIMEOUTS__CONNECT": "1s"})


def test_wrong_value_names_its_variable() -> None:
    """A value that the environment gave is not blamed on the file."""
    with pytest.raises(ConfigError) as refused:
        load(None, environ={"SOFTBOUNCE__SMTP__PORT": "many"})
    line = 'environment: SOFTBOUNCE__SMTP__PORT: smtp.port = "many": should be a whole number'
    assert str(refused.value) == line
