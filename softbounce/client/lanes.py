"""The lanes that have mail now: the state of each, who has it, and which limits are in force there by which rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from softbounce.client.flow import Flow, repeat
from softbounce.client.knowledge import Knowledge
from softbounce.client.queue import count_queue
from softbounce.client.selection import Selection, site_of_lane
from softbounce.client.shown import rfc3339
from softbounce.duration import from_epoch_ms, in_words
from softbounce.envelope import State
from softbounce.settings import LaneRule
from softbounce.store import keys
from softbounce.store.call import Call, Operation, every
from softbounce.store.lanes import LaneState, LearnedState, lane_states

__all__ = ["LaneView", "read_lanes"]

LIVE = frozenset(state.word for state in State if not state.is_final)
AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """One lane.

    :ivar site: ``None`` while the domain (the lane's name behind its ``?``) is not resolved.
    :ivar state: ``open``, ``closed``, or ``probing``: closed until now, and one envelope goes ahead.
    :ivar opens_at: when it opens, where it is closed.
    :ivar failures: in a row.
    :ivar last: what was seen last of its trouble.
    :ivar closed_domains: recipient domains that are closed there alone.
    :ivar closed_senders: sender domains that it is closed for.
    :ivar owner: the worker process that has it.
    :ivar envelopes: how many it has, by state.
    :ivar limits: what is in force there.
    :ivar learned: what the site said by refusing; none: nothing of late.
    """

    lane: str
    site: str | None
    state: str
    opens_at: datetime | None
    failures: int
    last: str
    closed_domains: tuple[str, ...]
    closed_senders: tuple[str, ...]
    owner: str | None
    envelopes: dict[str, int]
    limits: LaneRule
    learned: LearnedState | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        rule = self.limits
        return {
            "lane": self.lane,
            "site": self.site,
            "state": self.state,
            "opens_at": None if self.opens_at is None else rfc3339(self.opens_at),
            "failures": self.failures,
            "last": self.last,
            "closed_domains": list(self.closed_domains),
            "closed_senders": list(self.closed_senders),
            "owner": self.owner,
            "envelopes": self.envelopes,
            "limits": {
                "connections": rule.connections,
                "connections_per_address": rule.connections_per_address,
                "rate": rule.rate,
                "messages_per_connection": rule.messages_per_connection,
                "recipients_per_message": rule.recipients_per_message,
                "parts": rule.parts,
                "adaptive": rule.adaptive,
                "close_first": in_words(rule.close_first),
                "close_factor": rule.close_factor,
                "close_cap": in_words(rule.close_cap),
                "family": rule.family,
            },
            "limits_from": rule.source or "built in",
            "learned": None if self.learned is None else _shown(self.learned),
        }


def _shown(learned: LearnedState) -> dict[str, Any]:
    return {
        "rate": learned.rate,
        "within": learned.span,
        "connections": learned.connections,
        "connections_per_address": learned.addresses,
        "at": rfc3339(from_epoch_ms(learned.learnt_ms)),
    }


def read_lanes(knowledge: Knowledge, site: str | None) -> Flow[list[LaneView]]:
    """The lanes of the sites that fit *site*, those with most mail first. A walk over all that is kept."""
    known = yield from knowledge.current()
    counts = yield from count_queue(knowledge, Selection(site=site))
    envelopes: dict[str, dict[str, int]] = {}
    for row in counts.rows:
        if row.state in LIVE and row.lane:
            states = envelopes.setdefault(row.lane, {})
            states[row.state] = states.get(row.state, 0) + row.count
    names = sorted(envelopes, key=lambda name: (-sum(envelopes[name].values()), name))
    views: list[LaneView] = []
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        remembered = yield from repeat(lane_states(some))
        owners = yield from repeat(_owners(some))
        for name, state, owner in zip(some, remembered, owners, strict=True):
            shown = site_of_lane(name)
            views.append(_view(name, state, owner, envelopes[name], known.settings.lane_rule_for(shown), counts.at))
    return views


def _owners(names: list[str]) -> Operation[list[str | None]]:
    call = Call.read(keys.HOME, b"HMGET", keys.key(keys.HOME, "owner"), *names)
    return Operation([call], lambda answers: [name and name.decode(errors="replace") for name in every(answers)[0]])


def _view(  # noqa: PLR0913, PLR0917 - what a view is made of
    name: str, state: LaneState, owner: str | None, envelopes: dict[str, int], rule: LaneRule, now: datetime
) -> LaneView:
    opens_at = from_epoch_ms(state.closed_until_ms)
    is_closed = opens_at > now
    closed = (
        domain for domain, one in state.domains.items() if one.failures and from_epoch_ms(one.closed_until_ms) > now
    )
    return LaneView(
        lane=name,
        site=site_of_lane(name),
        state="closed" if is_closed else "probing" if state.failures else "open",
        opens_at=opens_at if is_closed else None,
        failures=state.failures,
        last=" ".join(str(one) for one in (state.code, state.enhanced, state.text or state.why) if one),
        closed_domains=tuple(closed),
        closed_senders=tuple(sender for sender, one in state.senders.items() if one.failures),
        owner=owner,
        envelopes=envelopes,
        limits=rule,
        learned=state.learned if rule.adaptive and from_epoch_ms(state.learned.until_ms) > now else None,
    )
