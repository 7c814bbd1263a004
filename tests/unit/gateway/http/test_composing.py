"""From parts to a message, and what a reader's library makes of it."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import msgspec
import pytest
from softbounce_gateway.http.composing import compose
from softbounce_gateway.http.models import NewMessage

from softbounce.errors import InvalidMessage
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
