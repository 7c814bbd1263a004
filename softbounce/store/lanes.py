"""Lanes as the store knows them: who owns each, what is remembered of it, and who is told that it has work."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec

from softbounce.events import StoredEvent, encode_event
from softbounce.site import shown_of
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = [
    "OFFER",
    "DomainState",
    "LaneState",
    "LearnedState",
    "SeenState",
    "SenderState",
    "TakenLane",
    "clear_list",
    "count_lists",
    "count_sent",
    "decode_lane",
    "decode_state",
    "forget_lanes",
    "give_lanes",
    "lane_states",
    "offer_lanes",
    "read_remembered",
    "save_lanes",
    "take_lanes",
    "wake_lanes",
]

OFFER = "+"
"""Begins a line to a process that offers it a lane, in place of a job."""
ARGUMENTS = 900
"""Of one call. A multiple of four: what is said of one lane is not parted."""
FORGOTTEN = "No mail was tried there for a day, so its trouble is forgotten: what comes next goes at once."
LEARNED_KEPT_MS = 24 * 3600 * 1000
SHARD = re.compile(rb"[0-9]{1,4}")


class SeenState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For how long something closed, how often in a row, and what was seen last of its trouble."""

    closed_until_ms: int = 0
    failures: int = 0
    why: str = ""
    code: int | None = None
    enhanced: str | None = None
    text: str = ""
    reason: str | None = None
    stage: str = "connect"
    host: str | None = None


class DomainState(SeenState, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a recipient domain that closed, or is about to.

    :ivar senders: whose mail saw its trouble; one: it closed for that sender domain only.
    :ivar recipients: checksums of those that add up against it so far.
    :ivar noted_ms: when something was added last.
    """

    senders: tuple[str, ...] = ()
    recipients: tuple[int, ...] = ()
    noted_ms: int = 0

    def binds(self, sender: str) -> bool:
        """Whether it closed, and for mail of this sender too."""
        return self.failures > 0 and (len(self.senders) != 1 or sender.rpartition("@")[2].lower() in self.senders)

    @property
    def latest_ms(self) -> int:
        """Until when it lasts, or when it was seen last."""
        return max(self.closed_until_ms, self.noted_ms)


class SenderState(SeenState, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a sender domain that closed, or is about to, or opened a moment ago.

    :ivar refused: checksums of its messages that add up against it so far.
    :ivar noted_ms: when something was added last.
    :ivar parked_ms: the delays for which it closes; empty: those of the lane's rule.
    :ivar is_draining: it opened, and some of its mail may stand in its line still.
    """

    refused: tuple[int, ...] = ()
    noted_ms: int = 0
    parked_ms: tuple[int, ...] = ()
    is_draining: bool = False

    @property
    def latest_ms(self) -> int:
        """Until when it lasts, or when it was seen last."""
        return max(self.closed_until_ms, self.noted_ms)


class LearnedState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How hard a site may be pushed, as far as it said so by refusing.

    :ivar rate: messages a second; 0: it said nothing of that.
    :ivar span: seconds within which it counts them, as far as one knows.
    :ivar patience: how often refusals have confirmed that.
    :ivar connections: sessions together, over all its addresses; 0: it said nothing of that.
    :ivar addresses: sessions at one address.
    :ivar learnt_ms: when it was seen to be so last.
    """

    rate: float = 0.0
    span: float = 0.0
    patience: int = 0
    connections: int = 0
    addresses: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    learnt_ms: int = 0

    @property
    def until_ms(self) -> int:
        """How long that is worth knowing."""
        return self.learnt_ms + LEARNED_KEPT_MS


NOTHING_LEARNED = LearnedState()


class LaneState(SeenState, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a lane across owners and restarts. Only lanes that saw trouble have one."""

    disbelieved_until_ms: int = 0
    """So long nobody is believed to be gone whom the site says not to know."""
    domains: dict[str, DomainState] = msgspec.field(default_factory=dict[str, DomainState])
    """The domains that closed alone, or are about to."""
    disbelieved: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """The domains alone of whose addresses that is not believed, and until when, in milliseconds."""
    senders: dict[str, SenderState] = msgspec.field(default_factory=dict[str, SenderState])
    """The sender domains that it closed for, or is about to."""
    learned: LearnedState = NOTHING_LEARNED
    """How hard it may be pushed, as far as it said so."""

    def trouble_of(self, domain: str, sender: str) -> SeenState:
        """What kept mail waiting last: the trouble of its recipient domain or of its sender, else the site's."""
        its_sender = self.sender_of(sender)
        if its_sender is not None and domain not in self.domains:
            return its_sender
        return self.domains.get(domain, self)

    def sender_of(self, sender: str) -> SenderState | None:
        """The trouble of a sender's domain, where it closed."""
        found = self.senders.get(sender.rpartition("@")[2].lower())
        return found if found is not None and found.failures else None

    @property
    def latest_ms(self) -> int:
        """Until when the last thing that is remembered lasts."""
        domains = (one.latest_ms for one in self.domains.values())
        senders = (one.latest_ms for one in self.senders.values())
        learned_ms = self.learned.until_ms if self.learned.learnt_ms else 0
        singles = (self.closed_until_ms, self.disbelieved_until_ms, learned_ms)
        return max(*singles, *self.disbelieved.values(), *domains, *senders)


_encode = msgspec.msgpack.Encoder().encode
decode_state = msgspec.msgpack.Decoder(LaneState).decode


class TakenLane(NamedTuple):
    """A lane that is ours: its state, and the lists that got work while nobody had it, as (shard, stream, share)."""

    state: LaneState
    lists: Sequence[tuple[int, str, int]] = ()


def take_lanes(process: str, lanes: Sequence[str]) -> Operation[list[TakenLane | None]]:
    """Become the owner of lanes that have no living one, or stay it. ``None``: another has it."""

    def read(answers: list[StoreAnswer]) -> list[TakenLane | None]:
        return [
            TakenLane(decode_lane(state), _told(lane, told)) if owned == 1 else None
            for lane, (owned, state, told) in zip(lanes, chain(*every(answers)), strict=True)
        ]

    return Operation(_lanes("take", process, lanes), read)


def _told(lane: str, octets: bytes) -> list[tuple[int, str, int]]:
    """The lists that a lane was told of; the walks find what is in others."""
    lists: list[tuple[int, str, int]] = []
    for line in octets.split(b"\n")[1:]:
        shard, _, name = line.partition(b"|")
        ready = keys.parse_ready_name(name)
        if ready is None or ready.lane != lane or SHARD.fullmatch(shard) is None:
            ignore("list of a lane", line)
        else:
            lists.append((int(shard), ready.stream, ready.share))
    return lists


def count_lists(shards: int) -> Operation[int]:
    """How many ready lists may have work, in all shards."""
    calls = [Call.read(shard, b"SCARD", keys.key(shard, "lanes")) for shard in range(shards)]
    return Operation(calls, lambda answers: sum(every(answers)))


def give_lanes(process: str, lanes: Sequence[str]) -> Operation[int]:
    """Hand lanes back."""
    return Operation(_lanes("give", process, lanes), lambda answers: sum(every(answers)))


def save_lanes(process: str, states: Mapping[str, LaneState], *, keep_events: int) -> Operation[int]:
    """Remember lanes' states; one without trouble is forgotten. Each that closed or opened by it is told, once."""
    arguments: list[str | bytes] = []
    for lane, state in states.items():
        closed_until_ms = state.closed_until_ms if state.failures else 0
        stored = b"" if state == LaneState() else _encode(state)
        arguments += (lane, stored, str(closed_until_ms), encode_event(_event(lane, state)))
    return Operation(_lanes("save", process, arguments, keep_events), lambda answers: sum(every(answers)))


def forget_lanes(states: Mapping[bytes, bytes], *, keep_events: int) -> Operation[int]:
    """Forget lanes' states that are still as they were seen; tells how many. Who heard that one closed hears of it."""
    arguments: list[str | bytes] = []
    for lane, state in states.items():
        event = encode_event(_opened(lane.decode(errors="replace"), FORGOTTEN))
        arguments += (lane, state, "0", event)
    return Operation(_lanes("forget", "", arguments, keep_events), lambda answers: sum(every(answers)))


def _event(lane: str, state: LaneState) -> StoredEvent:
    """What tells that it closed, or that it is open. The site is the ``host``: a domain that has none yet, too."""
    if not state.failures:
        return _opened(lane, "It takes mail again.")
    site = _site(lane)
    asked = f" ({state.host})" if state.host else ""
    last = state.why.rstrip(".") or "no reply"
    return StoredEvent(
        kind="site_closed",
        id=b"",
        host=site,
        stage=state.stage,
        code=state.code,
        enhanced=state.enhanced,
        text=state.text,
        reason=state.reason,
        why=f"Nothing of its mail goes out until one envelope finds it well again{asked}: {last}.",
        next_ms=state.closed_until_ms,
    )


def _opened(lane: str, why: str) -> StoredEvent:
    return StoredEvent(kind="site_opened", id=b"", host=_site(lane), why=why)


def _site(lane: str) -> str:
    return shown_of(lane).removeprefix("?")


def _lanes(how: str, process: str, arguments: Sequence[str | bytes], keep_events: int = 0) -> list[Call]:
    """So many lanes a call that the store serves others between two; a lane and its state are never parted."""
    names = keys.of(HOME, "owner", "live", "lane", "hint", "told", "closed", "events", "totals", "news")
    parts = [arguments[start : start + ARGUMENTS] for start in range(0, len(arguments), ARGUMENTS)]
    return [Call(HOME, script("lanes"), names, (how, process, keep_events, *part)) for part in parts]


def lane_states(lanes: Sequence[str]) -> Operation[list[LaneState]]:
    """The states of lanes, as last saved."""
    call = Call.read(HOME, b"HMGET", keys.key(HOME, "lane"), *lanes)
    return Operation((call,), lambda answers: [decode_lane(one) for one in first(answers)])


def read_remembered(most: int) -> Operation[tuple[dict[str, LaneState], int]]:
    """Of about so many lanes, in no order, what is remembered; and of how many lanes anything is."""
    name = keys.key(HOME, "lane")
    calls = (Call.read(HOME, b"HSCAN", name, 0, b"COUNT", most), Call.read(HOME, b"HLEN", name))

    def read(answers: list[StoreAnswer]) -> tuple[dict[str, LaneState], int]:
        (_, flat), number = every(answers)
        some = zip(flat[: 2 * most : 2], flat[1 : 2 * most : 2], strict=True)  # a small hash comes as a whole
        named = ((lane.decode(errors="replace"), state) for lane, state in some)
        return {lane: decode_lane(state) for lane, state in named if keys.is_lane(lane)}, number

    return Operation(calls, read)


def decode_lane(octets: bytes | None) -> LaneState:
    """What is remembered of a lane; one that cannot be read is as good as none, and the next is written over it."""
    try:
        return decode_state(octets) if octets else LaneState()
    except msgspec.DecodeError:
        ignore("lane state", octets)
        return LaneState()


def clear_list(shard: int, name: bytes) -> Operation[int]:
    """Put what waits in a list that nobody can serve, its name being none, back to *scheduled*, to be routed anew.

    One bounded step; tells how many entries the list still has.
    """
    call = Call(
        shard,
        script("clear"),
        (*keys.of(shard, "e", "due", "lanes", "wake", "clock"), keys.ready_of(shard, name)),
        (name,),
    )
    return Operation((call,), first)


def wake_lanes(
    now_ms: int, work: Mapping[str, str], processes: Sequence[str], *, repeat_after_ms: int
) -> Operation[list[str]]:
    """Wake the owners of lanes that got work (lane -> text); answers the lanes that need a job instead."""
    arguments: list[str | int] = [now_ms, repeat_after_ms, len(processes), *processes]
    for lane, text in work.items():
        arguments += (lane, text)
    call = Call(
        HOME,
        script("wake"),
        (
            *keys.of(HOME, "owner", "live", "hint", "told"),
            *(keys.to_process(process) for process in processes),
        ),
        arguments,
    )
    return Operation((call,), lambda answers: [lane.decode() for lane in first(answers)])


def count_sent() -> Operation[int]:
    """For how many lanes jobs were sent that nobody took since, as far as the store knows."""
    return Operation((Call.read(HOME, b"HLEN", keys.key(HOME, "hint")),), first)


def offer_lanes(offers: Mapping[str, Sequence[str]], *, unsent: Sequence[str]) -> Operation[int]:
    """Offer lanes to processes (process -> lanes) without a job; the jobs that could not be sent are forgotten."""
    texts = ["\n".join(f"{OFFER}{lane}" for lane in some) for some in offers.values()]
    channels = (keys.to_process(process) for process in offers)
    call = Call(HOME, script("offer"), (keys.key(HOME, "hint"), *channels), (len(unsent), *unsent, *texts))
    return Operation((call,), first)
