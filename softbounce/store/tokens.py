"""Tokens: who may hand over mail, read or operate, by HTTP and SMTP. The store knows their hashes, and never a token.

A token has 256 random bits, so that a plain SHA-256 hides it: there is nothing to guess, and no use for a slow hash.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from softbounce.duration import from_epoch_ms, to_epoch_ms
from softbounce.errors import InvalidArgument
from softbounce.globs import matches
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.scripts import script

__all__ = ["SCOPES", "Token", "TokenBook", "add_token", "new_token", "read_tokens", "revoke_token"]

SCOPES = ("send", "read", "operate", "admin")
"""What a token may do: hand over mail; look; retry, hold, release, cancel; all of it."""
EVERYTHING = "admin"
PREFIX = "sbt_"
SECRET_OCTETS = 32
LONGEST = 128
"""Of what is looked at as a token at all."""
NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
MOST_TOKENS = 1_000
MOST_SENDERS = 50
LONGEST_GLOB = 320
ADDED, TAKEN = 1, 0


class Token(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """What is known of a token.

    :ivar digest: the SHA-256 of the token.
    :ivar senders: globs of the addresses that it may send as; none: any.
    :ivar any_author: these bind the envelope's sender alone, not those whom the message says that it is from.
    """

    name: str
    digest: bytes
    scopes: tuple[str, ...]
    senders: tuple[str, ...] = ()
    created_ms: int = 0
    any_author: bool = False

    @property
    def created_at(self) -> datetime:
        """When it was made, by the clock of the machine where it was."""
        return from_epoch_ms(self.created_ms)

    def may(self, scope: str) -> bool:
        """Whether it is for that."""
        return scope in self.scopes or EVERYTHING in self.scopes

    def may_send_as(self, sender: str) -> bool:
        """Whether it may send as this address; ``""`` is the null sender, which fits ``*`` only."""
        return not self.senders or any(matches(glob, sender.lower()) for glob in self.senders)

    def may_be_author(self, author: str) -> bool:
        """Whether a message of its may say that it is from this address."""
        return self.any_author or self.may_send_as(author)

    @property
    def binds_authors(self) -> bool:
        """Whether it makes a difference whom a message says that it is from."""
        return bool(self.senders) and not self.any_author

    def is_of(self, text: str) -> bool:
        """Whether this is the token; takes as long whatever is wrong with it."""
        return len(text) <= LONGEST and hmac.compare_digest(self.digest, _digest(text))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Token).decode


class TokenBook:
    """All tokens that there are, as they were read."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self.by_name = {token.name: token for token in tokens}
        self._by_digest = {token.digest: token for token in self.by_name.values()}

    def __len__(self) -> int:
        return len(self.by_name)

    def find(self, text: str) -> Token | None:
        """The one that is this token. What is looked up is its hash, of which nobody can choose a part."""
        found = self._by_digest.get(_digest(text)) if len(text) <= LONGEST else None
        return found if found is not None and found.is_of(text) else None

    def log_in(self, name: str, text: str) -> Token | None:
        """The one of this name, where this is it."""
        found = self.by_name.get(name)
        if found is None:
            hmac.compare_digest(_digest(text[:LONGEST]), bytes(SECRET_OCTETS))
            return None
        return found if found.is_of(text) else None


def new_token(
    name: str | None, scopes: Sequence[str], senders: Sequence[str], now: datetime, *, any_author: bool = False
) -> tuple[str, Token]:
    """A token, and what may be known of it.

    :param name: made where there is none.
    :param scopes: out of :data:`SCOPES`; none: ``send``.
    :raises InvalidArgument: naming what cannot be so.
    """
    name = f"token-{secrets.token_hex(4)}" if name is None else name
    if NAME.fullmatch(name) is None:
        raise InvalidArgument("--name", f"{name!r}: a name has 1 to 64 letters, digits and . _ - @")
    for scope in scopes:
        if scope not in SCOPES:
            raise InvalidArgument("--scope", f"{scope!r} is none; scopes are {', '.join(SCOPES)}")
    if len(senders) > MOST_SENDERS:
        raise InvalidArgument("--sender", f"more than {MOST_SENDERS}")
    for glob in senders:
        if not (0 < len(glob) <= LONGEST_GLOB and glob.isprintable() and " " not in glob):
            raise InvalidArgument("--sender", f"{glob!r} fits no address; write it like *@shop.example")
    text = PREFIX + secrets.token_urlsafe(SECRET_OCTETS)
    token = Token(
        name=name,
        digest=_digest(text),
        scopes=tuple(scope for scope in SCOPES if scope in scopes) or (SCOPES[0],),
        senders=tuple(glob.lower() for glob in senders),
        created_ms=to_epoch_ms(now),
        any_author=any_author,
    )
    return text, token


def add_token(token: Token) -> Operation[None]:
    """Store a token. Running it raises ``InvalidArgument`` where its name is taken, or there are too many."""

    def read(answers: list[StoreAnswer]) -> None:
        answer = first(answers)
        if answer == TAKEN:
            raise InvalidArgument(
                "--name", f"there is a token {token.name!r} already; `softbounce token revoke` ends it"
            )
        if answer != ADDED:
            raise InvalidArgument("token", f"there are {MOST_TOKENS} already; revoke those that nobody needs")

    return Operation((_call(token.name, _encode(token)),), read)


def revoke_token(name: str) -> Operation[bool]:
    """End a token. False: there is none of that name."""
    return Operation((_call(name, b""),), lambda answers: first(answers) == 1)


def read_tokens() -> Operation[TokenBook]:
    """All tokens. One that cannot be read lets nobody in, and still counts as one."""
    call = Call.read(keys.HOME, b"HGETALL", keys.key(keys.HOME, "tokens"))

    def read(answers: list[StoreAnswer]) -> TokenBook:
        flat = first(answers)
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        return TokenBook(_token(name.decode(errors="replace"), octets) for name, octets in pairs)

    return Operation((call,), read)


def _token(name: str, octets: bytes) -> Token:
    try:
        token = _decode(octets)
    except (msgspec.DecodeError, ValueError):
        return Token(name=name, digest=secrets.token_bytes(SECRET_OCTETS), scopes=())
    return msgspec.structs.replace(token, name=name)


def _call(name: str, octets: bytes) -> Call:
    return Call(keys.HOME, script("token"), (keys.key(keys.HOME, "tokens"),), (name, octets, MOST_TOKENS))


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
