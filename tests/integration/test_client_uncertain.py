"""The client when answers of the store are lost: the command arrived and ran, its reply did not come back."""

from __future__ import annotations

import select
import socket
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from servers import Valkey

from softbounce import Client, Outgoing, QuotaExceeded, StoreUnavailable, StoreUncertain
from softbounce.settings import Allowance, QuotaRule, Settings
from softbounce.store.published import publish_settings
from softbounce.store.scripts import script
from softbounce.store.shards import Shards

MESSAGE = b"From: app@example.com\r\nSubject: A test\r\n\r\nHello.\r\n"


class Cutter:
    """A unix socket before the store's that loses the replies to commands with a given word in them."""

    def __init__(self, server: Valkey, path: Path) -> None:
        self.url = f"unix://{path}"
        self.word = b"\0"
        self.cuts = 0
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, word: bytes, times: int = 1) -> None:
        """Lose the next replies to commands with this word in them."""
        self.word, self.cuts = word, times

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        is_cut = False
        with client, socket.socket(socket.AF_UNIX) as store:
            store.connect(str(self._server.socket_path))
            while True:
                ready, _, _ = select.select([client, store], [], [])
                octets = ready[0].recv(1 << 20)
                if not octets or (ready[0] is store and is_cut):
                    return
                if ready[0] is client:
                    if self.cuts and self.word in octets:
                        self.cuts -= 1
                        is_cut = True
                    store.sendall(octets)
                else:
                    client.sendall(octets)


@pytest.fixture
def cutter(store_server: Valkey) -> Iterator[Cutter]:
    """What stands between client and store."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as folder:
        one = Cutter(store_server, Path(folder) / "cut.sock")
        yield one
        one.close()


@pytest.fixture
def mail(cutter: Cutter) -> Iterator[Client]:
    """A client whose replies may be lost; it has used the store before."""
    with Client(cutter.url) as client:
        client.send(**outgoing("before@example.net"))
        yield client


def outgoing(recipient: str) -> Outgoing:
    """The arguments of a send."""
    return {"sender": "app@example.com", "recipients": [recipient], "message": MESSAGE}


def test_a_send_whose_answer_was_lost_is_uncertain_and_repeats_by_its_key(mail: Client, cutter: Cutter) -> None:
    """It was taken, and the same key proves it without taking it twice."""
    cutter.cut(script("accept").sha)
    with pytest.raises(StoreUncertain) as caught:
        mail.send(**outgoing("a@example.net"))
    assert caught.value.key is not None
    receipt = mail.send(**outgoing("a@example.net"), key=caught.value.key)
    assert receipt.known
    assert mail.queue().total == 2


def test_send_many_whose_answers_were_lost_names_the_keys(mail: Client, cutter: Cutter) -> None:
    """Repeating with them gives every receipt, and nothing twice."""
    messages = [outgoing(f"u{number}@example.net") for number in range(20)]
    cutter.cut(script("accept").sha)
    with pytest.raises(StoreUncertain) as caught:
        mail.send_many(messages)
    assert len(caught.value.receipts) + len(caught.value.keys) == 20
    for index, key in caught.value.keys.items():
        messages[index]["key"] = key
    known = {index: receipt.message_id for index, receipt in caught.value.receipts.items()}
    receipts = mail.send_many([messages[index] for index in caught.value.keys])
    assert len(known) + len(receipts) == 20
    assert mail.queue().total == 21


def test_a_quota_is_taken_once_though_answers_were_lost(cutter: Cutter) -> None:
    """A reservation that is repeated, and a send that is, find what they took."""
    rule = QuotaRule(name="q", messages=Allowance(number=3, period=timedelta(hours=1)), waiting=3, over="refuse")
    store = Shards(cutter.url)
    assert store.run(publish_settings(Settings(quota=(rule,)), over=0))
    messages: list[Outgoing] = [outgoing(f"u{number}@example.net") for number in range(3)]
    for number, message in enumerate(messages):
        message["key"] = f"k{number}"
    with Client(cutter.url) as mail:
        mail.queue()
        cutter.cut(script("reserve").sha)
        assert len(mail.send_many(messages[:2])) == 2
        cutter.cut(script("accept").sha)
        with pytest.raises(StoreUncertain):
            mail.send(**messages[2])
        assert mail.send(**messages[2]).known
        with pytest.raises(QuotaExceeded):
            mail.send(**outgoing("more@example.net"))
        cutter.cut(script("reserve").sha, times=3)
        with pytest.raises(StoreUnavailable, match="quotas"):
            mail.send_many([outgoing("more@example.net")])
        assert mail.queue().total == 3
    store.close()


@pytest.mark.parametrize("times", [1, 2])
def test_a_question_whose_answer_was_lost_is_asked_again(mail: Client, cutter: Cutter, times: int) -> None:
    """Reading has no effect, so the caller need not hear of it."""
    (identity,) = mail.send(**outgoing("a@example.net")).envelopes.values()
    cutter.cut(b"HGET", times)
    assert mail.show(identity).state == "scheduled"


@pytest.mark.parametrize(("act", "answer"), [("cancel", "cancelled"), ("hold", "held"), ("retry", "scheduled")])
def test_an_act_whose_answer_was_lost_answers_what_became_of_it(
    mail: Client, cutter: Cutter, act: str, answer: str
) -> None:
    """It looks at the envelope again."""
    (identity,) = mail.send(**outgoing("a@example.net")).envelopes.values()
    cutter.cut(script("move").sha)
    assert getattr(mail, act)(identity) == answer


def test_a_release_whose_answer_was_lost_is_released(mail: Client, cutter: Cutter) -> None:
    """Not "not held": it was, until just now."""
    (identity,) = mail.send(**outgoing("a@example.net")).envelopes.values()
    mail.hold(identity)
    cutter.cut(script("move").sha)
    assert mail.release(identity) == "released"


def test_acts_on_many_whose_answer_was_lost_are_told_one_by_one(mail: Client, cutter: Cutter) -> None:
    """Each is looked at again."""
    mail.send_many([outgoing(f"u{number}@example.net") for number in range(20)])
    cutter.cut(script("move").sha)
    assert mail.act_on_matching("cancel", domain="example.net") == {"cancelled": 21}
