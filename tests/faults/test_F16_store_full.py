"""F16: the store has no memory left. Enqueue is refused before anything else is, and the full store drains to empty."""

from __future__ import annotations

import pytest
from conftest import StartService, StartStore
from service import PlaygroundProcess
from softbounce_playground import read_ledger

from softbounce import Client, StoreFull

MOST = 5000
MEMORY = 12 * 1024 * 1024
BODY = b"Subject: x\r\n\r\n" + b"".join(b"%032x\r\n" % (number * 7919**9 % 2**128) for number in range(600))


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
        service = start(f'[store]\nurl = "{server.url}"\n[scheduler]\nsweep = "1s"\n')
        ended = service.wait_final(taken, 60)
        assert {shown.state for shown in ended.values()} == {"delivered"}
        assert not list(store.scan_iter("sb:{0}:b:*"))
        assert mail.send(sender="app@app.test", recipients=["accept@late.test"], message=BODY).envelopes
    copies = [recipient for entry in read_ledger(playground.ledger) if entry.kept for recipient in entry.recipients]
    assert len(copies) == len(set(copies))
