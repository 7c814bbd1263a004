"""Which addresses get no mail: what is kept of each, how that changes, and which of it stops a given mail.

Pure: times come as arguments. An address is compared without regard to case, also before the ``@``: no two people share
one but for that. What stands behind a ``+`` counts: it is another address. A domain stands for all addresses in it, not
for those of its subdomains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Literal

import msgspec

from softbounce.duration import from_epoch_ms

__all__ = [
    "CONCLUDED",
    "MOST_SCOPES",
    "NOTHING",
    "Complaints",
    "Entry",
    "Kept",
    "Source",
    "SuppressRules",
    "binding",
    "cut",
    "learned",
    "name_of",
    "names_for",
    "put",
    "taken_back",
    "taken_off",
    "words",
]

MOST_SCOPES = 16
"""Entries that persons may make for one address, and complaints by stream before they count for all mail."""
REASON_CHARACTERS = 200
Complaints = Literal["stream", "tenant", "everything", "off"]


class Source(StrEnum):
    """Who said so."""

    VERDICT = "verdict"  # a mail host: the address is dead
    COMPLAINT = "complaint"  # who reads its mail
    STREAK = "streak"  # nobody: its mail failed again and again
    OPERATOR = "operator"
    IMPORT = "import"


CONCLUDED = frozenset({Source.VERDICT, Source.STREAK})
"""What no person said: a send that is forced goes past it."""
WHY: dict[str, str] = {
    Source.COMPLAINT: "its mail was complained about",
    Source.OPERATOR: "an operator wants it so",
    Source.IMPORT: "a list that was imported has it",
    Source.VERDICT: "a mail host said that it is dead",
    Source.STREAK: "mail to it failed again and again",
}
"""In words; the weightiest first."""
WEIGHTS = {source: weight for weight, source in enumerate(WHY)}


class SuppressRules(msgspec.Struct, frozen=True, kw_only=True):
    """Who is suppressed, and for how long; no time: until it is taken off.

    :ivar dead_addresses: whether an address is that a host said is dead.
    :ivar complaints: what a complaint stops: the stream that it was about, that stream of its tenant, everything, or
        nothing.
    :ivar streak: so many promotions of an address for its own sake, with no delivery between; 0: no number of them.
    :ivar streak_within: they count for so long.
    :ivar exempt: streams, as globs, that go on in spite of complaints and streaks.
    :ivar most: entries in all; beyond them none is taken in.
    """

    dead_addresses: bool = True
    dead_addresses_for: timedelta = timedelta(days=180)
    complaints: Complaints = "stream"
    complaints_for: timedelta = timedelta(0)
    streak: int = 3
    streak_within: timedelta = timedelta(days=30)
    streak_for: timedelta = timedelta(days=30)
    exempt: tuple[str, ...] = ()
    most: int = 10_000_000

    @property
    def are_fed(self) -> bool:
        """Whether anything that happens to mail suppresses an address."""
        return self.dead_addresses or self.complaints != "off" or self.streak > 0


class Entry(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """One reason why an address gets no mail: there is one at most of each source, stream and tenant.

    :ivar stream: only mail of this stream; ``None``: of all.
    :ivar tenant: only mail of this tenant; ``None``: of all.
    :ivar reason: in words, such as the host's reply.
    :ivar expires_ms: when it ends; 0: not by itself.
    :ivar envelope: the envelope that caused it.
    """

    source: str
    since_ms: int
    stream: str | None = None
    tenant: str | None = None
    reason: str = ""
    expires_ms: int = 0
    envelope: bytes = b""

    @property
    def scope(self) -> tuple[str, str | None, str | None]:
        """What tells it from the others of its address."""
        return self.source, self.stream, self.tenant

    def is_over(self, now_ms: int) -> bool:
        """Whether it ended."""
        return 0 < self.expires_ms <= now_ms


class Kept(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """All that is kept of an address.

    :ivar removed_ms: when something was taken off last; what happened before is no evidence any more. 0: never.
    """

    entries: tuple[Entry, ...] = ()
    removed_ms: int = 0


NOTHING = Kept()


def name_of(address: str) -> str:
    """Under which name a canonical address is kept, or ``@`` and a domain."""
    return address.lower()


def names_for(recipient: str) -> tuple[str, str]:
    """The names under which stands what can stop mail to a recipient: its own, and its domain's."""
    name = recipient.lower()
    return name, name[name.rfind("@") :]


# -- how it changes ---------------------------------------------------------------------------------------------------


def learned(kept: Kept, entry: Entry) -> Kept:
    """With what the event log told. Told again it changes nothing, nor does what was told before it was taken off."""
    if entry.since_ms <= kept.removed_ms:
        return kept
    same = next((one for one in kept.entries if one.scope == entry.scope), None)
    if same is not None:
        longest = 0 if 0 in {same.expires_ms, entry.expires_ms} else max(same.expires_ms, entry.expires_ms)
        return _with(kept, msgspec.structs.replace(same, expires_ms=longest))
    complaints = [one for one in kept.entries if one.source == Source.COMPLAINT]
    if entry.source == Source.COMPLAINT and len(complaints) >= MOST_SCOPES:
        others = tuple(one for one in kept.entries if one.source != Source.COMPLAINT)
        everything = msgspec.structs.replace(entry, stream=None, tenant=None)
        return msgspec.structs.replace(kept, entries=(*others, everything))
    return _with(kept, entry)


def put(kept: Kept, entry: Entry) -> Kept:
    """With what a person said, instead of what was said of the same source, stream and tenant before.

    :raises ValueError: there are too many for this address.
    """
    is_new = all(one.scope != entry.scope for one in kept.entries)
    if is_new and len(kept.entries) >= MOST_SCOPES:
        raise ValueError(f"has {len(kept.entries)} suppressions already; one for all streams says the same")
    return _with(kept, entry)


def taken_back(kept: Kept, envelope: bytes) -> Kept:
    """Without what a bounce said that is believed no more."""
    return msgspec.structs.replace(
        kept,
        entries=tuple(one for one in kept.entries if one.source != Source.VERDICT or one.envelope != envelope),
    )


def taken_off(kept: Kept, now_ms: int, *, stream: str | None = None, tenant: str | None = None) -> tuple[Kept, int]:
    """Without what a person wants to be gone, and of how many entries that is.

    :param stream: only those for this stream; ``None``: all.
    """
    left = tuple(
        one
        for one in kept.entries
        if (stream is not None and one.stream != stream) or (tenant is not None and one.tenant != tenant)
    )
    gone = len(kept.entries) - len(left)
    return (Kept(entries=left, removed_ms=now_ms) if gone else kept), gone


def _with(kept: Kept, entry: Entry) -> Kept:
    others = tuple(one for one in kept.entries if one.scope != entry.scope)
    return msgspec.structs.replace(kept, entries=(*others, entry))


# -- what it stops ----------------------------------------------------------------------------------------------------


def binding(  # noqa: PLR0913 - what a mail is known by; all by name
    entries: Iterable[Entry],
    *,
    stream: str,
    tenant: str,
    now_ms: int,
    is_forced: bool = False,
    is_exempt: Callable[[str], bool] = lambda _: False,
) -> Entry | None:
    """What stops a mail: the weightiest of its address's and domain's entries that fit; ``None``: nothing does.

    :param is_forced: it goes past what no person said.
    :param is_exempt: of a stream, whether complaints and streaks are no matter to it.
    """
    fitting = [
        one
        for one in entries
        if (one.stream is None or one.stream == stream)
        and (one.tenant is None or one.tenant == tenant)
        and not one.is_over(now_ms)
        and not (is_forced and one.source in CONCLUDED)
        and not (one.source in {Source.COMPLAINT, Source.STREAK} and is_exempt(stream))
    ]
    return min(fitting, key=lambda one: (WEIGHTS.get(one.source, len(WEIGHTS)), one.since_ms), default=None)


def words(entry: Entry) -> str:
    """Why mail is not sent, for which mail that holds, and since when: a sentence."""
    why = WHY.get(entry.source, "its list says so")
    told = f" ({entry.reason})" if entry.reason else ""
    stream = (
        "" if entry.stream is None else f" for stream {entry.stream}" if entry.stream else " for mail without a stream"
    )
    tenant = "" if entry.tenant is None else f" of tenant {entry.tenant}"
    since = f"{from_epoch_ms(entry.since_ms):%Y-%m-%d %H:%M:%S} UTC"
    return f"The address is suppressed{stream}{tenant} because {why}{told}, since {since}."


def cut(text: str) -> str:
    """A reason as it is kept: short, and in one line."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text[: 4 * REASON_CHARACTERS]).split())
    return line if len(line) <= REASON_CHARACTERS else f"{line[: REASON_CHARACTERS - 3]}..."
