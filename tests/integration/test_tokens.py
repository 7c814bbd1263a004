"""Tokens: made by the command, kept as hashes, revoked."""

from __future__ import annotations

import json

from servers import Valkey
from service import run_cli

from softbounce.store import keys
from softbounce.store.call import Call, first
from softbounce.store.shards import Shards
from softbounce.store.tokens import read_tokens


def test_issue14_a_token_is_shown_once_and_only_its_hash_is_kept(store_server: Valkey) -> None:
    """What the store holds lets nobody in: the token is printed once, and found by its hash."""
    environ = {"SOFTBOUNCE__STORE__URL": store_server.url}
    made = run_cli("token", "new", "--scope", "send", "--scope", "read", "--sender", "*@Shop.test", "--name", "app",
                   "--json", environ=environ)  # fmt: skip
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    text = told["token"]
    assert told["scopes"] == ["send", "read"]
    store = Shards(store_server.url)
    try:
        raw = first(store.call([Call.read(keys.HOME, b"HGETALL", keys.key(keys.HOME, "tokens"))]))
        book = store.run(read_tokens())
    finally:
        store.close()
    assert text.encode() not in b"".join(raw if isinstance(raw, list) else [*raw, *raw.values()])
    found = book.find(text)
    assert found is not None
    assert found.name == "app"
    assert (found.may("send"), found.may("read"), found.may("operate")) == (True, True, False)
    assert (found.may_send_as("a@shop.test"), found.may_send_as("a@evil.test"), found.may_send_as("")) == (
        True,
        False,
        False,
    )
    assert book.find(text + "x") is None
    assert book.log_in("app", text) is found
    assert book.log_in("other", text) is None
    assert book.log_in("app", "sbt_wrong") is None
    listed = run_cli("token", "list", environ=environ)
    assert b"app" in listed.stdout
    assert text.encode() not in listed.stdout


def test_issue14_a_revoked_token_is_gone(store_server: Valkey) -> None:
    """A name is given once; what is revoked is found no more, and revoking it again says so (exit code 1)."""
    environ = {"SOFTBOUNCE__STORE__URL": store_server.url}
    text = run_cli("token", "new", "--name", "one", environ=environ).stdout.decode().strip()
    taken = run_cli("token", "new", "--name", "one", environ=environ)
    assert taken.returncode == 2
    assert b"already" in taken.stderr
    assert run_cli("token", "revoke", "one", environ=environ).returncode == 0
    store = Shards(store_server.url)
    try:
        assert store.run(read_tokens()).find(text) is None
    finally:
        store.close()
    assert run_cli("token", "revoke", "one", environ=environ).returncode == 1


def test_issue14_a_token_that_makes_no_sense_is_refused() -> None:
    """A scope that is none, and a name that could be misread, end with exit code 2 before any store is asked."""
    for words in (("--scope", "all"), ("--name", "a b"), ("--sender", "")):
        done = run_cli("token", "new", *words)
        assert done.returncode == 2, done.stderr
        assert words[0].encode() in done.stderr
