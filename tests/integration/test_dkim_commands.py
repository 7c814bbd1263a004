"""``softbounce dkim``: keys that are made, and their records in a real DNS."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dnsserver import DnsServer
from signing import ED25519_PEM, pem_of_bits
from softbounce_gateway.cli.app import app
from softbounce_worker.dkim.keys import parse_key
from typer.testing import CliRunner, Result


@contextmanager
def dns(zone: dict[str, Mapping[str, Sequence[str]] | str]) -> Iterator[DnsServer]:
    """A name server in a thread of its own, because commands wait for theirs."""
    loop, server = asyncio.new_event_loop(), DnsServer(zone)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a config file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "softbounce.toml").write_text("")
    return tmp_path


def run(*arguments: str) -> Result:
    """One command."""
    return CliRunner().invoke(app, list(arguments))


def made(*arguments: str) -> dict[str, Any]:
    """A key; what is told of it."""
    result = run("dkim", "new", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def checked(folder: Path, config: str, server: DnsServer, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code of a check, and what it found."""
    text = f'{config}\n[dns]\nnameservers = ["{server.nameserver}"]\ntimeout = "1s"\n'
    (folder / "softbounce.toml").write_text(text)
    result = run("dkim", "check", *arguments, "--json")
    return result.exit_code, json.loads(result.stdout) if result.stdout else {"error": result.stderr}


def quoted(strings: Sequence[str]) -> list[str]:
    """A TXT record as zone files have it."""
    return [" ".join(f'"{string}"' for string in strings)]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_issue12_a_new_key_is_private_and_its_record_is_found(folder: Path, kind: str) -> None:
    """The file is for its user alone; the table that is printed works; what is printed of the record verifies."""
    key = made("Example.TEST", "--selector", "S1", "--type", kind)
    path = Path(key["key_file"])
    assert path == folder / "dkim" / "example.test.s1.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    record = key["record"]
    assert record["name"] == "s1._domainkey.example.test"
    assert record["value"] == "".join(record["strings"]) == parse_key(path.read_bytes()).record
    assert max(map(len, record["strings"])) <= 255
    assert 'key_file = "dkim/example.test.s1.pem"' in key["config"]
    with dns({record["name"]: {"TXT": quoted(record["strings"])}}) as server:
        code, found = checked(folder, key["config"], server)
    assert (code, found["ok"]) == (0, True)
    assert found["keys"][0]["state"] == "ok"


def test_issue12_a_key_is_never_written_over_another_one(folder: Path) -> None:
    """The second command fails, and the file stays as it was."""
    path = Path(made("example.test", "--selector", "s1")["key_file"])
    before = path.read_bytes()
    result = run("dkim", "new", "example.test", "--selector", "s1")
    assert result.exit_code == 1
    assert "stays as it is" in result.stderr
    assert path.read_bytes() == before
    assert list((folder / "dkim").iterdir()) == [path]


def test_issue12_what_is_printed_is_to_be_pasted(folder: Path) -> None:
    """The zone's line, name and value apart, and the table; nothing of the private key."""
    result = run("dkim", "new", "example.test", "--selector", "s1", "--type", "ed25519", "--out", "here.pem")
    secret = (folder / "here.pem").read_text().splitlines()[1]
    assert result.exit_code == 0
    assert secret not in result.stdout
    assert 's1._domainkey.example.test. 3600 IN TXT ( "v=DKIM1; k=ed25519; p=' in result.stdout
    assert '[[dkim]]\ndomain = "example.test"\nselector = "s1"\nkey_file = "here.pem"' in result.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["a b"], "is no domain"),
        (["example.test", "--selector", "a_b"], "--selector a_b"),
        (["example.test", "--type", "dsa"], "--type dsa: should be one of rsa, ed25519"),
    ],
)
def test_issue12_wrong_orders_make_no_key(folder: Path, arguments: list[str], why: str) -> None:
    """Exit code 2, and no file."""
    result = run("dkim", "new", *arguments)
    assert result.exit_code == 2
    assert why in result.stderr
    assert not (folder / "dkim").exists()


def test_issue12_each_way_of_not_being_published_is_told_apart(folder: Path) -> None:
    """Missing, another key, revoked, broken, nobody tells: exit code 1, and what the record should be."""
    key = made("example.test", "--selector", "s1")
    name, value, strings = key["record"]["name"], key["record"]["value"], key["record"]["strings"]
    other = made("example.test", "--selector", "s2")["record"]["strings"]
    short = parse_key(ED25519_PEM).record
    cases: list[tuple[dict[str, Mapping[str, Sequence[str]] | str], str, str]] = [
        ({}, "missing", "there is no"),
        ({name: {"A": ["192.0.2.1"]}}, "missing", "has no TXT record"),
        ({name: {"TXT": quoted(other)}}, "differs", "another key"),
        ({name: {"TXT": quoted(strings[:1])}}, "differs", "cut short"),
        ({name: {"TXT": quoted([short])}}, "differs", "type ed25519"),
        ({name: {"TXT": quoted(["v=DKIM1; k=rsa; p="])}}, "revoked", "revoked"),
        ({name: {"TXT": quoted(["v=spf1 -all"])}}, "broken", "no DKIM key record"),
        ({name: {"TXT": quoted(["v=DKIM1; k=rsa; p=@@@"])}}, "broken", "not base64"),
        ({name: {"TXT": quoted(["v=dkim1; k=rsa; p=x"])}}, "broken", "v=DKIM1"),
        ({name: {"TXT": [*quoted(strings), *quoted(["v=spf1 -all"])]}}, "broken", "2 TXT records"),
        ({name: {"TXT": quoted(["h=sha1; ", *strings])}}, "broken", "v=DKIM1"),
        ({name: {"TXT": quoted(["v=DKIM1; h=sha1;" + value[9:200], value[200:]])}}, "broken", "sha256"),
        ({name: {"TXT": quoted(["v=DKIM1; s=other;" + value[9:200], value[200:]])}}, "broken", "not for mail"),
        ({name: "servfail"}, "unknown", "do not tell"),
        ({name: "silent"}, "unknown", "do not tell"),
    ]
    for zone, state, why in cases:
        with dns(zone) as server:
            code, found = checked(folder, key["config"], server)
        (row,) = found["keys"]
        assert (code, found["ok"], row["state"]) == (1, False, state), (zone, row)
        assert why in row["detail"], row
        assert row["record"] == value


def test_issue12_what_is_published_in_other_words_is_ours_all_the_same(folder: Path) -> None:
    """By an alias, over TCP, in pieces with white space, without v= and k=, with t=y, which is said."""
    key = made("example.test", "--selector", "s1")
    name, value, strings = key["record"]["name"], key["record"]["value"], key["record"]["strings"]
    public = value.partition("p=")[2]
    long = quoted([*(["n=" + "x" * 200] * 1), *["y" * 250] * 5, "; p=" + public[:200], public[200:]])
    for zone in (
        {name: {"CNAME": ["k.host.test."]}, "k.host.test": {"TXT": quoted(strings)}},
        {name: {"TXT": long}},
        {name: {"TXT": quoted([" p = " + public[:100] + " ", "  " + public[100:200], public[200:] + " ; "])}},
        {name: {"TXT": quoted(["v=DKIM1; t=s:y; s=*; h=sha1:sha256;" + value[9:200], value[200:]])}},
    ):
        with dns(dict(zone)) as server:
            code, found = checked(folder, key["config"], server)
        assert (code, found["keys"][0]["state"]) == (0, "ok"), found
    assert "t=y" in found["keys"][0]["detail"]


def test_issue12_a_check_is_of_all_keys_or_of_those_that_sign_for_a_domain(folder: Path) -> None:
    """A glob without a domain of its own is looked up for the one that is named; a domain without a key is said."""
    one, two = made("a.test", "--selector", "s1"), made("b.test", "--selector", "s2", "--type", "ed25519")
    config = one["config"] + "\n" + two["config"].replace('"b.test"', '"*.b.test"')
    zone: dict[str, Mapping[str, Sequence[str]] | str] = {
        "s1._domainkey.a.test": {"TXT": quoted(one["record"]["strings"])},
        "s2._domainkey.x.b.test": {"TXT": quoted(two["record"]["strings"])},
    }
    with dns(zone) as server:
        assert checked(folder, config, server, "a.test")[0] == 0
        assert checked(folder, config, server, "X.b.test")[0] == 0
        code, found = checked(folder, config, server)
        assert (code, [row["state"] for row in found["keys"]]) == (1, ["ok", "unknown"])
        assert checked(folder, config, server, "c.test") == (
            2,
            {"error": "softbounce: no [[dkim]] table fits c.test\n"},
        )
        assert checked(folder, "", server)[0] == 2


def test_issue12_a_key_that_cannot_be_used_is_found_before_anything_starts(folder: Path) -> None:
    """By `config check`, `dkim check` and `up`, with exit code 2 and the same line; a weak one is warned of."""
    table = '[[dkim]]\ndomain = "a.test"\nselector = "s"\nkey_file = "key.pem"\n'
    hostname = '[identity]\nhostname = "mail.example.com"\n'
    (folder / "softbounce.toml").write_text(hostname + table)
    for command in (("config", "check"), ("dkim", "check"), ("up",)):
        result = run(*command)
        assert result.exit_code == 2, command
        assert "dkim[0] (s, a.test): key_file" in result.stderr
        assert "cannot be read: No such file" in result.stderr
    (folder / "key.pem").write_bytes(pem_of_bits(1024))
    (folder / "key.pem").chmod(0o644)
    result = run("config", "check")
    assert result.exit_code == 0
    assert "1024 bits" in result.stderr
    assert "chmod 600" in result.stderr
    (folder / "key.pem").write_bytes(ED25519_PEM)
    assert "Ed25519 alone" in run("config", "check").stderr
