"""Logs in at a smarthost: AUTH by PLAIN, LOGIN or CRAM-MD5 (RFC 4954, RFC 4616, RFC 2195), one that is offered.

Under TLS the simplest is best: PLAIN, then LOGIN. CRAM-MD5 comes last, for it needs the password in clear at the host;
but first in clear, where it keeps the password from whoever listens. What a host says in its challenges is not looked
at, but for CRAM-MD5's: PLAIN and LOGIN say the same things in the same order, whatever they are asked. Not more of
them than belong to the mechanism: then we give up.

Credentials that are refused are tried no other way in that session: each try more brings a lock nearer. But hosts have
been seen that offer PLAIN, refuse it as if the password were wrong, and take LOGIN: so the next session begins with
another mechanism, until one works. Where the mechanism itself is refused (504, 534), or how it began, the next one has
its turn at once. Secrets are hidden from all that the host says back.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as BadBase64
from collections import Counter
from collections.abc import Callable, Sequence

from softbounce_config.process_settings import Login

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce_worker.session.connection import Connection
from softbounce_worker.smtp import Answer, Auth, AuthResponse, Event
from softbounce_worker.smtp.extensions import NO_EXTENSIONS

__all__ = ["LOGIN_NEEDED", "LoginRefused", "Mechanisms", "log_in"]

PROTECTED = ("PLAIN", "LOGIN", "CRAM-MD5")
IN_CLEAR = ("CRAM-MD5", "PLAIN", "LOGIN")
CHALLENGE_334, CLOSING_421, NEW_PASSWORD_432 = 334, 421, 432
NOT_NOW = 4
LONGEST_LINE = 512
"""Octets of a command line that every host takes (RFC 5321 §4.5.3.1.4)."""
NOT_SO = frozenset({500, 501, 502, 503, 504, 534, 538, 555})
"""Not this mechanism, or not begun like this."""
LOGIN_NEEDED = frozenset({530, 534, 535, 538})
"""What a host says to mail from somebody whom it does not know (RFC 4954 §6)."""


class LoginRefused(Exception):
    """The host does not know us: no fault of its, and none of the mail's.

    :ivar what: what it said; or why it was not even asked.
    """

    def __init__(self, what: Reply | Trouble) -> None:
        super().__init__(what.text)
        self.what = what


class Mechanisms:
    """Which mechanism has the next turn on a road: the one that was refused least, since it worked."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()

    def in_turn(self, able: Sequence[str]) -> list[str]:
        """These in their order, but those that were refused come later."""
        return sorted(able, key=lambda name: self._refused[name])

    def was_refused(self, name: str) -> None:
        """Another has its turn."""
        self._refused[name] += 1

    def worked(self, name: str) -> None:
        """It comes first from now on; what is known of others stays."""
        self._refused[name] = 0


async def log_in(connection: Connection, login: Login, seconds: float, mechanisms: Mechanisms) -> Event | None:
    """Log in, with so much time for each answer. None: done. An event: the host cannot have us now.

    :raises LoginRefused: it does not take us, or only in ways that we do not speak.
    """
    smtp = connection.smtp
    offered = (smtp.extensions or NO_EXTENSIONS).auth
    order = IN_CLEAR if connection.tls.version is None else PROTECTED
    able = [name for name in order if name in offered]
    if not able:
        ways = f"it offers {', '.join(sorted(offered))} only" if offered else "it does not offer AUTH"
        raise LoginRefused(_trouble(f"no login is possible: {ways}"))
    exchange = _Exchange(connection, login, seconds)
    why: Reply | Trouble = _trouble("")
    for mechanism in mechanisms.in_turn(able):
        outcome = await exchange.by(mechanism)
        if outcome is None:
            mechanisms.worked(mechanism)
        if not isinstance(outcome, Reply | Trouble):
            return outcome
        mechanisms.was_refused(mechanism)
        why = outcome
        if not connection.is_open or (isinstance(why, Reply) and why.code not in NOT_SO):
            break
    raise LoginRefused(why)


class _Exchange:
    """Several tries, one mechanism each."""

    def __init__(self, connection: Connection, login: Login, seconds: float) -> None:
        self._connection = connection
        self._login = login
        self._seconds = seconds
        user, password = login.user.encode(), login.password.encode()
        self._plain = b"\0" + user + b"\0" + password
        connection.smtp.mask.hide(login.password, _base64(password), _base64(self._plain))

    async def by(self, mechanism: str) -> Event | Reply | Trouble | None:
        """Try one. None: in. An event: not now. A reply or trouble: not by this one."""
        answers: dict[str, Sequence[Callable[[str], bytes]]] = {
            "PLAIN": (lambda _: self._plain,),
            "LOGIN": (lambda _: self._login.user.encode(), lambda _: self._login.password.encode()),
            "CRAM-MD5": (self._keyed_digest,),
        }
        if mechanism != "PLAIN":
            return await self._say(Auth(mechanism), answers[mechanism])
        begun = Auth("PLAIN", initial=self._plain)
        if len(_base64(self._plain)) + len("AUTH PLAIN \r\n") <= LONGEST_LINE:
            outcome = await self._say(begun, answers["PLAIN"])  # some ask all the same
            if not isinstance(outcome, Reply) or outcome.code not in NOT_SO:
                return outcome
        return await self._say(Auth("PLAIN"), answers["PLAIN"])

    async def _say(self, command: Auth, answers: Sequence[Callable[[str], bytes]]) -> Event | Reply | Trouble | None:
        connection = self._connection
        connection.send(command)
        for answer in answers:
            event = await connection.event(self._seconds)
            if not _is_challenge(event):
                return _outcome(event)
            try:
                response = answer(event.reply.text if isinstance(event, Answer) else "")
            except ValueError as error:
                return await self._give_up(str(error))
            connection.send(AuthResponse(response))
        event = await connection.event(self._seconds)
        return await self._give_up("the host asks on and on") if _is_challenge(event) else _outcome(event)

    async def _give_up(self, why: str) -> Event | Trouble:
        """By a lone ``*``, which is refused (RFC 4954 §4). A host that asks on even then is left."""
        connection = self._connection
        connection.send(AuthResponse(None))
        event = await connection.event(self._seconds)
        if _is_challenge(event):
            connection.abort()
        elif not isinstance(event, Answer) or event.reply.code == CLOSING_421:
            return event
        return _trouble(why)

    def _keyed_digest(self, challenge: str) -> bytes:
        try:
            octets = b64decode(challenge, validate=True)
        except BadBase64:
            raise ValueError("the challenge is not base64") from None
        digest = hmac.new(self._login.password.encode(), octets, "md5").hexdigest()
        response = f"{self._login.user} {digest}".encode()
        self._connection.smtp.mask.hide(digest, _base64(response))  # passwords can be tried against it
        return response


def _is_challenge(event: Event) -> bool:
    return isinstance(event, Answer) and event.reply.code == CHALLENGE_334


def _outcome(event: Event) -> Event | Reply | None:
    if not isinstance(event, Answer):
        return event
    reply = event.reply
    if reply.is_positive:
        return None
    return event if reply.code // 100 == NOT_NOW and reply.code != NEW_PASSWORD_432 else reply


def _base64(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _trouble(text: str) -> Trouble:
    return Trouble(kind=TroubleKind.LOGIN_FAILED, text=text, enhanced="4.7.0")
