"""The ``[[webhook]]`` tables as they are written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from softbounce_config import check_file, load, to_plain
from softbounce_config.webhook_secret import Secret
from softbounce_config.webhooks import WebhookUrl, is_loopback, name_of
from softbounce_gateway.webhooks.own_secrets import read_secrets

from softbounce.webhooks import KINDS

ROOT = Path(__file__).parents[3]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
TABLE = f'[[webhook]]\nurl = "https://app.test/hook"\nsecret = "{SECRET}"\n'


def faults(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a file."""
    path = tmp_path / "softbounce.toml"
    path.write_text(text)
    return [one.removeprefix(f"{path}: ") for one in check_file(path, {})]


def test_issue14_7_a_table_needs_no_more_than_a_url_and_a_secret(tmp_path: Path) -> None:
    """All kinds of events of all streams, and a name made of the URL that does not tell it."""
    path = tmp_path / "softbounce.toml"
    path.write_text(TABLE)
    (told,) = [table.told() for table in load(path, environ={}).webhook]
    assert (told.kinds, told.streams, told.policy, told.allow_http, told.allow_private) == ((), (), None, False, False)
    assert told.name == name_of("https://app.test/hook") == "app.test-a4a4c5"
    assert "hook" not in told.name
    assert read_secrets(told, {}) == [Secret.read(SECRET).octets]


def test_A17_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither by `config show`, nor by what Python prints of it."""
    path = tmp_path / "softbounce.toml"
    path.write_text(TABLE)
    config = load(path, environ={})
    assert to_plain(config)["webhook"][0]["secret"] == ["***"]
    told = config.webhook[0].told()
    for text in (repr(config), str(told), repr(told.secret), f"{told.secret[0]}"):
        assert "MfKQ9r8" not in text
        assert repr(Secret.read(SECRET).octets)[2:-1] not in text


def test_issue14_7_secrets_come_from_a_file_or_the_environment_too(tmp_path: Path) -> None:
    """One or two; a path is relative to the file."""
    path = tmp_path / "softbounce.toml"
    (tmp_path / "secret").write_text(f"{SECRET}\r\n{OTHER}\n")
    path.write_text(
        '[[webhook]]\nurl = "https://a.test/"\nsecret_file = "secret"\n'
        '[[webhook]]\nurl = "https://b.test/"\nsecret_env = "HOOK"\n'
    )
    first, second = [table.told() for table in load(path, environ={}).webhook]
    both = [Secret.read(SECRET).octets, Secret.read(OTHER).octets]
    assert read_secrets(first, {}) == both
    assert read_secrets(second, {"HOOK": f"{SECRET} {OTHER}"}) == both
    for environ, words in (({}, "is not set"), ({"HOOK": "x"}, "should be secrets"), ({"HOOK": ""}, "should be")):
        with pytest.raises(ValueError, match=words):
            read_secrets(second, environ)
    for content, words in ((b"\xff\n", "is not UTF-8 text"), (b"s3cret\n", "should be secrets"), (b"", "should be")):
        (tmp_path / "secret").write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            read_secrets(first, {})
        assert "s3cret" not in str(caught.value)
    (tmp_path / "secret").unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        read_secrets(first, {})


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('url = "https://a.test/"', "webhook[0]: needs its secret: give one of secret, secret_file, secret_env"),
        (
            f'url = "https://a.test/"\nsecret = "{SECRET}"\nsecret_env = "X"',
            "webhook[0]: needs its secret: give one of secret, secret_file, secret_env",
        ),
        (f'secret = "{SECRET}"', "webhook[0].url: is missing"),
        (f'url = "http://a.test/"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "ftp://a.test/"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://u:p@a.test/"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://a.test:99999/"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https:///x"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://a b.test/"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://ä.test/"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://a.test/#x"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://[::1"\nsecret = "{SECRET}"', "webhook[0].url"),
        (f'url = "https://a.test/"\nsecret = "{SECRET}"\nkinds = ["deliverd"]', "webhook[0].kinds"),
        (f'url = "https://a.test/"\nsecret = "{SECRET}"\nkinds = "bounced"', "webhook[0].kinds"),
        (f'url = "https://a.test/"\nsecret = "{SECRET}"\nstreams = [1]', "webhook[0].streams"),
        (f'url = "https://a.test/"\nsecret = "{SECRET}"\npolicy = "nobody"', "webhook[0].policy"),
        (f'url = "https://a.test/"\nsecret = "{SECRET}"\nconnections = 0', "webhook[0].connections"),
        (f'url = "https://a.test/"\nsecret = "{SECRET}"\nsecrets = "x"', "webhook[0].secrets"),
        ('url = "https://a.test/"\nsecret = "s3cret"', "webhook[0].secret = ***: should be secrets"),
        ('url = "https://a.test/"\nsecret = ["s3cret", "x"]', "webhook[0].secret = ***: should be secrets"),
    ],
)
def test_issue14_7_what_is_wrong_is_said(tmp_path: Path, table: str, fault: str) -> None:
    """Which key, and why; no secret is repeated."""
    found = faults(tmp_path, f"[[webhook]]\n{table}\n")
    assert any(one.startswith(fault) for one in found), found
    assert "s3cret" not in "".join(found)


def test_issue14_7_two_receivers_have_two_names(tmp_path: Path) -> None:
    """By which is kept how far each was told."""
    assert faults(tmp_path, TABLE + TABLE) == [
        'webhook[1].name = "app.test-a4a4c5": webhook[0] has this name already, by which is kept how far it was told'
    ]
    assert faults(tmp_path, TABLE + TABLE + 'name = "other"\n') == []
    assert faults(tmp_path, TABLE + 'name = "Other"\n' + TABLE + 'name = "other"\n') != []


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("2130706433", False),
        ("0x7f.1", False),
        ("::ffff:127.0.0.1", False),
        ("", False),
    ],
)
def test_A18_this_machine_is_what_is_written_as_such(host: str, *, is_own: bool) -> None:
    """And not what some resolver makes of an odd spelling."""
    assert is_loopback(host) is is_own


def test_issue14_7_every_kind_of_event_that_code_tells_can_be_asked_for() -> None:
    """So that none is told that no table may name."""
    found: set[str] = set()
    for package in ("softbounce", "scheduler", "worker", "gateway"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
                if called in {"StoredEvent", "event_of"}:
                    assert isinstance(node, ast.Call)
                    kinds = [one.value for one in node.keywords if one.arg == "kind"] + node.args[1:2]
                    found |= {str(one.value) for one in kinds if isinstance(one, ast.Constant)}
    assert {"accepted", "stream_held"} <= found <= set(KINDS)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://bücher.test/x", "should be in ASCII: its host is written xn--bcher-kva.test"),
        ("https://a.test/ä", "write others as %XX"),
        ("https://xn--a.test/", "begins with xn--, and stands for no name"),
        ("https://a.test./", "a dot behind its host name, which no certificate has: write a.test"),
        ("https://a..test/", "with a part that is empty"),
        (f"https://{'a' * 64}.test/", "longer than 63 characters"),
        ("https://127.1/", "has a number for a host, and no address"),
        ("https://0x7f000001/", "has a number for a host, and no address"),
        ("https://2130706433/", "has a number for a host, and no address"),
        ("https://a.test:0/", "has the port 0"),
        ("https://[fe80::1%25eth0]/", "of one network card alone"),
        ("https://a.test\\@b.test/", "without blanks"),
        ("https://u@a.test/", "has a login in it"),
    ],
)
def test_issue14_7_a_host_is_written_in_one_way(url: str, why: str) -> None:
    """That of its certificate, its Host field and a look-up; else it is said what to write."""
    with pytest.raises(ValueError, match=re.escape(why)):
        TypeAdapter(WebhookUrl).validate_python(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://xn--bcher-kva.test/x",
        "https://[2001:db8::1]:8443/x",
        "http://[::1]/",
        "https://A.test",
        "https://192.0.2.1/",
    ],
)
def test_issue14_7_other_hosts_are_taken(url: str) -> None:
    """By name, written in ASCII, or by address."""
    assert TypeAdapter(WebhookUrl).validate_python(url) == url
