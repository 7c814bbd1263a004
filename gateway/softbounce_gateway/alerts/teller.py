"""One ``[[alert]]`` table: looks at what stands, tells what is due, and notes it.

What is about to be told is noted first, and that it was told behind it. Who is killed between has it told again by the
same id, or told to be over: mail is written once by its key, a receiver can tell by ``webhook-id``, a program by
``SOFTBOUNCE_ALERT_ID``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog
from msgspec.structs import replace
from softbounce_config.alerts import AlertSection

from softbounce.client.now.view import Now
from softbounce.duration import MILLISECOND, from_epoch_ms
from softbounce.store.alerts import MOST_STANDING, AlertBook, keep_alerts
from softbounce.store.health import Checkup
from softbounce.store.shards import AsyncShards
from softbounce_gateway.alerts.book import (
    MOST_GOODBYES,
    Letter,
    about_to_tell,
    all_over,
    could_not_tell,
    due,
    look_at,
    not_told,
    told,
)
from softbounce_gateway.alerts.subjects import Wanted, hides, subjects
from softbounce_gateway.alerts.telling import Message, Said
from softbounce_gateway.alerts.words import message_of, summary_of

__all__ = ["LEASE_MS", "Teller"]

LEASE_MS = 180_000
"""Longer than letters may take; each look renews it."""
LETTER_SECONDS = 45.0
NOBODY_MS = 75_000
"""Who has a table looks twice a minute: one that was left for so long nobody has."""
TELLING_SECONDS = 60.0
"""After so many no further letter is begun at this look."""
log = structlog.get_logger("softbounce.alerts")


class Teller:
    """A table's.

    :param token: this process's: another one tells nothing while it is alive.
    :param tell: how a message goes.
    :ivar seconds: for one message.
    """

    def __init__(
        self,
        table: AlertSection,
        token: str,
        hostname: str,
        store: AsyncShards,
        tell: Callable[[Message], Awaitable[Said]],
    ) -> None:
        self.seconds = LETTER_SECONDS
        self._table = table
        self._token = token
        self._hostname = hostname
        self._store = store
        self._tell = tell
        self._is_summary_late = 0

    async def step(self, book: AlertBook, now: Now, checkups: Mapping[str, Checkup]) -> None:
        """See what stands by this look, and tell what is due.

        :param book: as it is in the store.
        :raises StoreError: what was told may not be noted: it is told again, by the same id.
        """
        table, now_ms = self._table, _ms(now)
        if book.owner != self._token and now_ms < book.until_ms <= now_ms + LEASE_MS:
            return
        wanted = Wanted(table.level, table.kinds, table.oldest, own=table.name)
        seen = subjects(now, checkups, wanted)
        still = replace(book, standing=tuple(one for one in book.standing if wanted.has(one)))
        looked = look_at(still, seen, now_ms, is_cut=now.more > 0, hides=hides(now))
        unwanted = replace(book, standing=tuple(one for one in book.standing if not wanted.has(one)))
        owed = all_over(unwanted, now_ms).standing
        looked = replace(looked, standing=(*owed, *looked.standing)[:MOST_STANDING])
        current = await self._note(book, self._begun(looked, now))
        letters = self._due(current, now_ms) if current else ()
        current = await self._tell_each(current, letters, now_ms, goodbyes=frozenset(one.key for one in owed))
        if current is not None:
            await self._sum_up(current, now)

    async def take_leave(self, book: AlertBook, now_ms: int) -> bool:
        """The table is no more: tell who has heard of trouble that it is over. Whether nothing is left to be told.

        :param book: as it is in the store.
        :raises StoreError: as above.
        """
        if not book.revision:
            return True
        if book.owner != self._token:
            if -LEASE_MS <= now_ms - book.until_ms < NOBODY_MS:
                return False  # another machine may have the table still
            book = replace(book, standing=tuple(replace(one, failures=0, next_ms=0) for one in book.standing))
        for one in book.standing:
            if one.failures >= MOST_GOODBYES:
                log.error("alert_given_up", alert=self._table.name, what=one.what, failures=one.failures)
        ended = all_over(book, now_ms)
        if not ended.standing:
            return await self._store.run(keep_alerts(self._table.name, book, None))
        current = await self._note(book, replace(ended, owner=self._token, until_ms=now_ms + LEASE_MS))
        if current is not None:
            goodbyes = frozenset(one.key for one in current.standing)
            await self._tell_each(current, self._due(current, now_ms), now_ms, goodbyes=goodbyes)
        return False

    def _due(self, book: AlertBook, now_ms: int) -> Sequence[Letter]:
        table = self._table
        return due(book, now_ms, table=table.name, after=table.after, most_an_hour=table.most_an_hour)

    async def _tell_each(
        self, book: AlertBook | None, letters: Sequence[Letter], now_ms: int, *, goodbyes: Collection[str]
    ) -> AlertBook | None:
        """Tell these, one after the other; ``None``: the book is another's by now.

        :param goodbyes: what nobody looks for any more, by its key.
        """
        current = book
        ends = time.monotonic() + TELLING_SECONDS
        for letter in letters:
            if current is None or time.monotonic() > ends:
                break
            current = await self._note(current, about_to_tell(current, letter))
            if current is None:
                break
            is_goodbye = letter.about.key in goodbyes
            said = await self._say(message_of(letter, self._hostname, is_goodbye=is_goodbye), letter.about.what)
            if said.is_told:
                current = await self._note(current, told(current, letter, now_ms))
            else:
                failed = could_not_tell(current, letter, now_ms, said.words, maybe=said.maybe)
                current = await self._note(current, failed)
                break  # the way is shut for all of them: the others wait for the next look
        return current

    async def let_go(self, book: AlertBook) -> None:
        """Leave it to whoever comes; of a book of another's nothing is changed."""
        if book.owner == self._token:
            await self._note(book, replace(book, until_ms=book.until_ms - LEASE_MS))

    async def _sum_up(self, book: AlertBook, now: Now) -> None:
        table, day = self._table, f"{now.at:%Y-%m-%d}"
        if not table.summary or book.summed_up >= day or f"{now.at:%H:%M}" < table.summary:
            return
        if _ms(now) < self._is_summary_late:
            return
        message = summary_of(book, now, table=table.name, day=day, hostname=self._hostname)
        said = await self._say(message, message.subject)
        if said.is_told:
            await self._note(book, replace(book, summed_up=day, failures=0, failed_ms=0, failed_why=""))
        else:
            self._is_summary_late = _ms(now) + LEASE_MS
            await self._note(book, not_told(book, _ms(now), said.words))

    async def _say(self, message: Message, what: str) -> Said:
        """Tell it. A way that hangs or fails by a fault of ours keeps no other letter and no other table waiting."""
        try:
            async with asyncio.timeout(self.seconds):
                said = await self._tell(message)
        except TimeoutError:
            said = Said(is_told=False, words=f"no end within {self.seconds:g} s", maybe=True)
        except Exception as error:  # noqa: BLE001 - of this letter; the next one may be told
            said = Said(is_told=False, words=f"{type(error).__name__}: {error}", maybe=True)
        note = log.info if said.is_told else log.warning
        event = "alert_told" if said.is_told else "alert_not_told"
        note(event, alert=self._table.name, id=message.id, what=what, why=said.words)
        return said

    def _begun(self, book: AlertBook, now: Now) -> AlertBook:
        """Ours; a table that is new begins with the next time of its summary, not with one that has passed."""
        ours = replace(book, owner=self._token, until_ms=_ms(now) + LEASE_MS)
        is_past = f"{now.at:%H:%M}" >= (self._table.summary or "24:00")
        return replace(ours, summed_up=f"{now.at:%Y-%m-%d}") if not book.revision and is_past else ours

    async def _note(self, seen: AlertBook, new: AlertBook) -> AlertBook | None:
        if not await self._store.run(keep_alerts(self._table.name, seen, new)):
            log.info("alerts_of_another", alert=self._table.name)
            return None
        return replace(new, revision=seen.revision % 0xFFFFFFFF + 1)


def _ms(now: Now) -> int:
    return (now.at - from_epoch_ms(0)) // MILLISECOND
