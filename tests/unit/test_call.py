"""Calls as values: commands, and how far they are, without any store."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

import pytest
from redis.exceptions import BusyLoadingError, NoScriptError, ResponseError

from softbounce.errors import StoreError, StoreUnavailable, StoreUncertain
from softbounce.ids import new_message_id
from softbounce.store import keys
from softbounce.store.address import StoreAddress
from softbounce.store.call import Call
from softbounce.store.call_progress import CallProgress
from softbounce.store.scripts import script
from softbounce.store.shards import redact
from softbounce.store.topology import Topology

SCRIPTS = files("softbounce.store.scripts")
NAMES = sorted(path.name.removesuffix(".lua") for path in SCRIPTS.iterdir() if path.name.endswith(".lua"))
LOADING = BusyLoadingError("wait", status_code="LOADING")
NO_SCRIPT = NoScriptError("No matching script.", status_code="NOSCRIPT")
CALL = Call(0, script("put"), (b"k",), ("a", 1))


def test_a_call_names_its_script_by_digest() -> None:
    """Keys are counted and come before the arguments."""
    assert CALL.command() == (b"EVALSHA", script("put").sha, 1, b"k", "a", 1)
    assert Call.read(3, b"GET", b"k").command() == (b"GET", b"k")
    assert Call.read(3, b"GET", b"k").shard == 3


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_what_it_needs(name: str) -> None:
    """It begins with ``#!lua``, so a cluster checks its keys; all but what takes something new runs without memory."""
    one = script(name)
    first, second, *rest = SCRIPTS.joinpath(f"{name}.lua").read_text().splitlines()
    assert first.startswith("#!lua")
    assert ("allow-oom" in first) == (name not in {"accept", "reserve", "resend", "probe", "swap"})
    assert second.startswith(f"-- {name}: ")
    assert any(line.startswith(("-- KEYS", "--  KEYS")) for line in rest)
    assert any(line.startswith("-- Reply") for line in rest)
    told = one.text.decode()
    assert told.startswith(f"{first}\n-- Stands before every script")
    assert told.endswith("\n".join(["end", second, *rest, ""]))
    assert one.sha == sha1(one.text, usedforsecurity=False).hexdigest().encode()
    assert script(name) is one


def test_all_keys_of_a_shard_share_a_slot() -> None:
    """The part in braces is the shard's number and nothing else."""
    message = new_message_id(7)
    names = [keys.key(7, "e"), keys.body(message), keys.ready(7, "a|0|b"), keys.claims(7, "w")]
    assert all(name.startswith(b"sb:{7}:") for name in names)
    assert keys.to_process("w") == b"sb:{0}:to:w"


class OneNode:
    """The progress of calls that all go to one server."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.progress = CallProgress(calls, Topology(StoreAddress.parse("unix:///run/store.sock")))

    def take(self, *answers: object) -> list[tuple[Any, ...]]:
        """Send what is pending and get these answers; what was sent."""
        (batch,) = self.progress.batches()
        commands = batch.commands()
        assert len(commands) == len(answers)
        batch.take(answers)
        return commands

    def lose(self, *answers: object) -> None:
        """Send what is pending and get these answers before the connection ends."""
        (batch,) = self.progress.batches()
        batch.commands()
        batch.lose(answers, EOFError("gone"))


def test_answers_keep_the_order_of_their_calls() -> None:
    """Also those that come with a second sending."""
    one = OneNode([CALL] * 3)
    one.take(1, LOADING, 3)
    assert one.progress.pending == [1]
    assert isinstance(one.progress.refused, StoreUnavailable)
    one.take(2)
    assert one.progress.answers == [1, 2, 3]
    assert not one.progress.pending


def test_a_missing_script_is_loaded_once() -> None:
    """With the next sending, before the calls that need it, and only those are sent."""
    one = OneNode([CALL, Call.read(0, b"GET", b"k"), CALL])
    one.take(NO_SCRIPT, b"v", NO_SCRIPT)
    assert one.progress.refused is None
    sent = one.take(script("put").sha, 1, 1)
    assert sent == [(b"SCRIPT", b"LOAD", script("put").text), CALL.command(), CALL.command()]
    assert one.progress.answers == [1, b"v", 1]


def test_a_load_that_is_refused_for_now_is_repeated() -> None:
    """As a refusal: with a pause before."""
    one = OneNode([CALL])
    one.take(NO_SCRIPT)
    one.take(LOADING, NO_SCRIPT)
    assert isinstance(one.progress.refused, StoreUnavailable)
    assert len(one.take(script("put").sha, 1)) == 2


def test_a_load_that_fails_is_the_calls_error() -> None:
    """Nothing is asked again."""
    one = OneNode([CALL])
    one.take(NO_SCRIPT)
    one.take(ResponseError("ERR Error compiling script"), NO_SCRIPT)
    assert isinstance(one.progress.answers[0], StoreError)
    assert not one.progress.pending


def test_lost_in_the_middle() -> None:
    """Answered, refused and unanswered calls are told apart."""
    one = OneNode([CALL] * 4)
    one.lose(1, LOADING, NO_SCRIPT)
    assert one.progress.answers[0] == 1
    kinds = [type(answer) for answer in one.progress.answers[1:]]
    assert kinds == [StoreUnavailable, StoreUnavailable, StoreUncertain]
    assert not one.progress.pending


def test_lost_before_the_script_was_loaded() -> None:
    """The load's own answer says nothing about the calls behind it."""
    one = OneNode([CALL, CALL])
    one.take(NO_SCRIPT, NO_SCRIPT)
    one.lose(script("put").sha)
    assert [type(answer) for answer in one.progress.answers] == [StoreUncertain] * 2


def test_given_up_calls_were_not_taken() -> None:
    """Those that have their answer keep it."""
    one = OneNode([CALL, CALL])
    one.take(1, LOADING)
    error = StoreUnavailable("no")
    one.progress.give_up(error)
    assert one.progress.answers == [1, error]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("unix:///run/store.sock", "unix:///run/store.sock"),
        ("redis://:secret@h/0", "redis://:***@h/0"),
        ("rediss://app:se@cret@h:1/0", "rediss://app:***@h:1/0"),
    ],
)
def test_urls_are_shown_without_passwords(url: str, shown: str) -> None:
    """Whatever the password is made of."""
    assert redact(url) == shown
