"""The road of a lane, which part of it the lane is, and whether an envelope belongs there.

The road is in the lane's name, by a digest: it is that of the published route which has it, and none where no route
does. Then the lane's mail goes elsewhere; not at once, for the settings may be on their way that another process had
when it sent the mail here.
"""

from __future__ import annotations

from softbounce.envelope import Record
from softbounce.road import MX, Road, base_of, part_of
from softbounce.routing import Choice, lane_for, part_for, road_for
from softbounce.settings import LaneRule, Settings
from softbounce.site import shown_of
from softbounce_worker.lane.families import ALL, Families
from softbounce_worker.lane.roads import Roads
from softbounce_worker.process import WorkerProcess
from softbounce_worker.work import Work

__all__ = ["LaneRoad"]

TOLD_WITHIN = 10.0
"""Seconds. By then each process has the settings that were published."""


class LaneRoad:
    """One lane's.

    :ivar road: none: no published route has it.
    """

    __slots__ = ("_lane", "_parts", "_process", "_roads", "_routes", "_since", "road")

    def __init__(self, lane: str, roads: Roads, process: WorkerProcess) -> None:
        self._lane = lane
        self._roads = roads
        self._process = process
        self._since = process.loop.time()
        self._routes = process.settings.route
        self._parts = self._parts_by(process.settings)
        self.road: Road | None = roads.of(lane, process.settings)

    def apply(self, settings: Settings) -> bool:
        """New settings bind. Whether mail may belong elsewhere by them: routes are others now, or the parts are."""
        before = self._routes, self._parts
        self._routes, self._parts = settings.route, self._parts_by(settings)
        self.road = self._roads.of(self._lane, settings)
        return before != (self._routes, self._parts)

    def _parts_by(self, settings: Settings) -> int:
        """Into how many the road is split; 0: it is not, and never was."""
        if self._lane.startswith("?"):
            return 0
        parts = settings.lane_rule_for(shown_of(self._lane)).parts
        return parts if parts > 1 or part_of(self._lane) else 0

    @property
    def is_relay(self) -> bool:
        """Whether it leads to a smarthost."""
        return self.road is not None and self.road.is_relay

    @property
    def may_be_told(self) -> bool:
        """Whether settings may be on their way that name it."""
        return self.road is None and self._process.loop.time() < self._since + TOLD_WITHIN

    @property
    def site(self) -> str | None:
        """The site of its domains' MX hosts, as it is shown; ``None``: the lane does not tell."""
        is_site = not self._lane.startswith("?") and self.road is not None and not self.road.is_relay
        return shown_of(self._lane) if is_site else None

    def families(self, rule: LaneRule) -> Families:
        """Which addresses are dialled."""
        families = Families(rule.family, self.road or MX)
        return ALL if families == ALL else families

    def sort(self, works: list[Work]) -> tuple[list[Work], list[Work]]:
        """Those that take it, and those that do not."""
        if self.road is MX and not (self._parts or self._process.settings.route):
            return works, []
        kept: list[Work] = []
        others: list[Work] = []
        for work in works:
            (kept if self._carries(work.record) else others).append(work)
        return kept, others

    def _carries(self, record: Record) -> bool:
        settings = self._process.settings
        choice = road_for(settings, record, self.site)
        if choice is None or choice.road != self.road:
            return False
        return not self._parts or part_for(record.id, self._parts) == part_of(self._lane)

    def choice_after(self, record: Record, reason: str | None) -> Choice | None:
        """The road of an envelope whose attempt ends for this reason."""
        return road_for(self._process.settings, record, self.site, reason=reason)

    def has_detour(self, reason: str | None) -> bool:
        """Whether some route is for what a site that is closed for this reason cannot take now."""
        return reason is not None and any(rule.after_reason == reason for rule in self._process.settings.route)

    def detour(self, record: Record, reason: str | None) -> Choice | None:
        """The way around a site that is closed for this reason, if an envelope has one."""
        if not self.has_detour(reason):
            return None
        choice = road_for(self._process.settings, record, self.site, reason=reason, is_charged=False)
        leads_around = choice is not None and choice.after_reason == reason and choice.road != self.road
        return choice if leads_around else None

    def lane_for(self, record: Record) -> str:
        """The lane in which an envelope of this one waits for its next attempt."""
        settings = self._process.settings
        choice = road_for(settings, record, self.site) if settings.route or self.road is not MX else None
        if choice is None or choice.road == self.road:
            return self._name_for(self.road, record) if self._parts and self.road is not None else self._lane
        if choice.road.is_relay or self.site is not None:
            return self._name_for(choice.road, record)
        return f"?{record.envelope.domain}"

    def _name_for(self, road: Road, record: Record) -> str:
        return lane_for(self._process.settings, road, base_of(self._lane), record.id)
