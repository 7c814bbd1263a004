"""F21: the resolver is down, or says SERVFAIL to everything. Mail waits, and nothing is bounced or charged for it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest
from reckon import reckon, send_each
from service import PlaygroundProcess, until

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


@pytest.mark.parametrize("how", ["nothing listens", "nothing answers"])
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
