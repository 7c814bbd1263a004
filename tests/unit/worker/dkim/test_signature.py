"""Signatures as a verifier of another hand reads them."""

from __future__ import annotations

from base64 import b64decode

import pytest
from signing import ED25519, HEADER, MESSAGES, RSA, tags_of, verify
from softbounce_config.process_settings import Canonicalization
from softbounce_worker.dkim.canonical import body_hash, canonical_field, split_message
from softbounce_worker.dkim.signature import Identity, signatures

from softbounce.message import prepare

RELAXED: Canonicalization = "relaxed/relaxed"
RECORDS = {"r._domainkey.app.test": RSA.record, "e._domainkey.app.test": ED25519.record}
BOTH = [
    Identity(domain="app.test", selector="r", key=RSA, canonicalization=RELAXED),
    Identity(domain="app.test", selector="e", key=ED25519, canonicalization=RELAXED),
]


@pytest.mark.parametrize("how", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
@pytest.mark.parametrize("message", [pytest.param(octets, id=name) for name, octets in MESSAGES.items()])
def test_issue12_dkimpy_verifies_what_is_signed_by_both_kinds_of_key(message: bytes, how: Canonicalization) -> None:
    """Both signatures are right, each above the other, over whatever may be in a message."""
    identities = [Identity(domain=one.domain, selector=one.selector, key=one.key, canonicalization=how) for one in BOTH]
    above = signatures(message, identities, accepted=1_700_000_000)
    others = message.startswith(b"DKIM-Signature")
    assert verify(above + message, RECORDS, at_most=2) == [True, True]
    assert len(tags_of(above + message)) == 2 + others


def test_issue12_what_a_reader_sees_cannot_be_added_to() -> None:
    """A second From, Subject, To, Cc, Date, Reply-To or Message-ID breaks the signature, above or below."""
    message = MESSAGES["plain"]
    signed = signatures(message, BOTH, accepted=1_700_000_000) + message
    assert verify(signed, RECORDS) == [True, True]
    for name in (b"From", b"Subject", b"To", b"Cc", b"Date", b"Reply-To", b"Message-ID"):
        added = name + b": x@evil.test\r\n"
        head, _, body = signed.partition(b"\r\n\r\n")
        assert verify(head + b"\r\n" + added + b"\r\n" + body, RECORDS) == [False, False], name
        assert verify(added + signed, RECORDS) == [False, False], name


def test_issue12_how_a_text_is_read_cannot_be_added_to_where_it_is_said() -> None:
    """A second Content-Type breaks the signature of a message that has one; Received and others may be added."""
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n"
    message = HEADER + head + b"\r\nHello\r\n"
    signed = signatures(message, BOTH, accepted=1_700_000_000) + message
    assert verify(b"Received: by x; now\r\nReturn-Path: <x@y>\r\nX-Spam: no\r\n" + signed, RECORDS) == [True, True]
    for added in (b"Content-Type: text/html\r\n", b"Content-Transfer-Encoding: base64\r\n", b"MIME-Version: 1.0\r\n"):
        assert verify(added + signed, RECORDS) == [False, False], added


def test_issue12_the_tags_and_the_names_are_these() -> None:
    """From and six more one more often than they are there; no ``l=``; ``t=`` always; ``x=`` only if asked."""
    expiring = Identity(domain="app.test", selector="r", key=RSA, canonicalization=RELAXED, expires_seconds=3600)
    signed = signatures(MESSAGES["plain"], [BOTH[0], expiring], accepted=1_700_000_000) + MESSAGES["plain"]
    without, with_x = tags_of(signed)
    assert list(without) == ["v", "a", "c", "d", "s", "t", "h", "bh", "b"]
    assert without["h"] == ("from:from:to:to:cc:subject:subject:date:date:message-id:message-id:reply-to")
    assert (without["t"], with_x["x"]) == ("1700000000", "1700003600")
    later = signatures(MESSAGES["plain"], [expiring], accepted=1_700_000_000, first_try=1_900_000_000)
    assert tags_of(later)[0]["x"] == "1900003600"


def test_issue12_the_same_message_gives_the_same_octets() -> None:
    """Both algorithms are deterministic: who signs again, elsewhere or later, sends what was sent before."""
    message = MESSAGES["blanks everywhere"]
    assert signatures(message, BOTH, accepted=1_700_000_000) == signatures(message, BOTH, accepted=1_700_000_000)


def test_issue12_no_line_of_a_signature_is_long() -> None:
    """Lines have 78 octets at most, and a long domain a line of its own."""
    long = ".".join(["a" * 60] * 4)
    identity = Identity(domain=long, selector="s" * 63, key=RSA, canonicalization=RELAXED)
    for message in (MESSAGES["plain"], MESSAGES["300 of a field"]):
        above = signatures(message, [*BOTH, identity], accepted=1_700_000_000)
        lines = above.split(b"\r\n")
        assert all(len(line) <= 78 for line in lines if b"d=aaa" not in line)
        assert all(line.startswith((b" ", b"DKIM-Signature:")) for line in lines[:-1])
        assert b"\n" not in above.replace(b"\r\n", b"")


def test_issue12_the_examples_of_the_rfcs() -> None:
    """The canonical forms of RFC 6376 §3.4.5, the hashes of empty bodies of §3.4.3 and §3.4.4, the body of RFC 8463."""
    fields, start = split_message(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n")
    assert [canonical_field(field, relaxed=True) for field in fields] == [b"a:X", b"b:Y Z"]
    assert [canonical_field(field, relaxed=False) for field in fields] == [b"A: X", b"B : Y\t\r\n\tZ  "]
    assert start == 22
    assert body_hash(b" C \r\nD \t E\r\n\r\n\r\n", relaxed=True) == body_hash(b" C\r\nD E\r\n", relaxed=False)
    assert body_hash(b"", relaxed=True) == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert body_hash(b"", relaxed=False) == "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
    joe = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
    assert body_hash(joe, relaxed=True) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    assert len(b64decode(ED25519.public)) == 32


def test_issue12_what_is_prepared_and_signed_has_our_fields_covered() -> None:
    """Date and Message-ID that were made at acceptance are under the signature."""
    made = prepare(b"From: a@app.test\nSubject: x\n\nHello\n", max_octets=1000)
    signed = signatures(made.octets, BOTH, accepted=1_700_000_000) + made.octets
    assert verify(signed, RECORDS) == [True, True]
    assert verify(signed.replace(made.message_id.encode(), b"<other@x>"), RECORDS) == [False, False]
