"""What a lane does to the envelopes in it, in words: closed until when and why, or open and how fast."""

from __future__ import annotations

from datetime import timedelta

from softbounce.client.explain.situation import Situation, moment
from softbounce.duration import from_epoch_ms
from softbounce.store.lanes import SeenState

__all__ = ["ceiling_words", "domain_words", "lane_words", "probe_words", "sender_words", "worker_words"]


def lane_words(situation: Situation) -> str:
    """One or two sentences about the envelope's lane."""
    lane = situation.lane
    place = situation.place
    tail = f"{_trouble(lane)} No attempt is charged to the mail that waits."
    if situation.lane_opens_in.total_seconds() > 0:
        opens = moment(from_epoch_ms(lane.closed_until_ms), situation.now)
        return f"The lane to {place} is closed and opens {opens}, after {_times(lane.failures)}.{tail}"
    if lane.failures:
        return f"The lane to {place} feels its way: after {_times(lane.failures)} one envelope goes ahead.{tail}"
    return f"The lane to {place} is open{_limits(situation)}.{_line(situation)}"


def ceiling_words(situation: Situation) -> str:
    """What the lane's limits allow an hour, and when what waits before the envelope is out; empty: no rate binds."""
    rate, told = situation.lane_rule.rate, "as the rule says"
    learned = situation.learned
    if learned is not None and learned.rate and not 0 < rate <= learned.rate:
        rate, told = learned.rate, f"as {situation.place} was found to take them by what it refused"
    if not rate:
        return ""
    allowed = f"{round(3600 * rate):,} messages an hour, {told}"
    before = situation.waiting if situation.before is None else situation.before
    if not before:
        return f"{allowed}."
    takes = timedelta(seconds=max(1, round(before / rate)))
    return (
        f"{allowed}: the {before:,} before it are out {moment(situation.now + takes, situation.now)} at the earliest."
    )


def domain_words(situation: Situation) -> str:
    """What its recipient domain's trouble at its site does to the envelope; empty: nothing."""
    trouble = situation.domain_trouble
    if trouble is None:
        return ""
    domain, opens = situation.record.envelope.domain, from_epoch_ms(trouble.closed_until_ms)
    closed = f"The domain {domain} is closed at {situation.place}, after {_times(trouble.failures)}"
    when = f"is asked again {moment(opens, situation.now)}" if opens > situation.now else "feels its way"
    return f"{closed}, and {when}.{_trouble(trouble)} Others' mail to that site goes on."


def sender_words(situation: Situation) -> str:
    """What its sender domain's trouble at its site does to the envelope; empty: nothing."""
    trouble = situation.sender_trouble
    if trouble is None:
        return ""
    sender = situation.record.envelope.sender.rpartition("@")[2].lower()
    whose = f"the sender domain {sender}" if sender else "the null sender"
    opens = from_epoch_ms(trouble.closed_until_ms)
    when = f"is tried again {moment(opens, situation.now)}" if opens > situation.now else "feels its way"
    then = "One envelope goes ahead, and when it is not refused for its sender all that wait follow at once"
    closed = f"{situation.place[:1].upper()}{situation.place[1:]} is closed for {whose}, after"
    return (
        f"{closed} {_times(trouble.failures)}, and {when}.{_trouble(trouble)} {then}, uncharged until then. "
        "Mail of other senders goes on."
    )


def probe_words(situation: Situation) -> str:
    """Behind whom the envelope waits at its address; empty: behind nobody."""
    if situation.probe is None:
        return ""
    return (
        f"Address memory: {situation.record.envelope.recipient} said to try later, and envelope {situation.probe} "
        "is tried there first. This one is not charged meanwhile, and follows at once when that gets through."
    )


def worker_words(situation: Situation) -> str:
    """A warning where nobody is there to try anything."""
    return "" if situation.workers else " But no worker process is alive: nothing is tried before one runs."


def _times(failures: int) -> str:
    return f"{failures} failure{'' if failures == 1 else 's'} in a row"


def _trouble(seen: SeenState) -> str:
    what = " ".join(str(one) for one in (seen.code, seen.enhanced, seen.text or seen.why) if one)
    if not what:
        return ""
    where = f" {seen.host}" if seen.host else ""
    return f" Seen last, at {seen.stage}{where}: {what.rstrip('.')}."


def _limits(situation: Situation) -> str:
    if situation.is_unresolved:
        return ""
    rule = situation.lane_rule
    rate = f" and {rule.rate:g} messages a second" if rule.rate else ""
    learned = situation.learned
    found = [learned.connections, *learned.addresses.values()] if learned is not None else []
    fewer = min((number for number in found if number), default=rule.connections)
    takes = f", of which it takes {fewer}" if fewer < rule.connections else ""
    return f", with up to {rule.connections} connections{takes}{rate}"


def _line(situation: Situation) -> str:
    owner = f" Worker {situation.owner} has it." if situation.owner else " No worker has taken it up yet."
    if not situation.waiting:
        return owner
    if situation.before is None:
        return f" {situation.waiting} wait in its line.{owner}"
    others = "other tenants and streams have turns of their own"
    return f" {situation.before} wait before this one, {situation.waiting} in all; {others}.{owner}"
