"""What the labels of a domain name ask of its DNS, and of the mail hosts below the name (:mod:`.host_labels`).

Any label of the name counts, so ``a.slow500.test`` and ``slow500.a.test`` are alike; host labels combine
(``slow500.nopipelining.a.test``). Labels that are not in these tables mean nothing. Pure; answers nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from softbounce_playground.host_behaviour import PLAIN, HostBehaviour
from softbounce_playground.host_labels import shaped_by

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
        elif (shaped := shaped_by(label, behaviour)) is not None:
            behaviour = shaped
            host_labels.append(label)
    if not host_labels:
        return reading
    return replace(reading, host_labels=tuple(sorted(host_labels)), behaviour=behaviour)
