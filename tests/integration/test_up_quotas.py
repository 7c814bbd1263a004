"""Quotas, quiet hours and spread by the whole service: from the config file to the time at which mail leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from conftest import StartService
from service import until

BASE = """
[worker]
processes = 1
[scheduler]
sweep = "1s"
"""
QUOTA = """
[[quota]]
name = "calm"
stream = "calm"
messages = "2/s"
[[quota]]
name = "hard"
stream = "hard"
waiting = 1
"""


def quiet_now() -> str:
    """Hours that began an hour ago and end in two."""
    now = datetime.now(UTC)
    start, end = (f"{one:%H:%M}" for one in (now - timedelta(hours=1), now + timedelta(hours=2)))
    return f'[[quiet]]\nstream = "news"\nfrom = "{start}"\nto = "{end}"\nzone = "UTC"\n'


def test_mail_over_a_quota_leaves_by_itself_at_its_pace(start: StartService) -> None:
    """Two at once and then two a second, every one delivered; what is over `waiting` is refused with words."""
    service = start(BASE + QUOTA)
    with service.client() as mail:
        to = [f"u{number}@a.test" for number in range(7)]
        receipt = mail.send(
            sender="a@b.test", recipients=to, message=b"Subject: x\r\n\r\nx\r\n", stream="calm", key="k"
        )
        held = mail.show(max(receipt.envelopes.values()))
        assert held.put_off == "quota:calm"
        assert "The quota calm is used up until" in mail.explain(held.id)
        shown = service.wait_final(list(receipt.envelopes.values()), 30)
        assert {one.state for one in shown.values()} == {"delivered"}
        waits = sorted(one.attempts[0].started_at - one.created_at for one in shown.values())
        slots = [timedelta(seconds=0.5) * max(0, number - 1) for number in range(7)]
        assert all(slot <= wait < slot + timedelta(seconds=20) for wait, slot in zip(waits, slots, strict=True))
    letter = service.folder / "letter.eml"
    letter.write_bytes(b"Subject: x\r\n\r\nx\r\n")
    sent = ["send", "--from", "a@b.test", "--stream", "hard", "--at", "1h", str(letter), "--to"]
    assert service.cli(*sent, "a@a.test").returncode == 0
    refused = service.cli(*sent, "b@a.test")
    assert refused.returncode == 1
    assert b"the quota 'hard' (waiting 1) is used up" in refused.stderr


def test_a_spread_send_leaves_over_its_time(start: StartService) -> None:
    """By the command line, the first at once."""
    service = start(BASE)
    letter = service.folder / "letter.eml"
    letter.write_bytes(b"Subject: x\r\n\r\nx\r\n")
    options = [option for number in range(4) for option in ("--to", f"u{number}@a.test")]
    sent = service.cli("send", "--from", "a@b.test", "--spread", "4s", *options, str(letter))
    assert sent.returncode == 0, sent.stderr
    shown = service.wait_final(sent.stdout.decode().split(), 20)
    began = [shown[one].attempts[0].started_at - shown[one].created_at for one in sent.stdout.decode().split()]
    late = [one.total_seconds() - number for number, one in enumerate(began)]
    assert all(-0.5 < one < 1.5 for one in late), late
    wrong = service.cli("send", "--from", "a@b.test", "--spread", "-4s", *options, str(letter))
    assert wrong.returncode == 2
    assert b"--spread" in wrong.stderr


def test_quiet_hours_stop_what_is_new_what_is_tried_again_and_what_is_in_hand(start: StartService) -> None:
    """Told by a reload: a first attempt, a retry that a person asks for, and other streams as before."""
    service = start(BASE)
    with service.client() as mail:

        def sent(recipient: str, stream: str = "news") -> str:
            message = b"Subject: x\r\n\r\nx\r\n"
            receipt = mail.send(sender="a@b.test", recipients=[recipient], message=message, stream=stream)
            return receipt.envelopes[recipient]

        deferred = sent("defer@a.test")
        until(lambda: len(mail.show(deferred).attempts) == 1, 10, "the first attempt")
        before = mail.show(deferred)
        service.configure(BASE + quiet_now())
        assert service.cli("config", "reload").returncode == 0
        morning = datetime.now(UTC) + timedelta(hours=1, minutes=58)

        def is_put_off(identity: str) -> bool:
            shown = mail.show(identity)
            at = shown.next_attempt_at
            return shown.state == "scheduled" and at is not None and morning < at < morning + timedelta(minutes=8)

        until(lambda: is_put_off(deferred), 10, "the retry is put off by the reload")
        assert mail.show(deferred).expires_at - before.expires_at > timedelta(hours=1)
        mail.retry(deferred)
        until(lambda: is_put_off(deferred), 10, "a worker puts off what a person hurried")
        assert len(mail.show(deferred).attempts) == 1
        assert mail.show(deferred).expires_at - before.expires_at < timedelta(hours=2, minutes=6)
        assert "Quiet hours" in mail.explain(deferred)

        def is_put_off_at_once() -> bool:
            return is_put_off(sent("new@a.test"))

        until(is_put_off_at_once, 10, "the client hears of the hours within seconds")
        other = sent("other@a.test", "otp")
        assert service.wait_final([other], 10)[other].state == "delivered"
        plan = json.loads(service.cli("plan", "--stream", "news", "--json").stdout)
        assert plan["attempts"][0]["offset_ms"] > 3_600_000
