"""What speaks for and against streams: what became of the last messages of each. Pure: events come as arguments.

A message counts once, as it was heard last: one that is parked and asked for again each hour is one, and one that is
taken in the end speaks for its stream. What counts, by the event that tells it:

=========================================  ==========================================================================
delivered                                  taken
bounced, rejected or unroutable            refused for good; for the sender's sake where the reply blames him
deferred, and the reply blames the sender  refused for the sender's sake: his reputation, authentication or policy
deferred at RCPT or later                  neither: asked for, and no word on the stream. Were it left out, a list whose
                                           hosts greylist would seem to have nothing but dead addresses at first
returned, and the address is dead          refused for good: its host had taken it before it looked
complained                                 its recipient called it spam
anything else                              nothing. A soft bounce that turned hard tells of an outage, and what no host
                                           had a word on tells of the host; a denial that nobody believes is a deferral
=========================================  ==========================================================================

The last two come hours after the mail, when thousands more may have gone: then they count as one message more, which
in a long run is the same share. Of mail from before a release they say nothing.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from softbounce.decide import Cause
from softbounce.events import StoredEvent
from softbounce.ids import created_ms_of
from softbounce.settings import BrakeRule, Settings
from softbounce.stage import Stage
from softbounce.store.held_streams import StreamHold
from softbounce.verdict import Fault

__all__ = ["CHANCE", "OLDEST_MS", "StreamEvidence", "told_of_ms", "word_of"]

OLDEST_MS = 86_400_000
"""What is older is no evidence any more."""
CHANCE = 5
"""Fewer refused ones than these are chance, whatever share they are."""
MOST_MESSAGES = 200_000
"""That are remembered, of all streams; some 40 MB. Then the streams go that were not heard of for longest."""
AFTER_STAGES = frozenset({Stage.RCPT, Stage.DATA, Stage.END_OF_DATA})
WITH_SENDER = AFTER_STAGES | {Stage.MAIL}
HARD_CAUSES = frozenset({Cause.REJECTED, Cause.UNROUTABLE})
WORDS = 5
LATE_KINDS = frozenset({"returned", "complained"})


class Word(IntEnum):
    """What a message says of its stream."""

    TAKEN = 0
    ASKED = 1
    HARD = 2
    SENDER_FAULT = 3
    COMPLAINT = 4


class Limit(NamedTuple):
    """A share that is too much, of which word, and what that is called."""

    word: Word
    share: float | None
    reason: str
    words: str


def told_of_ms(event: StoredEvent, at_ms: int) -> int:
    """When that was sent of which an event at this time speaks."""
    return created_ms_of(event.id) if event.kind in LATE_KINDS else at_ms


def word_of(event: StoredEvent) -> Word | None:
    """What an event says of its envelope's stream; ``None``: nothing."""
    match event.kind:
        case "delivered" | "delivered_late":
            return Word.TAKEN
        case "bounced" if event.cause in HARD_CAUSES:
            return Word.SENDER_FAULT if event.fault == Fault.SENDER else Word.HARD
        case "returned" if event.attempt and event.suppress:
            return Word.HARD
        case "complained" if event.attempt:  # of an envelope that is forgotten neither attempt nor stream is known
            return Word.COMPLAINT
        case "deferred" if event.attempt and event.code is not None:
            if event.fault == Fault.SENDER and event.stage in WITH_SENDER:
                return Word.SENDER_FAULT
            return Word.ASKED if event.stage in AFTER_STAGES else None
        case _:
            return None


class _Stream:
    """The last messages of one stream, oldest first: what each says, and when it did, in one number."""

    __slots__ = ("counts", "messages", "rule")

    def __init__(self, rule: BrakeRule) -> None:
        self.rule = rule
        self.messages: dict[bytes, int] = {}
        self.counts = [0] * WORDS

    def hear(self, identity: bytes, word: Word, at_ms: int) -> int:
        """One more word; by how many more messages are remembered."""
        before = len(self.messages)
        self._forget(identity)
        self.messages[identity] = at_ms * WORDS + word
        self.counts[word] += 1
        while len(self.messages) > self.rule.of or at_ms - self._oldest_ms > OLDEST_MS:
            self._forget(next(iter(self.messages)))
        return len(self.messages) - before

    @property
    def _oldest_ms(self) -> int:
        return next(iter(self.messages.values())) // WORDS

    def _forget(self, identity: bytes) -> None:
        known = self.messages.pop(identity, None)
        if known is not None:
            self.counts[known % WORDS] -= 1

    def too_much(self) -> StreamHold | None:
        """Why it is to be held, if it is."""
        total, rule = len(self.messages), self.rule
        if total < rule.at_least:
            return None
        for word, share, reason, words in (
            Limit(Word.HARD, rule.hard, "hard_bounces", "were refused for good"),
            Limit(Word.SENDER_FAULT, rule.sender_fault, "sender_faults", "were refused for the sender's sake"),
            Limit(Word.COMPLAINT, rule.complaints, "complaints", "were called spam by their recipients"),
        ):
            refused = self.counts[word]
            if share is not None and refused >= CHANCE and refused > share * total:
                why = f"{refused} of its last {total} messages {words}, and the brake allows {share * 100:.4g} %"
                return StreamHold(reason=reason, why=why, refused=refused, of=total)
        return None


class StreamEvidence:
    """What is remembered of all streams that have a brake. In bounded memory.

    :param settings: whose brake rules count.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rules: dict[str, BrakeRule | None] = {}
        self._streams: dict[str, _Stream] = {}
        self._messages = 0

    def hear(self, event: StoredEvent, at_ms: int) -> bool:
        """Take note of an event. Whether it may have made too much of something."""
        word = word_of(event)
        rule = None if word is None else self._rule_for(event.stream)
        if word is None or rule is None:
            return False
        stream = self._streams.pop(event.stream, None) or _Stream(rule)
        self._streams[event.stream] = stream
        self._messages += stream.hear(event.id, word, at_ms)
        while self._messages > MOST_MESSAGES:
            self.forget(next(iter(self._streams)))
        return word >= Word.HARD

    def too_much(self, stream: str) -> StreamHold | None:
        """Why a stream is to be held, if it is."""
        known = self._streams.get(stream)
        return None if known is None else known.too_much()

    def forget(self, stream: str) -> None:
        """Count a stream anew."""
        if (known := self._streams.pop(stream, None)) is not None:
            self._messages -= len(known.messages)

    def _rule_for(self, stream: str) -> BrakeRule | None:
        if stream not in self._rules:
            if len(self._rules) >= MOST_MESSAGES:
                self._rules.clear()
            self._rules[stream] = self._settings.brake_for(stream)
        return self._rules[stream]
