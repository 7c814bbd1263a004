"""Whose mail it is, by the From field alone."""

from __future__ import annotations

import pytest
from softbounce_worker.dkim.author import author_domain

CASES = [
    (b"From: a@app.test", "app.test"),
    (b"FROM : A <a@APP.Test>", "app.test"),
    (b'From: "evil@other.test" <a@app.test>', "app.test"),
    (b'From: "x <evil@other.test>" <a@app.test>', "app.test"),
    (b"From: (evil@other.test) a@app.test (x (y@z.test))", "app.test"),
    (b"From: a(c)@(d)app.test", "app.test"),
    (b'From: "a\\"@other.test" <a@app.test>', "app.test"),
    (b'From: "a@other.test"@app.test', "app.test"),
    (b"From: =?utf-8?q?evil=40other=2Etest?= <a@app.test>", "app.test"),
    (b"From: evil@other.test <a@app.test>", "app.test"),
    (b"From: A <@relay.test,@b.test:a@app.test>", "app.test"),
    (b"From: a@app.test, b@other.test", "app.test"),
    (b"From: Group: a@app.test, b@other.test;", "app.test"),
    (b"From: , ;<>, A <a@app.test>", "app.test"),
    (b"From:\r\n A\r\n\t<a\r\n @app.test>", "app.test"),
    ("From: ü@Bücher.test".encode(), "xn--bcher-kva.test"),
    (b"From: A <a@app.test", "app.test"),
    (b"From: a@[192.0.2.1]", None),
    (b"From: nobody", None),
    (b"From:", None),
    (b"From: @app.test", None),
    (b"From: \xff\xfe@\xff", None),
    (b"Sender: a@app.test", None),
]


@pytest.mark.parametrize(("field", "domain"), CASES)
def test_issue12_the_domain_of_the_first_author(field: bytes, domain: str | None) -> None:
    """Names, quotes, comments, routes and groups are no addresses; a domain beyond ASCII is in A-labels."""
    assert author_domain([b"To: b@else.test", field]) == domain


def test_issue12_the_first_from_field_that_names_one_decides() -> None:
    """Where a message has several, all are signed, and this one chooses."""
    assert author_domain([b"From: nobody", b"From: a@app.test", b"From: b@other.test"]) == "app.test"
    assert author_domain([]) is None
