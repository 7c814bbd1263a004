"""What a token is for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from softbounce.errors import InvalidArgument
from softbounce.store.tokens import TokenBook, new_token

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def test_A11_a_token_sends_as_whom_it_names() -> None:
    """Whatever the case; not as one that merely ends alike; the null sender is none of a domain's."""
    _, token = new_token("shop", ["send"], ["*@Shop.example", "boss@other.test"], NOW)
    for address in ("a@shop.example", "A@SHOP.EXAMPLE", "boss@other.test"):
        assert token.may_send_as(address), address
    for address in ("a@evil-shop.example", "a@shop.example.evil.test", "a@x.shop.example", "eve@other.test", ""):
        assert not token.may_send_as(address), address
        assert not token.may_be_author(address), address
    _, anybodys = new_token("any", [], [], NOW)
    assert (anybodys.may_send_as("a@b.test"), anybodys.binds_authors) == (True, False)
    _, passing_on = new_token("pass", [], ["*@shop.example"], NOW, any_author=True)
    assert (passing_on.may_send_as("a@b.test"), passing_on.may_be_author("a@b.test")) == (False, True)


def test_A12_a_token_is_found_by_all_of_it() -> None:
    """Not by a part of it, its name or its hash; nor one of another name."""
    text, token = new_token("shop", ["send"], [], NOW)
    book = TokenBook([token])
    assert book.find(text) == book.log_in("shop", text) == token
    for wrong in ("", text[:-1], text + "x", "shop", token.digest.hex(), "x" * 10_000, "\udcff"):
        assert book.find(wrong) is None
        assert book.log_in("shop", wrong) is None
    assert book.log_in("other", text) is None


@pytest.mark.parametrize(("scope", "may"), [("send", ("send",)), ("admin", ("send", "read", "operate", "admin"))])
def test_a_token_is_for_its_scopes(scope: str, may: tuple[str, ...]) -> None:
    """An admin's is for all of them; one without any is for sending."""
    _, token = new_token(None, [scope], [], NOW)
    assert tuple(one for one in ("send", "read", "operate", "admin") if token.may(one)) == may
    with pytest.raises(InvalidArgument):
        new_token(None, ["root"], [], NOW)
