"""Who gets in: by token once there is one, else only programs on this machine, and no web page in its browser.

A page that a developer looks at can post to localhost, and by a name whose DNS it rebinds it can even read what comes
back. So without tokens the name that was called has to be one of this machine, and whatever says that another site
made the request is refused. With tokens no page gets in: a browser sends no ``Authorization`` of its own accord.
"""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import urlsplit

from litestar import Request
from softbounce_config.hosts import split_endpoint

from softbounce.errors import StoreError
from softbounce.store.shards import AsyncShards
from softbounce.store.tokens import Token, TokenBook, read_tokens
from softbounce_gateway.http.problems import Problem
from softbounce_gateway.submission.listening import is_loopback

__all__ = ["Admission", "Tokens"]

TOKENS_LAST_SECONDS = 1.0
ASKED_SECONDS = 2.0
"""How long a store that hangs is waited for where tokens are known: who asks whether it is away is told in time."""
BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
FORWARDED = re.compile(
    r"forwarded|via|(x-)?forwarded-.*|x-original-.*|x-envoy-.*|cf-.*|tailscale-.*|x-appengine-.*|fly-.*|"
    r"x-forwarded|(x-|true-|x-cluster-|fastly-|x-azure-)?client-?ip|x-real-ip|x-azure-.*|x-arr-.*|x-amzn-trace-id"
)
"""What proxies and tunnels add. One before us on this machine would make the whole world a program of this machine."""
SAME_SITE = frozenset({"same-origin", "none"})


class Tokens:
    """The tokens, read anew when they are a second old; while the store is away, those that were read last."""

    def __init__(self, store: AsyncShards) -> None:
        self._store = store
        self._book: TokenBook | None = None
        self._read_at = 0.0

    async def current(self) -> TokenBook:
        """Those that there are.

        :raises StoreError: they were never read, and cannot be.
        """
        if self._book is None or time.monotonic() - self._read_at > TOKENS_LAST_SECONDS:
            try:
                async with asyncio.timeout(None if self._book is None else ASKED_SECONDS):
                    self._book = await self._store.run(read_tokens())
            except (StoreError, TimeoutError):
                if self._book is None:
                    raise
            self._read_at = time.monotonic()
        return self._book


class Admission:
    """The doorkeeper of the interface.

    :param where: ``host:port`` at which it listens.
    """

    def __init__(self, tokens: Tokens, where: str) -> None:
        self.tokens = tokens
        self._host = split_endpoint(where)[0]
        self.is_loopback = is_loopback(self._host)

    async def admit(self, request: Request, scope: str) -> Token | None:  # type: ignore[type-arg]
        """Who it is; ``None``: a program on this machine, where there are no tokens.

        :raises Problem: nobody who may.
        """
        book = await self.tokens.current()
        if not len(book):
            if not self.is_loopback:
                raise _unauthorized("there is no token any more: make one with `softbounce token new`")
            self._refuse_web_pages(request)
            return None
        found = BEARER.fullmatch(request.headers.get("authorization", ""))
        token = None if found is None else book.find(found[1])
        if token is None:
            raise _unauthorized("give a token of `softbounce token new` as `Authorization: Bearer TOKEN`")
        if not token.may(scope):
            raise Problem(
                403,
                "Forbidden",
                f"the token {token.name!r} is not for {scope!r} but for {', '.join(token.scopes) or 'nothing'}",
                title="The token is not for this",
            )
        return token

    def _refuse_web_pages(self, request: Request) -> None:  # type: ignore[type-arg]
        host = request.headers.get("host", "")
        if not self._is_own(host):
            raise _foreign(
                f"without tokens only names of this machine are answered, such as {self._host}, not this one"
            )
        if any(FORWARDED.fullmatch(name) for name in request.headers):
            raise _foreign(
                "a proxy passes this on from elsewhere, and without tokens whoever reaches it would get in: "
                "make one (`softbounce token new`)"
            )
        origin = request.headers.get("origin")
        if origin is not None and urlsplit_host(origin) != host.lower():
            raise _foreign("a page of another site asks; without tokens no other site is answered")
        if request.headers.get("sec-fetch-site", "none") not in SAME_SITE:
            raise _foreign("a page of another site asks; without tokens no other site is answered")

    def _is_own(self, host: str) -> bool:
        name = urlsplit_host(f"//{host}", with_port=False)
        return name is not None and "@" not in host and (is_loopback(name) or name == self._host.lower())


def urlsplit_host(url: str, *, with_port: bool = True) -> str | None:
    """The host of a URL, in lower case; ``None``: it has none that could be told."""
    try:
        parts = urlsplit(url)
        return parts.netloc.lower() if with_port else parts.hostname
    except ValueError:
        return None


def _unauthorized(detail: str) -> Problem:
    return Problem(
        401,
        "Unauthorized",
        detail,
        title="A token is needed",
        headers={"WWW-Authenticate": 'Bearer realm="softbounce"'},
    )


def _foreign(detail: str) -> Problem:
    return Problem(403, "Foreign", detail, title="Not from there")
