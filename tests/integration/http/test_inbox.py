"""The inbox of a playground: what was handed over is there to be looked at, and nothing in it gets out of its frame."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any, ClassVar

import httpx
import pytest

from softbounce import Client
from softbounce.testing import TestService

XSS = "<img src=x onerror=alert(document.domain)>"


@pytest.fixture(scope="module")
def running(store_binary: object) -> Iterator[TestService]:
    """A service with an inbox, for all tests here."""
    del store_binary
    with TestService() as service:
        yield service


@pytest.fixture
def service(running: TestService) -> TestService:
    """The same, empty."""
    running.begin()
    return running


@pytest.fixture
def http(service: TestService) -> Iterator[httpx.Client]:
    """What a browser or a test asks it with."""
    with httpx.Client(base_url=service.http, timeout=20) as client:
        yield client


def letter(subject: str, *, to: str = "ada@example.net", html: str | None = None, file: str = "") -> EmailMessage:
    """A message as apps make them."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Shop <shop@shop.test>", to, subject
    message.set_content("Thank you.\nhttps://shop.test/order/1\n")
    if html is not None:
        message.add_alternative(html, subtype="html")
        (related,) = [part for part in message.walk() if part.get_content_type() == "text/html"]
        related.add_related(b"\x89PNG", "image", "png", cid="<logo@x>")
    if file:
        message.add_attachment(b"%PDF-1", maintype="application", subtype="pdf", filename=file)
    return message


def by_smtp(service: TestService, message: EmailMessage) -> None:
    """Hand it over as a framework does."""
    with smtplib.SMTP(*service.smtp, timeout=20) as client:
        client.send_message(message)


class Page(HTMLParser):
    """The elements of a page, and what is wrong with them."""

    PLAIN: ClassVar = frozenset(
        [
            "html",
            "head",
            "meta",
            "title",
            "link",
            "body",
            "header",
            "a",
            "span",
            "main",
            "div",
            "form",
            "label",
            "input",
            "button",
            "table",
            "caption",
            "thead",
            "tr",
            "th",
            "tbody",
            "td",
            "p",
            "h1",
            "h2",
            "dl",
            "dt",
            "dd",
            "section",
            "details",
            "summary",
            "ol",
            "ul",
            "li",
            "code",
            "pre",
            "iframe",
        ]
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.frames: list[dict[str, str | None]] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        known = dict(attrs)
        self.wrong += [tag] if tag not in self.PLAIN else []
        self.wrong += [name for name in known if name.startswith("on") or name in {"style", "srcdoc"}]
        self.frames += [known] if tag == "iframe" else []
        self.links += [known["href"] or ""] if tag == "a" else []


def test_issue14_1_the_inbox_has_what_was_handed_over_and_what_became_of_it(
    service: TestService, http: httpx.Client
) -> None:
    """By whatever way it came, also what a host refused unseen; newest first, found by words, read, and forgotten."""
    by_smtp(service, letter("Your order", html="<b>Hi</b> <img src='cid:logo@x'>", file="bill.pdf"))
    body = {"from": "a@shop.test", "to": ["reject@b.test"], "subject": "Grüße", "text": "x", "tags": ["eu"]}
    assert http.post("/api/v1/messages", json=body).status_code == 202
    with Client(service.url) as mail:
        mail.send(sender="a@shop.test", recipients=["bob@c.test"], message=letter("third"), stream="otp")
    service.outbox.was_sent_to("reject@b.test").was_bounced(code=550)
    service.outbox.was_sent_to("ada@example.net").was_delivered()
    found = http.get("/dev/messages").json()
    assert [one["subject"] for one in found["messages"]] == ["third", "Grüße", "Your order"]
    assert found["next"] is None
    assert found["messages"][1]["recipients"] == {"reject@b.test": "bounced"}
    asked = http.get("/dev/messages", params={"recipient": "ADA@"}).json()["messages"]
    assert [one["subject"] for one in asked] == ["Your order"]
    first = http.get("/dev/messages", params={"limit": 2}).json()
    rest = http.get("/dev/messages", params={"before": first["next"]}).json()
    assert [len(one["messages"]) for one in (first, rest)] == [2, 1]
    read: dict[str, Any] = http.get(f"/dev/messages/{asked[0]['id']}").json()
    assert read["text"].startswith("Thank you.")
    assert [(one["filename"], one["octets"]) for one in read["attachments"]] == [("", 4), ("bill.pdf", 6)]
    assert read["links"] == ["https://shop.test/order/1"]
    assert [one["state"] for one in read["envelopes"]] == ["delivered"]
    assert http.get(f"/dev/messages/{read['id']}/attachments/1").content == b"%PDF-1"
    assert "data:image/png;base64,iVBORw==" in http.get(f"/dev/messages/{read['id']}/html").text
    source = http.get(f"/dev/messages/{read['id']}/source")
    assert source.headers["content-type"] == "text/plain; charset=utf-8"
    assert b"Subject: Your order" in source.content
    page = http.get("/", follow_redirects=True)
    assert page.url.path == "/dev"
    assert "Grüße" in page.text
    view = http.get(f"/dev/view/{found['messages'][1]['id']}").text
    assert "550 5.1.1 No such user here" in view
    assert http.delete("/dev/messages").status_code == 204
    assert http.get("/dev/messages").json() == {"messages": [], "next": None}
    assert "Nothing yet" in http.get("/dev").text


def test_issue14_1_nothing_in_a_message_gets_out_of_its_frame(service: TestService, http: httpx.Client) -> None:
    """Markup in subject, addresses, names, header, file names and replies stays text; HTML can neither run nor load."""
    message = letter(XSS, html=f"<script>alert(1)</script>{XSS}", file=f"{XSS}/../../x.html")
    message["X-Evil"] = f"\"'{XSS}"
    message.replace_header("From", f'"{XSS}" <"<script>"@shop.test>')
    with Client(service.url) as mail:
        mail.send(
            sender='"<script>alert(1)</script>"@shop.test',
            recipients=['"<b onclick=x>"@example.net', "reject@d.test"],
            message=message,
            tags=[XSS],
            metadata={"a": XSS},
        )
    service.outbox.was_sent_to("reject@d.test").was_bounced()
    (one,) = http.get("/dev/messages").json()["messages"]
    assert one["subject"] == XSS
    for path in ("/dev", f"/dev/view/{one['id']}"):
        answer = http.get(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        page = Page(answer.text)
        assert page.wrong == []
        assert XSS not in answer.text
        assert all(link.startswith(("/dev", "https://shop.test/")) for link in page.links)
        assert "<script" not in answer.text
    assert [frame["sandbox"] for frame in page.frames] == [None]  # there, and with no exception
    frame = http.get(str(page.frames[0]["src"]))
    policy = frame.headers["content-security-policy"]
    assert [part for part in policy.split("; ") if part == "sandbox"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    saved = http.get(f"/dev/messages/{one['id']}/attachments/1")
    assert saved.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%3Cimg")
    assert "/" not in saved.headers["content-disposition"].partition("''")[2]
    assert saved.headers["content-type"] == "application/octet-stream"
    for path in (f"/dev/messages/{one['id']}", f"/dev/messages/{one['id']}/source"):
        assert http.get(path).headers["x-content-type-options"] == "nosniff"
        assert "html" not in http.get(path).headers["content-type"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.test"}, id="a name that was rebound"),
        pytest.param({"Origin": "https://evil.test"}, id="another site's script"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another site's form or image"),
    ],
)
def test_issue14_1_no_other_site_reads_or_empties_the_inbox(
    service: TestService, http: httpx.Client, headers: dict[str, str]
) -> None:
    """A page that the developer looks at elsewhere gets nothing."""
    by_smtp(service, letter("secret"))
    (one,) = http.get("/dev/messages").json()["messages"]
    for path in ("/dev", "/dev/messages", f"/dev/view/{one['id']}", f"/dev/messages/{one['id']}/html"):
        assert http.get(path, headers=headers).status_code == 403
    assert http.post("/dev/forget", headers=headers).status_code == 403
    assert http.delete("/dev/messages", headers=headers).status_code == 403
    assert len(http.get("/dev/messages").json()["messages"]) == 1
    assert http.get("/dev").headers["referrer-policy"] == "same-origin"  # so that browsers say whose form it is
    assert http.post("/dev/forget", headers={"Origin": str(http.base_url)}).status_code == 303
    assert http.get("/dev/messages").json()["messages"] == []


def test_what_is_asked_for_wrongly_is_said(http: httpx.Client) -> None:
    """Ids, numbers and cursors that are none are refused, and no file is ever opened by them."""
    assert http.get("/dev/messages/nothing").status_code == 404
    assert http.get("/dev/messages/00000000000000000000000").status_code == 404
    assert http.get("/dev/view/..%2f..%2fetc").status_code in {404, 405}
    assert http.get("/dev/messages", params={"before": "x"}).json()["field"] == "before"
    assert http.get("/dev/messages", params={"colour": "red"}).json()["field"] == "colour"
    assert http.get("/dev/messages", params={"limit": "many"}).status_code == 400


def test_the_interface_does_not_tell_of_the_inbox(http: httpx.Client) -> None:
    """What a playground shows is no part of it."""
    assert not re.search("inbox|/dev", http.get("/api/v1/openapi.json").text)
