"""The operator's night, click by click in a real browser: from the start page to the reason and to the act. Issue 15.

Each fault is really made, on one running service; what is read is what a person sees, and a click is the mouse's.
`docs/night.md` has the walks in words.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Browser
from hosting import listening
from mx import Mx
from neighbours import Neighbours, neighbours
from ports import free_ports
from service import Service, until
from smarthost import Smarthost
from softbounce_playground import Zone
from torture.volumes import Volume

pytestmark = pytest.mark.thorough  # a browser is half a gigabyte of packages
MOST_CLICKS = 3
BODY = b"From: app@shop.test\r\nTo: all@a.test\r\nSubject: x\r\n\r\nHello.\r\n"
DMARC = "451 4.7.26 Unauthenticated email is not accepted due to the DMARC policy of tenant.test"
CONFIG = """
[gateway]
http = "127.0.0.1:{port}"
[worker]
processes = 1
[policy.default]
delays = ["1h"]
[[lane]]
site = "slow.test"
rate = "0.5/s"
connections = 1
adaptive = false
[[lane]]
site = "*"
close_first = "2m"
close_cap = "5m"
[[route]]
domain = "relayed.test"
host = "127.88.7.4"
port = {relay}
tls = "none"
user = "app"
password_env = "NIGHT_PASSWORD"
login_in_clear = true
[[route]]
name = "backup"
by_hand = true
host = "127.88.7.3"
port = {relay}
tls = "none"
"""


@dataclass(kw_only=True)
class Night:
    """One service, whoever is called for it, and the world around."""

    service: Service
    browser: Browser
    world: Neighbours
    port: int
    relay: int

    def send(self, *recipients: str, sender: str = "app@shop.test", stream: str = "") -> list[str]:
        """A message to each."""
        with self.service.client() as mail:
            receipts = mail.send_many(
                {"sender": sender, "recipients": [one], "message": BODY, "stream": stream} for one in recipients
            )
        return [one for receipt in receipts for one in receipt.envelopes.values()]

    def begins(self, kind: str) -> None:
        """Somebody is woken: the fault shows, and they open the start page."""
        with self.service.client() as mail:
            until(lambda: kind in {one.kind for one in mail.now().findings}, 30, f"{kind} is found")
        self.browser.open(f"http://127.0.0.1:{self.port}/ui")

    def reads(self, *words: str) -> None:
        """These stand on the page, at once or as soon as it follows."""
        for one in words:
            try:
                until(lambda one=one: one in self.browser.text, 15, "it is there")  # type: ignore[misc]
            except AssertionError:
                raise AssertionError(f"{one!r} is not among: {self.browser.text}") from None

    def are_delivered(self, ids: Sequence[str], seconds: float = 30) -> None:
        """The act had its effect, within three clicks."""
        assert {one.state for one in self.service.wait_final(ids, seconds).values()} == {"delivered"}
        assert 0 < self.browser.clicks <= MOST_CLICKS


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with Browser() as browser:
        browser.look_as(DESKTOP)
        yield browser


@pytest.fixture(scope="module")
def night(store_binary: object, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """All is well, and mail was delivered."""
    del store_binary
    port, relay = free_ports(2)
    with neighbours(tmp_path_factory.mktemp("world")) as world:
        service = Service(CONFIG.format(port=port, relay=relay), world, environ={"NIGHT_PASSWORD": "s3cret"})
        try:
            service.start()
            night = Night(service=service, browser=browser, world=world, port=port, relay=relay)
            world.host("well.test", Mx())
            service.wait_final(night.send("ann@well.test"), 30)
            yield night
        finally:
            service.clean()


def test_issue15_walk_messages_to_example_net_are_stuck(night: Night) -> None:
    """The start page names the site, its page says why, and one more click has it asked: it was mended meanwhile."""
    host = night.world.host("example.net", Mx({"greeting": "421 4.3.2 Service shutting down for maintenance"}))
    ids = night.send(*(f"r{number}@example.net" for number in range(20)))
    night.begins("site_closed")
    night.reads("Yes, but not everywhere. example.net is closed: mail to it waits.", "20 wait")
    night.browser.click("example.net is closed: mail to it waits")
    night.reads(
        "The site is closed", "421 4.3.2 Service shutting down for maintenance", "One envelope goes ahead", "20 wait"
    )
    host.say("greeting", None)
    night.browser.click("Ask it now")
    night.reads("It is being asked")
    night.are_delivered(ids)
    assert night.browser.clicks == 2


def test_issue15_walk_one_message_is_stuck_and_is_tried_now(night: Night) -> None:
    """It waits for its own clock, so the start page has no trouble: found by its domain, it is tried again."""
    host = night.world.host(
        "late.test", Mx(by_recipient={"@late.test": "450 4.2.0 The mailbox is busy, try again later"})
    )
    (identity,) = night.send("bob@late.test")
    with night.service.client() as mail:
        until(lambda: len(mail.show(identity).attempts) == 1, 30, "it is deferred")
    night.browser.open(f"http://127.0.0.1:{night.port}/ui")
    night.browser.type_into("Find an envelope's id, an address or a domain", "late.test")
    night.browser.click("Find")
    night.reads("bob@late.test", "450 4.2.0 The mailbox is busy, try again later")
    night.browser.click("Retry now…")
    night.reads("1 fits now.")
    host.cure()
    night.browser.click("Retry now: 1")
    night.reads("1 scheduled")
    night.are_delivered([identity])


def test_issue15_walk_a_site_closed_us_out(night: Night) -> None:
    """It blames our address: the page has its words, the way to the machine's health, and nothing bounced meanwhile."""
    host = night.world.host("strict.test", Mx({"greeting": "554 5.7.1 192.0.2.1 is listed in our blocklist"}))
    ids = night.send(*(f"r{number}@strict.test" for number in range(5)))
    night.begins("site_closed")
    night.reads("strict.test is closed: mail to it waits", "192.0.2.1 is listed in our blocklist", "softbounce doctor")
    night.browser.click("Look at the machine's health")
    night.browser.click("Look again, at the gateway's machine")
    night.reads("name server")
    night.browser.open(f"http://127.0.0.1:{night.port}/ui")
    night.browser.click("strict.test is closed: mail to it waits")
    night.reads("554 5.7.1 192.0.2.1 is listed in our blocklist", "The site is closed")
    host.say("greeting", None)
    night.browser.click("Ask it now")
    night.are_delivered(ids)


def test_issue15_walk_one_customers_domain_has_broken_dmarc(night: Night) -> None:
    """Only that sender waits, its login codes among its newsletter; once it is mended one click lets it go."""
    host = night.world.host("google.test", Mx(by_sender={"@tenant.test": DMARC}))
    night.send(*(f"n{number}@google.test" for number in range(20)), sender="news@tenant.test", stream="newsletter")
    with night.service.client() as mail:
        until(lambda: "sender_closed" in {one.kind for one in mail.now().findings}, 30, "the sender is closed")
    codes = night.send("code@google.test", sender="login@tenant.test", stream="otp")
    night.service.wait_final(night.send("other@google.test", sender="app@other.test"), 30)
    night.begins("sender_closed")
    night.reads("google.test takes no mail from tenant.test", "DMARC policy of tenant.test", "newsletter 20, otp 1")
    night.browser.click("google.test takes no mail from tenant.test")
    night.reads("Closed for mail from tenant.test", "451 4.7.26")
    host.cure()
    night.browser.click("Ask it now")
    night.reads("It is being asked")
    night.are_delivered(codes)


def test_issue15_walk_a_newsletter_holds_back_login_codes(night: Night) -> None:
    """The start page says who is behind whom, and leads to the hold; the codes go, and the rest is let go later."""
    night.world.host("slow.test", Mx())
    news = night.send(*(f"n{number}@slow.test" for number in range(60)), stream="newsletter")
    codes = night.send(*(f"code{number}@slow.test" for number in range(3)), stream="otp")
    night.begins("slow")
    night.reads("Mail to slow.test waits for its turn: otp behind newsletter", "1,800 messages an hour")
    night.browser.click("Hold all of site slow.test, stream newsletter…")
    night.reads("Hold all that fit?", "stream newsletter")
    night.browser.click("Hold: ")
    night.reads("held")
    night.are_delivered(codes)
    with night.service.client() as mail:
        held = [one for one in news if mail.show(one).state == "held"]
    assert len(held) > len(news) // 2
    night.browser.open(f"http://127.0.0.1:{night.port}/ui")
    night.browser.click("Release all held by an operator…")
    night.browser.click(f"Release: {len(held)}")
    night.reads(f"{len(held)} released")
    with night.service.client() as mail:
        until(lambda: mail.queue(state="held").total == 0, 10, "all go")
        mail.act_on_matching("cancel", stream="newsletter")


def test_issue15_2_walk_a_site_is_down_and_its_mail_is_sent_by_a_route(night: Night) -> None:
    """From the site's page to all its mail, the route chosen of those that have a name, and looked at first."""
    night.world.host("down.test", Mx({"greeting": "421 4.3.2 Service shutting down for maintenance"}))
    ids = night.send(*(f"r{number}@down.test" for number in range(5)))
    night.begins("site_closed")
    night.browser.click("down.test is closed: mail to it waits")
    night.browser.click("Its mail")
    night.browser.click("Redirect…")
    night.browser.choose("Route", "backup")
    night.browser.click("Look again")
    night.reads("5 fit now. Their next attempts go by route backup, to 127.88.7.3, port")
    with listening(Mx(), "127.88.7.3", night.relay):
        night.browser.click("Redirect: 5")
        night.reads("5 changed")
        assert {one.state for one in night.service.wait_final(ids, 30).values()} == {"delivered"}


def test_issue15_walk_a_smarthost_has_a_new_password(night: Night) -> None:
    """Somebody changed it and told nobody: the page says that it is the login, and what to mend, and asks again."""
    host = Smarthost(users={"app": "another"})
    with listening(host, "127.88.7.4", night.relay):
        ids = night.send(*(f"r{number}@relayed.test" for number in range(5)))
        night.begins("site_closed")
        night.reads("127.88.7.4 does not let us log in: mail to it waits", "535 5.7.8", "its route's password")
        host.change("app", "s3cret")
        night.browser.click("127.88.7.4 does not let us log in")
        night.browser.click("Ask it now")
        night.reads("It is being asked")
        night.are_delivered(ids)


def test_issue15_walk_a_tenants_loop_holds_back_all_others(night: Night) -> None:
    """An autoresponder answers another one: whose mail it is stands on the start page, with the hold of it."""
    night.world.host("slow.test", Mx())
    night.send(*(f"n{number}@slow.test" for number in range(60)), sender="loop@bad.test")
    ids = night.send("ann@slow.test", "bob@slow.test", sender="app@other.test")
    night.begins("slow")
    night.reads("Mail to slow.test waits for its turn: others behind bad.test", "By sender: bad.test ")
    night.browser.click("Hold all of site slow.test, sender *@bad.test…")
    night.browser.click("Hold: ")
    night.reads("held")
    night.are_delivered(ids)
    with night.service.client() as mail:
        mail.act_on_matching("cancel", sender="*@bad.test")


def test_issue15_walk_the_resolver_lies(night: Night) -> None:
    """It denies domains that mail went to yesterday: one line says so, and one click more which server to mend."""
    domains = [f"d{number}.shop.test" for number in range(60)]
    night.world.zone.update({one: Zone(error="nxdomain") for one in domains})
    ids = night.send(*(f"r@{one}" for one in domains))
    night.begins("resolver")
    night.reads("Names cannot be looked up", "it is the name servers' trouble, not theirs", "[dns] nameservers")
    night.browser.click("Names cannot be looked up")
    night.browser.click("Look again, at the gateway's machine")
    night.reads("would deny every domain there is: restart or replace it", "not to be had", "look at the name servers")
    assert night.browser.clicks == 2
    with night.service.client() as mail:
        waiting = [one for one in ids if mail.show(one).state != "bounced"]
    assert len(waiting) >= len(ids) - 24, "but for the first two dozen nothing is believed"


def test_issue15_walk_by_a_phone_and_from_the_keyboard(night: Night) -> None:
    """The same way on a narrow screen; and without a mouse: Tab and Enter come to the trouble and to its act."""
    night.world.host("narrow.test", Mx({"greeting": "421 4.3.2 not now"}))
    night.send("r@narrow.test")
    night.begins("site_closed")
    night.browser.look_as(PHONE)
    night.browser.click("narrow.test is closed: mail to it waits")
    night.browser.click("Ask it now")
    night.reads("It is being asked")
    night.browser.look_as(DESKTOP)
    night.browser.open(f"http://127.0.0.1:{night.port}/ui")
    night.browser.press_until("narrow.test is closed: mail to it waits")
    night.reads("The site is closed")
    night.browser.press_until("Ask it now")
    night.reads("It is being asked")


@pytest.fixture
def disk() -> Iterator[Volume]:
    """A small file system; a short path, as the store's socket lies there."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as folder:
        volume = Volume(Path(folder) / "disk", 48)
        if not volume.mount():
            if os.environ.get("CI") and os.geteuid() == 0:
                pytest.fail("no file system could be mounted")
            pytest.skip("only root can mount a small file system")
        try:
            yield volume
        finally:
            volume.unmount()


def test_issue15_walk_the_disk_is_full(disk: Volume, browser: Browser, store_binary: object) -> None:
    """The start page says it first, one click more how full it is; with room again all goes on by itself."""
    del store_binary
    (port,) = free_ports(1)
    service = Service(f'[store]\ndata_dir = "{disk.folder}"\n[gateway]\nhttp = "127.0.0.1:{port}"\n')
    try:
        service.start("--roles", "store,scheduler,gateway")
        disk.fill()
        browser.open(f"http://127.0.0.1:{port}/ui")
        assert "No. The store's disk is full" in browser.text
        browser.click("The store's disk is full")
        browser.click("Look again, at the gateway's machine")
        until(lambda: "disk of /tmp/" in browser.text, 30, f"the page says how full: {browser.text}")
        assert browser.clicks == 2
        disk.empty()
        browser.click("Now")
        until(lambda: "disk is full" not in browser.text, 15, "it goes on by itself")
    finally:
        service.clean()
