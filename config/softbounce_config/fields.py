"""The kinds of values that keys take: how each is checked, and how it is written in the file.

A kind is a type with a pydantic check and a :class:`Notation`; the notation tells the environment how a variable's
text becomes a value, ``config show`` how to write one, and the reference what to call it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from softbounce.address import ascii_glob
from softbounce_config.hosts import check_address, check_endpoint, check_hostname, split_nameserver
from softbounce_config.process_settings import INTERFACES
from softbounce_config.roots import RootsFile, read_roots
from softbounce_config.rule_pack import RulePackFile, read_rule_pack_file
from softbounce_config.units import (
    DURATION_HINT,
    RATE_HINT,
    SIZE_HINT,
    format_duration,
    format_rate,
    format_share,
    format_size,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
)
from softbounce_config.urls import EMBEDDED, check_store_url

__all__ = [
    "Addresses",
    "CodeGlob",
    "Duration",
    "DurationOrZero",
    "Durations",
    "Endpoint",
    "EnhancedGlob",
    "Glob",
    "Globs",
    "Hostname",
    "JobsUrl",
    "Later",
    "Lease",
    "Memory",
    "NameGlob",
    "Nameservers",
    "Notation",
    "OwnAddresses",
    "Rate",
    "Roots",
    "RootsFile",
    "RuleName",
    "RulePack",
    "Section",
    "Share",
    "Size",
    "StoreUrl",
    "TextPath",
    "WaitName",
    "Words",
]

AUTO = "auto"
LEAST_MEMORY = 2 * 1024 * 1024


class Section(BaseModel):
    """One table of the config file. Its docstring and its fields' descriptions are the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Notation:
    """How values of a kind are written in the config file.

    :ivar kind: what the reference calls it.
    :ivar write: a value in the file's notation.
    :ivar is_list: the environment takes JSON or words between commas.
    """

    kind: str
    write: Callable[[Any], object] = str
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Marks a key of the public contract that nothing reads yet. It may be set, is checked, and changes nothing.

    Who sets it is told so; the reference and ``config show`` leave it out. The mark goes with the first that reads it.

    :ivar part: what it is for.
    """

    part: str


def _text(value: object, what: str) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"should be {what}, in quotes")


def _entries(value: object, what: str) -> tuple[object, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    raise ValueError(f"should be a list of {what}")


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError(f"a duration has a unit and stands in quotes; the units are {DURATION_HINT}")


def _positive_duration(value: object) -> timedelta:
    duration = _duration(value)
    if duration <= timedelta(0):
        raise ValueError("must be longer than 0")
    return duration


def _lease(value: object) -> timedelta:
    duration = _duration(value)
    if duration < SHORTEST_LEASE:
        raise ValueError(f"must be at least {format_duration(SHORTEST_LEASE)}")
    return duration


def _is_zero(value: object) -> bool:
    return value == "0" or (isinstance(value, int) and not isinstance(value, bool) and value == 0)


def _duration_or_zero(value: object) -> timedelta:
    duration = timedelta(0) if _is_zero(value) else _duration(value)
    if duration < timedelta(0):
        raise ValueError("must not be negative")
    return duration


def _durations(value: object) -> object:
    return _entries(value, 'durations, as in ["5m", "30m", "2h"]')


def _size(value: object) -> int:
    if isinstance(value, str):
        octets = parse_size(value)
        if octets > 0:
            return octets
        raise ValueError("must be more than 0")
    raise ValueError(f"a size has a unit and stands in quotes; the units are {SIZE_HINT}")


def _memory(value: object) -> int | str:
    if value == AUTO:
        return AUTO
    if value == "none" or _is_zero(value):
        return 0
    octets = parse_size(_text(value, f'"{AUTO}", "none" or a size'))
    if octets < LEAST_MEMORY:
        raise ValueError(f"must be at least {format_size(LEAST_MEMORY)}, which an empty store takes itself")
    return octets


def _rate(value: object) -> float:
    if _is_zero(value):
        return 0.0
    if isinstance(value, str):
        return parse_rate(value)
    raise ValueError(f"a rate has a unit and stands in quotes; the units are {RATE_HINT}; 0 is no limit")


def _share(value: object) -> float:
    return parse_share(_text(value, "a number of percent"))


def _path(value: object) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value, "a path")
    if not text or "\0" in text:
        raise ValueError("should be a path")
    return Path(text)


def _roots(value: object) -> RootsFile:
    return value if isinstance(value, RootsFile) else read_roots(_path(value))


def _rule_pack(value: object) -> RulePackFile:
    return value if isinstance(value, RulePackFile) else read_rule_pack_file(_path(value))


def _store_url(value: object) -> str:
    url = _text(value, f'"{EMBEDDED}" or a URL')
    return url if url == EMBEDDED else check_store_url(url)


def _jobs_url(value: object) -> str:
    url = _text(value, "a URL, or empty")
    return check_store_url(url) if url else url


def _hostname(value: object) -> str:
    name = _text(value, "a host name, or empty")
    return check_hostname(name) if name else name


def _endpoint(value: object) -> str:
    text = _text(value, "host:port, or empty")
    return check_endpoint(text) if text else text


def _nameservers(value: object) -> object:
    entries = _entries(value, 'addresses, as in ["127.0.0.1:5300"]')
    for entry in entries:
        split_nameserver(_text(entry, "an address"))
    return entries


def _own_addresses(value: object) -> object:
    entries = _entries(value, f'addresses, as in ["{INTERFACES}", "192.0.2.1"]')
    for entry in entries:
        if (text := _text(entry, "an address")) != INTERFACES:
            check_address(text)
    return entries


def _addresses(value: object) -> object:
    entries = _entries(value, 'addresses, as in ["192.0.2.53"]')
    for entry in entries:
        try:
            ip_address(_text(entry, "an address"))
        except ValueError:
            raise ValueError(f"{entry!r} is no address: write it without a port") from None
    return entries


def _words(value: object) -> object:
    return _entries(value, "words")


RULE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _rule_name(value: object) -> str:
    name = _text(value, "a name")
    if RULE_NAME.fullmatch(name) is None:
        raise ValueError("a name has 1 to 64 letters, digits, dots, hyphens and underscores")
    return name


LONGEST_GLOB = 255
SHORTEST_LEASE = timedelta(seconds=1)


def _glob(value: object) -> str:
    glob = _text(value, "a name or a glob")
    if not glob or len(glob) > LONGEST_GLOB or not glob.isprintable():
        raise ValueError(f"a glob has 1 to {LONGEST_GLOB} printable characters; * is all")
    return glob


def _name_glob(value: object) -> str:
    return ascii_glob(_glob(value))


def _globs(value: object) -> object:
    return _entries(value, "names or globs")


REPLY_CODES = tuple(str(code) for code in range(400, 600))
ENHANCED_GLOB = re.compile(r"[245*?\[][0-9.*?\[\]!-]{0,15}")


def _code_glob(value: object) -> str:
    glob = str(value) if type(value) is int else _text(value, "a reply code")
    if not any(fnmatchcase(code, glob) for code in REPLY_CODES):
        raise ValueError('fits no reply code from 400 to 599; write "552", "55?" or "4*"')
    return glob


def _enhanced_glob(value: object) -> str:
    glob = _text(value, "an enhanced status code")
    if ENHANCED_GLOB.fullmatch(glob) is None:
        raise ValueError('fits no enhanced status code; write "5.1.1", "5.1.*" or "4.*"')
    return glob


WAIT_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def _wait_name(value: object) -> str:
    name = _text(value, '"package.module:strategy"')
    if name and WAIT_NAME.fullmatch(name) is None:
        raise ValueError('names a tenacity wait strategy, as in "package.module:strategy"')
    return name


def _write_durations(values: tuple[timedelta, ...]) -> list[str]:
    return [format_duration(value) for value in values]


def _write_duration_or_zero(value: timedelta) -> object:
    return format_duration(value) if value else 0


def _write_memory(value: int | str) -> str:
    return value if isinstance(value, str) else format_size(value) if value else "none"


def _write_rate(value: float) -> object:
    return format_rate(value) if value else 0


Duration = Annotated[timedelta, BeforeValidator(_positive_duration), Notation("duration", format_duration)]
Lease = Annotated[timedelta, BeforeValidator(_lease), Notation("duration", format_duration)]
DurationOrZero = Annotated[
    timedelta, BeforeValidator(_duration_or_zero), Notation("duration or 0", _write_duration_or_zero)
]
Durations = Annotated[
    tuple[Duration, ...],
    BeforeValidator(_durations),
    Notation("list of durations", _write_durations, is_list=True),
]
Size = Annotated[int, BeforeValidator(_size), Notation("size", format_size)]
Memory = Annotated[int | Literal["auto"], BeforeValidator(_memory), Notation("auto, none or size", _write_memory)]
Rate = Annotated[float, BeforeValidator(_rate), Field(ge=0), Notation("rate or 0", _write_rate)]
Share = Annotated[float, BeforeValidator(_share), Notation("share", format_share)]
TextPath = Annotated[Path, BeforeValidator(_path), Notation("path")]
Roots = Annotated[RootsFile, BeforeValidator(_roots), Notation("path")]
RulePack = Annotated[RulePackFile, BeforeValidator(_rule_pack), Notation("path")]
StoreUrl = Annotated[str, BeforeValidator(_store_url), Notation("URL")]
JobsUrl = Annotated[str, BeforeValidator(_jobs_url), Notation("URL")]
Hostname = Annotated[str, BeforeValidator(_hostname), Notation("host name")]
Endpoint = Annotated[str, BeforeValidator(_endpoint), Notation("host:port")]
Nameservers = Annotated[
    tuple[str, ...], BeforeValidator(_nameservers), Notation("list of addresses", list, is_list=True)
]
OwnAddresses = Annotated[
    tuple[str, ...], BeforeValidator(_own_addresses), Notation("list of addresses", list, is_list=True)
]
Addresses = Annotated[tuple[str, ...], BeforeValidator(_addresses), Notation("list of addresses", list, is_list=True)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words), Notation("list of words", list, is_list=True)]
RuleName = Annotated[str, BeforeValidator(_rule_name), Notation("name")]
Glob = Annotated[str, BeforeValidator(_glob), Notation("glob")]
NameGlob = Annotated[str, BeforeValidator(_name_glob), Notation("glob")]
"""A glob of domains, or of addresses: their names are compared in A-labels, however they are written."""
Globs = Annotated[tuple[Glob, ...], BeforeValidator(_globs), Notation("list of globs", list, is_list=True)]
CodeGlob = Annotated[str, BeforeValidator(_code_glob), Notation("reply code glob")]
EnhancedGlob = Annotated[str, BeforeValidator(_enhanced_glob), Notation("enhanced status glob")]
WaitName = Annotated[str, BeforeValidator(_wait_name), Notation("module:name")]
