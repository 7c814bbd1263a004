"""Tenants and addresses in trouble beside mail that is welcome: whole services, real hosts. Issue 13, builds 3, 5."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reckon import BODY, copies_in, entries
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[scheduler]
sweep = "500ms"
[worker]
processes = 2
[policy.default]
delays = ["1s"]
jitter = 0.0
[[lane]]
site = "*"
connections = 10
close_first = "2s"
"""
WELCOME, REFUSED = "app@tenant.test", "c450at-mail+app@tenant.test"
OTHER = "app@other.test"
NUMBER = 600


def send(service: Service, senders: Sequence[str], word: str, domain: str) -> dict[str, list[str]]:
    """One message after the other by these in turn, each to a mailbox of its own; the ids by sender."""
    with service.client() as mail:
        receipts = mail.send_many(
            {"sender": sender, "recipients": [f"dotslow100+{word}{number}@{domain}"], "message": BODY}
            for number, sender in enumerate(senders)
        )
    ids: dict[str, list[str]] = {}
    for sender, receipt in zip(senders, receipts, strict=True):
        ids.setdefault(sender, []).extend(receipt.envelopes.values())
    return ids


def seconds_of(service: Service, mixture: Sequence[str], word: str) -> float:
    """How long the other tenant's mail takes in such company."""
    began = time.monotonic()
    ids = send(service, [*mixture] * (NUMBER // len(mixture)), word, "shared.test")
    service.wait_final(ids[OTHER], 120)
    return time.monotonic() - began


def test_issue13_half_of_one_tenant_s_mail_refused_costs_another_nothing(start: StartService) -> None:
    """At most 5 % of its pace, on the same lane: what is refused is asked once each, or waits apart."""
    service = start(CONFIG)
    seconds_of(service, (OTHER, WELCOME), "warm")
    beside_welcome = seconds_of(service, (OTHER, WELCOME, OTHER, WELCOME), "a")
    beside_refused = seconds_of(service, (OTHER, WELCOME, OTHER, REFUSED), "b")
    assert beside_refused <= 1.05 * beside_welcome


def test_issue13_a_tenant_of_whom_all_is_refused_costs_another_nothing(start: StartService) -> None:
    """The same, where its sender domain closes; the other's mail is all delivered meanwhile."""
    service = start(CONFIG)
    seconds_of(service, (OTHER, WELCOME), "warm")
    beside_welcome = seconds_of(service, (OTHER, WELCOME), "a")
    beside_refused = seconds_of(service, (OTHER, "c450at-mail+app@unwelcome.test"), "b")
    assert beside_refused <= 1.05 * beside_welcome
    assert "sender_closed" in service.log


def test_issue13_greylisting_of_one_address_is_waited_out_by_one_envelope(
    start: StartService, playground: PlaygroundProcess
) -> None:
    """Fifty messages to one mailbox that says "later" three times: one probes, all follow it, over two processes."""
    service = start(CONFIG)
    recipient = f"greylist3+{service.name}@grey{service.name}.test"
    with service.client() as mail:

        def send_to_it(number: int) -> list[str]:
            some = [{"sender": OTHER, "recipients": [recipient], "message": BODY} for _ in range(number)]
            return [one for receipt in mail.send_many(some) for one in receipt.envelopes.values()]

        (first,) = send_to_it(1)
        until(lambda: bool(mail.show(first).attempts), 10, "the first one was tried")
        ids = send_to_it(49)
        shown = service.wait_final([first, *ids], 30)
        probe = shown.pop(first)
        assert len(probe.attempts) == 4
        assert {len(one.attempts) for one in shown.values()} == {1}
        last = max(one.attempts[-1].ended_at for one in shown.values())
        assert (last - probe.attempts[-1].ended_at).total_seconds() < 5
    assert copies_in(entries(playground))[recipient] >= 1
