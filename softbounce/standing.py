"""Standing holds: of a site, a domain, a sender, a stream, a tenant or a tag; they meet what comes later, too.

Pure. A worker asks of every envelope that it claims, so nothing is to be done to a million that wait when a hold
begins. What a hold is of is an exact name, not a glob: to ask costs the same with one hold or a thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import msgspec

from softbounce.address import ascii_domain, parse_sender
from softbounce.envelope import Record
from softbounce.errors import InvalidAddress, InvalidArgument
from softbounce.globs import one_name
from softbounce.site import shown_of

__all__ = ["NO_HOLDS", "OF", "StandingHold", "StandingHolds", "digest_of", "read_name", "split_name"]

OF = ("site", "domain", "sender", "stream", "tenant", "tag")
"""What a hold can be of. ``domain``: the recipient's. ``sender``: an address, or the domain of all in it."""
LONGEST_NAME = 320
DIGEST_OCTETS = 8
UNRESOLVED = "?"
BRACKETS = "Where a sign is of the name itself, put it in brackets: [*], [?]"


class StandingHold(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What is known of a hold.

    :ivar revision: grows by one with each change; 0: nothing is known of it.
    :ivar since_ms: since when it stands.
    :ivar until_ms: when it ends by itself; 0: it does not.
    :ivar ended_ms: when it ended; what it held is being released. 0: it stands.
    :ivar reason: why, in words.
    :ivar by: who wanted it.
    """

    revision: int = 0
    since_ms: int = 0
    until_ms: int = 0
    ended_ms: int = 0
    reason: str = ""
    by: str = ""

    def stands(self, now_ms: int) -> bool:
        """Whether it holds anything at a time."""
        return self.ended_ms == 0 and not self.is_over(now_ms)

    def is_over(self, now_ms: int) -> bool:
        """Whether its end has come."""
        return 0 < self.until_ms <= now_ms

    def why(self, name: str) -> str:
        """Why an envelope is held: a sentence."""
        return self._sentence(name, "is")

    def why_ended(self, name: str) -> str:
        """What it was that has ended: a sentence."""
        return self._sentence(name, "was")

    def _sentence(self, name: str, verb: str) -> str:
        of, value = split_name(name)
        reason = self.reason.rstrip(".")
        return f"All mail of the {of} {value} {verb} held{f': {reason}' if reason else ''}."


class StandingHolds:
    """Holds by their names, to be asked of envelopes. False: there are none.

    :ivar digests: by what envelopes are known to be held by them.
    """

    __slots__ = ("_by_name", "_of", "digests")

    def __init__(self, by_name: Mapping[str, StandingHold]) -> None:
        self._by_name = {name: hold for name, hold in by_name.items() if not hold.ended_ms}
        self._of = frozenset(split_name(name)[0] for name in self._by_name)
        self.digests = frozenset(map(digest_of, self._by_name))

    def __bool__(self) -> bool:
        return bool(self._by_name)

    @property
    def names(self) -> frozenset[str]:
        """Their names."""
        return frozenset(self._by_name)

    def meet(self, record: Record, now_ms: int, lane: str | None = None) -> tuple[str, StandingHold] | None:
        """The hold that an envelope meets, and its name; ``None``: none.

        :param lane: where it is to go, if that is not the lane of its record.
        """
        for name in self._names_of(record, record.lane if lane is None else lane) if self._by_name else ():
            hold = self._by_name.get(name)
            if hold is not None and hold.stands(now_ms):
                return name, hold
        return None

    def _names_of(self, record: Record, lane: str) -> Iterator[str]:
        """The names of what an envelope is of, as far as some hold is of such."""
        of, envelope = self._of, record.envelope
        if "site" in of and not lane.startswith(UNRESOLVED):
            yield f"site:{shown_of(lane).lower()}"
        if "domain" in of:
            yield f"domain:{envelope.domain}"
        if "sender" in of:
            sender = envelope.sender.lower()
            yield f"sender:{sender}"
            yield f"sender:{sender.rpartition('@')[2]}"
        if "stream" in of:
            yield f"stream:{record.stream}"
        if "tenant" in of:
            yield f"tenant:{envelope.tenant.lower()}"
        if "tag" in of:
            for tag in envelope.tags:
                yield f"tag:{tag.lower()}"


def read_name(of: str, value: str) -> str:
    """The name of a hold of something, as it is compared.

    :param value: which one: its name, in which the signs of globs stand in brackets (``[*]``).
    :raises InvalidArgument: there can be no such hold; naming what, and why.
    """
    if of not in OF:
        raise InvalidArgument("of", f"{of[:64]!r} is nothing that is held; a hold is of a {', '.join(OF)}")
    exact = one_name(value)
    if exact is None:
        raise InvalidArgument(of, "is a name, not a glob: a hold that meets later mail is of one thing. " + BRACKETS)
    return _canonical(of, exact)


def _canonical(of: str, value: str) -> str:
    text = value.strip().lower()
    try:
        if of == "domain" or (of == "sender" and "@" not in text):
            text = ascii_domain(text.removesuffix("."))
        elif of == "sender":
            text = parse_sender(text).canonical.lower()
    except (InvalidAddress, ValueError) as error:
        raise InvalidArgument(of, str(error)) from None
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise InvalidArgument(of, f"is not one name of at most {LONGEST_NAME} characters that can be printed")
    return f"{of}:{text}"


def name_as_given(hold: str) -> str:
    """The name that somebody gives of a hold, as it is compared; of what is the name of none, what can be shown of it.

    It is given as the list has it, whatever signs are in it.

    :raises InvalidArgument: of what it says that it is, there can be no such hold.
    """
    of, value = split_name(hold.strip())
    if of in OF:
        return _canonical(of, value)
    return "".join(char if char.isprintable() else "?" for char in hold[:LONGEST_NAME])


def split_name(name: str) -> tuple[str, str]:
    """What a hold is of, and which one."""
    of, _, value = name.partition(":")
    return of, value


def digest_of(name: str) -> bytes:
    """By what envelopes are known to be held by it: ``held_by``."""
    return blake2b(name.encode(), digest_size=DIGEST_OCTETS, person=b"softbounce hold").digest()


NO_HOLDS = StandingHolds({})
