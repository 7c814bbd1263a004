"""Whether those who are to be told of trouble could be: each ``[[alert]]`` table of this file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from softbounce.client.shown import rfc3339
from softbounce.duration import MILLISECOND, from_epoch_ms
from softbounce.errors import StoreError
from softbounce.store import keys
from softbounce.store.alerts import AlertBook, read_alerts
from softbounce.store.clock import read_time
from softbounce.store.shards import Shards
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import PATIENCE, Patient

__all__ = ["check"]

UNLOOKED = timedelta(minutes=10)
"""A process looks twice a minute; longer, and no other took its place."""


def check(patient: Patient) -> Iterator[Finding]:
    """What became of the last alert by each way."""
    names = [table.name for table in patient.config.alert]
    if not names:
        return
    store = Shards(patient.config.store_url, patience=PATIENCE)
    try:
        books = store.run(read_alerts())
        now_ms = store.run(read_time(keys.HOME)).now_ms
    except StoreError:
        yield unknown("alerts", "the store does not tell", "mend the store first")
        return
    finally:
        store.close()
    for name in names:
        yield _table(name, books.get(name, AlertBook()), now_ms)


def _table(name: str, book: AlertBook, now_ms: int) -> Finding:
    if book.failures:
        since = rfc3339(from_epoch_ms(book.failed_ms))
        found = f"{book.failures} in a row could not be told, since {since}; the last: {book.failed_why}"
        return fail(name, found, "mend that way; softbounce alerts --test tries each")
    if not book.revision:
        return good(name, "nobody has looked for trouble yet: softbounce up with the role gateway does")
    if now_ms - book.until_ms > UNLOOKED // MILLISECOND:
        found = f"nobody has looked for trouble since {rfc3339(from_epoch_ms(book.until_ms))}"
        return warn(name, found, "start softbounce up with the role gateway, and look at its log")
    return good(name, "the last alert was told" if book.told else "nothing had to be told within the hour")
