"""The screen of a gateway, as tests ask it; and a whole service with mail of every kind, much of it hostile."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from calling import calling
from hosting import listening
from mx import Mx
from ports import free_ports
from service import Service, until

from softbounce.duration import to_epoch_ms
from softbounce.store.health import Checkup, KeptFinding, keep_checkup
from softbounce.store.shards import Shards
from softbounce.store.tokens import add_token, new_token, revoke_token

__all__ = ["EVIL", "THERE", "WORD", "Screen", "full_screen", "look_at_health", "quiet_screen"]

EVIL = "<img src=x onerror=alert(document.domain)>"
WORD = re.compile(r'name="word" value="([0-9a-f]+)"')
HERE, THERE = "127.88.7.1", "127.88.7.2"
SHUT = "554 5.7.1 192.0.2.1 is listed, see https://lists.test/192.0.2.1"
REPLIES = {
    "@evil.test": f"550 5.1.1 {EVIL} no such user",
    "@odd.test": f"554 Quux {EVIL} zorp",
    "@busy.test": "451 4.3.0 Local system trouble, try again later",
    "@full.test": "452 4.2.2 The mailbox is full",
    "@grey.test": "450 4.7.1 Greylisted, please try again in 300 seconds",
}
CONFIG = """
[store]
url = "embedded"
[worker]
processes = 1
[gateway]
http = "127.0.0.1:{http}"
[policy.otp]
window = "15m"
delays = ["10s", "30s", "1m", "2m"]
[[assign]]
stream = "otp"
policy = "otp"
[[route]]
domain = "shut.test"
host = "{there}"
port = {port}
tls = "none"
[[route]]
name = "backup"
by_hand = true
host = "{here}"
port = {port}
tls = "none"
[[route]]
domain = "*"
host = "{here}"
port = {port}
tls = "none"
"""


@dataclass(kw_only=True)
class Screen:
    """The running service, and who asks it.

    :ivar port: where its gateway listens.
    :ivar http: a client without a token.
    :ivar ids: envelopes that it has, by a word for what became of each.
    """

    service: Service
    port: int
    http: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)

    def add_token(self, name: str, *scopes: str) -> str:
        """A new token of this name."""
        text, token = new_token(name, scopes, (), datetime.now(UTC))
        store = Shards(self.service.url)
        try:
            store.run(add_token(token))
        finally:
            store.close()
        return text

    def revoke(self, name: str) -> None:
        """End a token."""
        store = Shards(self.service.url)
        try:
            assert store.run(revoke_token(name))
        finally:
            store.close()

    def submit(self, path: str, fields: Mapping[str, str] | None = None, *, page: str = "") -> httpx.Response:
        """Send the form of a page, and go on to where that leads.

        :param page: which; none: the path that the form goes to.
        """
        word = WORD.search(self.http.get(page or path).text)
        assert word is not None
        return self.http.post(path, data={"word": word[1], **(fields or {})}, follow_redirects=True)


@contextmanager
def quiet_screen(config: str = "") -> Iterator[Screen]:
    """A store and a gateway; neither scheduler nor worker, so that all stays as it was taken."""
    (port,) = free_ports(1)
    with _running(f'{config}[gateway]\nhttp = "127.0.0.1:{port}"\n', port, "--roles", "store,gateway") as screen:
        yield screen


@contextmanager
def full_screen() -> Iterator[Screen]:
    """A whole service whose mail goes to one host, and mail that fared in every way."""
    http, port = free_ports(2)
    config = CONFIG.format(http=http, here=HERE, there=THERE, port=port)
    with (
        listening(Mx(by_recipient=REPLIES), HERE, port),
        listening(Mx({"greeting": SHUT}), THERE, port),
        _running(config, http) as screen,
    ):
        fill(screen)
        yield screen


def fill(screen: Screen) -> None:
    """Send mail of every kind, and wait until it fared."""
    sent = {
        "delivered": _send(screen, ["ann@example.net"]),
        "bounced": _send(screen, ["nobody@evil.test"], tags=[EVIL], metadata={"order": f"{EVIL}\u202e"}),
        "unknown": _send(screen, ["odd@odd.test"]),
        "deferred": _send(screen, ["bob@busy.test"], tags=["spring"], metadata={"order": "1042"}),
        "full": _send(screen, ["cy@full.test"], stream="newsletter"),
        "otp": _send(screen, ["dee@grey.test"], stream="otp"),
        "odd": _send(screen, ['"<b onclick=x>"@busy.test'], sender='"<script>"@shop.test'),
        "later": _send(screen, ["eve@example.net"], at=datetime.now(UTC) + timedelta(days=1)),
        "shut": _send(screen, ["hal@shut.test"], stream="invoices"),
    }
    screen.ids = sent
    with screen.service.client() as mail:
        until(lambda: mail.show(sent["delivered"]).state == "delivered", 30, "mail is delivered")
        until(lambda: mail.show(sent["bounced"]).state == "bounced", 30, "mail bounces")
        until(lambda: mail.show(sent["unknown"]).state == "bounced", 30, "mail bounces for an unknown reason")
        for word in ("deferred", "full", "otp", "odd"):
            until(lambda word=word: bool(mail.show(sent[word]).attempts), 30, f"{word}: tried")  # type: ignore[misc]
        until(lambda: "site_closed" in {one.kind for one in mail.now().findings}, 30, "a site is closed")
        keep_hostile_look(screen)
        screen.ids["held"] = _send(screen, ["fay@example.net"], at=datetime.now(UTC) + timedelta(hours=2))
        mail.hold(screen.ids["held"])
        screen.ids["cancelled"] = _send(screen, ["gus@example.net"], at=datetime.now(UTC) + timedelta(hours=2))
        mail.cancel(screen.ids["cancelled"])


def keep_hostile_look(screen: Screen) -> None:
    """Keep a look of another machine, of which everything is a stranger's."""
    store = Shards(screen.service.url)
    at_ms = to_epoch_ms(datetime.now(UTC))
    words = f"{EVIL}\u202e"
    findings = (
        KeptFinding(
            check="lists", what=words, state="fail", found=words, mend=words, known="fail", since_ms=at_ms - 9000
        ),
        KeptFinding(check="dns", what="name server", state="unknown", found="no answer", known="warn", since_ms=at_ms),
    )
    try:
        assert store.run(keep_checkup(f"mail-2 {EVIL}", Checkup(), Checkup(at_ms=at_ms, findings=findings)))
    finally:
        store.close()


def look_at_health(screen: Screen) -> None:
    """Have the gateway's machine looked at, and wait until that is on the page."""
    screen.submit("/ui/health")
    until(lambda: "being looked" not in screen.http.get("/ui/health").text, 40, "the doctor has looked")


def _send(screen: Screen, recipients: Sequence[str], sender: str = "app@shop.test", **more: object) -> str:
    message = f"From: app@shop.test\r\nSubject: {EVIL}\r\n\r\nHello\r\n".encode()
    with screen.service.client() as mail:
        receipt = mail.send(sender=sender, recipients=recipients, message=message, **more)  # type: ignore[arg-type]
    return next(iter(receipt.envelopes.values()))


@contextmanager
def _running(config: str, port: int, *options: str) -> Iterator[Screen]:
    service = Service(config)
    try:
        service.start(*options)
        with calling(port) as http:
            yield Screen(service=service, port=port, http=http)
        service.stop()
    finally:
        service.clean()
