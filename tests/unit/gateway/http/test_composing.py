"""From parts to a message, and what a reader's library makes of it."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import msgspec
import pytest
from softbounce_gateway.http.composing import compose, read_mailbox
from softbounce_gateway.http.models import NewMessage

from softbounce.errors import InvalidAddress, InvalidMessage
from softbounce.message import prepare


def sent(**parts: Any) -> EmailMessage:  # noqa: ANN401 - whatever JSON can hold
    """The message of these parts, as a host gets it and a reader parses it."""
    new = msgspec.convert({"from": "app@shop.test", "to": ["a@example.net"], **parts}, NewMessage)
    octets = prepare(compose(new), max_octets=1_000_000).octets
    message = message_from_bytes(octets, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_issue14_parts_become_a_message_that_reads_as_was_meant() -> None:
    """Names and a subject beyond ASCII, both texts, a file with a name and octets of any kind; and no bcc."""
    message = sent(
        **{"from": "Shop Ä <app@shop.test>"},
        to=["Ann <ann@example.net>", '"Bob, B." <bob@example.net>'],
        cc=["cc@example.net"],
        bcc=["hidden@example.net"],
        reply_to="help@shop.test",
        subject="Größe",
        text="plain ü\n",
        html="<p>ü</p>",
        headers={"X-Order": "7", "List-Unsubscribe": "<https://shop.test/u>"},
        attachments=[{"filename": "für.pdf", "content_type": "application/pdf", "content": b"%PDF\0" * 900}],
    )
    assert message["bcc"] is None
    assert "hidden@" not in message.as_string()
    assert (message["from"], message["subject"]) == ("Shop Ä <app@shop.test>", "Größe")
    assert message["to"] == 'Ann <ann@example.net>, "Bob, B." <bob@example.net>'
    assert (message["cc"], message["reply-to"]) == ("cc@example.net", "help@shop.test")
    assert (message["x-order"], message["list-unsubscribe"]) == ("7", "<https://shop.test/u>")
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert (plain.get_content().strip(), html.get_content().strip()) == ("plain ü", "<p>ü</p>")
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "für.pdf"
    assert attached.get_content_type() == "application/pdf"
    assert attached.get_payload(decode=True) == b"%PDF\0" * 900


def test_issue14_one_text_is_one_part() -> None:
    """A message with html alone, or text alone, is no multipart."""
    assert sent(html="<p>x</p>").get_content_type() == "text/html"
    assert sent(text="x").get_content_type() == "text/plain"


@pytest.mark.parametrize("breaking", ["\n", "\r", "\0", "\x0b", "\x1c", "\x7f", "\x85", "\u2028", "\u2029"])
def test_A02_nothing_that_some_reader_takes_for_a_line_end_is_in_a_value(breaking: str) -> None:
    """Whatever the field: subject, name, header, file name."""
    value = f"a{breaking}Bcc: evil@example.net"
    for field, parts in (
        ("subject", {"subject": value}),
        ("from", {"from": f"{value} <app@shop.test>"}),
        ("to[0]", {"to": [f"{value} <a@example.net>"]}),
        ("reply_to[0]", {"reply_to": f"{value} <a@example.net>"}),
        ("headers.X-A", {"headers": {"X-A": value}}),
        ("headers", {"headers": {value: "1"}}),
        ("attachments[0].filename", {"attachments": [{"filename": value, "content": b""}]}),
    ):
        with pytest.raises(InvalidMessage) as caught:
            sent(text="x", **parts)
        assert caught.value.field == field


def test_issue14_octets_have_no_parts_beside_them() -> None:
    """What would be left out silently is refused."""
    with pytest.raises(InvalidMessage) as caught:
        sent(raw=b"Subject: x\r\n\r\n", subject="y")
    assert caught.value.field == "subject"


@pytest.mark.parametrize("texts", [{"html": '<img src="cid:logo@shop">'}, {"html": "<p>", "text": "hi"}])
def test_issue14_a_picture_of_the_html_stands_beside_it(texts: dict[str, str]) -> None:
    """Inline, by the name that the html has for it; a file that goes along is outside of both."""
    message = sent(
        **texts,
        attachments=[
            {"filename": "a.pdf", "content_type": "application/pdf", "content": b"%PDF"},
            {"filename": "l.png", "content_type": "image/png", "content": b"\x89PNG", "content_id": "logo@shop"},
            {"filename": "m.png", "content_type": "image/png", "content": b"\x89PNG2", "content_id": "m"},
        ],
    )
    assert message.get_content_type() == "multipart/mixed"
    (attached,) = (one for one in message.iter_attachments() if one.get_filename() == "a.pdf")
    assert attached.get_content_disposition() == "attachment"
    (related,) = (one for one in message.walk() if one.get_content_type() == "multipart/related")
    html, logo, other = related.get_payload()
    assert html.get_content_type() == "text/html"
    assert (logo["content-id"], logo.get_content_disposition()) == ("<logo@shop>", "inline")
    assert (other["content-id"], other.get_payload(decode=True)) == ("<m>", b"\x89PNG2")
    plain = message.get_body(("plain",))
    assert (plain is None) == ("text" not in texts)


def test_A02_a_picture_s_name_is_one_and_names_something() -> None:
    """Nothing that ends its field, and no picture of html that is not there."""
    picture = {"filename": "l.png", "content_type": "image/png", "content": b"x"}
    for name, texts in (
        ("a>\r\nX: y", {"html": "x"}),
        ("<a>", {"html": "x"}),
        ("ü", {"html": "x"}),
        ("a", {"text": "x"}),
    ):
        with pytest.raises(InvalidMessage) as refused:
            sent(**texts, attachments=[{**picture, "content_id": name}])
        assert refused.value.field == "attachments[0].content_id"


@pytest.mark.parametrize("subject", ["=?utf-8?q?a=0d=0aBcc:_x@y.test?=", "=?utf-8?b?YQ1CY2M6IHg=?="])
def test_A02_nothing_is_hidden_in_encoded_words(subject: str) -> None:
    """Readers decode them: a line end within is one. The field is named as the request has it."""
    for field, parts in (
        ("subject", {"subject": subject}),
        ("from", {"from": f"{subject} <app@shop.test>"}),
        ("headers.X-A", {"headers": {"X-A": subject}}),
        ("attachments[0].filename", {"attachments": [{"filename": subject, "content": b""}]}),
    ):
        with pytest.raises(InvalidMessage) as caught:
            sent(text="x", **parts)
        assert caught.value.field == field


@pytest.mark.parametrize(
    "name",
    [
        pytest.param('report.txt"; filename="payload.exe', id="unemail-122-a-quote"),
        pytest.param("Prüfbericht Q1.pdf", id="google_workspace_mcp-500-noname"),
        pytest.param("日本語" * 80, id="cakephp-13854-long-and-beyond-ascii"),
        pytest.param("🎉 party.pdf", id="langwatch-6445-emoji"),
        pytest.param("a;b,c'd%20e\\f", id="mime-mail-68-what-parameters-are-made-of"),
    ],
)
def test_report_a_file_has_the_name_that_it_was_given(name: str) -> None:
    """One parameter, whatever the characters of it are."""
    (attached,) = sent(text="x", attachments=[{"filename": name, "content": b"%PDF"}]).iter_attachments()
    assert attached.get_filename() == name
    assert list(attached["content-disposition"].params) == ["filename"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        pytest.param("Doe, Jane <jane@x.test>", "Doe, Jane", id="postmark-gem-140-smtp2go-php-4-a-comma"),
        pytest.param('"Grupo OLOM, Inc" <jane@x.test>', "Grupo OLOM, Inc", id="laravel-postmark-8-quoted"),
        pytest.param('"Dr\\", Watson" <jane@x.test>', 'Dr", Watson', id="mailparser-223-an-escaped-quote"),
        pytest.param("🎉 Jane <jane@x.test>", "🎉 Jane", id="resend-an-emoji"),
        pytest.param('"<evil@x.test>" <jane@x.test>', "<evil@x.test>", id="a-name-that-looks-like-an-address"),
    ],
)
def test_report_a_name_is_one_name_of_one_address(written: str, name: str) -> None:
    """In the author's field and the recipients', it reads as it was meant."""
    message = sent(**{"from": written}, to=[written], text="x")
    for field in ("from", "to"):
        (one,) = message[field].addresses
        assert (one.display_name, one.addr_spec) == (name, "jane@x.test")


@pytest.mark.parametrize("text", ["Ann <a@x.test>, Bob <b@y.test>", "a@x.test; Bob <b@y.test>"])
def test_issue14_no_recipient_is_lost_where_a_text_has_two(text: str) -> None:
    """It is refused by name, wherever a mailbox stands: one of the two would have had the mail, the other not."""
    for field, parts in (
        ("from", {"from": text}),
        ("to[0]", {"to": [text]}),
        ("cc[0]", {"cc": [text]}),
        ("reply_to[0]", {"reply_to": text}),
    ):
        with pytest.raises(InvalidAddress, match="more than one address") as caught:
            sent(text="x", **parts)
        assert caught.value.field == field
    with pytest.raises(InvalidAddress, match="more than one address"):
        read_mailbox(text, "bcc[0]")
    assert read_mailbox("info@d.test <info@d.test>", "to[0]")[1].canonical == "info@d.test"


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        pytest.param({"Idempotency-Key": "order-7"}, "headers.Idempotency-Key", id="brevo-node-94"),
        pytest.param({"idempotencyKey": "order-7"}, "headers.idempotencyKey", id="brevo-node-94-the-other-spelling"),
        pytest.param({"Date": "yesterday"}, "headers.Date", id="a-date-that-is-none"),
        pytest.param({"Date": "2026-11-28T08:00:00Z"}, "headers.Date", id="a-date-of-another-kind"),
        pytest.param({"Message-ID": "order-7"}, "headers.Message-ID", id="an-id-without-brackets"),
        pytest.param({"Message-ID": "<a@b>", "message-id": "<c@d>"}, "headers.message-id", id="two-ids"),
    ],
)
def test_report_what_a_header_cannot_say_is_refused_by_name(headers: dict[str, str], field: str) -> None:
    """A key that goes as a field of the mail makes nothing idempotent; a field that hosts refuse goes nowhere."""
    with pytest.raises(InvalidMessage) as caught:
        sent(text="x", headers=headers)
    assert caught.value.field == field


def test_report_a_date_and_an_id_of_ones_own_stay() -> None:
    """RFC 6409 §8.2 and §8.3: one is added where there is none; what is there is the app's to say."""
    own = {"Date": "Sat, 28 Nov 2026 08:00:00 +0000", "Message-ID": "<order-7@shop.test>"}
    message = sent(text="x", headers=own)
    assert {name: message[name] for name in own} == own


@pytest.mark.parametrize(
    ("written", "parameters"),
    [
        pytest.param('application/pdf; name="Hulick, Sam.pdf"', {}, id="a-name-which-the-file-name-says"),
        pytest.param('application/pdf; name="a \\"b\\"; c=d.pdf" ; x="1, 2"', {"x": "1, 2"}, id="a-quote-within"),
        pytest.param('application/x-a; x="a;b \\\\ \\"c\\" =d"', {"x": 'a;b \\ "c" =d'}, id="all-that-parts"),
        pytest.param('application/x-a; x=""; y=7', {"x": "", "y": "7"}, id="empty"),
        pytest.param("application/x-a; x=\"für 'a'\"", {"x": "für 'a'"}, id="beyond-ascii"),
        pytest.param(f'application/pdf; name="{"Bericht " * 40}.pdf"', {}, id="a-long-name"),
    ],
)
def test_issue14_a_parameter_of_a_media_type_may_be_quoted(written: str, parameters: dict[str, str]) -> None:
    """As browsers and mail programs write a file's name there; a reader has the value that was meant."""
    (attached,) = sent(
        text="x", attachments=[{"filename": "f.pdf", "content": b"%PDF", "content_type": written}]
    ).iter_attachments()
    assert dict(attached["content-type"].params) == parameters
    assert (attached.get_filename(), attached.get_payload(decode=True)) == ("f.pdf", b"%PDF")
    for wrong in ('a/b; c="d', 'a/b; c=d"', 'a/b; c="d"e', 'a/b; c="\u2028"', 'a/b; c="=?utf-8?q?=0D=0AX:?="'):
        with pytest.raises(InvalidMessage) as caught:
            sent(text="x", attachments=[{"filename": "a", "content": b"x", "content_type": wrong}])
        assert caught.value.field == "attachments[0].content_type"


def test_report_a_media_type_has_its_parameters() -> None:
    """A calendar's method, say: without it no mail program shows an invitation."""
    kinds = ['text/calendar; method=REQUEST; charset="utf-8"', 'application/pdf; name="x.pdf"']
    files = [{"filename": "ä.ics", "content": b"x", "content_type": one} for one in kinds]
    invitation, pdf = sent(text="x", attachments=files).iter_attachments()
    assert dict(invitation["content-type"].params) == {"method": "REQUEST", "charset": "utf-8"}
    assert (invitation.get_filename(), dict(pdf["content-type"].params)) == ("ä.ics", {})
    for wrong in ("text/plain;", "text/plain; a", "text/plain; a=1; A=2", 'a/b; c="d\r\nX: y"', "text"):
        with pytest.raises(InvalidMessage) as caught:
            sent(text="x", attachments=[{"filename": "a", "content": b"x", "content_type": wrong}])
        assert caught.value.field == "attachments[0].content_type"
