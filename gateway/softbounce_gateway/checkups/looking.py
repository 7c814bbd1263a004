"""One look of this machine: if it is due, and nobody else of this machine looks.

It is a process of its own, which ends with the look: a check that hangs has a bound, and takes nothing with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address

import structlog
from softbounce_config import Config
from softbounce_config.identity import host_label
from softbounce_config.process_settings import INTERFACES

from softbounce.duration import MILLISECOND
from softbounce.store import keys
from softbounce.store.clock import read_time
from softbounce.store.health import MOST_MACHINES, Checkup, keep_checkup, read_checkups
from softbounce.store.published import read_settings
from softbounce.store.shards import Shards
from softbounce_gateway.checkups.comparing import compare
from softbounce_gateway.doctor import Patient, examine
from softbounce_gateway.doctor.believing import doubted
from softbounce_gateway.doctor.checks import STANDING
from softbounce_gateway.doctor.examination import Check
from softbounce_gateway.doctor.patient import Address

__all__ = ["SECONDS", "look"]

SECONDS = 45.0
"""How long the checks may take, which run side by side."""
QUESTION_SECONDS = 5.0
LEASE_MS = 120_000
SOONER = 0.8
"""Of the time between two looks: a look that begins a little early is no second one."""
GONE_AFTER_MS = 24 * 3_600_000
"""A machine that was not looked at for so long is no more."""
log = structlog.get_logger("softbounce.checkups")


def look(
    config: Config, checks: Mapping[str, Check] = STANDING, *, seconds: float = SECONDS, is_asked: bool = False
) -> bool:
    """Look, and keep what was found. False: it is not due, or another process of this machine looks.

    :param is_asked: a person wants it now: then it is due.
    :raises StoreError: the store went away; the next look is as good.
    """
    machine = host_label()
    store = Shards(config.store_url)
    try:
        before = store.run(read_checkups())
        now_ms = store.run(read_time(keys.HOME)).now_ms
        ours = before.get(machine, Checkup())
        if _is_looked_at(ours, now_ms) or not (is_asked or _is_due(ours, config.health.every, now_ms)):
            return False
        _forget_gone(store, before, machine, now_ms)
        begun = Checkup(at_ms=ours.at_ms, looking_until_ms=now_ms + LEASE_MS, findings=ours.findings)
        if not store.run(keep_checkup(machine, ours, begun)):
            return False
        patient = Patient(config=config, addresses=_addresses(config), seconds=QUESTION_SECONDS)
        found = doubted(examine(checks, patient, seconds), patient)
        ended_ms = store.run(read_time(keys.HOME)).now_ms
        kept, events = compare(ours.findings, found, machine, ended_ms)
        settings = store.run(read_settings())
        keep_events = 0 if settings is None else settings.keep_events_max
        seen = Checkup(revision=ours.revision % 0xFFFFFFFF + 1)
        new = Checkup(at_ms=ended_ms, findings=kept)
        events = events if keep_events else ()
        done = store.run(keep_checkup(machine, seen, new, events=events, keep_events=keep_events))
    finally:
        store.close()
    for event in events if done else ():
        tell = log.info if event.reason == "ok" else log.warning if event.reason == "warn" else log.error
        tell("health_changed", what=event.text, state=event.reason, why=event.why)
    return done


def _is_looked_at(ours: Checkup, now_ms: int) -> bool:
    return now_ms < ours.looking_until_ms <= now_ms + LEASE_MS  # longer is no lease: a clock was set back


def _is_due(ours: Checkup, every: timedelta, now_ms: int) -> bool:
    next_ms = ours.at_ms + round(every / MILLISECOND * SOONER)
    return not now_ms < next_ms <= now_ms + every / MILLISECOND


def _forget_gone(store: Shards, checkups: Mapping[str, Checkup], machine: str, now_ms: int) -> None:
    """Those that are no more, and where there are too many the one that was looked at longest ago."""
    others = {name: one for name, one in checkups.items() if name != machine}
    gone = {name for name, one in others.items() if one.at_ms < now_ms - GONE_AFTER_MS and not one.looking_until_ms}
    if len(others) - len(gone) >= MOST_MACHINES:
        gone.add(min(others, key=lambda name: others[name].at_ms))
    for name in gone:
        store.run(keep_checkup(name, others[name], None))


def _addresses(config: Config) -> tuple[Address, ...]:
    """By which the world sees us, where the configuration says so."""
    return tuple(ip_address(one) for one in config.identity.addresses if one != INTERFACES)
