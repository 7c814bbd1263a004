"""Django's mail through softbounce: what its users send arrives as they wrote it, and they hear what became of it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import pickle
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage as WholeMessage
from email.policy import default
from hashlib import sha256
from typing import Any

import django
import pytest
from django.conf import settings

if not settings.configured:
    settings.configure(
        ROOT_URLCONF="test_django_urls",
        ALLOWED_HOSTS=["testserver"],
        SECRET_KEY="x" * 50,
        USE_TZ=True,
        ANYMAIL={"SOFTBOUNCE_WEBHOOK_SECRET": "whsec_" + base64.b64encode(b"k" * 32).decode()},
    )
    django.setup()

from anymail.exceptions import AnymailAPIError, AnymailUnsupportedFeature
from anymail.signals import tracking
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage, EmailMultiAlternatives, mail_admins, send_mail
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory, override_settings
from django.utils.module_loading import import_string

from softbounce.anymail import TrackingWebhookView, send_tracking, tracking_event
from softbounce.errors import InvalidAddress, InvalidMessage, KeyReused, StoreUnavailable
from softbounce.testing import Outbox, TestService

DJANGO = "softbounce.django.EmailBackend"
ANYMAIL = "softbounce.anymail.EmailBackend"


@pytest.fixture(scope="module")
def running(store_binary: object) -> Iterator[TestService]:
    """One service for all."""
    del store_binary
    with TestService() as service:
        yield service


@pytest.fixture
def outbox(running: TestService) -> Iterator[Outbox]:
    """What Django sent in a test."""
    running.begin()
    with override_settings(SOFTBOUNCE={"URL": running.url}), by_default(DJANGO):
        yield running.outbox


def by_default(name: str, **options: Any) -> Any:  # noqa: ANN401 - Django tells no types
    """Settings by which all of Django's mail goes out by a backend: from 6.1 on there are several."""
    if django.VERSION >= (6, 1):
        return override_settings(MAILERS={"default": {"BACKEND": name, "OPTIONS": options}})
    return override_settings(EMAIL_BACKEND=name)


def backend(name: str = DJANGO, **given: Any) -> Any:  # noqa: ANN401 - Django tells no types
    """A backend as Django makes it."""
    return import_string(name)(**given)


def message(subject: str = "Hello", **more: Any) -> EmailMessage:  # noqa: ANN401
    """A message of Django's."""
    said = {"from_email": "Shop <shop@shop.test>", "to": ["ada@example.net"], **more}
    return EmailMessage(subject, "Hello\n", **said)


def test_issue14_5_send_mail_arrives_as_it_was_written(outbox: Outbox) -> None:
    """Text, HTML, attachments, names and other alphabets; the number that was sent, the receipt, the same octets."""
    mail = EmailMultiAlternatives(
        "Grüße an \N{SNOWMAN}",
        "Schön.\n.\nFrom here\n" + "x" * 2000,
        '"Shop <Ü>, Inc." <shop@shop.test>',
        ["Ädä <ada@example.net>", "reject@b.test"],
        cc=["cc@example.net"],
        reply_to=["answers@shop.test"],
        headers={"X-Own": "1", "List-Unsubscribe": "<mailto:u@shop.test>"},
    )
    mail.attach_alternative("<b>Schön</b>", "text/html")
    mail.attach("Bücher.pdf", b"%PDF\r\n\x00", "application/pdf")
    mail.attach("inner.eml", EmailMessage("inner", "body", to=["x@y.test"]), "message/rfc822")
    assert mail.send() == 1
    sent = outbox.was_sent_to("ada@example.net", subject="Grüße an \N{SNOWMAN}").was_delivered()
    assert set(sent.recipients) == {"ada@example.net", "reject@b.test", "cc@example.net"}
    assert sent.sender == "shop@shop.test"
    assert sent.text.startswith("Schön.\n.\nFrom here\n")
    assert sent.html.strip() == "<b>Schön</b>"
    assert sent.attachment("Bücher.pdf").content == b"%PDF\r\n\x00"
    read = message_from_bytes(sent.source, policy=default)
    assert [address.addr_spec for address in read["To"].addresses] == ["ada@example.net", "reject@b.test"]
    assert read["From"].addresses[0].display_name == "Shop <Ü>, Inc."
    assert (sent.header("X-Own"), sent.header("Reply-To")) == ("1", "answers@shop.test")
    assert sorted(mail.softbounce_receipt.envelopes) == ["ada@example.net", "cc@example.net", "reject@b.test"]
    outbox.wait_for("reject@*").was_bounced(code=550)
    assert send_mail("by send_mail", "x", "a@b.test", ["bob@example.net"], html_message="<i>x</i>") == 1
    assert outbox.was_sent_to("bob@example.net").html.strip() == "<i>x</i>"
    with override_settings(ADMINS=["ops@example.net"] if django.VERSION >= (6, 0) else [("Ops", "ops@example.net")]):
        mail_admins("down", "all of it")
    assert outbox.was_sent_to("ops@example.net", subject="down").was_delivered()


def test_issue14_5_who_is_in_bcc_gets_it_and_nobody_reads_so(outbox: Outbox) -> None:
    """Also where the app writes the field itself."""
    own = {} if django.VERSION >= (6, 1) else {"Bcc": "blind@example.net"}  # refuses it from then on
    assert message(bcc=["blind@example.net"], headers=own).send() == 1
    sent = outbox.was_sent_to("blind@example.net").was_delivered()
    assert b"blind" not in sent.source


def test_issue14_5_options_of_a_message(outbox: Outbox, running: TestService) -> None:
    """By a dict, by fields of its header, which are taken out, and by settings; the nearer one counts."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    fields = {
        "X-Softbounce-Stream": "otp",
        "X-Softbounce-Window": "15m",
        "X-Softbounce-Tag": "eu",
        "X-Softbounce-Meta-Order": "1042",
    }
    with override_settings(SOFTBOUNCE={"URL": running.url, "STREAM": "app", "TENANT": "acme", "TAGS": ["all"]}):
        message("settings").send()
        message("fields", headers=fields).send()
        by_dict = message("dict", headers=fields)
        by_dict.softbounce = {"stream": "news", "at": soon, "key": "k-1", "metadata": {"a": "b"}}
        by_dict.send()
    found = {one.subject: one for one in (outbox.wait_for(subject=word) for word in ("settings", "fields", "dict"))}
    assert [(one.stream, one.tenant) for one in found.values()] == [("app", "acme"), ("otp", "acme"), ("news", "acme")]
    assert [one.tags for one in found.values()] == [("all",), ("eu",), ("eu",)]
    assert [one.metadata for one in found.values()] == [{}, {"Order": "1042"}, {"a": "b"}]
    assert all(b"softbounce" not in one.source.lower() for one in found.values())
    again = message("dict", headers=fields)
    again.softbounce = {"stream": "news", "key": "k-1"}
    assert again.send() == 1
    assert again.softbounce_receipt.known
    with pytest.raises(InvalidMessage, match="X-Softbounce-Streams: there is no such field"):
        message(headers={"X-Softbounce-Streams": "otp"}).send()
    wrong = message()
    wrong.softbounce = {"recipients": ["x@y.test"]}
    with pytest.raises(InvalidMessage, match="softbounce: "):
        wrong.send()


def test_issue14_5_many_messages_are_taken_all_or_none(outbox: Outbox) -> None:
    """One that cannot be sent is named by its number, and nothing was taken. Silently: all the others are."""
    bad = message("bad", to=["no address"])
    nobody = message("nobody", to=[])
    with pytest.raises(InvalidAddress, match="message 2: recipients") as failed:
        backend().send_messages([message("1"), nobody, bad])
    assert failed.value.index == 2
    outbox.was_not_sent_to("*")
    assert backend().send_messages([message("1"), nobody, message("2")]) == 2
    assert backend(fail_silently=True).send_messages([bad, message("3"), message("4", from_email="none")]) == 1
    assert [one.subject for one in outbox] == ["1", "2", "3"]
    assert backend().send_messages([]) == 0


def test_issue14_5_a_header_cannot_be_forged(outbox: Outbox) -> None:
    """A line end in a subject, an address or a field is refused before anything is stored."""
    for forged in (
        message("x\nBcc: evil@example.net"),
        message(to=["ada@example.net\nBcc: evil@example.net"]),
        message(from_email="a@b.test\r\nX: y"),
        message(headers={"X-Own": "1\r\nBcc: evil@example.net"}),
    ):
        with pytest.raises((ValueError, InvalidMessage)):
            forged.send()
    outbox.was_not_sent_to("*")


def test_issue14_5_messages_come_in_any_iterable(outbox: Outbox) -> None:
    """A generator or a set, silently or not: how many were taken is answered, and each has its receipt."""
    for number, silently in enumerate((False, True)):
        mails = [message(f"{number}{word}") for word in "ab"]
        taken = backend(fail_silently=silently)
        assert taken.send_messages(one for one in mails) == 2
        assert all(len(one.softbounce_receipt.envelopes) == 1 for one in mails)
        assert taken.send_messages({message(f"{number}c")}) == 1
        assert taken.send_messages(iter(())) == 0
    bad = message(to=["no address"])
    with pytest.raises(InvalidAddress, match="message 1: recipients"):
        backend().send_messages(one for one in (message("left"), bad))
    assert sorted(str(one.subject) for one in outbox) == ["0a", "0b", "0c", "1a", "1b", "1c"]


class OfSix(EmailMessage):
    """A message that Django makes as it does from 6.0 on: one of the standard library's."""

    def message(self, **_: object) -> Any:  # noqa: ANN401 - Django tells no types
        """Its fields and its text."""
        made = WholeMessage(policy=default)
        made["From"], made["To"], made["Subject"] = self.from_email, ", ".join(self.to), self.subject
        for name, value in self.extra_headers.items():
            made[name] = value
        made.set_content(self.body)
        return made


def test_issue14_5_a_long_url_in_a_field_stays_a_url(outbox: Outbox) -> None:
    """The standard library, which writes Django's messages from 6.0 on, makes an encoded word of it; we do not."""
    url = f"<https://news.example/unsubscribe?token={'a1-_' * 60}>, <mailto:leave@news.example?subject=leave>"
    identity = f"<{'c0ffee.' * 14}@mail.example>"
    fields = {"List-Unsubscribe": url, "References": identity, "X-Softbounce-Meta-Url": url[1:200]}
    for kind in (EmailMessage, OfSix):
        mail = kind("Grüße", "Schön\n", "Büro <shop@shop.test>", ["ada@example.net"], headers=fields)
        mail.softbounce = {"stream": kind.__name__.lower()}
        assert mail.send() == 1
        sent = outbox.wait_for(stream=kind.__name__.lower()).was_delivered()
        head = b" ".join(sent.source.partition(b"\r\n\r\n")[0].split())
        assert f"List-Unsubscribe: {url}".encode() in head
        assert f"References: {identity}".encode() in head
        assert (sent.subject, sent.text.strip(), sent.metadata) == ("Grüße", "Schön", {"Url": url[1:200]})


def test_issue14_5_two_addresses_in_one_text_are_refused(outbox: Outbox) -> None:
    """As Django's own backend refuses them, since one would have had no mail; Anymail's own reading has both."""
    for two in ("Ann <a@x.test>, Bob <b@y.test>", "a@x.test; Bob <b@y.test>"):
        for wrong in ({"to": [two]}, {"cc": [two]}, {"bcc": [two]}, {"from_email": two}):
            with pytest.raises(InvalidAddress, match="more than one address"):
                message(**wrong).send()
    outbox.was_not_sent_to("*")
    assert message(to=["ada@example.net <ada@example.net>", '"Doe, Jane" <jane@example.net>']).send() == 1
    assert set(outbox.wait_for("jane@*").recipients) == {"ada@example.net", "jane@example.net"}
    with by_default(ANYMAIL):
        both = message(to=["Ann <ann@example.net>, Bob <bob@example.net>"], from_email="A <a@b.test>, C <c@d.test>")
        assert both.send() == 1
    sent = outbox.wait_for("bob@*")
    assert (set(sent.recipients), sent.sender) == ({"ann@example.net", "bob@example.net"}, "a@b.test")


def test_issue14_5_failing_silently_is_only_about_mail(caplog: pytest.LogCaptureFixture) -> None:
    """A store that is away is logged and 0; settings that are wrong are raised, each with what to do."""
    away = {"URL": "redis://127.0.0.1:1/0", "PATIENCE": 0}
    with override_settings(SOFTBOUNCE=away):
        assert backend(fail_silently=True).send_messages([message()]) == 0
        with pytest.raises(StoreUnavailable):
            backend().send_messages([message()])
    assert "1 messages not sent" in caplog.text
    for wrong, words in (
        ({}, "needs the URL of its store"),
        ({"URL": "http://x"}, "SOFTBOUNCE: store url"),
        ({"URL": "redis://x", "STREAMS": "x"}, "there is no 'STREAMS'"),
        ({"URL": "redis://x", "WINDOW": "soon"}, "SOFTBOUNCE\\['WINDOW'\\]"),
        ([], "is no dict"),
    ):
        with override_settings(SOFTBOUNCE=wrong), pytest.raises(ImproperlyConfigured, match=words):
            backend(fail_silently=True).send_messages([message()])


def test_issue14_5_threads_and_forks_share_a_backend(outbox: Outbox, running: TestService) -> None:
    """200 sends in 8 threads open few connections; a child that was forked sends by connections of its own."""
    shared = backend()
    before = int(running.client._store.run(_info())["total_connections_received"])
    threads = [
        threading.Thread(target=lambda: [shared.send_messages([message()]) for _ in range(25)]) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    after = int(running.client._store.run(_info())["total_connections_received"])
    assert after - before <= 40  # the service's own looks included
    child = os.fork()
    if not child:
        try:
            os._exit(0 if message("from the child").send() == 1 else 1)
        except BaseException:  # noqa: BLE001 - whatever it is, the test process must not go on twice
            os._exit(2)
    assert message("from the parent").send() == 1
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    outbox.wait_for(subject="from the child").was_delivered()
    outbox.wait_for(subject="from the parent").was_delivered()
    assert len(outbox) == 202


def _info() -> Any:  # noqa: ANN401 - an operation
    from softbounce.store.call import Call, Operation, first  # noqa: PLC0415 - only here

    def read(answers: list[Any]) -> dict[str, str]:
        answer = first(answers)
        if isinstance(answer, dict):
            return {str(name): str(value) for name, value in answer.items()}
        return dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)

    return Operation((Call.read(0, b"INFO", b"stats"),), read)


def test_issue14_5_an_async_view_sends(outbox: Outbox) -> None:
    """On the event loop itself, and by a thread as Django advises."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415 - only here

    async def view(request: object) -> HttpResponse:
        del request
        taken = message("direct").send() + await sync_to_async(message("by a thread").send)()
        return HttpResponse(str(taken))

    answer = asyncio.run(view(AsyncRequestFactory().get("/")))
    assert answer.content == b"2"
    outbox.wait_for(subject="direct").was_delivered()
    outbox.wait_for(subject="by a thread").was_delivered()


def test_issue14_5_a_message_waits_in_a_queue_and_is_sent_later(outbox: Outbox) -> None:
    """As task queues do it: pickled with its options, and again after it was sent."""
    mail = EmailMessage("later", "x", "a@b.test", ["ada@example.net"])
    mail.softbounce = {"stream": "otp", "window": timedelta(minutes=15)}
    for _ in range(2):
        mail = pickle.loads(pickle.dumps(mail))  # noqa: S301 - our own
        assert backend().send_messages([mail]) == 1
    assert [one.stream for one in outbox] == ["otp", "otp"]


@pytest.mark.skipif(django.VERSION < (6, 1), reason="there are no MAILERS before Django 6.1")
def test_issue14_5_mailers_of_django_have_options(outbox: Outbox, running: TestService) -> None:
    """Each its own stream; one that is none is told as Django tells it."""
    from django.core.mail import InvalidMailer  # noqa: PLC0415 - from 6.1 on

    with override_settings(SOFTBOUNCE={}), by_default(DJANGO, url=running.url, stream="news"):
        assert message().send() == 1
    assert outbox.wait_for("ada@*").stream == "news"
    with by_default(DJANGO, streams="news"), pytest.raises(InvalidMailer, match="streams"):
        message().send()


# -- anymail --------------------------------------------------------------------------------------------------------


@pytest.fixture
def anymail(outbox: Outbox) -> Iterator[Outbox]:
    """The same, where Django's mail goes out by Anymail."""
    with by_default(ANYMAIL):
        yield outbox


def test_issue14_5_anymail_options_and_status(anymail: Outbox) -> None:
    """Metadata, tags, envelope sender, esp_extra; the status has each recipient's envelope."""
    mail = EmailMultiAlternatives(
        "Hello",
        "x",
        "Shop <shop@shop.test>",
        ["Ada <ada@example.net>"],
        bcc=["b@example.net"],
    )
    mail.attach_alternative("<b>x</b>", "text/html")
    mail.metadata, mail.tags = {"order": 1042}, ["eu", "new"]
    mail.envelope_sender = "bounces@shop.test"
    mail.esp_extra = {"stream": "otp", "key": "k-9"}
    assert mail.send() == 1
    sent = anymail.was_sent_to("ada@example.net", stream="otp").was_delivered()
    assert (sent.sender, sent.tags, sent.metadata) == ("bounces@shop.test", ("eu", "new"), {"order": "1042"})
    assert b"b@example.net" not in sent.source
    status = mail.anymail_status
    assert status.status == {"queued"}
    assert status.recipients["ada@example.net"].message_id == sent.id
    assert set(status.recipients) == {"ada@example.net", "b@example.net"}


def test_issue14_5_anymail_says_what_there_is_not(anymail: Outbox) -> None:
    """Templates and open tracking are refused by name; what softbounce refuses is an error of Anymail's."""
    for name, value in (
        ("template_id", "x"),
        ("track_opens", True),
        ("merge_data", {"a@b.test": {}}),
        ("send_at", "x"),
    ):
        mail = message()
        setattr(mail, name, value)
        with pytest.raises(AnymailUnsupportedFeature, match=name):
            mail.send()
    mail = message()
    mail.esp_extra = {"streams": "otp"}
    with pytest.raises(AnymailAPIError, match="streams"):
        mail.send()
    first, second = (message(word) for word in ("1", "2"))
    first.esp_extra = second.esp_extra = {"key": "k-1"}
    first.send()
    with pytest.raises(AnymailAPIError, match="k-1") as failed:
        second.send()
    assert isinstance(failed.value.__cause__, KeyReused)
    assert [one.subject for one in anymail] == ["1"]


def test_issue14_5_anymail_sends_later(anymail: Outbox, running: TestService) -> None:
    """`send_at` is when the first attempt is."""
    mail = message()
    mail.send_at = datetime.now(UTC) + timedelta(days=365)
    mail.send()
    assert anymail.wait_for("ada@*").state == "scheduled"
    del running


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """What the tracking signal told."""
    found: list[Any] = []

    def hear(event: Any, esp_name: str, **_: object) -> None:  # noqa: ANN401 - Anymail's
        assert esp_name == "Softbounce"
        found.append(event)

    tracking.connect(hear)
    yield found
    tracking.disconnect(hear)


def test_issue14_5_tracking_from_the_event_log(anymail: Outbox, heard: list[Any], running: TestService) -> None:
    """Queued, deferred, delivered, bounced, with the reply, tags, metadata and the id of the status."""
    mail = message(to=["greylist@a.test", "reject@b.test", "defer@c.test"])
    mail.tags, mail.metadata = ["eu"], {"order": "7"}
    mail.esp_extra = {"window": timedelta(minutes=1)}
    mail.send()
    anymail.wait_for("greylist@*").was_delivered()
    anymail.wait_for("reject@*").was_bounced()
    anymail.wait_for("defer@*").was_promoted()
    ids = {one.message_id: to for to, one in mail.anymail_status.recipients.items()}
    for event in running.client.events():
        if event.kind != "warned":  # that it is late: at this speed that is a matter of the machine
            send_tracking(event)
    of = {to: [one for one in heard if ids.get(one.message_id) == to] for to in ids.values()}
    assert [one.event_type for one in of["greylist@a.test"]] == ["queued", "deferred", "delivered"]
    assert [one.event_type for one in of["reject@b.test"]] == ["queued", "bounced"]
    end = of["reject@b.test"][-1]
    assert (end.reject_reason, end.mta_response) == ("invalid", "550 5.1.1 No such user here")
    assert (end.tags, end.metadata, end.recipient) == (["eu"], {"order": "7"}, "reject@b.test")
    assert end.timestamp.tzinfo is not None
    assert of["defer@c.test"][-1].reject_reason == "timed_out"


def signed(body: bytes, *, key: bytes = b"k" * 32, at: int | None = None) -> Any:  # noqa: ANN401
    """A webhook as softbounce posts it."""
    at = int(time.time()) if at is None else at
    mac = base64.b64encode(hmac.digest(key, b"msg_1.%d.%s" % (at, body), sha256)).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,AAAA v1,{mac}"}
    return RequestFactory().post("/hook", body, content_type="application/json", headers=headers)


DATA = {
    "cursor": "1-0",
    "at": "2026-01-31T08:00:00.000Z",
    "kind": "bounced",
    "id": "0" * 26,
    "recipient": "a@b.test",
    "cause": "suppressed",
    "why": "The address is suppressed",
    "metadata": {"a": "b"},
}


def test_issue14_5_tracking_by_webhook(heard: list[Any]) -> None:
    """Signed by our secret and young: told. Else 400, and nothing is told."""
    body = json.dumps({"type": "envelope.bounced", "timestamp": DATA["at"], "data": DATA}).encode()
    view = TrackingWebhookView.as_view()
    assert view(signed(body)).status_code == 200
    (event,) = heard
    assert (event.event_type, event.reject_reason, event.metadata) == ("rejected", "blocked", {"a": "b"})
    from django.core.exceptions import SuspiciousOperation  # noqa: PLC0415 - only here

    now = int(time.time())
    for wrong in (
        signed(body, key=b"x" * 32),
        signed(body, at=now - 400),
        signed(body, at=now + 400),
        signed(b"[]"),
        signed(b"{"),
        signed(b'{"data": {"kind": 1}}'),
        signed(b'{"data": {"kind": "bounced", "id": "x", "at": "yesterday"}}'),
        RequestFactory().post("/hook", body, content_type="application/json"),
    ):
        with pytest.raises(SuspiciousOperation):
            view(wrong)
    assert len(heard) == 1
    assert tracking_event({**DATA, "kind": "stream_held", "id": ""}) is None
