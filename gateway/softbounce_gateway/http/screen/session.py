"""Who looks at the screen: a session that a token opened, in a cookie that says for whom and until when.

Nothing of it is kept here or in the store. Its mark is made with what the store knows of the token, so that any gateway
reads it, a restart ends none, and to revoke the token ends all sessions that it opened. Where there are no tokens
programs of this machine get in, as with the rest of the interface. Every form bears a word that a page of another site
cannot know.
"""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import NamedTuple

from litestar import Request

from softbounce.store.tokens import Token, TokenBook
from softbounce_gateway.http.admission import SAME_SITE, Admission
from softbounce_gateway.http.problems import Problem

__all__ = ["COOKIE", "LASTS_SECONDS", "Session", "cookie_of", "no_cookie", "open_session", "read_session"]

COOKIE = "softbounce_session"
LASTS_SECONDS = 12 * 3600
NONCE_OCTETS = 12
LONGEST = 512
TOLD = re.compile(r"[A-Za-z0-9_.@-]{1,64}:[0-9]{1,12}:[A-Za-z0-9_-]{1,32}")
_own = secrets.token_bytes(32)
"""Marks the forms of who needs no login: they are good while this process lives."""


class Session(NamedTuple):
    """Who looks.

    :ivar token: whose session it is; ``None``: there are no tokens.
    :ivar word: what the forms of its pages bear.
    """

    token: Token | None
    word: str

    def check(self, word: str) -> None:
        """See that a form came from a page of this session.

        :raises Problem: it did not.
        """
        if not hmac.compare_digest(word.encode(), self.word.encode()):
            raise Problem(
                403, "Foreign", "the form is not of this session, or older than it; go back, reload, and try again",
                title="Nothing was done",
            )  # fmt: skip


def open_session(token: Token, now: float) -> str:
    """What the cookie of a new session says."""
    told = f"{token.name}:{int(now) + LASTS_SECONDS}:{secrets.token_urlsafe(NONCE_OCTETS)}"
    return f"{told}:{_mark(token.digest, 'session', told)}"


async def read_session(request: Request, admission: Admission, now: float) -> Session | None:  # type: ignore[type-arg]
    """Whose session a request is of; ``None``: of none, so that a login is needed.

    :raises Problem: a page of another site asks.
    :raises StoreError: the tokens cannot be asked.
    """
    book = await admission.tokens.current()
    if not len(book):
        await admission.admit(request, "read")
        return Session(None, _mark(_own, "form", ""))
    if request.headers.get("sec-fetch-site", "none") not in SAME_SITE and request.method != "GET":
        raise Problem(403, "Foreign", "a page of another site asks", title="Not from there")
    return _session(request.cookies.get(COOKIE, ""), book, now)


def _session(cookie: str, book: TokenBook, now: float) -> Session | None:
    told, _, mark = cookie[:LONGEST].rpartition(":")
    if TOLD.fullmatch(told) is None:
        return None
    name, until, _ = told.split(":")
    token = book.by_name.get(name)
    if token is None or not hmac.compare_digest(_mark(token.digest, "session", told).encode(), mark.encode()):
        return None
    if not now < int(until) <= now + LASTS_SECONDS:
        return None
    return Session(token, _mark(token.digest, "form", told))


def cookie_of(value: str, *, secure: bool) -> str:
    """The header that sets it.

    :param secure: it came by HTTPS, so that it shall never go otherwise.
    """
    return _header(value, LASTS_SECONDS, secure=secure)


def no_cookie() -> str:
    """The header that takes it away."""
    return _header("", 0, secure=False)


def _header(value: str, seconds: int, *, secure: bool) -> str:
    end = "; Secure" if secure else ""
    return f"{COOKIE}={value}; Path=/ui; Max-Age={seconds}; HttpOnly; SameSite=Strict{end}"


def _mark(key: bytes, purpose: str, told: str) -> str:
    return hmac.new(key, f"softbounce screen {purpose}:{told}".encode(), sha256).hexdigest()
