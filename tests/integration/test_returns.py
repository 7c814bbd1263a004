"""Mail leaves with signed return paths, and what comes back of it is heard by a running service, by SMTP and LMTP."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import smtplib
import time
from base64 import encodebytes
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import redis
from ports import free_ports
from returned import SAMPLES, TO, Sample
from returned_faults import ALL
from service import Service, run_cli, until
from softbounce_playground import read_ledger
from submitting import RawClient

from softbounce import Client
from softbounce.ids import parse_id
from softbounce.return_path import make_return_path
from softbounce.store.returns import read_counts, read_unread, return_keys
from softbounce.store.shards import Shards

if TYPE_CHECKING:
    from conftest import StartService
    from service import PlaygroundProcess

    from softbounce import Event

DOMAIN = "bounce.example.com"
FAR = datetime.now(UTC) + timedelta(days=30)
LETTER = b"From: Shop <shop@example.com>\r\nTo: someone@example.net\r\nSubject: Your order\r\n\r\nThank you.\r\n"
SIGNED = re.compile(rf"b[0-9a-z]{{52}}@{re.escape(DOMAIN)}")


@pytest.fixture
def ports() -> tuple[int, int]:
    """For SMTP and for LMTP."""
    one, other = free_ports(2)
    return one, other


@pytest.fixture
def service(start: StartService, ports: tuple[int, int]) -> Service:
    """One whose mail comes back to it, but for that of one stream."""
    return start(
        f'[[returns]]\nstream = "own"\n[[returns]]\ndomain = "{DOMAIN}"\nfeedback = "fbl"\n'
        f'[gateway]\nhttp = ""\nreturns = "127.0.0.1:{ports[0]}"\nreturns_lmtp = "127.0.0.1:{ports[1]}"\n'
        "[worker]\nprocesses = 1\n"
        '[[brake]]\nstream = "spam"\nof = 12\nat_least = 10\ncomplaints = "40%"\n'
    )


def counted(service: Service) -> dict[str, int]:
    """What was counted so far."""
    store = Shards(service.url)
    try:
        return store.run(read_counts())
    finally:
        store.close()


def told(mail: Client, *kinds: str) -> list[Event]:
    """The events of these kinds."""
    return [event for event in mail.events() if event.kind in kinds]


def sent(service: Service, *to: str, stream: str = "", sender: str = "shop@example.com") -> dict[str, str]:
    """Send to these, and wait until all were delivered; the envelopes' ids."""
    mail = service.client()
    before = mail.queue().states.get("delivered", 0)
    receipt = mail.send(sender=sender, recipients=to, message=LETTER, stream=stream)
    until(lambda: mail.queue().states.get("delivered", 0) == before + len(to), 20, "all were delivered")
    return dict(receipt.envelopes)


def path_of(service: Service, identity: str, recipient: str, *, age: timedelta = timedelta(0)) -> str:
    """The return path that the service signs, at some time."""
    store = Shards(service.url)
    try:
        key = store.run(return_keys()).current
    finally:
        store.close()
    return f"{make_return_path(parse_id(identity), recipient, key, datetime.now(UTC) - age)}@{DOMAIN}"


def give(port: int, path: str, message: bytes, sender: str = "") -> tuple[int, bytes]:
    """Hand one over by SMTP; the reply to it, or to its recipient where that is refused."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo("mx.example.net")
        assert client.mail(sender)[0] == 250
        refused = client.rcpt(path)
        return client.data(message) if refused[0] == 250 else refused


def crlf(text: str) -> bytes:
    """As it goes over the wire."""
    return text.replace("\n", "\r\n").encode()


def senders(playground: PlaygroundProcess) -> dict[str, str]:
    """By whom each recipient's mail came, as the hosts saw it; each in a transaction of its own or not at all."""
    taken = [entry for entry in read_ledger(playground.ledger) if entry.is_taken]
    return {entry.recipients[0]: entry.sender for entry in taken if len(entry.recipients) == 1}


def test_issue14_mail_leaves_with_signed_return_paths(service: Service, playground: PlaygroundProcess) -> None:
    """One for each recipient, a transaction each; the stream that is left out, and the null sender, keep theirs."""
    ids = sent(service, "a@b.test", "c@b.test")
    sent(service, "own@b.test", stream="own")
    sent(service, "null@b.test", sender="")
    until(lambda: len(senders(playground)) == 4, 10, "the hosts wrote down all four")
    seen = senders(playground)
    for recipient, identity in ids.items():
        assert SIGNED.fullmatch(seen[recipient]), seen
        assert seen[recipient] == path_of(service, identity, recipient)
    assert seen["own@b.test"] == "shop@example.com"
    assert seen["null@b.test"] == ""


def sample(name: str) -> Sample:
    """The one of this name."""
    return next(one for one in SAMPLES if one.name == name)


def test_issue14_every_sample_is_told_by_a_running_service(service: Service, ports: tuple[int, int]) -> None:
    """Each bounce and complaint once, though each comes twice, by SMTP and by LMTP; the rest is counted."""
    mail = service.client()
    identities: dict[str, Sample] = {}
    receipts = [
        mail.send(sender="shop@example.com", recipients=[TO], message=LETTER, stream="news", at=FAR) for _ in ALL
    ]
    for one, receipt in zip(ALL, receipts, strict=True):
        identities[receipt.envelopes[TO]] = one
    for by_lmtp in (False, True):
        kind = smtplib.LMTP if by_lmtp else smtplib.SMTP
        with kind("127.0.0.1", ports[by_lmtp]) as client:
            for identity, one in identities.items():
                path = path_of(service, identity, TO)
                client.ehlo_or_helo_if_needed()
                assert client.mail("" if by_lmtp else "someone@example.net")[0] == 250
                assert client.rcpt(path.upper() if by_lmtp else path) == (250, b"2.1.5 recipient ok")
                assert client.data(one.octets(path))[0] == 250
    events = {event.id: event for event in told(mail, "returned", "complained")}
    assert len(events) == len(told(mail, "returned", "complained"))
    for identity, one in identities.items():
        event = events.get(identity)
        assert (event.kind if event else None) == one.event, one.name
        if event is not None:
            assert (event.recipient, event.stream, event.suppress) == (TO, "news", one.suppress), one.name
            assert one.code in (None, event.code), one.name
    expected = len(events)
    until(lambda: counted(service).get("repeated") == expected, 10, "each repeat was counted")
    counts = counted(service)
    assert counts["returned"] + counts["complained"] == expected
    assert counts["unknown"] == 2 * sum(one.kind == "unknown" for one in ALL)
    assert counts["auto_reply"] == 2 * sum(one.kind == "auto_reply" for one in ALL)


def test_issue14_500_forged_return_paths_are_refused(service: Service, ports: tuple[int, int]) -> None:
    """What nobody signed, what is too old, what is relayed: none is taken, none is told."""
    (identity,) = sent(service, "a@b.test").values()
    true = path_of(service, identity, "a@b.test")
    stale = path_of(service, identity, "a@b.test", age=timedelta(days=31))
    tomorrow = path_of(service, identity, "a@b.test", age=timedelta(days=-3))
    dice = random.Random(14)  # noqa: S311 - the same ones each time
    letters = "0123456789abcdefghjkmnpqrstvwxyz"
    forged = []
    while len(forged) < 500:
        octets = list(true.partition("@")[0])
        for at in dice.sample(range(1, len(octets)), dice.choice((1, 1, 2, 20))):
            octets[at] = dice.choice(letters)
        if "".join(octets) != true.partition("@")[0]:
            forged.append("".join(octets) + "@" + DOMAIN)
    answers = []
    while forged:
        with RawClient(ports[0]) as client:
            client.reply()
            assert client.ask("EHLO mx.example.net").startswith("250")
            assert client.ask("MAIL FROM:<>").startswith("250")
            answers += [client.ask(f"RCPT TO:<{path}>") for path in forged[:15]]
            forged = forged[15:]
            assert client.ask("DATA").startswith("503")
    assert len(answers) == 500
    assert {answer[:9] for answer in answers} == {"550 5.1.1"}, set(answers)
    assert give(ports[0], stale, sample("qmail-no-mailbox").octets(stale))[1].startswith(
        b"5.7.1 this return path is older"
    )
    assert give(ports[0], tomorrow, b"")[0] == 550
    for other in ("someone@example.org", f"postmaster@{DOMAIN}", true.replace(DOMAIN, "example.org"), f"x{true}"):
        assert give(ports[0], other, b"")[0] == 550
    assert told(service.client(), "returned", "complained") == []
    until(lambda: counted(service).get("forged", 0) >= 500, 10, "they were counted")
    assert counted(service)["stale"] == 2


def test_issue13_07_a_stream_of_which_too_much_is_called_spam_is_held(service: Service, ports: tuple[int, int]) -> None:
    """By the complaints that come back; each message counts once. Its mail that comes later is held too."""
    recipients = [f"r{number}@b.test" for number in range(12)]
    ids = sent(service, *recipients, stream="spam")
    mail = service.client()
    for recipient in [*recipients[:4], recipients[0], recipients[4]]:
        assert mail.held_streams() == []
        complaint = sample("arf-fastmail").octets(path_of(service, ids[recipient], recipient))
        assert give(ports[0], f"fbl@{DOMAIN}", complaint)[0] == 250
    until(lambda: mail.held_streams() != [], 20, "the stream is held")
    (held,) = mail.held_streams()
    assert (held.stream, held.reason, held.refused, held.of) == ("spam", "complaints", 5, 12)
    assert "5 of its last 12 messages were called spam by their recipients, and the brake allows 40 %" in held.why
    mail.send(sender="shop@example.com", recipients=["next@b.test"], message=LETTER, stream="spam")
    until(lambda: mail.queue().states.get("held", 0) == 1, 20, "what comes later is held")


def test_issue14_a_complaint_to_its_own_address_names_the_return_path(service: Service, ports: tuple[int, int]) -> None:
    """The mail that it returns says which it is; one of another's is kept, and shown."""
    (identity,) = sent(service, "a@b.test", stream="news").values()
    path = path_of(service, identity, "a@b.test")
    assert give(ports[0], f"fbl@{DOMAIN}", sample("arf-fastmail").octets(path))[0] == 250
    assert give(ports[0], f"FBL@{DOMAIN}", sample("arf-fastmail").octets("other@example.org"))[0] == 250
    (event,) = told(service.client(), "complained")
    assert "Its recipient complained (abuse), says FastMail" in " ".join(service.client().explain(identity).split())
    (report,) = service.client().show(identity).came_back
    assert (report.kind, report.at, report.text) == ("complained", event.at, "abuse")
    assert b"complained" in run_cli("show", identity, "--config", service.config).stdout
    assert (event.id, event.stream, event.recipient, event.text) == (identity, "news", "a@b.test", "abuse")
    listed = json.loads(run_cli("returns", "list", "--json", "--config", service.config).stdout)
    assert [one["why"] for one in listed["unread"]] == ["a feedback report that names no return path of ours"]
    shown = run_cli("returns", "show", "1", "--config", service.config)
    assert b"Feedback-Type: abuse" in shown.stdout
    assert run_cli("returns", "show", "2", "--config", service.config).returncode == 1
    assert b"not understood" in run_cli("returns", "list", "--config", service.config).stdout


def test_issue14_a_path_that_was_wrapped_on_its_way_is_known(service: Service, ports: tuple[int, int]) -> None:
    """By a tag (BATV), by a detail, by a forwarder (SRS), in base64; and no more of them are taken for that."""
    names = [f"u{number}@b.test" for number in range(6)]
    ids = sent(service, *names)
    paths = {name: path_of(service, ids[name], name).partition("@")[0] for name in names}
    bounce = sample("exim-report")
    for name, wrapped in zip(names, ("prvs=4123abcdef={}", "btv1==489040e8aa2=={}", "{}+caf_=x"), strict=False):
        path = f"{wrapped.format(paths[name])}@{DOMAIN}"
        assert give(ports[0], path, bounce.octets(path, name))[0] == 250
    complaint = sample("arf-fastmail").text.partition("Content-Type: message/rfc822")[0]
    returned = "Return-Path: <{}>\nTo: someone@b.test\n\nHello\n"
    by_forwarder = returned.format(f"SRS0=hh9x=tt={DOMAIN}={paths[names[3]]}@forward.example")
    in_base64 = encodebytes(returned.format(f"{paths[names[4]]}@{DOMAIN}").encode()).decode()
    quoted = returned.format(f"{paths[names[5]]}@{DOMAIN}").replace("b", "=62")
    coding = "Content-Type: message/rfc822\nContent-Transfer-Encoding:"
    for octets in (
        f"{complaint}Content-Type: message/rfc822\n\n{by_forwarder}\n--=_b1--\n",
        f"{complaint}{coding} base64\n\n{in_base64}\n--=_b1--\n",
        f"{complaint}{coding} quoted-printable\n\n{quoted}\n--=_b1--\n",
    ):
        assert give(ports[0], f"fbl@{DOMAIN}", crlf(octets.replace("{path}", f"x@{DOMAIN}")))[0] == 250
    events = told(service.client(), "returned", "complained")
    assert [(event.kind, event.recipient) for event in events] == [
        *(("returned", name) for name in names[:3]),
        *(("complained", name) for name in names[3:]),
    ]
    path = f"{paths[names[0]]}+{{}}@{DOMAIN}"
    answers = [give(ports[0], path.format(number), b"Subject: x\r\n\r\nx\r\n")[0] for number in range(21)]
    assert answers == [250] * 19 + [450] * 2  # one path, however it is written


def test_issue14_what_is_forgotten_is_known_by_its_return_path(service: Service, ports: tuple[int, int]) -> None:
    """A bounce that comes when its envelope is forgotten tells its recipient, which the path proves; no other's."""
    mail = service.client()
    ids = list(sent(service, "a@b.test", "c@b.test").values())
    with redis.Redis(unix_socket_path=service.url.removeprefix("unix://")) as store:
        assert store.delete("sb:{0}:e")
    for identity, to in zip(ids, ("a@b.test", "c@b.test"), strict=True):
        path = path_of(service, identity, to)
        assert give(ports[0], path, sample("postfix-unknown-at-next-host").octets(path, "a@b.test"))[0] == 250
    path = path_of(service, ids[1], "c@b.test")
    complaint = sample("arf-aol-redacted").text.replace(f"To: {TO}", "To: C <c@b.test>")
    assert give(ports[0], path, crlf(complaint.replace("{path}", path)))[0] == 250
    (complained,) = told(mail, "complained")
    assert (complained.id, complained.recipient) == (ids[1], "c@b.test")
    mine, other = told(mail, "returned")
    assert (mine.recipient, mine.suppress, "forgotten" in mine.why) == ("a@b.test", True, True)
    assert (other.recipient, other.suppress) == ("", False)


def test_issue14_a_store_that_is_away_is_told_again_later(service: Service, ports: tuple[int, int]) -> None:
    """No 250 without an event: 451 while the store is away, and by a repeat it is told."""
    (identity,) = sent(service, "a@b.test").values()
    path = path_of(service, identity, "a@b.test")
    octets = sample("exim-report").octets(path)
    (store,) = service.pids("valkey-server")
    os.kill(store, signal.SIGSTOP)
    try:
        assert give(ports[0], path, octets)[0] == 451
    finally:
        os.kill(store, signal.SIGCONT)
    until(lambda: give(ports[0], path, octets)[0] == 250, 20, "it is taken again")
    assert len(told(service.client(), "returned")) == 1


def hostile() -> dict[str, bytes]:
    """Messages that are made to break who reads them."""
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(2_000))
    recipient = b"Final-Recipient: rfc822; x@y.test\r\nAction: failed\r\n"
    return {
        "nothing": b"",
        "no header": b"\r\n",
        "no boundary": b"Content-Type: multipart/report\r\n\r\n",
        "a header of megabytes": b"Subject: x\r\n" * 300_000 + b"\r\nx\r\n",
        "nested parts": nested,
        "nested messages": b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
        "recipients": b"Content-Type: message/delivery-status\r\n\r\n" + recipient * 15_000,
        "parts": b"Content-Type: multipart/report; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 40_000,
        "any octets": bytes(set(range(256)) - {10, 13}) * 4_000,
        "a word": b"Subject: =?utf-8?b?" + b"A" * 900_000 + b"?=\r\n\r\n",
        "an address": b"From: MAILER-DAEMON\r\nX-Failed-Recipients: " + b"(" * 200_000 + b"\r\n\r\nx\r\n",
        "angles": b"From: x\r\n\r\nHi. This is the qmail-send program\r\n\r\n" + b"<a@b>:" * 100_000 + b"\r\n",
        "tags": b"Content-Type: text/html\r\n\r\n" + b"<" * 500_000 + b"\r\n",
    }


def test_issue14_what_is_sent_to_break_it_harms_nobody(service: Service, ports: tuple[int, int]) -> None:
    """Each is answered within seconds, by a process that goes on and tells of the next bounce; none says anything."""
    ids = sent(service, *(f"u{number}@b.test" for number in range(len(hostile()))))
    for (identity, octets), to in zip(zip(ids.values(), hostile().values(), strict=True), ids, strict=True):
        began = time.monotonic()
        assert give(ports[0], path_of(service, identity, to), octets)[0] == 250
        assert time.monotonic() - began < 20
    (identity,) = sent(service, "a@b.test").values()
    path = path_of(service, identity, "a@b.test")
    assert give(ports[0], path, sample("exim-report").octets(path))[0] == 250
    assert identity in {event.id for event in told(service.client(), "returned")}
    assert "report_failed" not in service.log


def test_issue14_a_return_path_is_no_way_to_fill_anything(service: Service, ports: tuple[int, int]) -> None:
    """Twenty an hour are taken to one; nobody logs in there, and nothing is relayed."""
    (identity,) = sent(service, "a@b.test").values()
    path = path_of(service, identity, "a@b.test")
    person = sample("newsletter-of-a-person").octets(path)
    answers = [give(ports[0], path, person)[0] for _ in range(25)]
    assert answers == [250] * 20 + [450] * 5
    store = Shards(service.url)
    try:
        assert len(store.run(read_unread())) == 20
    finally:
        store.close()
    with RawClient(ports[0]) as client:
        client.reply()
        assert client.ask("EHLO x").startswith("250")
        assert client.ask("AUTH PLAIN AGEAYg==").startswith("500")
        assert client.ask("MAIL FROM:<MAILER-DAEMON>").startswith("250")
        assert client.ask("RCPT TO:<someone@example.org>").startswith("550 5.7.1")


def test_issue14_a_large_report_is_taken_and_its_head_is_read(service: Service, ports: tuple[int, int]) -> None:
    """Who returns the mail whole, and it was as large as can be, is heard all the same."""
    (identity,) = sent(service, "a@b.test").values()
    path = path_of(service, identity, "a@b.test")
    octets = sample("sendmail-report").octets(path) + b"12345678901234567890\r\n" * 1_190_000
    assert give(ports[0], path, octets)[0] == 250
    assert len(told(service.client(), "returned")) == 1


def test_issue14_kill_9_of_the_listener_loses_no_250_and_doubles_none(service: Service, ports: tuple[int, int]) -> None:
    """Four hosts repeat what was cut, as hosts do, while the process dies twice: each report is told, or kept, once."""
    mail = service.client()
    recipients = [f"u{number}@b.test" for number in range(160)]
    ids = mail.send(sender="shop@example.com", recipients=recipients, message=LETTER, at=FAR).envelopes
    bounce, complaint, person = sample("exim-report"), sample("arf-yahoo"), sample("newsletter-of-a-person")
    work = [(one, (bounce, complaint, person)[at % 4 % 3]) for at, one in enumerate(recipients)]
    paths = {one: path_of(service, ids[one], one) for one in recipients}
    taken: list[str] = []
    cut: list[str] = []

    def report(mine: list[tuple[str, Sample]]) -> None:
        for one, what in mine:
            while one not in taken:
                try:
                    code, _ = give(ports[0], paths[one], what.octets(paths[one], one))
                except (OSError, smtplib.SMTPException):
                    cut.append(one)
                    time.sleep(0.1)  # nobody listens for a moment
                else:
                    assert code == 250
                    taken.append(one)

    with ThreadPoolExecutor(4) as pool:
        hosts = [pool.submit(report, work[number::4]) for number in range(4)]
        for kill in (1, 2):
            until(lambda kill=kill: len(taken) >= 40 * kill, 60, "hosts go on")  # type: ignore[misc]
            until(lambda: bool(service.pids("softbounce_gateway.returns")), 20, "it was started again")
            os.kill(service.pids("softbounce_gateway.returns")[0], signal.SIGKILL)
        for host in hosts:
            host.result(120)
    assert cut
    events = told(mail, "returned", "complained")
    expected = [(one, "returned" if what is bounce else "complained") for one, what in work if what is not person]
    assert sorted((event.recipient, event.kind) for event in events) == sorted(expected)
    store = Shards(service.url)
    try:
        kept = {one.id for one in store.run(read_unread())}
    finally:
        store.close()
    assert kept == {parse_id(ids[one]) for one, what in work if what is person}
