"""A store that is not as durable as the configuration claims: refused at start, an alarm later."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from service import Service, ready_line, run_cli, until
from softbounce_config import load
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.durability import DurabilityWatch, check_durability

from softbounce.store.shards import AsyncShards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import StartStore
    from servers import Valkey

UP_THAT_LOOKS_OFTEN = """
import sys
import softbounce_gateway.store_checks.durability as durability
durability.LOOK_AGAIN = 0.1
from softbounce.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def service(store_binary: Path) -> Iterator[Service]:
    """A folder with a config, and what is started in it."""
    del store_binary
    service = Service("")
    yield service
    service.clean()


def claim(url: str, durability: str | None) -> str:
    """A config that names a store and claims a durability, or leaves that to the default."""
    return f'[store]\nurl = "{url}"\n' + (f'durability = "{durability}"\n' if durability else "")


def check(service: Service) -> None:
    """Check the store of a config, as a start does."""

    async def run() -> None:
        store = AsyncShards(service.url)
        try:
            await check_durability(store, load(service.config, environ={}))
        finally:
            await store.close()

    asyncio.run(run())


def set_there(server: Valkey, setting: str) -> None:
    """CONFIG SET, as an operator types it."""
    with server.client() as raw:
        assert raw.execute_command("CONFIG", "SET", *setting.split())


@pytest.mark.parametrize(
    ("setting", "cures", "holds"),
    [
        ("appendonly no", ["appendonly yes", "appendfsync always"], "none"),
        ("appendfsync everysec", ["appendfsync always"], "everysec"),
        ("appendfsync no", ["appendfsync always"], "none"),
        ("no-appendfsync-on-rewrite yes", ["no-appendfsync-on-rewrite no"], "none"),
    ],
    ids=["no log", "everysec", "never syncs", "pauses to rewrite"],
)
def test_a_store_less_durable_than_claimed_is_refused_and_each_way_out_works(
    start_store: StartStore, service: Service, setting: str, cures: list[str], holds: str
) -> None:
    """Exit code 2, whether the claim was written or is the default; it starts once either side was set right."""
    server = start_store()
    set_there(server, setting)
    for durability, claimed in (("always", '"always"'), (None, '"always" (the default)')):
        service.configure(claim(server.url, durability))
        with pytest.raises(StartFailed):  # before a start that would go on
            check(service)
        refused = run_cli("--config", service.config, "up", "--roles", "scheduler")
        said = refused.stderr.decode()
        assert refused.returncode == 2
        assert f"`{setting}`" in said
        assert f"durability = {claimed} claims" in said
        assert f'durability = "{holds}"\n' in said
        assert [line.partition("CONFIG SET ")[2] for line in said.splitlines() if "    CONFIG" in line] == cures
    for cure in cures:
        set_there(server, cure)
    check(service)
    set_there(server, setting)
    service.configure(claim(server.url, holds))
    check(service)


@pytest.mark.parametrize("durability", ["always", "everysec", "none"])
def test_a_store_that_evicts_mail_is_refused_whatever_is_claimed(
    start_store: StartStore, service: Service, durability: str
) -> None:
    """No durability stands for forgetting mail while the server runs."""
    server = start_store(options=("--maxmemory-policy", "allkeys-lru"))
    service.configure(claim(server.url, durability))
    refused = run_cli("--config", service.config, "up", "--roles", "scheduler")
    assert refused.returncode == 2
    assert b"forgets accepted mail" in refused.stderr
    assert b"CONFIG SET maxmemory-policy noeviction" in refused.stderr
    assert b"softbounce.toml" not in refused.stderr


@pytest.mark.parametrize(
    ("setting", "durability"),
    [("appendfsync everysec", "everysec"), ("appendonly no", "none")],
    ids=["everysec", "none"],
)
def test_what_a_lesser_durability_may_lose_is_said_at_each_start(
    start_store: StartStore, service: Service, setting: str, durability: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who claims no more than that gets it, with a word about what it costs; none is said where alarms are."""
    server = start_store()
    set_there(server, setting)
    service.configure(claim(server.url, durability))
    for _ in range(2):
        check(service)
        said = capsys.readouterr()
        words = {"everysec": "a power loss may take up to two seconds", "none": "a restart of the store may lose mail"}
        assert words[durability] in (said.out if durability == "everysec" else said.err)


def test_an_embedded_store_without_durability_says_so_and_keeps_its_log(service: Service) -> None:
    """It syncs when the system likes; a kill of everything loses nothing all the same."""
    service.configure('[store]\ndurability = "none"\n')
    service.start("--roles", "store,scheduler")
    assert "durability is none: a power loss may take half a minute of mail" in service.log
    with service.client() as mail:
        receipt = mail.send(sender="a@a.test", recipients=["b@b.test"], message=b"Subject: x\r\n\r\nx\r\n")
    (identity,) = receipt.envelopes.values()
    service.kill()
    service.start("--roles", "store,scheduler")
    with service.client() as mail:
        assert mail.show(identity).recipient == "b@b.test"


def test_a_change_while_it_runs_is_said_once_and_once_when_it_is_right_again(
    start_store: StartStore, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each other fault is said too; a server that is away is no news."""
    server = start_store()
    service.configure(claim(server.url, None))
    watch = DurabilityWatch(load(service.config, environ={}))

    async def look(times: int = 2) -> str:
        store = AsyncShards(server.url, patience=0.0)
        try:
            for _ in range(times):
                await watch.look(store)
        finally:
            await store.close()
        return capsys.readouterr().err

    assert asyncio.run(look()) == ""
    set_there(server, "appendfsync everysec")
    assert asyncio.run(look()).count("ALARM") == 1
    set_there(server, "maxmemory-policy allkeys-lru")
    assert "allkeys-lru" in asyncio.run(look())
    server.kill()
    assert asyncio.run(look()) == ""
    server.start()  # by its own configuration, which is right
    said = asyncio.run(look())
    assert said.count("\n") == 1
    assert 'is again as durable as [store] durability = "always" claims' in said


def test_up_looks_again_while_it_runs(start_store: StartStore, service: Service) -> None:
    """Somebody sets the server otherwise at noon: it is said, and nothing stops."""
    server = start_store()
    service.configure(claim(server.url, None))
    log = service.folder / "log"
    with log.open("wb") as stderr:
        up = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", UP_THAT_LOOKS_OFTEN, "up", "--config", str(service.config), "--roles", "scheduler"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=dict(os.environ),
        )
    with up:
        try:
            ready_line(up)
            set_there(server, "appendonly no")
            until(lambda: "keeps no append-only file" in log.read_text(), 10, "it is said")
            set_there(server, "appendonly yes")
            until(lambda: "is again as durable as" in log.read_text(), 10, "it is said to be right again")
            up.send_signal(signal.SIGTERM)
            assert up.wait(20) == 0
        finally:
            up.kill()
