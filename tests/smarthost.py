"""Hosts that mail is handed to by a route: smarthosts that want a login, in every odd way, and LMTP servers."""

from __future__ import annotations

import hmac
import ssl
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mx import CLOSE, Mx, Script

__all__ = ["CHALLENGE", "Lmtp", "Smarthost"]

CHALLENGE = b"<1896.697170952@postoffice.test>"
IN = "235 2.7.0 welcome"
OUT = "535 5.7.8 no such user and password"
FIRST = 334


class Smarthost(Mx):
    """A host that takes mail from whom it knows.

    :param offers: its lines about AUTH in the reply to EHLO, without code.
    :param before_tls: those lines stand in clear as well.
    :param users: who that is, with passwords.
    :param steps: what it says to AUTH by a mechanism and to each line after, instead of what belongs there; the line is
        handed in. The last one is said again and again.
    :param takes_initial: it understands an initial response; a reply: what it says to one.
    :param wants_login: or takes mail from everybody.
    :ivar logins: the mechanisms and users of those that it let in.
    :ivar tries: how often somebody began to log in.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        offers: Sequence[str] = ("AUTH PLAIN LOGIN",),
        before_tls: bool = True,
        users: Mapping[str, str] | None = None,
        steps: Mapping[str, Sequence[str | Callable[[str], str]]] | None = None,
        takes_initial: bool | str = True,
        wants_login: bool = True,
        tls: ssl.SSLContext | None = None,
        implicit: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(script, tls=tls, implicit=implicit)
        self._offers = list(offers)
        self._before_tls = before_tls
        self._users = dict(users or {"me": "s3cret"})
        self._steps = dict(steps or {})
        self._takes_initial = takes_initial
        self._wants_login = wants_login
        self.logins: list[tuple[str, str]] = []
        self.tries = 0

    def change(self, user: str, password: str) -> None:
        """From now on this is the password."""
        self._users[user] = password

    async def _takes_itself(self, peer: Any, line: bytes) -> bool:  # noqa: ANN401
        verb, _, rest = line.decode(errors="replace").partition(" ")
        if verb == "EHLO" and "EHLO" not in self._script:
            offers = self._offers if peer.is_secure or self._before_tls or self._tls is None else []
            starttls = ["STARTTLS"] if self._tls is not None and not peer.is_secure else []
            lines = ["mx.test", *starttls, *offers, "PIPELINING", "8BITMIME"]
            said = [f"250{'-' if number < len(lines) else ' '}{one}" for number, one in enumerate(lines, 1)]
            peer.out += "\r\n".join(said).encode() + b"\r\n"
            return True
        if verb == "MAIL" and self._wants_login and not peer.is_known and "MAIL" not in self._script:
            peer.out += b"530 5.7.0 Authentication required\r\n"
            return True
        if verb != "AUTH":
            return False
        self.tries += 1
        mechanism, _, initial = rest.partition(" ")
        if mechanism in self._steps:
            await self._play(peer, list(self._steps[mechanism]), rest)
        elif initial and self._takes_initial is not True:
            await self._say(peer, str(self._takes_initial or "501 5.5.4 no initial response, please"))
        else:
            await self._check(peer, mechanism, initial)
        return True

    async def _say(self, peer: Any, reply: str) -> None:  # noqa: ANN401
        peer.out += reply.encode() + b"\r\n"
        if reply.startswith("421"):
            await peer.end(CLOSE)

    async def _play(self, peer: Any, steps: list[str | Callable[[str], str]], line: str) -> None:  # noqa: ANN401
        while True:
            step = steps.pop(0) if len(steps) > 1 else steps[0]
            reply = step if isinstance(step, str) else step(line)
            if reply.startswith("2"):
                peer.is_known = True
            await self._say(peer, reply)
            if not reply.startswith("334"):
                return
            line = (await self._next(peer)).decode(errors="replace")

    async def _next(self, peer: Any) -> bytes:  # noqa: ANN401
        await peer.flush()
        line: bytes = await peer.line()
        return line

    async def _ask(self, peer: Any, challenge: bytes) -> bytes | None:  # noqa: ANN401
        await self._say(peer, f"334 {b64encode(challenge).decode()}")
        line = await self._next(peer)
        try:
            return None if line == b"*" else b64decode(line, validate=True)
        except BadBase64:
            return None

    async def _check(self, peer: Any, mechanism: str, initial: str) -> None:  # noqa: ANN401
        user = password = ""
        if mechanism == "PLAIN":
            said = b64decode(initial) if initial else await self._ask(peer, b"")
            _, user, password = (said or b"\0\0").decode().split("\0")
        elif mechanism == "LOGIN":
            user = (await self._ask(peer, b"Username:") or b"").decode()
            password = (await self._ask(peer, b"Password:") or b"").decode()
        elif mechanism == "CRAM-MD5":
            user, _, digest = (await self._ask(peer, CHALLENGE) or b"").decode().rpartition(" ")
            known = self._users.get(user, "")
            is_right = digest == hmac.new(known.encode(), CHALLENGE, "md5").hexdigest()
            password = known if is_right else ""
        else:
            await self._say(peer, "504 5.5.4 no such mechanism")
            return
        peer.is_known = bool(password) and self._users.get(user) == password
        if peer.is_known:
            self.logins.append((mechanism, user))
        await self._say(peer, IN if peer.is_known else OUT)


class Lmtp(Mx):
    """A delivery agent: it answers the dot once for each recipient that it accepted (RFC 2033)."""

    async def _answer_dot(self, peer: Any) -> None:  # noqa: ANN401
        for _ in range(peer.accepted):
            await self._react(peer, "dot")

    async def _takes_itself(self, peer: Any, line: bytes) -> bool:  # noqa: ANN401
        if line[:4].upper() in {b"EHLO", b"HELO"}:
            peer.out += b"500 5.5.1 this is LMTP\r\n"
            return True
        if line.upper() == b"DATA" and not peer.accepted:
            peer.out += b"503 5.5.1 no valid recipients\r\n"
            return True
        return False
