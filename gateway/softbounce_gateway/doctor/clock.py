"""Clocks: whether something keeps this machine's right, and whether it and the store's agree, and are believed.

Windows close and mail is due by the store's clock; certificates and signatures are judged by this machine's.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from time import time

from softbounce.errors import StoreError
from softbounce.store.clock import read_time
from softbounce.store.clock_watch import ClockWatch, steady_seconds
from softbounce.store.shards import Shards
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import PATIENCE, Patient

__all__ = ["check"]

APART = 1.0
FAR_APART = 60.0
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
TIMEX_OCTETS = 208
SYNCHRONISE = "run chrony, systemd-timesyncd or ntpd on the machine (not in a container)"


def check(patient: Patient) -> Iterator[Finding]:
    """Of this machine, then that of each of the store's servers."""
    yield _kept()
    store = Shards(patient.config.store_url, patience=PATIENCE)
    try:
        for shard in range(min(patient.config.store.shards, 16)):
            yield from _of_store(store, shard)
    except StoreError:
        yield unknown("store's clock", "the store does not tell", "mend the store first")
    finally:
        store.close()


def _kept() -> Finding:
    what = "this machine's clock"
    state = _adjtimex()
    if state is None:
        return unknown(what, "this system does not tell whether something keeps it right", SYNCHRONISE)
    if state == TIME_ERROR:
        return warn(what, "nothing keeps it right (the kernel says: not synchronised)", SYNCHRONISE)
    return good(what, "it is kept right (the kernel says: synchronised)")


def _adjtimex() -> int | None:
    """The state of the kernel's clock (adjtimex(2)); ``None``: this system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        told: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_OCTETS))  # all zeros: it only reads
    except (OSError, AttributeError):
        return None
    return None if told < 0 else told


def _of_store(store: Shards, shard: int) -> Iterator[Finding]:
    what = "store's clock" if shard == 0 else f"store's clock, shard {shard}"
    told = store.run(read_time(shard))
    watch, at = ClockWatch(), steady_seconds()
    watch.look(told, at, at)
    apart = told.now_ms / 1000 - time()
    side = f"{abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} this machine's"
    if abs(apart) >= FAR_APART:
        yield fail(what, side, f"set the wrong one right; {SYNCHRONISE}, on both machines")
    elif abs(apart) >= APART:
        yield warn(what, side, f"{SYNCHRONISE}, on both machines")
    else:
        yield good(what, "it agrees with this machine's")
    if not watch.is_sure:
        mend = "if it is wrong, set it right; else it is believed after an hour, or now: softbounce clock --believe"
        yield warn(what, f"it was set, and is {watch.off_seconds:+.0f} s off the time that was believed last", mend)
