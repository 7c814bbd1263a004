"""F01: the app is killed in the middle of a send. A message is in the store whole or not at all; a repeat adds none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from mailbag import Mailbag, open_bag
from proxy import Proxy
from servers import Valkey

from softbounce import Client
from softbounce.ids import parse_id

APP = """
import sys
from softbounce import Client
with Client(sys.argv[1]) as mail:
    for number in range(int(sys.argv[2]), 1_000_000):
        receipt = mail.send(sender="app@app.test", recipients=[f"r{number}-{n}@a.test" for n in range(3)],
                            message=b"Subject: x\\r\\n\\r\\n" + b"0123456789\\r\\n" * 5000, key=f"key-{number}")
        print(number, *receipt.envelopes.values(), flush=True)
"""


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store, whose books are audited afterwards."""
    with open_bag(store_server.url) as bag:
        yield bag
        bag.audit()


def start_app(url: str, first: int) -> subprocess.Popen[str]:
    """An app that sends one message after another."""
    return subprocess.Popen([sys.executable, "-c", APP, url, str(first)], stdout=subprocess.PIPE, text=True)  # noqa: S603


def numbers_in(bag: Mailbag) -> set[int]:
    """Which messages the store has, each of them whole."""
    whole: dict[bytes, list[int]] = {}
    for identity in bag.raw.hkeys(bag.key("e")):
        record = bag.record(identity)
        whole.setdefault(record.message, []).append(int(record.envelope.key.removeprefix("key-")))
    assert all(len(numbers) == 3 and len(set(numbers)) == 1 for numbers in whole.values())
    assert all(bag.has_body(message) for message in whole)
    assert len(whole) == len({numbers[0] for numbers in whole.values()}), "a key was taken twice"
    return {numbers[0] for numbers in whole.values()}


def test_F01_killed_at_any_moment_a_message_is_there_whole_or_not_at_all(store_server: Valkey, bag: Mailbag) -> None:
    """Every acknowledged message is there; the one that was under way is too, or none of it is; repeats add nothing."""
    first = 0
    for pause in (0.0, 0.011, 0.023, 0.037, 0.05):
        app = start_app(store_server.url, first)
        assert app.stdout is not None
        lines = [app.stdout.readline()]
        time.sleep(pause)
        app.send_signal(signal.SIGKILL)
        lines += app.stdout.readlines()
        app.wait(10)
        app.stdout.close()
        acknowledged = [line.split() for line in lines if line.endswith("\n")]
        there = numbers_in(bag)
        assert {int(words[0]) for words in acknowledged} <= there
        assert len(bag.records([parse_id(one) for words in acknowledged for one in words[1:]])) == 3 * len(acknowledged)
        last = max(int(words[0]) for words in acknowledged)
        assert max(there) <= last + 1
        first = last  # the next app begins with what was acknowledged last, and repeats what was under way


@pytest.mark.parametrize("has_arrived", [True, False], ids=["after it was carried out", "before it arrived"])
def test_F01_killed_without_an_answer_the_same_key_is_one_message(
    store_server: Valkey, bag: Mailbag, has_arrived: bool
) -> None:
    """The app dies while it waits for the answer; another one repeats by the key, and there is one message."""
    with Proxy(store_server.socket_path) as proxy:
        app = start_app(proxy.url, 1)
        assert app.stdout is not None
        app.stdout.readline()
        app.send_signal(signal.SIGSTOP)
        known = numbers_in(bag)
        if has_arrived:
            proxy.late_replies = 1.0
        else:
            proxy.swallows = True
        app.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        app.send_signal(signal.SIGKILL)
        app.wait(10)
        app.stdout.close()
        there = numbers_in(bag)
        assert len(there - known) <= 1
        proxy.late_replies = 0.0
    with Client(store_server.url) as mail:
        for number in range(max(there), max(there) + 2):
            recipients = [f"r{number}-{n}@a.test" for n in range(3)]
            message = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 5000
            receipt = mail.send(sender="app@app.test", recipients=recipients, message=message, key=f"key-{number}")
            assert receipt.known == (number in there)
    assert numbers_in(bag) == there | {max(there) + 1}
