"""Who is suppressed gets no mail: fed by what hosts say, found at accept and at claim, taken off by a person."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from conftest import StartService
from service import PlaygroundProcess, Service, until

from softbounce import Client, Event, Shown

CONFIG = """
[store]
shards = 3
[scheduler]
sweep = "1s"
[worker]
processes = 1
lease = "3s"
[suppress]
exempt = ["otp"]
[policy.default]
window = "6s"
delays = ["1s"]
final_attempt = false
"""
BODY = b"Subject: hello\r\n\r\nHello.\r\n"
WITHIN = 30


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, store_binary: object) -> Iterator[Service]:
    """One service for all that need no fault."""
    del store_binary
    playground = PlaygroundProcess(tmp_path_factory.mktemp("playground"))
    service = Service(CONFIG, playground)
    try:
        service.start()
        yield service
    finally:
        service.clean()
        playground.end()


@pytest.fixture
def mail(service: Service) -> Iterator[Client]:
    """A client of it."""
    with service.client() as client:
        yield client


def send(mail: Client, recipient: str, **more: object) -> str:
    """A message to one; its envelope's id."""
    receipt = mail.send(sender="app@app.test", recipients=[recipient], message=BODY, **more)  # type: ignore[arg-type]
    return receipt.envelopes[recipient]


def sources(mail: Client, address: str) -> list[str]:
    """Who says that an address gets no mail."""
    return [one.source for one in mail.suppressions(address=address)]


def ended(mail: Client, identity: str) -> Shown:
    """An envelope when it has ended."""
    until(lambda: mail.show(identity).state in {"bounced", "delivered", "cancelled"}, WITHIN, "it ends")
    return mail.show(identity)


def told(mail: Client, identity: str) -> list[Event]:
    """The events of an envelope."""
    return [event for event in mail.events() if event.id == identity]


def test_issue14_10_a_dead_address_is_suppressed_and_its_next_mail_ends_at_once(mail: Client) -> None:
    """Its bounce says so, the next receipt too, and that mail has an end that is told, without an attempt."""
    address = "Reject-1@dead.test"
    first = ended(mail, send(mail, address))
    assert first.bounce is not None
    assert (first.bounce.cause, first.bounce.suppress) == ("rejected", True)
    until(lambda: sources(mail, address.lower()) == ["verdict"], WITHIN, "the address is suppressed")
    (entry,) = mail.suppressions(address=address)
    assert (entry.address, entry.stream, entry.envelope) == (address.lower(), None, first.id)
    assert entry.reason.startswith("550 ")
    assert entry.expires_at is not None
    assert (entry.expires_at - entry.since).days == 180
    receipt = mail.send(sender="app@app.test", recipients=["accept@dead.test", "rejecT-1@DEAD.test"], message=BODY)
    assert list(receipt.suppressed) == ["rejecT-1@DEAD.test"]
    assert "a mail host said that it is dead (550 " in receipt.suppressed["rejecT-1@DEAD.test"]
    shown = ended(mail, receipt.envelopes["rejecT-1@DEAD.test"])  # by whichever comes first, the app or a worker
    assert shown.state == "bounced"
    assert shown.attempts == ()
    assert shown.bounce is not None
    assert (shown.bounce.cause, shown.bounce.reason, shown.bounce.suppress) == ("suppressed", "verdict", False)
    assert [event.kind for event in told(mail, shown.id)] == ["accepted", "suppressed", "bounced"]
    assert receipt.suppressed["rejecT-1@DEAD.test"] == told(mail, shown.id)[1].why
    explained = " ".join(mail.explain(shown.id).split())
    assert "its address gets no mail" in explained
    assert "suppress remove" in explained
    assert ended(mail, receipt.envelopes["accept@dead.test"]).state == "delivered"


def test_issue14_10_a_repeat_of_a_send_says_what_became_of_it(mail: Client) -> None:
    """What was delivered before its address was suppressed is not said to have been stopped; what was stopped is."""
    delivered = send(mail, "accept-2@dead.test", key="repeat-2")
    assert ended(mail, delivered).state == "delivered"
    mail.suppress("accept-2@dead.test")
    repeated = mail.send(sender="app@app.test", recipients=["accept-2@dead.test"], message=BODY, key="repeat-2")
    assert repeated.known
    assert repeated.suppressed == {}
    for _ in range(2):
        stopped = mail.send(sender="app@app.test", recipients=["accept-2@dead.test"], message=BODY, key="again-2")
        assert list(stopped.suppressed) == ["accept-2@dead.test"]


def test_issue14_10_mail_that_waits_ends_when_its_turn_comes(mail: Client) -> None:
    """An address that is suppressed while its mail waits gets none of it, and `explain` says so before."""
    waiting = send(mail, "defer-3@wait.test")
    until(lambda: len(mail.show(waiting).attempts) > 0, WITHIN, "it was tried")
    mail.suppress("defer-3@wait.test", reason="moved away")
    assert "moved away" in " ".join(mail.explain(waiting).split())
    shown = ended(mail, waiting)
    assert shown.bounce is not None
    assert shown.bounce.cause == "suppressed"
    assert [event.kind for event in told(mail, waiting)][-2:] == ["suppressed", "bounced"]
    assert "moved away" in told(mail, waiting)[-1].why


def test_issue14_10_what_is_taken_off_is_tried_again(mail: Client) -> None:
    """An address that is taken off gets mail from then on, and its old bounces put it back on no list."""
    address = "reject-4@dead.test"
    ended(mail, send(mail, address))
    until(lambda: sources(mail, address) == ["verdict"], WITHIN, "it is suppressed")
    assert mail.unsuppress(address) == 1
    assert mail.unsuppress(address) == 0
    assert sources(mail, address) == []
    again = ended(mail, send(mail, address))
    assert again.bounce is not None
    assert again.bounce.cause == "rejected"
    until(lambda: sources(mail, address) == ["verdict"], WITHIN, "it is suppressed anew")


def test_issue14_10_scopes(mail: Client) -> None:
    """A domain stops all of its addresses and no subdomain's; a stream or tenant stops its own mail only."""
    mail.suppress("@gone.test")
    mail.suppress("accept-5@open.test", stream="news")
    mail.suppress("accept-6@open.test", tenant="acme")
    mail.suppress("accept-7@open.test", stream="")

    def stopped(recipient: str, **more: str) -> bool:
        receipt = mail.send(sender="app@app.test", recipients=[recipient], message=BODY, **more)  # type: ignore[arg-type]
        return recipient in receipt.suppressed

    assert stopped("accept@gone.test")
    assert stopped("accept+x@GONE.test", stream="otp")
    assert not stopped("accept@sub.gone.test")
    assert stopped("accept-5@open.test", stream="news")
    assert not stopped("accept-5@open.test", stream="otp")
    assert not stopped("accept-5@open.test")
    assert stopped("accept-6@open.test", tenant="acme")
    assert not stopped("accept-6@open.test", tenant="other")
    assert stopped("accept-7@open.test")
    assert not stopped("accept-7@open.test", stream="news")
    assert not stopped("accept-5+x@open.test", stream="news")


@pytest.mark.parametrize("killed", ["softbounce_scheduler", "softbounce_worker"])
def test_issue14_10_no_dead_address_is_forgotten_by_a_crash(start: StartService, killed: str) -> None:
    """Whoever dies while a hundred addresses bounce: all of them are suppressed in the end."""
    service = start(CONFIG.replace('window = "6s"', 'window = "1h"'))  # a busy machine takes seconds to come back
    addresses = [f"reject-{number}@crash{number % 20}{killed[-3:]}.test" for number in range(100)]
    with service.client() as mail:
        mail.send_many({"sender": "app@app.test", "recipients": [one], "message": BODY} for one in addresses)
        until(lambda: mail.queue(state="bounced").total > 10, WITHIN, "some bounced", pause=0.01)
        for pid in service.pids(killed):
            os.kill(pid, signal.SIGKILL)
        until(lambda: {one.address for one in mail.suppressions()} == set(addresses), WITHIN, "all are", pause=0.3)
        assert {one.source for one in mail.suppressions()} == {"verdict"}
