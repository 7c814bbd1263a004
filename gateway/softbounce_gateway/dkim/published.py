"""Whether a key's DNS record is there and says what it should (RFC 6376 §3.6.1, §3.6.2; RFC 8301; RFC 8463).

Asks the configured name servers by itself, so that its answers are as fresh as theirs.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
from softbounce_worker.dkim.signing_key import SigningKey

__all__ = ["Found", "Published", "judge", "look_up", "resolver_of"]

WHITE = re.compile(r"[ \t\r\n]+")
BLANKS = " \t\r\n"
TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")  # RFC 6376 §3.2
MOST_SHOWN = 200
SHORTEST = 32
"""Octets of a key."""


class Published(StrEnum):
    """What was found."""

    OK = "ok"
    MISSING = "missing"
    DIFFERS = "differs"
    REVOKED = "revoked"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, and what that means, in words."""

    state: Published
    detail: str


def resolver_of(nameservers: Sequence[tuple[str, int]], seconds: float) -> dns.resolver.Resolver:
    """One that asks these, or the system's where there are none.

    :raises dns.resolver.NoResolverConfiguration: the system names none.
    """
    resolver = dns.resolver.Resolver(configure=not nameservers)
    if nameservers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in nameservers]
    resolver.lifetime = seconds
    resolver.cache = None
    return resolver


def look_up(resolver: dns.resolver.Resolver, name: str, key: SigningKey) -> Found:
    """Whether the record at *name* is this key's."""
    try:
        answer = resolver.resolve(dns.name.from_text(name), "TXT", search=False)
    except dns.resolver.NXDOMAIN:
        return Found(Published.MISSING, f"there is no {name}: publish the record")
    except dns.resolver.NoAnswer:
        return Found(Published.MISSING, f"{name} has no TXT record: publish it")
    except (dns.exception.DNSException, OSError) as error:
        words = (str(error).splitlines() or [""])[0] or type(error).__name__
        return Found(Published.UNKNOWN, f"the name servers do not tell: {words[:MOST_SHOWN]}")
    return judge([b"".join(record.strings).decode(errors="replace") for record in answer], key)


def judge(records: Sequence[str], key: SigningKey) -> Found:
    """Whether these TXT records at a key's name are its own.

    Hosts take any one of several (§3.6.2.2 leaves it to them), so that more than one is a fault.
    """
    keys = [tags for tags in (_tags(record) for record in records) if tags is not None and "p" in tags]
    if not keys:
        return Found(Published.BROKEN, "a TXT record is there, and it is no DKIM key record (v=DKIM1; k=...; p=...)")
    if len(records) > 1:
        return Found(Published.BROKEN, f"{len(records)} TXT records are there, and hosts take any of them: leave one")
    return _judge_one(keys[0], key)


def _judge_one(tags: dict[str, str], key: SigningKey) -> Found:
    kind = tags.get("k", "rsa")
    public = WHITE.sub("", tags["p"])
    if tags.get("v", "DKIM1") != "DKIM1" or ("v" in tags and next(iter(tags)) != "v"):
        return Found(Published.BROKEN, "v=DKIM1 has to be its first tag, just so")
    if not public:
        return Found(Published.REVOKED, "its p= is empty: the key is revoked, and every signature by it fails")
    if kind != key.type:
        return Found(Published.DIFFERS, f"it is for a key of type {kind[:20]}, and ours is {key.type}")
    if key.public.startswith(public) and public != key.public:
        return Found(Published.DIFFERS, "its key is cut short: perhaps only the first string was published")
    if public != key.public:
        return _judge_another(public, key)
    if "h" in tags and "sha256" not in _listed(tags["h"]):
        return Found(Published.BROKEN, "its h= does not allow sha256")
    if "s" in tags and not {"*", "email"} & set(_listed(tags["s"])):
        return Found(Published.BROKEN, "its s= is not for mail")
    if "y" in _listed(tags.get("t", "")):
        return Found(Published.OK, "published, with t=y: hosts may treat the mail as if it were not signed")
    return Found(Published.OK, "published, and it is our key")


def _judge_another(public: str, key: SigningKey) -> Found:
    """What is published is not what should be: nothing that is a key, our key in a form that nobody reads, or another.

    An RSA key stands in its record with what says that it is one (RFC 6376 §3.6.1, RFC 5280 §4.1), and not by itself
    (RFC 8017 §A.1.1); an Ed25519 key just the other way round (RFC 8463 §4.2).
    """
    try:
        found, ours = b64decode(public, validate=True), b64decode(key.public)
    except ValueError:
        return Found(Published.BROKEN, "its p= is not base64: perhaps a part of it got lost, or a quote got in")
    if len(found) >= SHORTEST and (ours.endswith(found) or found.endswith(ours)):
        return Found(Published.BROKEN, "it is our key in another form, which hosts do not read: publish the record")
    return Found(Published.DIFFERS, "it has another key than the private one")


def _listed(value: str) -> list[str]:
    return [WHITE.sub("", one) for one in value.split(":")]


def _tags(record: str) -> dict[str, str] | None:
    """The tag list of RFC 6376 §3.2; none: it is not one."""
    tags: dict[str, str] = {}
    for part in record.rstrip("; \t").split(";"):
        name, sign, value = part.partition("=")
        if not sign or name.strip() in tags or TAG_NAME.fullmatch(name.strip(BLANKS)) is None:
            return None
        tags[name.strip()] = value.strip()
    return tags
