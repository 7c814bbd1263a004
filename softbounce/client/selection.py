"""Which envelopes: the filters of whoever lists, counts or acts on many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypedDict, Unpack

from softbounce.address import ascii_glob
from softbounce.client.reply_words import ReplyWords, last_reply
from softbounce.duration import LONGEST, MILLISECOND, parse_duration
from softbounce.envelope import BRAKE, HELD_WHY, Record, State
from softbounce.errors import InvalidArgument
from softbounce.globs import matches
from softbounce.site import shown_of

__all__ = ["WORDS", "Filters", "Selection", "select", "site_of_lane"]

UNRESOLVED = "?"
NAMES = ("site", "domain", "recipient", "sender")
"""What is of a domain, which is stored in A-labels however it is written."""
WORDS = {state.word: state for state in State}
AGES = ("older", "younger")
NEVER_MS, FOR_EVER_MS = -1, 2**53
"""Before and behind every time at which something can have been accepted."""


class Filters(TypedDict, total=False):
    """Which envelopes; all that is given must fit. What is not a state or a reason is a glob.

    ``site``: of the mail hosts. ``domain``, ``recipient``: of the recipient. ``sender``: the envelope's, an address.
    ``stream``, ``tenant``. ``tag``: one of its tags. ``metadata``: a value by its name; an envelope without the name
    does not fit. ``state``: one of the seven. ``held_for``: only held ones, and held for ``operator``,
    ``quarantined``, ``uncertain``, ``may_duplicate``, ``restored``, ``brake``, ``gate`` or ``standing``. ``older``,
    ``younger``: accepted longer ago than this, or later; a duration, also as text: ``"2h"``. ``reply``: words of the
    last reply, which is read as one line, ``451 4.7.1 Try again later``; they may stand anywhere in it, case aside,
    and ``*`` is what is between them.
    """

    site: str | None
    domain: str | None
    recipient: str | None
    sender: str | None
    stream: str | None
    tenant: str | None
    tag: str | None
    metadata: Mapping[str, str] | None
    state: str | None
    held_for: str | None
    older: timedelta | str | None
    younger: timedelta | str | None
    reply: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """:class:`Filters`, checked."""

    site: str | None = None
    domain: str | None = None
    recipient: str | None = None
    sender: str | None = None
    stream: str | None = None
    tenant: str | None = None
    tag: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: State | None = None
    held_for: str | None = None
    older: timedelta | None = None
    younger: timedelta | None = None
    reply: ReplyWords | None = None

    @property
    def asks_payload(self) -> bool:
        """Whether the header of a record is not enough to tell whether it fits."""
        return self.is_of_some or self.is_of_held

    @property
    def is_of_some(self) -> bool:
        """Whether it asks for what the header of a record does not hold."""
        return bool(self.metadata) or any(
            one is not None for one in (self.domain, self.recipient, self.sender, self.tenant, self.tag, self.reply)
        )

    @property
    def is_of_streams(self) -> bool:
        """Whether it is whole streams, or all of what is held with them."""
        is_of_any = self.site is None and self.older is None and self.younger is None
        is_of_all = not self.is_of_some and is_of_any and self.state in {None, State.HELD}
        return is_of_all and (self.held_for == BRAKE or (self.held_for is None and self.stream is not None))

    @property
    def is_of_held(self) -> bool:
        """Whether only held envelopes can fit."""
        return self.held_for is not None or self.state is State.HELD

    def fits_place(self, state: int, lane: str, stream: str) -> bool:
        """Whether state, lane and stream fit."""
        return (
            (self.state is None or self.state == state)
            and (self.stream is None or matches(self.stream, stream))
            and (self.site is None or matches(self.site, site_of_lane(lane)))
        )

    def accepted(self, now_ms: int) -> tuple[int, int]:
        """Behind which instant what fits was accepted, and until which one.

        :param now_ms: when its age counts.
        """
        after_ms = NEVER_MS if self.younger is None else now_ms - self.younger // MILLISECOND
        until_ms = FOR_EVER_MS if self.older is None else now_ms - self.older // MILLISECOND
        return after_ms, until_ms

    def fits(self, record: Record, now_ms: int) -> bool:
        """Whether an envelope fits; its payload is read only where it is asked for.

        :param now_ms: when its age counts.
        :raises ValueError: it cannot be read, where its payload is asked for.
        """
        after_ms, until_ms = self.accepted(now_ms)
        return (
            self.fits_place(record.state, record.lane, record.stream)
            and after_ms < record.created_ms <= until_ms
            and (not self.is_of_some or self._fits_payload(record))
            and (self.held_for is None or (record.state is State.HELD and record.glance.held_why == self.held_for))
        )

    def _fits_payload(self, record: Record) -> bool:
        envelope = record.glance
        return (
            (self.domain is None or matches(self.domain, envelope.domain))
            and (self.recipient is None or matches(self.recipient, envelope.recipient))
            and (self.sender is None or matches(self.sender, envelope.sender))
            and (self.tenant is None or matches(self.tenant, envelope.tenant))
            and (self.tag is None or any(matches(self.tag, tag) for tag in envelope.tags))
            and all(
                name in envelope.metadata and matches(glob, envelope.metadata[name])
                for name, glob in self.metadata.items()
            )
            and (self.reply is None or self.reply.stand_in(last_reply(envelope)))
        )


def select(**filters: Unpack[Filters]) -> Selection:
    """A selection from words.

    :raises InvalidArgument: there is no such state, no such reason to be held, or no such age; too many words.
    """
    state, held_for = filters.get("state"), filters.get("held_for")
    if state is not None and state not in WORDS:
        raise InvalidArgument("state", f"{state!r} is none; states are {', '.join(WORDS)}")
    if held_for is not None and held_for not in HELD_WHY:
        raise InvalidArgument("held_for", f"{held_for!r} is none; envelopes are held for {', '.join(HELD_WHY)}")
    given = {**filters, "state": None if state is None else WORDS[state], "metadata": filters.get("metadata") or {}}
    for age in AGES:
        given[age] = _age(age, filters.get(age))  # type: ignore[arg-type]  # those two are of one type
    words = filters.get("reply")
    given["reply"] = None if words is None else ReplyWords(words)
    for name in NAMES:
        glob = given.get(name)
        given[name] = ascii_glob(glob) if isinstance(glob, str) else glob
    return Selection(**given)  # type: ignore[arg-type]  # each of its own type, which a ** does not tell


def _age(name: str, age: timedelta | str | None) -> timedelta | None:
    if isinstance(age, str):
        try:
            age = parse_duration(age)
        except ValueError as error:
            raise InvalidArgument(name, str(error)) from None
    if age is not None and not timedelta(0) <= age <= LONGEST:
        raise InvalidArgument(name, "is not between 0 and ten years")
    return age


def site_of_lane(lane: str) -> str | None:
    """The site of a lane as it is shown; ``None`` where a domain still has to be resolved."""
    return None if lane.startswith(UNRESOLVED) else shown_of(lane)
