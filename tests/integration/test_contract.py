"""The public contract alone: mail of eleven kinds, handed over by the client, reaches the right end and cause."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from conftest import StartService, StartStore
from service import PlaygroundProcess, Service

from softbounce import Shown

CONFIG = """
[policy.default]
window = "16s"
delays = ["2s", "4s"]
[policy.patient]
window = "60s"
delays = ["500ms", "1s"]
[[assign]]
stream = "patient"
policy = "patient"
[[lane]]
site = "*"
close_first = "1s"
"""
KINDS = (  # kind, local part, domain, stream, state, cause
    ("accepted", "accept", "d{n}.test", "", "delivered", None),
    ("greylisted twice", "greylist2", "d{n}.test", "patient", "delivered", None),
    ("deferred for ever", "defer", "slowly{n}.test", "", "bounced", "promoted"),
    ("rejected", "reject", "d{n}.test", "", "bounced", "rejected"),
    ("421, then accepted", "busy1", "busy{n}.test", "patient", "delivered", None),
    ("dropped in the data, then accepted", "dropdata1", "drop{n}.test", "patient", "delivered", None),
    ("first two MX hosts dead", "accept", "deadmx.test", "", "delivered", None),
    ("no MX but an A record", "accept", "nomx.test", "", "delivered", None),
    ("no such domain", "accept", "nxdomain.test", "", "bounced", "unroutable"),
    ("null MX", "accept", "nullmx.test", "", "bounced", "unroutable"),
    ("SERVFAIL for ever", "accept", "servfail.test", "", "bounced", "promoted"),
)
ENVELOPES = 213


@pytest.fixture(params=["embedded", "cluster"])
def service(request: pytest.FixtureRequest, start: StartService, start_store: StartStore) -> Service:
    """The service with two workers and four shards: on its embedded store, and on a cluster of one."""
    store = "[store]\nshards = 4\n"
    if request.param == "cluster":
        store += f'url = "{start_store(cluster=True).url}"\n'
    return start(store + CONFIG)


def message(number: int) -> bytes:
    """A small message of its own."""
    return f"From: app@app.test\r\nSubject: number {number}\r\n\r\nHello {number}\r\n".encode()


def test_mail_of_eleven_kinds_reaches_the_right_end(service: Service, playground: PlaygroundProcess) -> None:
    """Each kind ends in its state, with its cause; nothing is delivered twice but what a drop made uncertain."""
    sends = []
    for number in range(ENVELOPES):
        _, local, domain, stream, _, _ = KINDS[number % len(KINDS)]
        sends.append(
            {
                "sender": f"app@app{number % 3}.test",
                "recipients": [f"{local}+{service.name}{number}@{domain.format(n=number % 7)}"],
                "message": message(number),
                "stream": stream,
                "key": f"order-{number}",
            }
        )
    with service.client() as mail:
        receipts = mail.send_many(sends)
        again = mail.send_many(sends[:20])
    ids = [next(iter(receipt.envelopes.values())) for receipt in receipts]
    assert [one.envelopes for one in again] == [one.envelopes for one in receipts[:20]]
    ended = service.wait_final(ids, 45)
    wrong = []
    for number, identity in enumerate(ids):
        kind, _, _, _, state, cause = KINDS[number % len(KINDS)]
        shown = ended[identity]
        got = (shown.state, shown.bounce.cause if shown.bounce else None)
        if got != (state, cause):
            wrong.append((kind, got, shown.to_dict()))
    assert not wrong, wrong[:3]
    for number, identity in enumerate(ids):
        if KINDS[number % len(KINDS)][0] == "deferred for ever":
            check_schedule(ended[identity])
    delivered = {ended[one].recipient: ended[one] for one in ids if ended[one].state == "delivered"}
    taken = Counter(
        recipient
        for entry in playground.taken(delivered)
        if entry.kept
        for recipient in entry.recipients
        if f"+{service.name}" in recipient
    )
    assert set(taken) == set(delivered)
    for recipient, copies in taken.items():
        uncertain = sum(attempt.uncertain for attempt in delivered[recipient].attempts)
        assert copies <= 1 + uncertain


def check_schedule(shown: Shown) -> None:
    """A window of 16 s with delays of 2 s, 4 s: 4 to 7 tries, the last in the last tenth, promoted with its reply."""
    created = as_time(shown.to_dict()["created_at"])
    tries = [attempt for attempt in shown.to_dict()["attempts"] if attempt["charged"]]
    assert 4 <= len(tries) <= 7, [(one["started_at"], one["next_attempt_at"]) for one in tries]
    last = as_time(tries[-1]["started_at"]) - created
    assert timedelta(seconds=14.4) <= last <= timedelta(seconds=16), shown.to_dict()
    assert shown.bounce is not None
    assert (shown.bounce.code, shown.bounce.own_attempts) == (450, len(tries))


def as_time(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text)


def test_sigterm_ends_up_with_0_within_the_drain_time(service: Service) -> None:
    """SIGTERM drains: exit 0, and no process of it is left."""
    children = service.children()
    assert service.stop() == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
