"""Whether to believe that a domain does not exist, when that is suddenly said of many.

One such answer is the truth (RFC 5321 §5.1: an error, for good). A resolver that lost its way to the world may give it
for every domain there is, and would have the whole queue bounced within seconds. Values and a clock only: nothing is
asked or logged here. Three states::

    calm --too many denials--> storm --an hour--> weary
      ^--------------found again, or nothing looked up--------'

- **calm**: a denial is believed; of a domain that mail went to before only when it has been said for five minutes.
- **storm**: no denial is believed. It begins when the denials among the last fifty domains looked up (within five
  minutes) weigh at least 25 and more than the given share of all; each weighs one, that of a domain that mail went to
  before five. It ends when they weigh no more than half of that share.
- **weary**: a storm that lasted an hour was none, or somebody was told and nobody came: denials are believed, so that
  a queue of real typing errors ends. No new storm begins before this one's end has come, as above.

There is no way from weary to storm: a queue of typing errors would go round in it. An importer's few in a row begin
none: fewer than 25 are the truth. A lie about domains nobody knows may so bounce as many before it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from softbounce_worker.route.answer_cache import AnswerCache

__all__ = ["LATEST", "LEAST", "LONGEST", "QUIET", "WINDOW", "Storm", "StormTurn"]

LATEST = 50  # domains looked at: few, so that a lie shows after 26, however many good answers came before
LEAST = 25  # a list's typing errors in a row are fewer
WINDOW = 300.0  # seconds
LONGEST = 3600.0
QUIET = 900.0  # longer than a lane waits between two looks
KNOWN_WEIGHS = 5
DOUBTS = 10_000


class StormTurn(Enum):
    """What an answer changed."""

    BEGAN = auto()
    WEARY = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class _Answer:
    at: float
    weight: int  # of a denial; 0: it was found


class Storm:
    """What the latest answers tell, in bounded memory.

    :param share: how much of all the denials must weigh.
    :param clock: monotonic seconds.
    :ivar disbelieved: denials that this storm kept from being believed.
    """

    def __init__(self, share: float, clock: Callable[[], float]) -> None:
        self.disbelieved = 0
        self._share = share
        self._clock = clock
        self._latest: dict[str, _Answer] = {}
        self._began: float | None = None
        self._is_weary = False
        self._heard = clock()
        self._doubted: AnswerCache[float] = AnswerCache(DOUBTS, clock)

    @property
    def is_raging(self) -> bool:
        """Whether no denial is to be believed."""
        return self._began is not None and not self._is_weary

    @property
    def seconds(self) -> float:
        """For how long it has lasted."""
        return 0.0 if self._began is None else self._clock() - self._began

    @property
    def figures(self) -> tuple[int, int]:
        """How many of the domains looked up lately are denied, and how many there are in all."""
        return sum(answer.weight > 0 for answer in self._latest.values()), len(self._latest)

    def found(self, domain: str) -> StormTurn | None:
        """A fresh answer says that the domain is there."""
        self._doubted.drop(domain)
        return self._hear(domain, 0)

    def denied(self, domain: str, *, was_known: bool) -> StormTurn | None:
        """A fresh answer says that it is not.

        :param was_known: whether mail went there before.
        """
        if was_known and self._doubted.get(domain) is None:
            now = self._clock()
            self._doubted.put(domain, now, expires=now + 2 * LONGEST)
        return self._hear(domain, KNOWN_WEIGHS if was_known else 1)

    def believes(self, domain: str) -> bool:
        """Whether the denial of this domain is to be acted upon."""
        since = self._doubted.get(domain)
        return not self.is_raging and (since is None or self._clock() - since >= WINDOW)

    def _hear(self, domain: str, weight: int) -> StormTurn | None:
        now = self._clock()
        was_quiet = now - self._heard > QUIET
        self._heard = now
        self._latest.pop(domain, None)
        self._latest[domain] = _Answer(now, weight)
        for name, answer in list(self._latest.items()):
            if len(self._latest) > LATEST or now - answer.at > WINDOW:
                del self._latest[name]
        if self._began is None:
            return self._may_begin(now)
        if was_quiet or self._is_over():
            self._began, self._is_weary = None, False
            return StormTurn.ENDED
        if not self._is_weary and now - self._began >= LONGEST:
            self._is_weary = True
            return StormTurn.WEARY
        return None

    def _may_begin(self, now: float) -> StormTurn | None:
        weight, total = self._weights()
        if weight < LEAST or weight <= self._share * total:
            return None
        self._began = now
        self.disbelieved = 0
        return StormTurn.BEGAN

    def _is_over(self) -> bool:
        weight, total = self._weights()
        return weight <= self._share / 2 * total

    def _weights(self) -> tuple[int, int]:
        """What the denials weigh, and what all answers do."""
        weight = sum(answer.weight for answer in self._latest.values())
        denied, total = self.figures
        return weight, weight + total - denied
