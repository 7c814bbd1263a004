"""F16: the store has no memory left. Enqueue is refused before anything else is, and the full store drains to empty."""

from __future__ import annotations

import pytest
import redis
from conftest import StartService, StartStore
from service import PlaygroundProcess, until
from softbounce_playground import read_ledger

from softbounce import Client, StoreFull
from softbounce.store.key_table import kind_of

MOST = 5000
MEMORY = 12 * 1024 * 1024
BODY = b"Subject: x\r\n\r\n" + b"".join(b"%032x\r\n" % (number * 7919**9 % 2**128) for number in range(600))


def used(store: redis.Redis) -> float:
    """The share of its memory that a store uses."""
    told = store.info("memory")
    return float(told["used_memory"] / told["maxmemory"])


def fill(mail: Client, taken: list[str]) -> None:
    """Hand over mail until the store takes no more."""
    for number in range(MOST):
        recipient = f"accept+{number}@d{number % 9}.test"
        receipt = mail.send(sender="app@app.test", recipients=[recipient], message=BODY, key=f"k{number}")
        taken.append(receipt.envelopes[recipient])


def test_F16_a_full_store_refuses_new_mail_and_drains_to_empty(
    start_store: StartStore, start: StartService, playground: PlaygroundProcess
) -> None:
    """StoreFull says that nothing was taken, and nothing was; what was taken before is delivered while it is full."""
    server = start_store(options=("--maxmemory", str(MEMORY), "--maxmemory-policy", "noeviction"))
    store = server.client()
    taken: list[str] = []
    with Client(server.url) as mail:
        with pytest.raises(StoreFull):
            fill(mail, taken)
        assert 50 < len(taken) < MOST
        assert store.hlen("sb:{0}:e") == store.hlen("sb:{0}:k") == store.zcard("sb:{0}:due") == len(taken)
        start(f'[store]\nurl = "{server.url}"\n[scheduler]\nsweep = "1s"\n')
        until(lambda: store.hlen("sb:{0}:m") == 0, 60, "nothing is live")  # some that ended are forgotten by then
        assert not any(number for state, number in mail.queue().states.items() if state != "delivered")
        assert not list(store.scan_iter("sb:{0}:b:*"))
        assert mail.send(sender="app@app.test", recipients=["accept@late.test"], message=BODY).envelopes

    def copies() -> list[str]:
        return [recipient for entry in read_ledger(playground.ledger) if entry.kept for recipient in entry.recipients]

    until(lambda: len(copies()) >= len(taken), 10, "the ledger has a copy of each")  # it is a moment late
    assert len(copies()) == len(set(copies()))


def test_issue10_19_a_store_full_of_what_ended_takes_mail_again(start_store: StartStore, start: StartService) -> None:
    """After StoreFull all is delivered, and within two sweeps as much again is taken: what ended gives way."""
    server = start_store(options=("--maxmemory", "6mb", "--appendfsync", "no"))
    start(f'[store]\nurl = "{server.url}"\ndurability = "none"\n[scheduler]\nsweep = "1s"\n')
    body = b"Subject: x\r\n\r\nshort\r\n"
    with Client(server.url) as mail, server.client() as store:

        def send(number: int) -> None:
            recipients = [f"accept+{number}.{one}@d{one % 5}.test" for one in range(20)]
            mail.send(sender="app@app.test", recipients=recipients, message=body)

        def send_many(first: int, behind: int) -> None:
            for number in range(first, behind):
                send(number)

        with pytest.raises(StoreFull):
            send_many(0, MOST)
        until(lambda: store.hlen("sb:{0}:m") == 0, 120, "all is delivered")
        until(lambda: used(store) < 0.9, 2.5, "two sweeps")
        send_many(MOST, MOST + 30)
        assert [key for key in store.scan_iter("*") if kind_of(key) is None] == []
