"""Notices that the store is an older copy of what was seen here before, when ``up`` starts and while it runs.

Such a store does not know what was delivered since, and would send it again. So ``up`` does not work with one by
itself: somebody says that its mail is to be held (:mod:`softbounce_gateway.restored_store.hold_all`), or to take it
as it is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum

from softbounce_config import Config

from softbounce.duration import from_epoch_ms, in_words
from softbounce.errors import StoreError
from softbounce.store import store_history
from softbounce.store.shards import AsyncShards, redact
from softbounce.store.store_history import HistoryMark, HistoryMatch, ShardHistory
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.restored_store.history_file import HistoryFile
from softbounce_gateway.terminal import complain, complain_of_fault

__all__ = ["CopyOrder", "Guard", "history_end_ms"]

LOOK_EVERY = 5.0
LAST_NOTE_WITHIN = 2.0
ID_OCTETS = 8
REFUSED = 3
WAYS_ON = (
    "\n  softbounce up --hold-all     holds all its mail, and reports what may have been delivered since (recommended)"
    "\n  softbounce up --accept-copy  works with it as it is: what was delivered since is sent again"
)


class CopyOrder(Enum):
    """What to do about a store that is an older copy."""

    REFUSE = "refuse"
    HOLD_ALL = "hold_all"
    ACCEPT = "accept"


class Guard:
    """Compares a store with what was seen of it, and remembers what is seen.

    :ivar known: how far it was seen before; in no file yet: not at all.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._file = HistoryFile(config.data_dir)
        self._has_complained = False
        self._doubt = asyncio.Event()
        self.known = HistoryMark(config.store.shards)

    @property
    def identity(self) -> str:
        """The store's id, or one for a store that has none yet."""
        return self.known.store or secrets.token_hex(ID_OCTETS)

    async def admit(self, store: AsyncShards) -> None:
        """Let a store in, unless it is an older copy, or one whose mail is half held.

        :raises StartFailed: it is; says since when, and both ways on (exit code 3).
        :raises StoreError: the store went away.
        """
        self.read()
        found = await store.run(store_history.look(self._config.store.shards))
        name = f"the store at {redact(store.url)}"
        if any(one.holding_ms for one in found):
            raise StartFailed(
                f"{name} was restored from a backup, and the holding of its mail was begun and not ended: "
                f"`softbounce up --hold-all` goes on with it.{WAYS_ON}",
                exit_code=REFUSED,
            )
        match self.known.judge(found):
            case HistoryMatch.COPY:
                raise StartFailed(f"{name} {self._older(found)}{WAYS_ON}", exit_code=REFUSED)
            case HistoryMatch.EMPTIED:
                complain(
                    f"{name} is empty or has no mail left to send, and knows nothing of what was seen there up to "
                    f"{_clock(max(self.known.seen_ms))}. Nothing can be sent twice, but mail that it had is gone: have "
                    "the apps send again what they sent before, with the same keys"
                )
            case HistoryMatch.ANOTHER:
                complain(f"{name} is another one than this data folder ({self._file.path}) knew; it is taken as it is")
            case HistoryMatch.SAME if (
                self._file.is_copy and self._config.is_embedded and any(one.messages for one in found)
            ):
                raise StartFailed(
                    f"the data folder {self._config.data_dir} is a copy: moved here, or put back from a backup. Its "
                    f"store knows of nothing after {_clock(history_end_ms(found, self.known))}, and what the original "
                    f"delivered since would be sent again. If it delivered nothing since, take it as it is.{WAYS_ON}",
                    exit_code=REFUSED,
                )
            case _:
                pass
        await self.note(store)

    def read(self) -> None:
        """Read how far the store was seen; a file that cannot be read is as good as none, and that is said."""
        try:
            known = self._file.read(self._config.store.shards)
        except ValueError as error:
            complain(
                f"{self._file.path} cannot be read, so that a store restored from a backup is not noticed: {error}"
            )
            return
        if known is not None:
            self.known = known

    async def note(self, store: AsyncShards) -> HistoryMatch:
        """Note that the store was seen as far as it goes now, there and in the file.

        :raises StoreError: the store went away.
        """
        before = (self.known.store, list(self.known.seen_ms))
        compared = self.known.take(await store.run(store_history.note(self.identity, self.known.seen_ms)))
        if compared is HistoryMatch.EMPTIED or compared is HistoryMatch.ANOTHER:
            compared = self.known.take(await store.run(store_history.note(self.identity, self.known.seen_ms)))
        has_news = (self.known.store, self.known.seen_ms) != before
        if compared is not HistoryMatch.COPY and (has_news or self._file.is_copy):
            await self._write()
        return compared

    async def accept(self, store: AsyncShards) -> None:
        """Take the store as it is: from now on it is what is known.

        :raises StoreError: the store went away.
        """
        found = await store.run(store_history.accept(self.identity, self.known.seen_ms))
        self.known = HistoryMark(len(found), found[0].store, [one.at_ms for one in found])
        await self._write()

    async def note_last(self) -> None:
        """Note once more what is seen, when all others have ended; not for long."""
        store = AsyncShards(self._config.store_url, patience=0.0)
        try:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(LAST_NOTE_WITHIN):
                    await self.note(store)
        finally:
            await store.close()

    async def may_start(self) -> bool:
        """Whether a process may begin to work with the store: it answers, and is no older copy than what was seen."""
        store = AsyncShards(self._config.store_url, patience=0.0)
        try:
            if await self.note(store) is not HistoryMatch.COPY:
                return True
            self._doubt.set()
        except StoreError:
            pass  # it would end at once
        finally:
            await store.close()
        return False

    async def watch(self) -> StartFailed:
        """Note what is seen, for ever; returns the reason to end once the store turns out to be an older copy."""
        store = AsyncShards(self._config.store_url, patience=0.0)
        try:
            while True:
                self._doubt.clear()
                try:
                    if await self.note(store) is HistoryMatch.COPY:
                        found = await store.run(store_history.look(self._config.store.shards))
                        return StartFailed(
                            f"the store at {redact(store.url)} was replaced while we ran: it {self._older(found)}",
                            exit_code=REFUSED,
                        )
                except StoreError:
                    pass  # whoever works with it says so
                except Exception as error:  # noqa: BLE001 - one look; the next may tell more
                    complain_of_fault("whether the store is the one it was cannot be told", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._doubt.wait()
        finally:
            await store.close()

    def _older(self, found: Sequence[ShardHistory]) -> str:
        end_ms, seen_ms = history_end_ms(found, self.known), max(self.known.seen_ms)
        gap = in_words(from_epoch_ms(seen_ms) - from_epoch_ms(min(end_ms, seen_ms)))
        return (
            f"is an older copy: it knows of nothing after {_clock(end_ms)}, and was seen here at {_clock(seen_ms)}, "
            f"{gap} later. What was delivered in between would be sent again."
        )

    async def _write(self) -> None:
        try:
            await asyncio.to_thread(self._file.write, self.known)
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                complain(
                    f"{self._file.path} cannot be written, so that a store restored from a backup may not be noticed: "
                    f"{error.strerror or error}"
                )


def history_end_ms(found: Sequence[ShardHistory], known: HistoryMark) -> int:
    """Where the history of a store ends, as far as it can be told.

    Its newest event; but where apps have used a restored store already, the newest that was noted before they did.
    """
    ends = []
    for one, seen_ms in zip(found, known.seen_ms, strict=True):
        is_behind = one.at_ms + store_history.SLACK_MS < seen_ms
        ends.append(one.event_ms if is_behind and one.newest_ms > seen_ms and one.event_ms else one.newest_ms)
    return max(ends)


def _clock(ms: int) -> str:
    return f"{from_epoch_ms(ms):%Y-%m-%d %H:%M:%S} UTC" if ms else "its beginning"
