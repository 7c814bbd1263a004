"""A user of the store who may not use channels, as servers make users unless they are told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from mailbag import LANE, open_bag
from servers import Valkey
from service import PlaygroundProcess, Service, run_cli, until
from softbounce_config import load
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.channels import check_channels

from softbounce import Client
from softbounce.envelope import State
from softbounce.store.lanes import offer_lanes
from softbounce.store.shards import AsyncShards

ALL_BUT_CHANNELS = ("on", ">secret", "~*", "resetchannels", "+@all")
DOCUMENTED = "on >secret ~sb:* ~dramatiq:* &sb:* +@all -@admin -@dangerous +info +config|get"
"""As docs/operations.md has it."""


@pytest.fixture
def mail_user(store_url: str) -> Iterator[str]:
    """The store's URL by a user without channels."""
    give(store_url, "reset", *ALL_BUT_CHANNELS)
    yield store_url.replace("://", "://mail:secret@")
    with redis.Redis.from_url(store_url) as raw:
        raw.execute_command("ACL", "DELUSER", "mail")


def give(store_url: str, *rules: str) -> None:
    """Rights for the user."""
    with redis.Redis.from_url(store_url) as raw:
        raw.execute_command("ACL", "SETUSER", "mail", *rules)


def check(url: str, shards: int = 1) -> None:
    """Look at the rights, as a start does."""

    async def run() -> None:
        store = AsyncShards(url)
        try:
            environ = {"SOFTBOUNCE__STORE__URL": url, "SOFTBOUNCE__STORE__SHARDS": str(shards)}
            await check_channels(store, load(None, environ=environ))
        finally:
            await store.close()

    asyncio.run(run())


def test_issue10_sends_and_results_without_channel_rights_are_whole(mail_user: str) -> None:
    """A wake-up that may not be said costs time alone: what is stored, moved and told is all of it."""
    with open_bag(mail_user) as bag, Client(mail_user) as client:
        sent = client.send(sender="a@a.test", recipients=["b@b.test"], message=b"Subject: x\r\n\r\nx")
        (identity,) = sent.envelopes.values()
        (event,) = client.events()
        assert (event.kind, event.id) == ("accepted", identity)
        (record,) = bag.claimed()
        assert bag.put(record, State.SCHEDULED, token=record.token) == 1
        assert bag.live_of(record.message) == 1
        bag.audit()
        assert bag.store.run(offer_lanes({"worker-1": [LANE]}, unsent=[LANE])) == 0


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        ((), "SPUBLISH sb:{0}:wake"),
        (("&sb:{0}:*",), "SPUBLISH sb:{1}:wake"),
        (("&*", "-ssubscribe"), "SSUBSCRIBE sb:{0}:wake"),
        (("&sb:{*}:wake",), "SPUBLISH sb:{0}:news"),
    ],
    ids=["none", "one shard", "may not listen", "one kind"],
)
def test_issue10_a_user_without_channels_is_refused_by_name(
    mail_user: str, store_url: str, rules: tuple[str, ...], named: str
) -> None:
    """It is said at start which right is missing, and the line that gives it gives it."""
    give(store_url, *rules)
    with pytest.raises(StartFailed) as refused:
        check(mail_user, shards=2)
    said = str(refused.value)
    assert refused.value.exit_code == 2
    assert named in said
    assert "secret" not in said
    cure = said.splitlines()[-1].split()
    assert cure[:3] == ["ACL", "SETUSER", "mail"]
    give(store_url, *cure[3:])
    check(mail_user, shards=2)


def test_issue10_up_refuses_a_user_without_channels_and_takes_the_documented_one(
    store_server: Valkey, playground: PlaygroundProcess
) -> None:
    """Exit code 2 before anything is written; with the rights that the documentation names mail is delivered."""
    docs = Path(__file__).parents[3] / "docs" / "operations.md"
    assert DOCUMENTED.replace("secret", "SECRET") in docs.read_text()
    store_server.flush()
    url = store_server.url.replace("unix://", "unix://mail:secret@")
    service = Service(f'[store]\nurl = "{url}"\n', playground)
    try:
        give(store_server.url, "reset", *ALL_BUT_CHANNELS)
        refused = run_cli("--config", service.config, "up")
        assert refused.returncode == 2
        assert b"&sb:*" in refused.stderr
        with store_server.client() as raw:
            assert not raw.keys("*")
        give(store_server.url, "reset", *DOCUMENTED.split())
        service.start()
        with Client(url) as client:
            sent = client.send(sender="a@a.test", recipients=["accept@b.test"], message=b"Subject: x\r\n\r\nx")
            (identity,) = sent.envelopes.values()
            until(lambda: client.show(identity).state == "delivered", 20, "it is delivered")
        assert "does not tell" not in service.log
    finally:
        service.clean()
        with store_server.client() as raw:
            raw.execute_command("ACL", "DELUSER", "mail")
