"""Doctor on port 25, TLS, clocks, the store, files and disk; and on checks that hang or fail."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from certificates import Authority, server_context
from doctoring import Ask, Beside
from mx import CLOSE, HANG, Mx
from service import until
from softbounce_gateway.cli.app import app
from softbounce_gateway.doctor import Finding, Patient, State, clock, look_ups, sender_domains, store, tls_here, way_out
from softbounce_gateway.doctor.finding import good
from softbounce_gateway.doctor.machine import check_disk, check_files
from softbounce_playground.tls import self_signed_context
from typer.testing import CliRunner

from softbounce import Client, Shown, ShownAttempt

if TYPE_CHECKING:
    from conftest import StartStore
    from servers import Valkey

NAME = '[identity]\nhostname = "client.test"\n'


def place(text: str) -> tuple[tuple[str, int], ...]:
    """As the command reads it."""
    host, _, port = text.rpartition(":")
    return ((host, int(port)),)


# -- the way out ----------------------------------------------------------------------------------------------------


def test_issue12_M34_doctor_calls_a_host_by_verified_TLS(
    beside: Beside, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's own client, up to EHLO over TLS, and QUIT: the certificate is checked for the host's name."""
    authority = Authority(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    host = Mx(tls=server_context(authority.sign("mx.a.test")))
    at = beside.host(host, "127.88.9.1")
    server = beside.dns({"mx.a.test": {"A": ["127.88.9.1"]}})
    found = ask(way_out.check, server, config=NAME, hosts=(("mx.a.test", int(at.rpartition(":")[2])),))
    assert [str(one.state) for one in found.values()] == ["ok", "ok"]
    assert "certificate verified" in found["TLS outward"].found
    assert [host.count(verb) for verb in ("EHLO", "STARTTLS", "QUIT", "MAIL")] == [2, 1, 1, 0]
    assert b"EHLO client.test" in host.lines[0][0]


@pytest.mark.parametrize(
    ("script", "has_tls", "expected"),
    [
        ({}, False, {"port 25 out": "ok", "TLS outward": "warn"}),
        ({}, True, {"port 25 out": "ok", "TLS outward": "warn"}),
        ({"greeting": HANG}, False, {"port 25 out": "fail"}),
        ({"greeting": CLOSE}, False, {"port 25 out": "fail"}),
        ({"greeting": "554 5.7.1 your address is \x1b[31mlisted"}, False, {"port 25 out": "fail"}),
        ({"EHLO": "421 4.7.0 who are you"}, False, {"port 25 out": "warn"}),
    ],
    ids=["no STARTTLS", "self-signed", "hangs", "closes", "refuses", "refuses EHLO"],
)
def test_issue12_doctor_says_how_far_a_host_is_reached(
    beside: Beside, ask: Ask, script: dict[str, Any], has_tls: object, expected: dict[str, str]
) -> None:
    """Wherever it ends: the line says where, in the host's own words, without what would move the cursor."""
    at = beside.host(Mx(script, tls=self_signed_context() if has_tls else None), "127.88.9.2")
    found = ask(way_out.check, beside.dns({}), config=NAME, hosts=place(at), seconds=2.0)
    assert {what: str(one.state) for what, one in found.items()} == expected
    assert all(one.found.isprintable() and one.mend.isprintable() for one in found.values())


def test_issue12_doctor_says_that_nobody_listens(beside: Beside, ask: Ask) -> None:
    """A refused connection is told from a host without an address."""
    found = ask(way_out.check, beside.dns({}), config=NAME, hosts=(("127.88.9.3", 1),))
    assert "refused the connection" in found["port 25 out"].found
    found = ask(way_out.check, beside.dns({}), config=NAME, hosts=(("nowhere.test", 25),))
    assert "no address of nowhere.test" in found["port 25 out"].found


def test_issue12_doctor_shakes_hands_with_the_playgrounds_host(ask: Ask) -> None:
    """TLS of this machine is tried for real, and a certificate that nobody signed is refused where it has to be."""
    found = ask(tls_here.check, seconds=10.0)
    assert found["TLS here"].state is State.OK
    assert "TLSv1.3" in found["TLS here"].found
    assert found["certificates here"].state is State.OK


# -- the store ------------------------------------------------------------------------------------------------------


def url(server: Any, more: str = "") -> str:  # noqa: ANN401 - a server
    """A config with this store."""
    return f'[store]\nurl = "{server.url}"\n{more}'


def test_issue12_doctor_finds_a_good_store_good(start_store: StartStore, ask: Ask) -> None:
    """It answers, is of a known version, writes before it answers, and does not evict."""
    options = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "500mb")
    server = start_store(options=options)
    found = ask(store.check, config=url(server))
    assert {what: str(one.state) for what, one in found.items()} == {
        "store": "ok",
        "store's version": "ok",
        "store's durability": "ok",
        "store's memory": "ok",
        "store's replicas": "ok",
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--appendonly", "no"), ("store's durability", "fail", "appendonly yes")),
        (("--appendonly", "yes", "--appendfsync", "everysec"), ("store's durability", "fail", "appendfsync always")),
        (("--maxmemory-policy", "allkeys-lru"), ("store's durability", "fail", "maxmemory-policy noeviction")),
        ((), ("store's memory", "warn", "maxmemory")),
        (("--replicaof", "127.0.0.1", "1"), ("store's replicas", "fail", "primary")),
    ],
    ids=["no log", "everysec", "evicts", "no limit", "a replica"],
)
def test_issue12_doctor_finds_what_a_store_is_set_to_wrongly(
    start_store: StartStore, ask: Ask, options: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    """Less durable than claimed, evicting, unlimited, a replica: each says which setting to change."""
    server = start_store(options=("--appendonly", "yes", "--appendfsync", "always", *options))
    what, state, words = expected
    findings = list(_all(store.check, server, ask))
    assert any(one.what == what and str(one.state) == state and words in one.mend for one in findings), findings


def _all(check: Any, server: Any, ask: Ask) -> Iterator[Finding]:  # noqa: ANN401
    """Every line, also where two are about the same."""
    kept: list[Finding] = []

    def keeping(patient: Patient) -> Iterator[Finding]:
        for one in check(patient):
            kept.append(one)
            yield one

    ask(keeping, config=url(server))
    return iter(kept)


def test_issue10_doctor_says_that_the_store_cannot_write_its_snapshot(start_store: StartStore, ask: Ask) -> None:
    """By default a server refuses every write from then on."""
    server = start_store()
    (server.folder / "dump.rdb").mkdir()
    with server.client() as raw:
        raw.bgsave()
        until(lambda: raw.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "it fails")
    found = ask(store.check, config=url(server))["store's disk"]
    assert found.state is State.FAIL
    assert "rdb_last_bgsave_status is err" in found.found
    assert "refuse every write" in found.mend


def test_issue12_doctor_says_that_the_store_is_not_there(ask: Ask) -> None:
    """One line, which says how to start it; the checks that need it say that they could not look."""
    found = ask(store.check)
    assert [one.state for one in found.values()] == [State.FAIL]
    assert "softbounce up" in found["store"].mend
    for check in (clock.check, look_ups.check, sender_domains.check):
        assert State.UNKNOWN in {one.state for one in ask(check).values()}


def test_issue12_doctor_compares_the_stores_clock(start_store: StartStore, ask: Ask) -> None:
    """The same machine's agrees; what keeps the clock right is asked of the kernel."""
    found = ask(clock.check, config=url(start_store()))
    assert found["store's clock"].state is State.OK
    assert "this machine's clock" in found


def test_issue12_doctor_looks_at_the_domains_that_mail_came_from(
    start_store: StartStore, beside: Beside, ask: Ask
) -> None:
    """Of the store's envelopes; the null sender of notifications has none."""
    server = start_store()
    with Client(server.url) as mail:
        for sender in ("a@a.test", "b@A.test", "c@b.test", ""):
            mail.send(sender=sender, recipients=["r@x.test"], message=b"From: a@a.test\r\nSubject: x\r\n\r\nHi.\r\n")
    found = ask(sender_domains.check, beside.dns({"a.test": {"MX": ["1 mx.a.test."]}}), config=url(server))
    assert {what.partition(":")[0] for what in found} == {"a.test", "b.test"}
    assert found["a.test: bounces"].state is State.OK
    assert found["b.test: bounces"].state is State.FAIL


# -- the machine ----------------------------------------------------------------------------------------------------


def test_issue12_doctor_looks_at_files_and_disk(ask: Ask, tmp_path: Path) -> None:
    """Whether the sessions can be open that are configured; whether the folder can be written, with room and speed."""
    assert ask(check_files, config="[worker]\nsessions = 10\n")["open files here"].state is State.OK
    many = ask(check_files, config="[worker]\nsessions = 100000\n")["open files here"]
    assert many.state is State.OK or "LimitNOFILE=100200" in many.mend
    (tmp_path / "var").mkdir()
    found = ask(check_disk)
    assert [what for what in found if "var" in what]
    if os.getuid():
        (tmp_path / "var").chmod(0o500)
        assert State.FAIL in {one.state for one in ask(check_disk).values()}


# -- the whole ------------------------------------------------------------------------------------------------------


def test_issue12_a_check_that_hangs_stops_no_other(ask: Ask) -> None:
    """It is left behind after its time, what it had found counts, and one that fails says so: neither is in the way."""
    ends = threading.Event()

    def hangs(_patient: Patient) -> Iterator[Finding]:
        yield good("before", "seen")
        ends.wait(30)

    def fails(_patient: Patient) -> Iterator[Finding]:
        raise RuntimeError("broken\x1b[2J")
        yield

    began = time.monotonic()
    found = ask(hangs, seconds=0.3)
    assert time.monotonic() - began < 3
    assert (found["before"].state, found["it"].state) == (State.OK, State.UNKNOWN)
    assert "no end within 0.3 s" in found["it"].found
    ends.set()
    (only,) = ask(fails).values()
    assert (only.state, "RuntimeError: broken" in only.found, only.found.isprintable()) == (State.UNKNOWN, True, True)


def run(*arguments: str) -> Any:  # noqa: ANN401 - a result
    """The command."""
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_issue12_doctors_exit_codes_and_json(
    start_store: StartStore, beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 where something failed, 3 where the store cannot be reached; each line of JSON says how to mend it."""
    monkeypatch.chdir(tmp_path)
    server = beside.dns({})
    at = beside.host(Mx(), "127.88.9.4")
    config = f'[dns]\nnameservers = ["{server.nameserver}"]\n{NAME}'
    (tmp_path / "softbounce.toml").write_text(config + url(start_store()))
    (tmp_path / "var").mkdir()
    common = ("--host", at, "--domain", "a.test", "--address", "192.0.2.10", "--timeout", "15s")
    result = run(*common, "--json")
    assert result.exit_code == 1, result.output
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert {one["check"] for one in told["findings"]} == {
        "dns", "look-ups", "name", "out", "senders", "gate", "tls", "clock", "store", "files", "disk"
    }  # fmt: skip
    assert all(one["mend"] for one in told["findings"] if one["state"] != "ok")
    assert sum(told["counts"].values()) == len(told["findings"])
    table = run(*common)
    assert table.exit_code == 1
    assert "a.test: SPF" in table.stdout
    assert 'publish TXT of a.test: "v=spf1 ip4:192.0.2.10 -all"' in table.stdout
    (tmp_path / "softbounce.toml").write_text(config)
    assert run(*common).exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("--timeout", "0s"),
        ("--timeout", "soon"),
        ("--address", "mail"),
        ("--host", "a b"),
        ("--host", "::1:x"),
        ("--domain", "-"),
    ],
)
def test_issue12_doctor_refuses_what_it_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str]
) -> None:
    """With exit code 2, naming the option."""
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


def shown(domain: str, *, reason: str = "", stage: str = "route") -> Shown:
    """An envelope whose latest attempt ended so."""
    now = datetime.now(UTC)
    attempt = ShownAttempt(
        number=1,
        started_at=now,
        ended_at=now,
        host=None,
        address=None,
        stage=stage,
        code=None,
        enhanced=None,
        text="",
        verdict="soft",
        reason=reason,
        fault=None,
        rule=None,
        charged=False,
        uncertain=False,
        next_attempt_at=None,
    )
    return Shown(
        id="",
        message_id="",
        state="scheduled",
        sender="a@b.test",
        recipient=f"r@{domain}",
        stream="",
        site=None,
        policy="default",
        created_at=now,
        next_attempt_at=None,
        expires_at=now,
        bounce=None,
        attempts=(attempt,),
    )


@pytest.mark.parametrize(
    ("denied", "untold", "good_ones", "state"),
    [(0, 0, 0, "ok"), (3, 0, 40, "ok"), (24, 0, 0, "ok"), (40, 0, 10, "fail"), (30, 0, 60, "ok"), (0, 20, 30, "warn")],
)
def test_issue12_doctor_sees_a_storm_of_denials(denied: int, untold: int, good_ones: int, state: str) -> None:
    """Many domains that are said not to be there, beyond the share that is believed; typing errors are no storm."""
    envelopes = [shown(f"d{one}.test", reason="bad_domain") for one in range(denied)]
    envelopes += [shown(f"u{one}.test", reason="network") for one in range(untold)]
    envelopes += [shown(f"g{one}.test", stage="rcpt") for one in range(good_ones)]
    assert str(look_ups.judge(tuple(envelopes), 0.5).state) == state


def test_issue12_doctor_looks_at_each_server_of_a_cluster_once(cluster_server: Valkey, ask: Ask) -> None:
    """Shards that share a server are told of together."""
    config = f'[store]\nurl = "{cluster_server.url}"\nshards = 4\ndurability = "none"\n'
    kept: list[Finding] = []

    def keeping(patient: Patient) -> Iterator[Finding]:
        kept.extend(store.check(patient))
        return iter(kept)

    ask(keeping, config=config)
    assert [one.what for one in kept].count("store's version") == 1
    assert kept[0].state is State.OK


def test_issue12_A17_doctor_shows_no_password_of_the_store(ask: Ask) -> None:
    """Nor where the store cannot be reached."""
    found = ask(store.check, config='[store]\nurl = "redis://me:s3cret@127.0.0.1:1/0"\n')
    assert "s3cret" not in "".join(one.found + one.mend for one in found.values())
    assert found["store"].state is State.FAIL
