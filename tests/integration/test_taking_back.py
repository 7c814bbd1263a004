"""What a site had suppressed before it was found not to be believed is taken back, whoever dies in between."""

from __future__ import annotations

import os
import signal

import pytest
from conftest import StartService
from service import Service, until

from softbounce.store.shards import Shards
from softbounce.store.unbelieved import read_unbelieved

CONFIG = """
[store]
shards = 2
[scheduler]
sweep = "1s"
[worker]
processes = 1
lease = "3s"
"""
BODY = b"Subject: hello\r\n\r\nHello.\r\n"
WITHIN = 60


def send(service: Service, word: str, number: int, domain: str) -> list[str]:
    """A message each to so many of its addresses."""
    with service.client() as mail:
        receipts = mail.send_many(
            {"sender": "app@app.test", "recipients": [f"{word}-{at}@{domain}"], "message": BODY} for at in range(number)
        )
    return [next(iter(receipt.envelopes.values())) for receipt in receipts]


def unsuppressed(service: Service) -> list[str]:
    """Of which envelopes it is told."""
    with service.client() as mail:
        return [event.id for event in mail.events() if event.kind == "unsuppressed"]


def noted(service: Service) -> bool:
    """Whether the store knows of a storm: what a worker has noticed and not noted by then dies with it."""
    store = Shards(service.url)
    try:
        return bool(store.run(read_unbelieved()))
    finally:
        store.close()


@pytest.mark.parametrize("killed", ["nobody", "softbounce_worker", "softbounce_scheduler"])
def test_issue13_07_what_the_storm_had_suppressed_is_taken_back(start: StartService, killed: str) -> None:
    """Those that bounced by then stay bounced, nobody's address stays suppressed, each is told once; others' do."""
    service = start(CONFIG)
    domain, other = f"lost{killed[-5:]}.test", f"fine{killed[-5:]}.test"
    service.wait_final([*send(service, "accept", 130, domain), *send(service, "accept", 20, other)], WITHIN)
    dead = send(service, "reject", 2, other)
    service.wait_final(dead, WITHIN)
    denied = send(service, "reject", 60, domain)
    until(lambda: noted(service), WITHIN, "the storm is noted")
    assert "denials_not_believed" in service.log
    if killed != "nobody":
        for pid in service.pids(killed):
            os.kill(pid, signal.SIGKILL)
    with service.client() as mail:
        states = {}

        def settled() -> bool:
            states.update({one: mail.show(one) for one in denied})
            return all(one.state in {"bounced", "scheduled"} and one.attempts for one in states.values())

        until(settled, WITHIN, "each was answered", pause=0.3)
        bounced = {one for one, shown in states.items() if shown.state == "bounced"}
        assert 10 <= len(bounced) <= 50
        until(lambda: set(unsuppressed(service)) >= bounced, WITHIN, "those that had bounced are told", pause=0.3)
        assert sorted(unsuppressed(service)) == sorted(bounced)
        for one in bounced:
            bounce = mail.show(one).bounce
            assert bounce is not None
            assert (bounce.cause, bounce.suppress) == ("rejected", False)
        assert "is taken back" in " ".join(mail.explain(next(iter(bounced))).split())
        assert "The address is dead" not in mail.explain(next(iter(bounced)))
        assert {shown.bounce.suppress for one in dead if (shown := mail.show(one)).bounce} == {True}
        until(
            lambda: {one.envelope for one in mail.suppressions()} == set(dead),
            WITHIN,
            "who is not dead gets mail again, and who is gets none",
        )
    assert service.log.count('"event": "suppressions_taken_back"') >= 1
