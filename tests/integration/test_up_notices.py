"""Notices by the running service: mail handed over by SMTP, hosts that refuse it, and the senders who hear of it."""

from __future__ import annotations

import os
import signal
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis
import zstandard
from ports import free_ports
from service import PlaygroundProcess, Service, until
from softbounce_gateway.returns.reading.reading import read_report
from softbounce_playground import read_ledger
from submitting import letter, listening

from softbounce.envelope import Record
from softbounce.store import keys

T = TypeVar("T")
RETURNS = "bounce.test"
CONFIG = f"""
[policy.default]
warn_after = "0s"
delays = ["1h"]
[policy.warning]
warn_after = "1s"
delays = ["1h"]
[[assign]]
sender = "*+warned@s.test"
policy = "warning"
[[returns]]
domain = "{RETURNS}"
"""


class Post:
    """The service, and what its store has of notices."""

    def __init__(self, folder: Path) -> None:
        (self.port,) = free_ports(1)
        self.playground = PlaygroundProcess(folder)
        self.service = Service(listening(self.port, more=CONFIG), self.playground)
        self.service.start()

    def hand_over(self, sender: str, *to: tuple[str, str], more: str = "", message: bytes = b"") -> None:
        """Hand one over by SMTP, each recipient with its parameters."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.ehlo()
            assert client.mail(sender, more.split())[0] == 250
            for address, options in to:
                assert client.rcpt(address, options.split())[0] == 250
            assert client.data(message or letter())[0] == 250

    def notices(self, to: str) -> list[Record]:
        """Those to an address."""
        with redis.Redis(unix_socket_path=str(self.service.folder / "var" / "store.sock")) as raw:
            stored = raw.hgetall(keys.key(0, "e"))
        records = [Record.unpack(identity, octets) for identity, octets in stored.items()]
        return [one for one in records if one.envelope.way == "notice" and one.envelope.recipient == to]

    def told(self, to: str, by: str = "kind") -> dict[str, list[str]]:
        """What those that wait still say to an address: of each outcome whose.

        :param by: what tells outcomes apart.
        """
        found: dict[str, list[str]] = {}
        with redis.Redis(unix_socket_path=str(self.service.folder / "var" / "store.sock")) as raw:
            for one in self.notices(to):
                stored = raw.get(keys.body(one.message))
                octets = zstandard.ZstdDecompressor().decompress(stored) if one.envelope.body.codec else stored
                for outcome in read_report(octets).outcomes:
                    found.setdefault(str(getattr(outcome, by)), []).append(outcome.addresses[-1])
        return {kind: sorted(addresses) for kind, addresses in found.items()}

    def close(self) -> None:
        """End both."""
        self.service.clean()
        self.playground.end()


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory, store_binary: object) -> Iterator[Post]:
    """One for all of these tests: what is told to one sender is no other's."""
    del store_binary
    opened = Post(tmp_path_factory.mktemp("notices"))
    yield opened
    opened.close()


def test_issue14_8_what_was_asked_for_at_smtp_is_done(post: Post) -> None:
    """NOTIFY of each recipient, and the defaults; to the sender's own address, though mail leaves with a signed one."""
    sender = "defer+asked@s.test"  # its host takes no notice yet, so that they can be read
    post.hand_over(
        sender,
        ("reject+never@b.test", "NOTIFY=NEVER"),
        ("reject+failure@b.test", "NOTIFY=FAILURE ORCPT=rfc822;old@b.test"),
        ("reject+default@b.test", ""),
        ("reject+delay@b.test", "NOTIFY=DELAY"),
        ("accept+success@b.test", "NOTIFY=SUCCESS"),
        ("accept+default@b.test", ""),
        more="RET=HDRS ENVID=order-7",
    )
    wanted = {"failed": ["reject+default@b.test", "reject+failure@b.test"], "delivered": ["accept+success@b.test"]}
    until(lambda: post.told(sender) == wanted, 60, "all were told")
    assert {one.stream for one in post.notices(sender)} == {"notices"}
    assert {one.envelope.sender for one in post.notices(sender)} == {""}


def test_issue14_8_that_it_is_late_is_told_whom_notify_says(post: Post) -> None:
    """By the policy: DELAY, and the default; not who wants to hear of failures only, or of nothing."""
    sender = "defer+warned@s.test"
    asked = {"delay": "NOTIFY=DELAY", "failure": "NOTIFY=FAILURE", "never": "NOTIFY=NEVER", "default": ""}
    post.hand_over(sender, *((f"defer+{name}@b.test", options) for name, options in asked.items()))
    wanted = {"delayed": ["defer+default@b.test", "defer+delay@b.test"]}
    until(lambda: post.told(sender) == wanted, 60, "both were told")


def test_M31_who_says_when_hears_then_that_it_is_late_and_it_is_tried_on(post: Post) -> None:
    """BY=...;N (RFC 2852), where the policy would tell nobody; not whom NOTIFY keeps from it."""
    sender = "defer+patient@s.test"
    post.hand_over(sender, ("defer+quiet@b.test", ""))
    post.hand_over(sender, ("defer+late@b.test", ""), ("defer+never@b.test", "NOTIFY=NEVER"), more="BY=1;N")
    post.hand_over(sender, ("reject+done@b.test", ""), ("accept+done@b.test", ""), more="BY=3600;N")
    until(lambda: len(post.notices(sender)) == 2, 30, "both were told")
    assert post.told(sender) == {"failed": ["reject+done@b.test"], "delayed": ["defer+late@b.test"]}
    with post.service.client() as mail:
        late = [one.state for one in mail.page(recipient="defer+late@b.test").envelopes]
    assert late == ["scheduled"]


def test_M31_what_is_not_delivered_in_time_comes_back_as_such(post: Post) -> None:
    """BY=...;R: 5.4.7 when its time is over, whatever the host said last; not where a host took it in time."""
    sender = "defer+timed@s.test"
    post.hand_over(sender, ("c452+late@late.test", "NOTIFY=FAILURE"), more="BY=2;R")
    post.hand_over(sender, ("accept+r@nodeliverby.test", ""), ("accept+r@b.test", ""), more="BY=60;R")
    until(lambda: len(post.notices(sender)) == 1, 30, "it was told")
    assert post.told(sender, "status") == {"5.4.7": ["c452+late@late.test"]}


def test_M31_who_said_by_when_hears_of_a_host_that_does_not_know(post: Post) -> None:
    """BY=...;N: delayed with 4.4.7, and passed on to a host that knows of no such time."""
    sender = "defer+said@s.test"
    post.hand_over(sender, ("c452+late@said.test", ""), more="BY=1;N")
    post.hand_over(sender, ("accept+n@nodeliverby.test", ""), ("accept+n@b.test", ""), more="BY=60;N")
    until(lambda: len(post.notices(sender)) == 2, 30, "both were told")
    assert post.told(sender, "status") == {"4.4.7": ["c452+late@said.test"], "2.0.0": ["accept+n@nodeliverby.test"]}


def test_M20_a_notice_that_bounces_ends_silently(post: Post) -> None:
    """The sender's host refuses it: no other is written, by whatever is about it. Nor one about the null sender."""
    post.hand_over("reject+nobody@s.test", ("reject+a@b.test", ""))
    post.hand_over("", ("reject+null@b.test", ""))
    until(lambda: [one.state.word for one in post.notices("reject+nobody@s.test")] == ["bounced"], 30, "it bounced")
    sender = "defer+later@s.test"
    post.hand_over(sender, ("reject+b@b.test", ""))
    until(lambda: bool(post.told(sender)), 30, "what came later was told")
    assert len(post.notices("reject+nobody@s.test")) == 1
    assert post.notices("") == []


def test_issue14_8_addresses_beyond_ascii_are_told_of(post: Post) -> None:
    """Both the sender's and the recipient's."""
    sender = "defer+ü@s.test"
    message = "From: ü <app@s.test>\r\nSubject: Grüße\r\n\r\nHallo\r\n".encode()
    with smtplib.SMTP("127.0.0.1", post.port, timeout=20) as client:
        client.ehlo()
        client.command_encoding = "utf-8"
        assert client.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"])[0] == 250
        assert client.rcpt("reject+ö@b.test")[0] == 250
        assert client.data(message)[0] == 250
    until(lambda: post.told(sender) == {"failed": ["reject+ö@b.test"]}, 30, "it was told")


def test_issue14_8_mail_of_an_app_makes_none(post: Post) -> None:
    """By the client library; another sender's, by SMTP, does meanwhile."""
    with post.service.client() as mail:
        app = mail.send(sender="accept+app@s.test", recipients=["reject+api@b.test"], message=letter())
        (identity,) = app.envelopes.values()
        until(lambda: mail.show(identity).state == "bounced", 30, "it bounced")
    sender = "accept+person@s.test"
    post.hand_over(sender, ("reject+c@b.test", ""))
    until(lambda: [one.state.word for one in post.notices(sender)] == ["delivered"], 30, "it was told")
    assert post.notices("accept+app@s.test") == []


def test_M19_notices_leave_with_the_null_sender(post: Post) -> None:
    """As their host sees them: no signed return path, and not the address of their From field."""
    sender = "accept+null@s.test"
    post.hand_over(sender, ("reject+d@b.test", ""))

    def senders() -> list[str]:
        return [one.sender for one in read_ledger(post.playground.ledger) if one.kept and sender in one.recipients]

    until(lambda: senders() == [""], 30, "the host wrote down that it came")


def test_issue14_8_a_scheduler_that_is_killed_tells_each_once(post: Post) -> None:
    """Forty refusals, and kill -9 twice while they are told."""
    sender = "defer+killed@s.test"
    for number in range(40):
        post.hand_over(sender, (f"reject+k{number}@b.test", ""))
        if number in (15, 30):
            for pid in post.service.pids("softbounce_scheduler"):
                os.kill(pid, signal.SIGKILL)
    wanted = sorted(f"reject+k{number}@b.test" for number in range(40))
    until(lambda: post.told(sender).get("failed") == wanted, 40, "each was told, once")
