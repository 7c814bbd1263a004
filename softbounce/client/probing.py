"""Has a closed site asked at once, whose operator knows that it is mended.

It opens nothing: one envelope goes ahead of each thing that is closed there, and its outcome decides as ever. An order
that is lost, with the worker that heard it, may be given again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from softbounce.client.actions import LONGEST_NAME
from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.now.sites import named_lanes, ready_in
from softbounce.client.one_line import check_one_line
from softbounce.client.selection import site_of_lane
from softbounce.client.single_acts import begin_act, end_act
from softbounce.errors import InvalidArgument, NotFound
from softbounce.store import membership
from softbounce.store.clock import read_time
from softbounce.store.keys import HOME
from softbounce.store.lanes import LaneState
from softbounce.store.sites import read_sites
from softbounce.store.urging import Urged, read_closed, urge_lanes

__all__ = ["ProbeAnswer", "ProbedLane", "probe"]

MOST_LANES = 500
TURNS = 3
LONGEST_SITE = 320


class ProbeAnswer(StrEnum):
    """What came of the order.

    ``asked``: the worker that has the lane heard it. ``noted``: no worker has it, and who takes it asks at once.
    ``unheard``: its worker does not listen just now, or the lane changes all the time: say it again.
    ``would``: nothing was said.
    """

    ASKED = "asked"
    NOTED = "noted"
    UNHEARD = "unheard"
    WOULD = "would"


ANSWERS = {Urged.TOLD: ProbeAnswer.ASKED, Urged.NOTED: ProbeAnswer.NOTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedLane:
    """A lane with something closed.

    :ivar site: whether the site as a whole is.
    :ivar domains: what is closed there alone.
    :ivar senders: for whose mail it is closed.
    :ivar ready: so many wait there that one of may go ahead now; with none, nothing is asked until some is due.
    """

    lane: str
    answer: ProbeAnswer
    site: bool
    domains: tuple[str, ...]
    senders: tuple[str, ...]
    ready: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "lane": self.lane,
            "answer": str(self.answer),
            "site": self.site,
            "domains": list(self.domains),
            "senders": list(self.senders),
            "ready": self.ready,
        }


def probe(knowledge: Knowledge, name: str, *, dry_run: bool = False, by: str = "") -> Flow[list[ProbedLane]]:
    """Have what is closed at a site asked now; those of its lanes of which anything is.

    :param name: the site's, or a domain's whose mail goes there.
    :param by: who wants it: it is written into the log of actions then.
    :raises InvalidArgument: it can be the name of none.
    :raises NotFound: nothing is known of it.
    """
    name = name.strip().lower().rstrip(".")
    if not 0 < len(name) <= LONGEST_SITE or not name.isprintable():
        raise InvalidArgument("site", f"is no name of a site or a domain: {name[:80]!r}")
    check_one_line("by", by, LONGEST_NAME)
    shards = (yield from knowledge.current()).shards
    lanes = yield from _lanes_of(name)
    seen = yield from repeat(read_closed([*lanes, f"?{name}"]))
    if not lanes and not seen:
        raise NotFound(f"nothing is remembered of {name!r}; `softbounce top` has the sites that are known")
    ready: dict[str, int] = {}
    for lane in seen:
        ready[lane] = sum((yield from ready_in(shards, lane))[0].values())
    answers: dict[str, ProbeAnswer] = {} if not dry_run else dict.fromkeys(seen, ProbeAnswer.WOULD)
    if not dry_run:
        begun = (yield from begin_act("probe", {"site": name}, by=by)) if by and seen else None
        answers = yield from _order(seen)
        if begun is not None:
            yield from end_act(begun, Counter(str(one) for one in answers.values()) or None)
    return [
        ProbedLane(
            lane=lane,
            answer=answers[lane],
            site=state.failures > 0,
            domains=tuple(name for name, one in state.domains.items() if one.failures),
            senders=tuple(name for name, one in state.senders.items() if one.failures),
            ready=ready[lane],
        )
        for lane, (_, state) in seen.items()
    ]


def _lanes_of(name: str) -> Flow[list[str]]:
    """The lanes of a site, or of the domain of that name."""
    lanes = yield from named_lanes(name)
    (own,) = yield from repeat(read_sites(HOME, [name]))
    if own is not None:
        alike = yield from named_lanes(site_of_lane(own.lane) or name)
        lanes = lanes | {own.lane} | {lane for lane in alike if lane.startswith(own.lane)}
    return sorted(lanes)[:MOST_LANES]


def _order(seen: Mapping[str, tuple[bytes, LaneState]]) -> Flow[dict[str, ProbeAnswer]]:
    """Give the order; again where a lane changed meanwhile."""
    answers: dict[str, ProbeAnswer] = {}
    left = dict(seen)
    for _ in range(TURNS):
        if not left:
            break
        processes = list((yield from repeat(membership.leases())).ends)
        now_ms = (yield from repeat(read_time(HOME))).now_ms
        urged = yield from repeat(urge_lanes(left, processes, now_ms))
        answers.update({lane: ANSWERS.get(answer, ProbeAnswer.UNHEARD) for lane, answer in urged.items()})
        changed = [lane for lane, answer in urged.items() if answer is Urged.CHANGED]
        left = (yield from repeat(read_closed(changed))) if changed else {}
    return answers
