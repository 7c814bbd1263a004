"""What a receiver is still to be told: what was read of the log, what waits for another attempt, what became of each.

Pure but for the ledger that it writes into: whatever it is told of here is noted with the next step of the ledger.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from softbounce_config.process_settings import WebhookSettings

from softbounce.client.event_log import Cursor, LoggedEvent, LogPosition, write_cursor
from softbounce.events import StoredEvent, encode_event
from softbounce.globs import matches
from softbounce.store.webhooks import Changes, Dead, Receiver, Untold
from softbounce.webhooks import ABOUT_RECEIVERS
from softbounce_gateway.webhooks.answer import Answer
from softbounce_gateway.webhooks.ledger import Ledger
from softbounce_gateway.webhooks.lines import PLACE, Lines, Waiting, line_of, place_of
from softbounce_gateway.webhooks.window import Window

__all__ = ["Backlog"]

MOST_READ = 500
MOST_UNTOLD = 10_000


class Backlog:
    """One receiver's, from a cursor on.

    :ivar read: how far the log was read.
    """

    def __init__(self, told: WebhookSettings, ledger: Ledger, cursor: Cursor) -> None:
        self._told = told
        self._ledger = ledger
        self._window = Window(cursor)
        self._given_up: list[tuple[Untold, Answer]] = []
        self._ahead: deque[LoggedEvent] = deque()
        self.lines = Lines()
        self.read: Cursor = cursor

    @property
    def _changes(self) -> Changes:
        return self._ledger.changes

    @property
    def has_room(self) -> bool:
        """Whether more events should be read: when it is worth the while."""
        return not self._ahead and self.untold < MOST_UNTOLD and len(self._window) <= MOST_READ // 2

    @property
    def untold(self) -> int:
        """How many are noted to be told later."""
        return len(self.lines.places) - len(self._window)

    def restore(self, events: dict[bytes, Untold]) -> None:
        """What was noted as untold waits again."""
        for place in sorted(events):
            self.lines.add(Waiting(place=place, event=events[place]))

    def take_in(self, logged: Sequence[LoggedEvent], behind: Cursor) -> None:
        """Events were read, as far as that cursor."""
        self._ahead.extend(logged)
        self.read = behind
        self.advance()

    def advance(self) -> None:
        """As many of them as there is room for come into their lines; a batch of the log may be large."""
        while self._ahead and len(self._window) < MOST_READ and self.untold < MOST_UNTOLD:
            self._add(self._ahead.popleft())

    def _add(self, one: LoggedEvent) -> None:
        place = place_of(one.shard, one.place)
        if not self._is_wanted(one.stored, one.place.ms) or place in self.lines.places:
            self._window.pass_over(one.shard, one.place)
            return
        event = Untold(stored=one.stored, at_ms=one.place.ms, cursor=write_cursor(one.places))
        line = line_of(one.stored)
        waits_behind = line in self.lines and self.lines.behind(line)[0].slot is None
        slot = self._window.add(one.shard, one.place)
        self.lines.add(Waiting(place=place, event=event, slot=slot))
        if waits_behind:
            self._note_untold(line)

    def skip_to(self, cursor: Cursor) -> int:
        """Read on there, because what lay before is gone from the log; how many of its entries that were."""
        lost = 0
        for shard, place in enumerate(cursor):
            was = self.read[shard] if shard < len(self.read) else LogPosition()
            if place != was:
                lost += max(1, place.number - was.number)
                self._window.pass_over(shard, place)
        self.read = cursor
        return lost

    def taken(self, one: Waiting) -> None:
        """The receiver took an event."""
        self._settle(one)
        self.lines.done(one)

    def later(self, one: Waiting) -> None:
        """It is tried again, and those behind it wait."""
        self._note_untold(one.line)
        self.lines.again(one)

    def give_up(self, one: Waiting, answer: Answer) -> None:
        """It is told no more; who reads the dead finds it."""
        event = one.event
        self._changes.dead.append(
            Dead(
                stored=event.stored,
                at_ms=event.at_ms,
                cursor=event.cursor,
                place=one.place,
                dead_ms=self._ledger.now_ms,
                charged=event.charged,
                why=answer.words,
            )
        )
        self._settle(one)
        self.lines.done(one)
        if event.stored.kind not in ABOUT_RECEIVERS:  # one that is about another receiver is not told of again
            self._given_up.append((event, answer))

    def revive(self, found: Iterable[tuple[bytes, Dead]]) -> int:
        """What was given up is tried anew, as if it never had been; how many of it."""
        number = 0
        for identity, dead in found:
            if self.untold >= MOST_UNTOLD:
                break
            self._changes.undead.append(identity)
            if dead.place not in self.lines.places:
                event = Untold(stored=dead.stored, at_ms=dead.at_ms, cursor=dead.cursor)
                self._changes.untold[dead.place] = event
                self.lines.add(Waiting(place=dead.place, event=event))
                number += 1
        return number

    def forget_from(self, cursor: Cursor, from_ms: int) -> None:
        """What is noted as untold and lies where a replay will read it again is not noted any more."""
        for one in self.lines.all():
            shard, ms, sequence, _ = PLACE.unpack(one.place)
            begins = (cursor[shard].ms, cursor[shard].sequence) if shard < len(cursor) else (0, 0)
            if (ms, sequence) > begins and ms >= from_ms:
                self._changes.untold[one.place] = None

    def note_in(self, receiver: Receiver) -> None:
        """Write down how far it is told."""
        receiver.cursor = write_cursor(self._window.cursor)
        receiver.untold = self.untold
        receiver.waiting_ms = min((one.event.at_ms for one in self.lines.all()), default=0)
        if self._given_up:
            self._changes.told.append(encode_event(_exhausted(self._told.name, self._given_up)))
            self._given_up = []

    def _is_wanted(self, stored: StoredEvent, at_ms: int) -> bool:
        told = self._told
        if at_ms < self._ledger.receiver.not_before_ms or (told.kinds and stored.kind not in told.kinds):
            return False
        if stored.kind in ABOUT_RECEIVERS and stored.host == told.name:
            return False
        return not told.streams or any(matches(glob, stored.stream) for glob in told.streams)

    def _note_untold(self, line: bytes) -> None:
        for one in self.lines.behind(line):
            if one.slot is not None:
                self._window.settle(one.slot)
                one.slot = None
            self._changes.untold[one.place] = one.event

    def _settle(self, one: Waiting) -> None:
        if one.slot is None:
            self._changes.untold[one.place] = None
        else:
            self._window.settle(one.slot)


def _exhausted(name: str, given_up: list[tuple[Untold, Answer]]) -> StoredEvent:
    """One event, however many were given up since the last."""
    event, answer = given_up[-1]
    number = len(given_up)
    what = "An event" if number == 1 else f"{number} events"
    last = answer.words.rstrip(".")
    why = f"{what} could not be told to webhook {name} and will not be tried again; the last answer: {last}."
    return StoredEvent(
        kind="webhook_exhausted",
        id=b"",
        host=name,
        attempt=event.charged,
        code=answer.code or None,
        text=answer.words,
        reason=event.stored.kind,
        why=why,
    )
