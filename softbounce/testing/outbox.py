"""What an app sent in a test, and what became of it: found, waited for, and told of in full where a test fails.

A sent mail is an envelope: one message to one recipient. Everything that waits takes a time in seconds, and fails with
what was sent instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from re import Pattern
from typing import overload

from softbounce.client import Client, Shown
from softbounce.duration import in_words
from softbounce.errors import EventsLost, NotFound
from softbounce.events import Event
from softbounce.ids import parse_message_id
from softbounce.parsed import Attachment, ParsedMessage, parse_message
from softbounce.store.call import Call, Operation, first
from softbounce.store.copies import Copy, forget_copies, read_copies, read_copy
from softbounce.store.keys import HOME, of
from softbounce.store.scripts import script
from softbounce.store.shards import Shards

__all__ = ["Outbox", "Sent"]

POLL_SECONDS = 0.01
KEYS_AT_ONCE = 2_000
SENT_WITHIN = 5.0
ENDED_WITHIN = 10.0
PROMOTED_WITHIN = 60.0
SHOWN = 20
LONGEST_TEXT = 78
EARLY = 0.98
"""The share of a window after which a promotion is no longer too early: jitter, and milliseconds."""
FINAL = frozenset({"delivered", "bounced", "cancelled"})
Subject = str | Pattern[str]


class Sent:
    """One message to one recipient, as it was accepted.

    Two of one message share its content. Questions (``was_...``) wait, answer the mail itself, and raise
    ``AssertionError`` with its whole story where the answer is no.
    """

    def __init__(self, outbox: Outbox, copy: Copy, recipient: str) -> None:
        self._outbox = outbox
        self._copy = copy
        self.recipient = recipient
        self.id = copy.envelopes[recipient]

    def __repr__(self) -> str:
        return f"<Sent to {self.recipient} {self.subject!r} {self.id}>"

    @property
    def sender(self) -> str:
        """Of the envelope; empty: the null sender."""
        return self._copy.facts.sender

    @property
    def recipients(self) -> tuple[str, ...]:
        """Of the message: all of them."""
        return self._copy.facts.recipients

    @property
    def stream(self) -> str:
        """The app's class of mail."""
        return self._copy.facts.stream

    @property
    def tenant(self) -> str:
        """Whose mail it is."""
        return self._copy.facts.tenant

    @property
    def tags(self) -> tuple[str, ...]:
        """The app's own words for it."""
        return self._copy.facts.tags

    @property
    def metadata(self) -> dict[str, str]:
        """The app's own values."""
        return dict(self._copy.facts.metadata)

    @property
    def message_id(self) -> str:
        """The message's id."""
        return self._copy.message_id

    @cached_property
    def message(self) -> ParsedMessage:
        """The content, read."""
        return self._outbox._content(self._copy)  # noqa: SLF001 - the same module

    @property
    def subject(self) -> str:
        """What it is about."""
        return self._copy.facts.subject

    @property
    def text(self) -> str:
        """Its plain text; empty: there is none."""
        return self.message.text

    @property
    def html(self) -> str:
        """Its HTML; empty: there is none."""
        return self.message.html

    @property
    def links(self) -> tuple[str, ...]:
        """Where it leads."""
        return self.message.links

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Every field, decoded, in order."""
        return self.message.headers

    def header(self, name: str) -> str:
        """The first field of that name; empty: there is none."""
        return self.message.header(name)

    @property
    def source(self) -> bytes:
        """Its octets, as they go out."""
        return self.message.source

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What came along."""
        return self.message.attachments

    def attachment(self, filename: str) -> Attachment:
        """The one of this name."""
        for one in self.attachments:
            if one.filename == filename:
                return one
        names = ", ".join(repr(one.filename) for one in self.attachments) or "no attachments"
        raise AssertionError(f"{self._title()} has no attachment {filename!r}; it has {names}")

    def show(self) -> Shown:
        """The envelope as it stands: ``softbounce show``."""
        return self._outbox.client.show(self.id)

    @property
    def state(self) -> str:
        """As it is now: ``scheduled``, ``delivered``, ``bounced`` ..."""
        return self.show().state

    @property
    def events(self) -> list[Event]:
        """What happened to it so far, in order."""
        return self._outbox._events_of(self.id)  # noqa: SLF001 - the same module

    def was_delivered(self, within: float = ENDED_WITHIN) -> Sent:
        """A host took it."""
        return self._wait("was delivered", "delivered", within)

    def was_deferred(self, times: int = 1, within: float = ENDED_WITHIN) -> Sent:
        """A host put it off, at least so often."""
        words = "was deferred" if times == 1 else f"was deferred {times} times"
        return self._until(words, lambda: sum(one.kind == "deferred" for one in self.events) >= times, within)

    def was_bounced(self, *, code: int | None = None, cause: str | None = None, within: float = ENDED_WITHIN) -> Sent:
        """It failed for good.

        :param code: of the host's last reply.
        :param cause: ``rejected``, ``unroutable``, ``promoted`` or ``uncertain``.
        """
        words = " ".join(["bounced", *([str(code)] if code else []), *([f"as {cause}"] if cause else [])])
        self._wait(f"was {words}", "bounced", within)
        end = next(one for one in self.events if one.kind == "bounced")
        if (code is not None and end.code != code) or (cause is not None and end.cause != cause):
            raise AssertionError(f"{self._title()} was not {words}:\n{self._story()}")
        return self

    def was_promoted(self, *, after: timedelta | None = None, within: float = PROMOTED_WITHIN) -> Sent:
        """Its soft bounces became a hard one when its window closed.

        :param after: not earlier than this, as policies count: at 60,000 times the speed a minute takes a millisecond.
        """
        self.was_bounced(cause="promoted", within=within)
        if after is not None:
            taken = self.taken
            if taken < after * EARLY:
                raise AssertionError(
                    f"{self._title()} was promoted after {in_words(taken)}, and not only after {in_words(after)}:\n"
                    f"{self._story()}"
                )
        return self

    def was_promoted_after(self, window: timedelta, within: float = PROMOTED_WITHIN) -> Sent:
        """The same with its window first: ``mail.was_promoted_after(timedelta(days=5))``."""
        return self.was_promoted(after=window, within=within)

    @property
    def taken(self) -> timedelta:
        """From acceptance to its last event, as policies count time here."""
        happened = self.events
        return (happened[-1].at - happened[0].at) * self._outbox.speed if happened else timedelta(0)

    def _wait(self, words: str, state: str, within: float) -> Sent:
        """Until it is in a final state, and that is this one."""
        return self._until(words, lambda: self._ended() == state, within, lambda: self._ended() not in {"", state})

    def _ended(self) -> str:
        return next((one.kind for one in reversed(self.events) if one.kind in FINAL), "")

    def _until(
        self, words: str, holds: Callable[[], bool], within: float, is_lost: Callable[[], bool] = lambda: False
    ) -> Sent:
        give_up_at = time.monotonic() + within
        while not holds():
            if is_lost() or time.monotonic() > give_up_at:
                late = "" if is_lost() else f" within {within:g} s"
                raise AssertionError(f"it is not so that {self._title()} {words}{late}:\n{self._story()}")
            time.sleep(POLL_SECONDS)
        return self

    def _title(self) -> str:
        return f"{_cut(self.subject or '(no subject)')!r} to {self.recipient}"

    def _story(self) -> str:
        """What happened to it, a line each."""
        lines = [f"  {_event_in_words(one)}" for one in self.events]
        if len(lines) > SHOWN:
            lines[SHOWN // 2 : -SHOWN // 2] = [f"  ... {len(lines) - SHOWN} more ..."]
        return "\n".join(lines) or "  nothing happened to it yet"


class Outbox(Sequence[Sent]):
    """What was sent since it was cleared, in the order of acceptance.

    :param url: of the store of a playground that keeps copies.
    :param speed: how many times as fast policies pass there.
    """

    def __init__(self, url: str, *, speed: float = 1.0) -> None:
        self.speed = speed
        self.client = Client(url)
        self._store = Shards(url)
        self._cursor: str | None = None
        self._happened: dict[str, list[Event]] = {}

    def close(self) -> None:
        """Close its connections."""
        self.client.close()
        self._store.close()

    def __repr__(self) -> str:
        return f"<Outbox: {self._listed()}>"

    def __len__(self) -> int:
        return len(self._sent())

    @overload
    def __getitem__(self, index: int) -> Sent: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sent]: ...
    def __getitem__(self, index: int | slice) -> Sent | list[Sent]:
        return self._sent()[index]

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._sent())

    def to(self, recipient: str) -> list[Sent]:
        """What was sent to this address so far; ``*`` stands for anything."""
        return self.find(recipient)

    def find(
        self,
        recipient: str | None = None,
        *,
        subject: Subject | None = None,
        sender: str | None = None,
        stream: str | None = None,
    ) -> list[Sent]:
        """What was sent so far and fits: addresses and streams as globs, a subject by words in it or by a pattern."""
        return [
            one
            for one in self._sent()
            if _fits(recipient, one.recipient)
            and _fits(sender, one.sender)
            and _fits(stream, one.stream)
            and _is_about(subject, one.subject)
        ]

    def wait_for(  # noqa: PLR0913 - four conditions, all but the first by name
        self,
        recipient: str | None = None,
        *,
        subject: Subject | None = None,
        sender: str | None = None,
        stream: str | None = None,
        number: int = 1,
        within: float = SENT_WITHIN,
    ) -> Sent:
        """The last that fits, once there are so many; see :meth:`find`.

        :param within: seconds, after which an ``AssertionError`` says what was sent instead.
        """
        give_up_at = time.monotonic() + within
        while True:
            found = self.find(recipient, subject=subject, sender=sender, stream=stream)
            if len(found) >= number:
                return found[-1]
            if time.monotonic() > give_up_at:
                break
            time.sleep(POLL_SECONDS)
        wanted = _wanted(recipient, subject=subject, sender=sender, stream=stream)
        short = f"nothing was sent {wanted}" if not found else f"only {len(found)} of {number} were sent {wanted}"
        raise AssertionError(f"{short} within {within:g} s. {self._listed()}")

    def was_sent_to(
        self,
        recipient: str,
        *,
        subject: Subject | None = None,
        sender: str | None = None,
        stream: str | None = None,
        within: float = SENT_WITHIN,
    ) -> Sent:
        """The same, as a sentence: ``outbox.was_sent_to("ada@example.net", subject="Welcome").was_delivered()``."""
        return self.wait_for(recipient, subject=subject, sender=sender, stream=stream, within=within)

    def was_not_sent_to(
        self, recipient: str = "*", *, subject: Subject | None = None, stream: str | None = None, within: float = 0.0
    ) -> None:
        """Nothing that fits was sent, nor is it within so many seconds."""
        give_up_at = time.monotonic() + within
        while True:
            if self.find(recipient, subject=subject, stream=stream):
                wanted = _wanted(recipient, subject=subject, sender=None, stream=stream)
                raise AssertionError(f"something was sent {wanted}. {self._listed()}")
            if time.monotonic() >= give_up_at:
                return
            time.sleep(POLL_SECONDS)

    def clear(self) -> None:
        """Begin anew: what is on its way ends, and what was sent is forgotten, with its idempotency keys."""
        self.client.act_on_matching("cancel")
        for address in {one.address for one in self.client.suppressions()}:
            self.client.unsuppress(address)
        self._store.run(forget_copies())
        self._forget_keys()
        self._read_events()
        self._happened.clear()

    def _forget_keys(self) -> None:
        """A key that another test used is as good as new."""
        known = self._store.run(Operation((Call.read(HOME, b"HGETALL", *of(HOME, "k")),), first))
        fields = [part for pair in known.items() for part in pair] if isinstance(known, dict) else list(known)
        for start in range(0, len(fields), KEYS_AT_ONCE):
            call = Call(HOME, script("forget"), of(HOME, "k"), fields[start : start + KEYS_AT_ONCE])
            self._store.run(Operation((call,), first))

    def _sent(self) -> list[Sent]:
        copies = reversed(self._store.run(read_copies()))
        return [Sent(self, one, recipient) for one in copies for recipient in one.facts.recipients]

    def _content(self, copy: Copy) -> ParsedMessage:
        return parse_message(self._store.run(read_copy(parse_message_id(copy.message_id))))

    def _events_of(self, identity: str) -> list[Event]:
        self._read_events()
        return list(self._happened.get(identity, ()))

    def _read_events(self) -> None:
        try:
            for event in self.client.events(after=self._cursor):
                self._cursor = event.cursor
                self._happened.setdefault(event.id, []).append(event)
        except EventsLost as error:  # more than are kept, since the last look
            self._cursor = error.resume_after

    def _listed(self) -> str:
        """What was sent, a line each."""
        sent = self._sent()
        if not sent:
            return "Nothing at all was sent"
        lines = [f"  {self._line(one)}" for one in sent[-SHOWN:]]
        more = f" (the last {SHOWN} of {len(sent)})" if len(sent) > SHOWN else ""
        return f"Sent was{more}:\n" + "\n".join(lines)

    def _line(self, one: Sent) -> str:
        try:
            state = one.state
        except NotFound:
            state = "forgotten"
        stream = f" stream {one.stream}" if one.stream else ""
        return f"to {one.recipient} from {one.sender or '<>'} {_cut(one.subject or '(no subject)')!r}{stream}: {state}"


def _fits(glob: str | None, value: str) -> bool:
    return glob is None or fnmatchcase(value.lower(), glob.lower().replace("[", "[[]"))


def _is_about(wanted: Subject | None, subject: str) -> bool:
    if wanted is None:
        return True
    return wanted in subject if isinstance(wanted, str) else wanted.search(subject) is not None


def _wanted(recipient: str | None, *, subject: Subject | None, sender: str | None, stream: str | None) -> str:
    words = [f"to {recipient or 'anybody'}"]
    if subject is not None:
        words.append(f"about {subject!r}" if isinstance(subject, str) else f"about {subject.pattern!r}")
    words += [f"from {sender}"] if sender is not None else []
    words += [f"in stream {stream}"] if stream is not None else []
    return " ".join(words)


def _event_in_words(event: Event) -> str:
    reply = " ".join(str(part) for part in (event.code, event.enhanced, _cut(event.text or event.why)) if part)
    cause = f" ({event.cause})" if event.cause else ""
    return f"{event.at:%H:%M:%S.%f}"[:-3] + f" {event.kind}{cause} {reply}".rstrip()


def _cut(text: str) -> str:
    clean = "".join(one if one.isprintable() else "?" for one in text[: LONGEST_TEXT + 1])
    return clean if len(clean) <= LONGEST_TEXT else clean[: LONGEST_TEXT - 1] + "\N{HORIZONTAL ELLIPSIS}"
