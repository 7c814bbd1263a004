"""Whom a message says that it is from: read so that nobody reads another author in it."""

from __future__ import annotations

import pytest

from softbounce.errors import InvalidMessage
from softbounce.message.authors import authors_of

REST = b"\r\nTo: b@c.test\r\n\r\nFrom: body@evil.test\r\n"


@pytest.mark.parametrize(
    ("head", "authors"),
    [
        (b"From: shop@shop.test", ("shop@shop.test",)),
        (b"from:SHOP <Shop@Shop.Test>", ("shop@shop.test",)),
        (b"From : shop@shop.test", ("shop@shop.test",)),
        (b"Subject: x\r\nFrom: Shop Inc. <shop@shop.test>", ("shop@shop.test",)),
        (b"From: =?utf-8?q?Gesch=C3=A4ft?= <shop@shop.test>", ("shop@shop.test",)),
        ("From: Geschäft <shop@shop.test>".encode(), ("shop@shop.test",)),
        (b"From: Gesch\xe4ft <shop@shop.test>", ("shop@shop.test",)),
        (b'From: "boss@bank.test" <shop@shop.test>', ("shop@shop.test",)),
        (b"From: a@shop.test, boss@bank.test", ("a@shop.test", "boss@bank.test")),
        (b"From: us: a@shop.test, boss@bank.test;", ("a@shop.test", "boss@bank.test")),
        (b"From: a@shop.test\r\nFrom: boss@bank.test", ("a@shop.test", "boss@bank.test")),
        (b"From: a@shop.test,\r\n\tboss@bank.test", ("a@shop.test", "boss@bank.test")),
        (b"From: a@shop.test\r\nno field at all\r\nFROM\t: boss@bank.test", ("a@shop.test", "boss@bank.test")),
        (b"X: y\rFrom: boss@bank.test", ("boss@bank.test",)),
        (b"From: a@m\xc3\xbcller.test", ("a@xn--mller-kva.test",)),
        (b"X-From: boss@bank.test\r\nResent-From: boss@bank.test", ()),
    ],
)
def test_every_author_that_a_reader_may_see_counts(head: bytes, authors: tuple[str, ...]) -> None:
    """In each field of that name, however it is written, and none in the body."""
    assert authors_of(head + REST) == authors
    assert authors_of((head + REST).replace(b"\r\n", b"\n")) == authors


@pytest.mark.parametrize(
    "field",
    [
        b"From:",
        b"From: nobody",
        b"From: a@shop.test boss@bank.test",
        b"From: a@shop.test <boss@bank.test>",
        b"From: <a@shop.test>boss@bank.test",
        b"From: a@shop.test\r\n <boss@bank.test>",
        b"From: (" + b"(" * 3_000 + b"a@shop.test",
        b"From: a@shop.test" + b" " * 5_000,
        b"From: " + b"a@shop.test, " * 30 + b"a@shop.test",
        b"From: a@shop.test\0boss@bank.test",
        b"From: us:;",
    ],
    ids=lambda field: field[:40].decode("ascii", "replace"),
)
def test_what_cannot_be_told_for_sure_is_refused(field: bytes) -> None:
    """What two readers may read differently is no proof of who wrote it."""
    with pytest.raises(InvalidMessage, match="From"):
        authors_of(field + REST)


def test_a_message_without_a_header_has_no_author() -> None:
    """Its first line is empty."""
    assert authors_of(b"\r\nFrom: a@shop.test\r\n") == ()
    assert authors_of(b"") == ()
