"""One site that several processes serve at once: a whole service, real hosts. Issue 13, build 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reckon import BODY
from service import until

if TYPE_CHECKING:
    from conftest import StartService

NUMBER = 800
CONFIG = """
[worker]
processes = 2
[[lane]]
site = "*"
connections = 8
parts = 4
adaptive = false
"""


def test_issue13_4_two_processes_serve_one_site(start: StartService) -> None:
    """Its parts are lanes that spread as lanes do; each envelope is delivered once."""
    service = start(CONFIG)
    with service.client() as mail:
        receipts = mail.send_many(
            {"sender": "app@sender.test", "recipients": [f"dotslow50+{one}@big.test"], "message": BODY}
            for one in range(NUMBER)
        )
        ids = [identity for receipt in receipts for identity in receipt.envelopes.values()]
        until(
            lambda: len({lane.owner for lane in mail.lanes(site="big.test") if lane.owner}) == 2,
            20,
            "both processes have a part of it",
        )
        assert len({lane.lane for lane in mail.lanes(site="big.test")}) == 4
    service.wait_final(ids, 60)
    with service.client() as mail:
        assert mail.queue().states["delivered"] == NUMBER
