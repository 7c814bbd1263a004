"""F21: the resolver is down, slow, or says of everything that it fails or does not exist. Mail waits, and then goes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from reckon import reckon, send_each
from resolver import Resolver
from service import PlaygroundProcess, Service, until

if TYPE_CHECKING:
    from conftest import StartService

CONFIG = """
[scheduler]
sweep = "500ms"
[policy.default]
window = "10m"
delays = ["300ms"]
[[lane]]
site = "*"
close_first = "400ms"
close_factor = 1.0
"""


def test_F21_servfail_and_refused_bounce_nothing(start: StartService) -> None:
    """Only the domain that does not exist is bounced; others wait uncharged, and are asked about with backoff."""
    service = start(CONFIG)
    kinds = ("servfail", "refused", "nxdomain")
    ids = send_each(service, [f"accept+{n}@{kind}.d{n}.test" for kind in kinds for n in range(4)])
    with service.client() as mail:
        until(lambda: all(mail.show(one).attempts for one in ids), 15, "each is tried")
        time.sleep(2)
        shown = [mail.show(one) for one in ids]
    for one in shown:
        if "nxdomain" in one.recipient:
            assert (one.state, one.bounce.cause if one.bounce else None) == ("bounced", "unroutable")
        else:
            assert one.state in {"ready", "attempting"}
            assert not any(attempt.charged for attempt in one.attempts)
            assert len(one.attempts) <= 10  # I3


@pytest.mark.parametrize("how", [pytest.param("nothing listens", marks=pytest.mark.thorough), "nothing answers"])
def test_F21_without_a_resolver_mail_waits_and_then_goes(
    start: StartService, playground: PlaygroundProcess, how: str
) -> None:
    """It waits uncharged; when the resolver is back everything is delivered, each once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        real, playground.nameserver = playground.nameserver, f"127.0.0.1:{port}"
        if how == "nothing listens":
            silent.close()
        service = start(CONFIG)
        service.config.write_text(service.config.read_text().replace("[smtp]", 'timeout = "500ms"\n[smtp]'))
        assert service.stop() == 0
        service.start()
        ids = send_each(service, [f"accept+{n}@d{n}.test" for n in range(6)])
        with service.client() as mail:
            until(lambda: any(mail.show(one).attempts for one in ids), 15, "one is tried")
            assert not any(attempt.charged for one in ids for attempt in mail.show(one).attempts)
            assert {mail.show(one).state for one in ids} <= {"ready", "attempting", "scheduled"}
        assert service.stop() == 0
        service.config.write_text(service.config.read_text().replace(f"127.0.0.1:{port}", real))
        service.start()
        ended = service.wait_final(ids, 30)
    assert reckon(playground, ended) == 0


@pytest.fixture
def resolver(playground: PlaygroundProcess) -> Iterator[Resolver]:
    """A resolver of the playground's names, which services of this test ask instead of it."""
    between = Resolver(playground.nameserver)
    with between.running():
        playground.nameserver = between.nameserver
        yield between


def told(service: Service, event: str) -> list[dict[str, object]]:
    """What the workers logged of this event."""
    lines = (json.loads(line) for line in service.log.splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("event") == event]


KNOWN, NEW, PROCESSES = 20, 180, 2
BELIEVED = 24
"""Denials of new domains that one process may believe before it is a storm, when they come one at a time."""


@pytest.mark.long
def test_F21_a_resolver_that_says_nxdomain_to_all_bounces_almost_nothing(
    start: StartService, playground: PlaygroundProcess, resolver: Resolver
) -> None:
    """Of 200 domains none is bounced that mail went to before, and of the others 24 a process; then all go, once."""
    service = start(CONFIG)
    known = send_each(service, [f"accept+first@known{n}.test" for n in range(KNOWN)])
    assert reckon(playground, service.wait_final(known, 30)) == 0
    assert service.stop() == 0  # what it remembers of DNS by itself is gone, what the store knows is not
    resolver.mood = "nothing exists"
    service.start()
    mail_of_known = send_each(service, [f"accept+second@known{n}.test" for n in range(KNOWN)])
    new = send_each(service, [f"accept@new{n}.test" for n in range(NEW)])
    with service.client() as mail:
        until(lambda: all(mail.show(one).attempts for one in mail_of_known + new), 60, "each is tried", pause=0.5)
        time.sleep(3)  # each lane looks again, a few times
        assert not any(mail.show(one).bounce for one in mail_of_known)
        bounced = {one for one in new if mail.show(one).bounce}
        assert len(bounced) <= PROCESSES * BELIEVED
        waiting = [mail.show(one) for one in mail_of_known + new if one not in bounced]
        assert not any(attempt.charged for shown in waiting for attempt in shown.attempts)
        assert {attempt.enhanced for shown in waiting for attempt in shown.attempts} == {"4.4.3"}
        words = mail.explain(next(one for one in new if one not in bounced))
    assert "domains looked up: too many at once to be believed yet" in " ".join(words.split())
    assert 1 <= len(told(service, "nxdomain_storm_began")) <= PROCESSES
    resolver.mood = "honest"
    ended = service.wait_final([one for one in mail_of_known + new if one not in bounced], 60)
    assert reckon(playground, ended) == 0
    assert len(told(service, "nxdomain_storm_ended")) == len(told(service, "nxdomain_storm_began"))


def test_F21_typing_errors_beside_good_mail_are_bounced_at_once(start: StartService, resolver: Resolver) -> None:
    """Fifteen domains that do not exist among a hundred are bounced, unroutable, at their first attempt."""
    del resolver
    service = start(CONFIG)
    names = [f"typo{n}.nxdomain.test" if n % 7 == 0 else f"good{n}.test" for n in range(100)]
    ids = send_each(service, [f"accept@{name}" for name in names])
    for shown in service.wait_final(ids, 30).values():
        if "nxdomain" in shown.recipient:
            assert (shown.state, shown.bounce and shown.bounce.cause) == ("bounced", "unroutable")
            assert [attempt.enhanced for attempt in shown.attempts] == ["5.4.4"]
        else:
            assert shown.state == "delivered"
    assert not told(service, "nxdomain_storm_began")


def test_F21_typing_errors_in_a_row_are_bounced_at_once(start: StartService) -> None:
    """Nineteen domains that do not exist, and nothing else, are bounced, unroutable, at their first attempt."""
    service = start(CONFIG)
    ids = send_each(service, [f"accept@typo{n}.nxdomain.test" for n in range(19)])
    for shown in service.wait_final(ids, 30).values():
        assert (shown.state, shown.bounce and shown.bounce.cause) == ("bounced", "unroutable")
        assert [attempt.enhanced for attempt in shown.attempts] == ["5.4.4"]
    assert not told(service, "nxdomain_storm_began")


def test_F21_a_resolver_that_answers_after_five_seconds_bounces_nothing(
    start: StartService, playground: PlaygroundProcess, resolver: Resolver
) -> None:
    """With the timeout that is the default its answers come too late; mail waits, and goes when they come in time."""
    resolver.mood = "slow"
    service = start(CONFIG)
    ids = send_each(service, [f"accept@d{n}.test" for n in range(20)])
    with service.client() as mail:
        until(lambda: all(mail.show(one).attempts for one in ids), 30, "each is tried")
        shown = [mail.show(one) for one in ids]
        assert {one.state for one in shown} <= {"ready", "attempting"}
        assert not any(attempt.charged for one in shown for attempt in one.attempts)
    resolver.mood = "honest"
    assert reckon(playground, service.wait_final(ids, 30)) == 0
