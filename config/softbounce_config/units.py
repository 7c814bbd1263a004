"""What people write in the config file: durations ``"1h30m"``, sizes ``"25MiB"``, rates ``"100/s"``, shares ``"10%"``.

Reads and writes the notation only. Which values make sense for a key is said by the key's field, and a number without
a unit is never guessed at: ``window = 15`` has cost more mail than any typing error.
"""

from __future__ import annotations

import re
from datetime import timedelta

from softbounce.duration import DURATION_HINT, format_duration, parse_duration
from softbounce.settings import Allowance

__all__ = [
    "DURATION_HINT",
    "format_duration",
    "format_messages",
    "format_octets",
    "format_rate",
    "format_share",
    "format_size",
    "parse_duration",
    "parse_messages",
    "parse_octets",
    "parse_rate",
    "parse_share",
    "parse_size",
]

SIZE_UNITS_OCTETS = {"TiB": 1024**4, "GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}
RATE_UNITS_SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}

SIZE_HINT = 'B, KiB, MiB, GiB and TiB, as in "25MiB"'
RATE_HINT = '/s, /m, /h and /d, as in "100/s"'

# Enough digits for any sane value, few enough that no arithmetic below can overflow.
NUMBER = r"[0-9]{1,19}(?:\.[0-9]{1,6})?"
SIZE = re.compile(rf"({NUMBER}) ?([KMGT]iB|B)")
RATE = re.compile(rf"({NUMBER}) ?/ ?([smhd])")
SHARE = re.compile(rf"({NUMBER})\s*%")
WHOLE = 100

WHOLE_RATE = re.compile(r"([1-9][0-9]{0,17}) ?/ ?([smhd])")
SIZE_RATE = re.compile(r"(.+?) ?/ ?([smhd])")

ROUNDING = 1e-6  # what a sum of decimal fractions may miss a whole millisecond by
LARGEST_OCTETS = 2**60


def parse_size(text: str) -> int:
    """Read a size such as ``"25MiB"`` as octets.

    :raises ValueError: it is none; the message says what would be one.
    """
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a size is a number and a unit; the units are {SIZE_HINT}")
    number, unit = found[1], SIZE_UNITS_OCTETS[found[2]]
    octets = int(number) * unit if number.isdigit() else round(float(number) * unit)
    if octets > LARGEST_OCTETS:
        raise ValueError("a size is at most 1048576TiB")
    return octets


def format_size(octets: int) -> str:
    """Write octets as :func:`parse_size` reads them, in the largest unit that leaves a whole number."""
    for unit, size in SIZE_UNITS_OCTETS.items():
        if octets and octets % size == 0:
            return f"{octets // size}{unit}"
    return f"{octets}B"


def parse_rate(text: str) -> float:
    """Read a rate such as ``"100/s"`` or ``"600/m"`` as a number a second.

    :raises ValueError: it is none; the message says what would be one.
    """
    found = RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"a rate is a number for each unit of time; the units are {RATE_HINT}")
    return float(found[1]) / RATE_UNITS_SECONDS[found[2]]


def format_rate(rate: float) -> str:
    """Write a number a second as :func:`parse_rate` reads it, in the unit that leaves a whole number if one does."""
    for unit, seconds in RATE_UNITS_SECONDS.items():
        count = rate * seconds
        if round(count) and abs(count - round(count)) < ROUNDING * count:
            return f"{round(count)}/{unit}"
    return f"{rate:.6f}".rstrip("0").rstrip(".") + "/s"


def parse_share(text: str) -> float:
    """Read a share such as ``"10%"`` as a number between 0 and 1.

    :raises ValueError: it is none; the message says what would be one.
    """
    found = SHARE.fullmatch(text.strip())
    if found is None or not 0 < float(found[1]) <= WHOLE:
        raise ValueError('a share is a number of percent, more than 0 and at most 100, as in "10%"')
    return float(found[1]) / WHOLE


def format_share(share: float) -> str:
    """Write a number between 0 and 1 as :func:`parse_share` reads it."""
    return f"{share * WHOLE:.6f}".rstrip("0").rstrip(".") + "%"


def parse_messages(text: str) -> Allowance:
    """Read how many in a time, such as ``"1000/h"``: a whole number, all of which may come at once.

    :raises ValueError: it is none; the message says what would be one.
    """
    found = WHOLE_RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"should be a whole number from 1 on for each unit of time; the units are {RATE_HINT}")
    return Allowance(number=int(found[1]), period=timedelta(seconds=RATE_UNITS_SECONDS[found[2]]))


def parse_octets(text: str) -> Allowance:
    """Read how many octets in a time, such as ``"1GiB/d"``.

    :raises ValueError: it is none; the message says what would be one.
    """
    found = SIZE_RATE.fullmatch(text.strip())
    if found is None:
        raise ValueError('should be a size for each unit of time, as in "1GiB/d"')
    octets = parse_size(found[1])
    if octets < 1:
        raise ValueError("must be more than 0")
    return Allowance(number=octets, period=timedelta(seconds=RATE_UNITS_SECONDS[found[2]]))


def format_messages(allowance: Allowance) -> str:
    """Write an allowance as :func:`parse_messages` reads it."""
    return f"{allowance.number}/{_unit_of(allowance.period)}"


def format_octets(allowance: Allowance) -> str:
    """Write an allowance as :func:`parse_octets` reads it."""
    return f"{format_size(allowance.number)}/{_unit_of(allowance.period)}"


def _unit_of(period: timedelta) -> str:
    return next(unit for unit, seconds in RATE_UNITS_SECONDS.items() if timedelta(seconds=seconds) == period)
