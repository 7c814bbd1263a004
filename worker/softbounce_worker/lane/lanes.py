"""The lanes of a process by name, and what is asked of all of them: which want more, which have work, which idle.

Whatever happens to a lane is told here, by :meth:`Lanes.changed`, and costs the same whatever the number of lanes: the
answers are kept, not looked for. Beside that a walk goes round all lanes, a bounded step at a time, and sees to what
nobody told. Does not talk to the store: :mod:`.ownership` takes lanes and gives them back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile

from softbounce_worker.lane.lane import Lane

__all__ = ["Lanes"]


class Lanes(Mapping[str, Lane]):
    """What this process owns. As a mapping: the lanes by name, those that it had for longest first.

    :ivar leaving: those that were given back while sessions of theirs still had envelopes.
    :ivar claim_soon: called when a lane wants more.
    :ivar less_busy: called when one has no work any more.
    :param time: the loop's clock.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self.claim_soon: Callable[[], object] = lambda: None
        self.less_busy: Callable[[], object] = lambda: None
        self._time = time
        self._lanes: dict[str, Lane] = {}
        self._wanting: dict[str, Lane] = {}
        self._busy: dict[str, Lane] = {}
        self._idle: dict[str, float] = {}
        self._passed: dict[str, float] = {}
        self.leaving: set[Lane] = set()
        self._round: OrderedDict[str, Lane] = OrderedDict()
        self._turns: OrderedDict[str, Lane] = OrderedDict()

    def __getitem__(self, name: str) -> Lane:
        """The lane of that name."""
        return self._lanes[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._lanes)

    def __len__(self) -> int:
        """How many."""
        return len(self._lanes)

    def __contains__(self, name: object) -> bool:
        """Whether this process has it (asked from any thread)."""
        return name in self._lanes

    # -- they come, change and go -----------------------------------------------------------------------------------

    def add(self, lane: Lane) -> None:
        """It is this process's from now on."""
        self._lanes[lane.name] = lane
        self._round[lane.name] = self._turns[lane.name] = lane
        self.changed(lane)

    def remove(self, lane: Lane) -> None:
        """It is this process's no more; sessions of it that still carry something end in their time."""
        if self.has(lane):
            for kept in (self._lanes, self._round, self._turns, self._wanting, self._busy, self._idle, self._passed):
                kept.pop(lane.name, None)
            self.leaving.add(lane)
            self.changed(lane)

    def has(self, lane: Lane) -> bool:
        """Whether this very lane is this process's, and not one of the same name that it had before."""
        return self._lanes.get(lane.name) is lane

    def changed(self, lane: Lane) -> None:
        """Something happened to a lane: what it wants, or whether it has work, may be otherwise now."""
        if not self.has(lane):
            if not lane.sessions:
                self.leaving.discard(lane)
            return
        name = lane.name
        if lane.wanted() > 0:
            self._wanting.setdefault(name, lane)
            self.claim_soon()
        else:
            self._wanting.pop(name, None)
        if lane.has_work:
            self._busy[name] = lane
        elif self._busy.pop(name, None) is not None:
            self.less_busy()
        if lane.is_quiet and not lane.lists:
            (self._passed if lane.forwards_only else self._idle).setdefault(name, self._time())
        else:
            self._idle.pop(name, None)
            self._passed.pop(name, None)

    # -- what is asked of all ---------------------------------------------------------------------------------------

    @property
    def want_more(self) -> bool:
        """Whether any wants more."""
        return bool(self._wanting)

    def take_wanting(self) -> Lane | None:
        """The lane whose turn it is to be claimed for. It wants no more until it changes."""
        name = next(iter(self._wanting), None)
        return None if name is None else self._wanting.pop(name)

    @property
    def busy(self) -> int:
        """How many have work."""
        return len(self._busy)

    def is_busy(self, name: str) -> bool:
        """Whether a lane is ours and has work."""
        return name in self._busy

    def with_work(self) -> list[Lane]:
        """Those that have work, all of them."""
        return list(self._busy.values())

    def idle_for(self, seconds: float, *, passed: float) -> list[Lane]:
        """Those that idle for so long, longest first.

        :param passed: the same of those that only found out where their mail belongs, and passed it on.
        """
        now = self._time()
        idle = takewhile(lambda name: now - self._idle[name] >= seconds, self._idle)
        passed_on = takewhile(lambda name: now - self._passed[name] >= passed, self._passed)
        return [self._lanes[name] for name in (*idle, *passed_on)]

    def oldest(self, number: int) -> Iterator[Lane]:
        """The next few of those that have work, in the order in which they were taken, round and round."""
        yield from (lane for lane in self._next_of(self._turns, number) if lane.name in self._busy)

    def some(self, number: int) -> list[Lane]:
        """The next few of a walk round all lanes. What was not told of any of them is seen."""
        walked = list(self._next_of(self._round, number))
        for lane in walked:
            self.changed(lane)
        return walked

    def _next_of(self, queue: OrderedDict[str, Lane], number: int) -> Iterator[Lane]:
        for _ in range(min(number, len(queue))):
            name = next(iter(queue))
            queue.move_to_end(name)
            yield queue[name]
