"""What the labels of a domain name ask the playground to do: for its DNS, and for the mail hosts below the name.

Any label of the name counts, so ``a.slow500.test`` and ``slow500.a.test`` are alike; host labels combine
(``slow500.nopipelining.a.test``). Labels that are not in these tables mean nothing. Pure; answers nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Literal

from softbounce_playground.behaviour import PLAIN, HostBehaviour
from softbounce_playground.point import DROP, Point, scripted_reply

__all__ = ["DnsError", "Reading", "read_name"]

DnsError = Literal["nxdomain", "servfail", "refused", "timeout"]

ERRORS: dict[str, DnsError] = {
    "nxdomain": "nxdomain",
    "servfail": "servfail",
    "refused": "refused",
    "timeout": "timeout",
}
ROUTES = frozenset({"nullmx", "nomx", "deadmx", "alldead", "cname", "loop", "looped", "private", "manymx"})
SHARED = re.compile(r"shared[0-9]{0,4}")
AT_POINT = re.compile(r"(c[1-9][0-9]{2}|drop|hang)at-(greeting|ehlo|mail|rcpt|data|body|dot|rset|quit)")
GREETING = re.compile(r"greet([1-9][0-9]{2})")
NUMBERED = re.compile(r"(slow|size|rcptmax|maxconn)([0-9]{1,9})")
WITHOUT = {
    "nopipelining": "PIPELINING",
    "nosize": "SIZE",
    "no8bitmime": "8BITMIME",
    "nosmtputf8": "SMTPUTF8",
    "noenhanced": "ENHANCEDSTATUSCODES",
}
GREETING_TEXTS = {
    "421": "421 4.3.2 Service not available, try again later",
    "554": "554 5.7.1 No mail service for you here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a name asks for.

    :ivar error: how its DNS fails, for every type of record.
    :ivar route: the label that shapes its MX records, one of ``nullmx nomx deadmx alldead cname loop looped private
        manymx shared``.
    :ivar shared: for ``shared``, the number after it: which of the shared sets of hosts.
    :ivar host_labels: the labels that shape its hosts, sorted; empty for plain hosts.
    :ivar behaviour: what these labels add up to.
    """

    error: DnsError | None = None
    route: str | None = None
    shared: str = ""
    host_labels: tuple[str, ...] = ()
    behaviour: HostBehaviour = PLAIN


@lru_cache(maxsize=65536)
def read_name(name: str) -> Reading:
    """Read a domain or host name (lower case, no final dot)."""
    reading = Reading()
    host_labels: list[str] = []
    behaviour = PLAIN
    for label in name.split("."):
        if label in ERRORS:
            reading = replace(reading, error=ERRORS[label])
        elif label in ROUTES:
            reading = replace(reading, route=label)
        elif SHARED.fullmatch(label):
            reading = replace(reading, route="shared", shared=label.removeprefix("shared"))
        elif (shaped := _shape(behaviour, label)) is not None:
            behaviour = shaped
            host_labels.append(label)
    if not host_labels:
        return reading
    return replace(reading, host_labels=tuple(sorted(host_labels)), behaviour=behaviour)


def _shape(behaviour: HostBehaviour, label: str) -> HostBehaviour | None:
    """The behaviour with a label's wish added, or ``None`` when the label is not one of ours."""
    if label in WITHOUT:
        return replace(behaviour, extensions=tuple(word for word in behaviour.extensions if word != WITHOUT[label]))
    if label == "noehlo":
        return _with_reply(behaviour, Point.EHLO, "502 5.5.1 Command not implemented")
    if label == "drop":
        return _with_reply(behaviour, Point.GREETING, DROP)
    if label == "blinddata":
        return replace(behaviour, data_without_recipients=True)
    if found := AT_POINT.fullmatch(label):
        return _with_reply(behaviour, Point(found[2]), scripted_reply(found[1]))
    if found := GREETING.fullmatch(label):
        return _with_reply(behaviour, Point.GREETING, GREETING_TEXTS.get(found[1]) or scripted_reply(f"c{found[1]}"))
    if found := NUMBERED.fullmatch(label):
        return _with_number(behaviour, found[1], int(found[2]))
    return None


def _with_reply(behaviour: HostBehaviour, point: Point, reply: str) -> HostBehaviour:
    return replace(behaviour, replies={**behaviour.replies, point: reply})


def _with_number(behaviour: HostBehaviour, word: str, number: int) -> HostBehaviour:
    match word:
        case "slow":
            return replace(behaviour, delay=timedelta(milliseconds=number))
        case "size":
            return replace(behaviour, max_message_octets=number)
        case "rcptmax":
            return replace(behaviour, max_recipients=number)
        case _:
            return replace(behaviour, max_connections=number)
