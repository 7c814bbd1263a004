"""The staging gate where mail comes in, and on the running service: said loudly, passed by one clear act."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.message import EmailMessage
from typing import TYPE_CHECKING

import msgspec
import pytest
from calling import calling
from hosting import listening
from mailbag import Mailbag, open_bag
from mx import Mx
from ports import free_ports
from service import until

from softbounce import Client
from softbounce.gate import GateRules
from softbounce.settings import Settings
from softbounce.store.published import publish_settings

if TYPE_CHECKING:
    from conftest import StartService

BODY = b"From: app@example.com\r\nSubject: order\r\nCc: cc@other.test\r\n\r\nIt is on its way.\r\n"
GATED = Settings(version=1, gate=GateRules(allow=("*@example.com",)))


@pytest.fixture
def bag(store_url: str) -> Iterator[Mailbag]:
    """A store whose settings close a gate, and whose books are audited afterwards."""
    with open_bag(store_url) as bag:
        assert bag.store.run(publish_settings(GATED, over=0))
        yield bag
        bag.audit()


def test_issue15_6_the_receipt_says_who_gets_nothing(bag: Mailbag) -> None:
    """It is held before anybody could claim it; others go; a repeat is told the same, and changes nothing."""
    with Client(bag.store.url) as mail:
        message = EmailMessage()
        message["Subject"], message["To"] = "order", "ann@example.com"
        message["Cc"], message["Bcc"] = "cc@other.test", "bcc@other.test"
        message.set_content("It is on its way.")
        for _ in range(2):
            receipt = mail.send(
                sender="app@example.com",
                recipients=["Ann@Example.com", "cc@other.test", "bcc@other.test"],
                message=message,
                key="order-1",
            )
            assert set(receipt.held) == {"cc@other.test", "bcc@other.test"}
            assert receipt.held["cc@other.test"].startswith("The staging gate holds it: cc@other.test is not among")
            states = {text: mail.show(one) for text, one in receipt.envelopes.items()}
            assert {text: (one.state, one.held_for) for text, one in states.items()} == {
                "Ann@Example.com": ("scheduled", None),
                "cc@other.test": ("held", "gate"),
                "bcc@other.test": ("held", "gate"),
            }
        assert len([one for one in mail.events() if one.kind == "held"]) == 2
        words = " ".join(mail.explain(receipt.envelopes["cc@other.test"]).split())
        assert "The staging gate lets its recipient have no mail ([gate] allow)" in words
        assert "Who gets mail here: *@example.com." in words
        assert f"softbounce release --past-gate {receipt.envelopes['cc@other.test']}" in words
        assert mail.queue(held_for="gate").held_for == {"gate": 2}


def test_issue15_6_no_way_of_many_passes_it(bag: Mailbag) -> None:
    """Sends of many at once; a release of all that is held spares what the gate holds, and says so."""
    messages = [
        {"sender": "app@example.com", "recipients": [f"one{number}@other.test", "x@example.com"], "message": BODY}
        for number in range(30)
    ]
    with Client(bag.store.url) as mail:
        assert all(len(one.held) == 1 for one in mail.send_many(messages[:15]))
        assert all(len(getattr(one, "held", ())) == 1 for one in mail.send_each(messages[15:]))
        assert mail.act_on_matching("release", state="held") == {"gated": 30}
        assert mail.act_on_matching("retry", held_for="gate") == {}
        assert mail.queue(held_for="gate").total == 30
        assert mail.queue(state="scheduled").total == 30


def test_issue15_6_a_gate_that_was_opened_lets_go_by_a_release(bag: Mailbag) -> None:
    """What it held stays held: it goes when somebody releases it, not by itself."""
    with Client(bag.store.url) as mail:
        receipt = mail.send(sender="app@example.com", recipients=["ann@other.test"], message=BODY)
        (one,) = receipt.envelopes.values()
        assert mail.release(one) == "gated"
        opened = msgspec.structs.replace(GATED, version=2, gate=None)
        assert bag.store.run(publish_settings(opened, over=1))
    with Client(bag.store.url) as mail:
        assert mail.show(one).held_for == "gate"
        assert mail.release(one) == "released"


def test_issue15_6_the_running_service_says_it_loudly_and_lets_single_ones_out(start: StartService) -> None:
    """In its first line, in its log, in doctor and in each receipt; by command and by HTTP one is let out by hand."""
    (port,) = free_ports(1)
    service = start(f'[gateway]\nhttp = "127.0.0.1:{port}"\n[worker]\nprocesses = 1\n[gate]\nallow = ["*@ok.test"]\n')
    sent = service.cli("send", "--from", "app@app.test", "--to", "a@ok.test", "--to", "b@no.test", "-", stdin=BODY)
    assert b"b@no.test: not sent. The staging gate holds it" in sent.stderr
    ok, held = sent.stdout.decode().split()
    service.wait_final([ok], 20)
    assert "STAGING GATE: mail goes to nobody but *@ok.test, all else is held" in service.said[-1]
    assert '"staging_gate_closed"' in service.log
    gone = service.cli("release", held)
    assert (gone.returncode, b"is held by the staging gate; --past-gate lets it out" in gone.stdout) == (1, True)
    assert service.cli("release", "--past-gate", "--held-for", "gate").returncode == 2
    with calling(port) as http:
        answer = http.post(
            "/api/v1/messages", json={"from": "app@app.test", "to": ["c@no.test"], "subject": "s", "text": "t"}
        ).json()
        assert list(answer["held"]) == ["c@no.test"]
        other = answer["envelopes"]["c@no.test"]
        assert http.post(f"/api/v1/envelopes/{other}/release").json()["answer"] == "gated"
        assert http.post(f"/api/v1/envelopes/{other}/release?past_gate=true").json()["answer"] == "released"
    assert service.cli("release", "--past-gate", held).returncode == 0
    assert {one.state for one in service.wait_final([held, other], 20).values()} == {"delivered"}
    found = json.loads(service.cli("doctor", "--timeout", "1s", "--json").stdout)["findings"]
    gate = [one for one in found if one["check"] == "gate"]
    assert [(one["state"], "mail goes to nobody but: *@ok.test" in one["found"]) for one in gate] == [("warn", True)]
    with service.client() as mail:
        until(lambda: mail.queue(state="held").total == 0, 5, "nothing is left behind")


def test_issue15_6_a_copy_whose_other_mail_is_caught_mails_nobody(start: StartService) -> None:
    """Mail that was in the store, and that comes in: to the catcher; while that is away it waits."""
    (port,) = free_ports(1)
    base = "[worker]\nprocesses = 1\n[policy.default]\ndelays = ['1s']\n"
    base += '[[lane]]\nsite = "*"\nclose_first = "500ms"\nclose_cap = "1s"\n'
    service = start(base, "store", "scheduler")
    assert service.playground is not None
    with service.client() as mail:
        old = [f"old{one}@{service.name}{one}.test" for one in range(9)]
        before = mail.send(sender="a@app.test", recipients=old, message=BODY)
    service.stop()
    service.configure(f'{base}[gate]\nallow = ["*@accept.test"]\nothers_to = "127.88.5.8:{port}"\n')
    catcher = Mx()
    with listening(catcher, "127.88.5.8", port):
        service.start()
        assert f"but *@accept.test, all else goes to 127.88.5.8 port {port} on this machine" in service.said[-1]
        sent = service.cli(
            "send", "--from", "a@app.test", "--to", "a@accept.test", "--to", f"b@{service.name}.test", "-", stdin=BODY
        )
        ids = [*before.envelopes.values(), *sent.stdout.decode().split()]
        assert sent.stderr == b""
        assert {one.state for one in service.wait_final(ids, 30).values()} == {"delivered"}
        assert sorted(named(catcher)) == sorted([*old, f"b@{service.name}.test"])
    with service.client() as mail:
        (late,) = mail.send(
            sender="a@app.test", recipients=[f"late@{service.name}.test"], message=BODY
        ).envelopes.values()
        until(lambda: bool(mail.show(late).attempts), 20, "it was tried where nobody listens")
        assert mail.show(late).attempts[-1].stage == "connect"
        assert f"127.88.5.8 port {port}" in " ".join(mail.explain(late).split())
    taken = {one for entry in service.playground.taken(["a@accept.test"]) for one in entry.recipients}
    assert not [one for one in taken if service.name in one]


def named(host: Mx) -> list[str]:
    """Whom it was to take mail for."""
    return [line.decode()[9:].split(">")[0] for lines in host.lines for line in lines if line.startswith(b"RCPT TO:<")]
