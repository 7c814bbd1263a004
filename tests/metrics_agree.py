"""Whether the counters agree with what the store tells otherwise: its event log, and the attempts of its envelopes.

Both are written by the same scripts, so they agree to the last one, whatever was killed meanwhile; here they are read
apart and compared. For a test, and for the end of the torture command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from softbounce import Client, Event, EventsLost, Shown
from softbounce.counting import ACCEPTED, ATTEMPTS, DELIVERY, ENDED, SUM, UNCERTAIN, attempts, ended
from softbounce.store.call import first
from softbounce.store.keys import HOME
from softbounce.store.metrics import read_counters
from softbounce.store.published import schema
from softbounce.store.shards import Shards

__all__ = ["counters_of", "differences", "disagreements", "told_by_events"]

ENDS = frozenset({"delivered", "delivered_late", "bounced", "cancelled"})


def counters_of(url: str, shards: int = 1) -> Counter[str]:
    """The counters of a store, by field."""
    store = Shards(url)
    try:
        return Counter(store.run(read_counters(shards)))
    finally:
        store.close()


def told_by_events(events: Iterable[Event]) -> Counter[str]:
    """What the event log says of what is counted."""
    told: Counter[str] = Counter()
    for event in events:
        if event.kind == "accepted":
            told[ACCEPTED] += 1
        elif event.kind == "uncertain":
            told[UNCERTAIN] += 1
        elif event.kind in ENDS:
            told[ended(event.kind, event.cause)[0]] += 1
            told[DELIVERY] += event.kind.startswith("delivered")
    return told


def disagreements(mail: Client, url: str) -> list[str]:
    """The same of a whole store, as it stands; nothing, where its log was trimmed."""
    store = Shards(url)
    try:
        _, shards = first(store.call([schema(HOME, shards=0)]))
    finally:
        store.close()
    try:
        events = list(mail.events())
    except EventsLost:
        return []
    return differences(counters_of(url, shards), events, everything(mail), is_by_label=False)


def everything(mail: Client) -> Iterator[Shown]:
    """All envelopes of a store."""
    after: str | None = None
    while True:
        page = mail.page(after=after, limit=500)
        yield from page.envelopes
        after = page.next
        if after is None:
            return


def tried(envelopes: Iterable[Shown]) -> Counter[str]:
    """What the records of envelopes say of their attempts."""
    made: Counter[str] = Counter()
    for one in envelopes:
        for attempt in one.attempts:
            # One whose answer came late was counted when it was closed as unanswered.
            verdict = None if attempt.uncertain else attempt.verdict
            made[attempts(verdict, attempt.stage, attempt.reason)[0]] += 1
    return made


def differences(
    counters: Counter[str], events: Iterable[Event], envelopes: Iterable[Shown], *, is_by_label: bool = True
) -> list[str]:
    """What does not agree, in words; nothing: all does.

    :param events: all that there ever were.
    :param envelopes: all that there ever were, as they stand, with all of their attempts.
    :param is_by_label: attempts are compared by their labels, and not only in number: so they can be where none was
        answered late.
    """
    told = told_by_events(events)
    counted = Counter({name: number for name, number in counters.items() if name.split("|")[0] in {ENDED, UNCERTAIN}})
    for family in (ACCEPTED, DELIVERY, ATTEMPTS):
        fields = (name for name in counters if name.startswith(f"{family}|") and not name.endswith(f"|{SUM}"))
        counted[family] = sum(counters[name] for name in fields)
    shown = list(envelopes)
    told[ATTEMPTS] = sum(one.attempts[-1].number for one in shown if one.attempts)  # of many some are not kept
    if is_by_label:
        told.update(tried(shown))
        counted.update({name: number for name, number in counters.items() if name.startswith(f"{ATTEMPTS}|")})
    return [
        f"{name}: counted {counted[name]}, told of {told[name]}"
        for name in sorted(counted.keys() | told.keys())
        if counted[name] != told[name]
    ]
