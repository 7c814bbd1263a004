"""Reads what a domain says of its policy: the TXT record that it has one, and the policy. Pure.

What RFC 8461 leaves open, or domains get wrong without harm, is read kindly: either line end (erratum 6253), blanks
before the semicolon (erratum 6285), fields in any order and case. What names no host is none: an address among the
hosts, a slip in the field's name. A policy that asks for much and names no host at all is no policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from softbounce.store.sts_policies import LONGEST_AGE, MOST_PATTERNS, PATTERN, StsMode

__all__ = ["PolicyText", "read_policy", "read_record"]

VERSION = "STSv1"
RECORD = re.compile(r"v=STSv1[ \t]*;", re.ASCII)
ID = re.compile(r"[A-Za-z0-9]{1,32}")
AGE = re.compile(r"[0-9]{1,10}")
MODES: dict[str, StsMode] = {"enforce": "enforce", "testing": "testing", "none": "none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyText:
    """What a policy says.

    :ivar max_age: seconds, a year at most.
    """

    mode: StsMode
    mx: tuple[str, ...]
    max_age: int


def read_record(texts: Iterable[str]) -> str | None:
    """The id of the policy that a domain has, by its TXT records (RFC 8461 §3.1); none: it has no policy.

    Records of another kind do not count; of several that do, none does.
    """
    records = [text for text in texts if RECORD.match(text)]
    if len(records) != 1:
        return None
    for field in records[0].split(";")[1:]:
        key, _, value = field.strip().partition("=")
        if key.rstrip() == "id":
            return value.strip() if ID.fullmatch(value.strip()) else None
    return None


def read_policy(octets: bytes) -> PolicyText:
    """The policy (RFC 8461 §3.2). Of a field that stands twice the first counts; unknown ones do not.

    :raises ValueError: it is none, in words.
    """
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    fields: dict[str, str] = {}
    hosts: dict[str, None] = {}
    for line in re.split(r"\r?\n", text):
        name, colon, value = line.partition(":")
        key, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "mx":
            host = value.lower().removesuffix(".")
            if PATTERN.fullmatch(host) and not host.rpartition(".")[2].isdecimal():
                hosts[host] = None
        else:
            fields.setdefault(key, value)
    return _conclude(fields, tuple(hosts))


def _conclude(fields: dict[str, str], hosts: tuple[str, ...]) -> PolicyText:
    if fields.get("version") != VERSION:
        raise ValueError(f"it does not say version: {VERSION}")
    mode = MODES.get(fields.get("mode", "").lower())
    if mode is None:
        raise ValueError("it has no mode that is known")
    if AGE.fullmatch(fields.get("max_age", "")) is None:
        raise ValueError("it does not say for how long it holds (max_age)")
    if mode != "none" and not hosts:
        raise ValueError("it names no host (mx)")
    if len(hosts) > MOST_PATTERNS:
        raise ValueError(f"it names more than {MOST_PATTERNS} hosts")
    return PolicyText(mode=mode, mx=hosts, max_age=min(int(fields["max_age"]), int(LONGEST_AGE.total_seconds())))
