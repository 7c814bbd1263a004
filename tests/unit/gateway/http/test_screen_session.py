"""Whose session a cookie is of, and whose form a form is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from litestar import Request
from softbounce_gateway.http.admission import Admission
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.http.screen.session import COOKIE, LASTS_SECONDS, Session, open_session, read_session

from softbounce.store.tokens import Token, TokenBook, new_token

NOW = 1_800_000_000.0
TOKEN = new_token("night", ["admin"], [], datetime(2026, 1, 31, tzinfo=UTC))[1]


class Known:
    """The tokens that there are."""

    def __init__(self, *tokens: Token) -> None:
        self._book = TokenBook(tokens)

    async def current(self) -> TokenBook:
        """All of them."""
        return self._book


def read(cookie: str, now: float, *tokens: Token, method: str = "GET", **headers: str) -> Session | None:
    """Whose session a request with this cookie is of."""
    told = [(b"cookie", f"{COOKIE}={cookie}".encode())]
    told += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request[None, None, None]({"type": "http", "method": method, "headers": told})  # type: ignore[typeddict-item, arg-type]
    admission = Admission(Known(*tokens), "127.0.0.1:8026")  # type: ignore[arg-type]
    return asyncio.run(read_session(request, admission, now))


def test_A21_a_cookie_is_read_by_its_mark_and_its_time() -> None:
    """Not one that was written or changed by somebody else, is over, or was opened by a token that is gone."""
    cookie = open_session(TOKEN, NOW)
    session = read(cookie, NOW + 1, TOKEN)
    assert session is not None
    assert session.token == TOKEN
    told, _, mark = cookie.rpartition(":")
    later = told.replace(str(int(NOW) + LASTS_SECONDS), str(int(NOW) + LASTS_SECONDS + 1))
    for wrong in ("", told, f"{told}:{'0' * 64}", f"{told}:", f"{later}:{mark}", f"{told}:{mark}x", "x" * 5000):
        assert read(wrong, NOW + 1, TOKEN) is None, wrong
    assert read(cookie, NOW + LASTS_SECONDS, TOKEN) is None
    assert read(cookie, NOW - 10, TOKEN) is None, "of the future"
    renewed = new_token("night", ["admin"], [], datetime(2026, 1, 31, tzinfo=UTC))[1]
    assert read(cookie, NOW + 1, renewed) is None, "that one is another, of the same name"
    with pytest.raises(Problem):
        read(cookie, NOW + 1, TOKEN, method="POST", sec_fetch_site="cross-site")


def test_A21_a_form_bears_the_word_of_its_session() -> None:
    """Another session's, and none, do nothing."""
    one, two = (read(open_session(TOKEN, NOW), NOW + 1, TOKEN) for _ in range(2))
    assert one is not None
    assert two is not None
    one.check(one.word)
    for wrong in ("", "0" * 64, two.word, "ü"):
        with pytest.raises(Problem) as refused:
            one.check(wrong)
        assert refused.value.status == 403
