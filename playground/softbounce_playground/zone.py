"""What the playground's DNS knows: every domain exists, some names ask for trouble, and zones may say otherwise.

Pure but for a table that its owner may change; ``softbounce_playground.nameserver`` puts the answers on the wire.
RFC 5321 §5.1 for MX, RFC 7505 for the null MX, RFC 1034 §3.6.2 for CNAME.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from softbounce_playground.dns_labels import DnsError, Reading, read_name

__all__ = ["Directory", "DnsAnswer", "Records", "Zone"]

DEFAULT_TTL_SECONDS = 60
MANY_MX = 60
MAX_ALIASES = 16
PRIVATE_ADDRESS = "10.0.0.1"
MOST_PIECE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """The records of one name, in place of what its labels would give.

    :ivar mx: preference and host; empty: no MX records. Hosts that no zone describes have an address all the same.
    :ivar a: IPv4 addresses by host name, the zone's own name included where it shall have one.
    :ivar aaaa: IPv6 addresses, likewise.
    :ivar txt: texts by name: of policies (``_mta-sts.``, RFC 8461) and the like; of some length, quoted as needed.
    :ivar tlsa: what DANE says of hosts (``_25._tcp.``, RFC 7672), by name, as zone files write it: ``3 1 1 0a0b..``.
    :ivar is_signed: answers about its names are authentic, as a validating resolver says it (AD, RFC 4035 §3.2.3).
    :ivar cname: the name is an alias for this one, and has no other records.
    :ivar error: every question about the name, and about names below it, fails like this.
    :ivar ttl_seconds: of its records; ``None``: the directory's.
    """

    mx: Sequence[tuple[int, str]] = ()
    a: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    aaaa: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    txt: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    tlsa: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    is_signed: bool = False
    cname: str | None = None
    error: DnsError | None = None
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Records of one name and type, in presentation format."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """An answer: records, none (the name exists, the type does not), or an error.

    :ivar is_signed: all names on the way are in signed zones.
    """

    records: tuple[Records, ...] = ()
    error: DnsError | None = None
    is_signed: bool = False


class Directory:
    """All names.

    :ivar zones: zones by name in lower case; change them at any time. The zone with the longest matching name decides.
    :ivar ttl_seconds: of records whose zone says nothing else.
    """

    def __init__(self, address_of: Callable[[str], str], dead_address_of: Callable[[str], str]) -> None:
        self._address_of = address_of
        self._dead_address_of = dead_address_of
        self.zones: dict[str, Zone] = {}
        self.ttl_seconds = DEFAULT_TTL_SECONDS

    def answer(self, name: str, type_: str) -> DnsAnswer:
        """Answer a question about a name (lower case, no final dot), following aliases as a resolver would."""
        found: list[Records] = []
        seen: set[str] = set()
        is_signed = True
        while name not in seen and len(seen) < MAX_ALIASES:
            seen.add(name)
            zone = self._zone_of(name)
            is_signed = is_signed and zone is not None and zone[1].is_signed
            error = zone[1].error if zone is not None else read_name(name).error
            if error is not None:
                return DnsAnswer(records=tuple(found), error=error)
            alias = self._alias(name)
            if alias is None:
                values = self._values(name, type_)
                if values:
                    found.append(self._records(name, type_, values))
                break
            found.append(self._records(name, "CNAME", (f"{alias}.",)))
            if type_ == "CNAME":
                break
            name = alias
        return DnsAnswer(records=tuple(found), is_signed=is_signed)

    def mx_hosts(self, domain: str) -> tuple[str, ...]:
        """The names of a domain's MX hosts, aliases followed, best first."""
        records = self.answer(domain, "MX").records
        values = [value.split() for record in records if record.type == "MX" for value in record.values]
        return tuple(host.rstrip(".") for _, host in sorted((int(preference), host) for preference, host in values))

    def _zone_of(self, name: str) -> tuple[str, Zone] | None:
        if not self.zones:
            return None
        labels = name.split(".")
        for start in range(len(labels)):
            candidate = ".".join(labels[start:])
            if candidate in self.zones:
                return candidate, self.zones[candidate]
        return None

    def _records(self, name: str, type_: str, values: tuple[str, ...]) -> Records:
        zone = self._zone_of(name)
        ttl = zone[1].ttl_seconds if zone is not None else None
        return Records(name=name, type=type_, values=values, ttl_seconds=self.ttl_seconds if ttl is None else ttl)

    def _alias(self, name: str) -> str | None:
        zone = self._zone_of(name)
        if zone is not None:
            return zone[1].cname.lower().rstrip(".") if zone[1].cname and zone[0] == name else None
        match read_name(name).route:
            case "cname":
                return _relabel(name, "cname", "canonical")
            case "loop":
                return _relabel(name, "loop", "looped")
            case "looped":
                return _relabel(name, "looped", "loop")
            case _:
                return None

    def _values(self, name: str, type_: str) -> tuple[str, ...]:
        zone = self._zone_of(name)
        if zone is None:
            return self._default(name, type_)
        origin, records = zone
        if type_ == "MX" and name == origin:
            return tuple(f"{preference} {host.rstrip('.')}." for preference, host in records.mx)
        told = {"A": records.a, "AAAA": records.aaaa, "TXT": records.txt, "TLSA": records.tlsa}.get(type_, {})
        if name in told:
            values = told[name]
            values = (values,) if isinstance(values, str) else tuple(values)
            return tuple(map(_quoted, values)) if type_ == "TXT" else values
        return () if name == origin else self._default(name, type_)

    def _default(self, name: str, type_: str) -> tuple[str, ...]:
        reading = read_name(name)
        if type_ == "MX":
            return _default_mx(name, reading)
        return (self._default_address(name, reading.route),) if type_ == "A" else ()

    def _default_address(self, name: str, route: str | None) -> str:
        if route == "private":
            return PRIVATE_ADDRESS
        if route == "alldead" or (route == "deadmx" and name.partition(".")[0] in {"mx1", "mx2"}):
            return self._dead_address_of(name)
        return self._address_of(name)


def _default_mx(name: str, reading: Reading) -> tuple[str, ...]:
    match reading.route:
        case "nullmx":
            return ("0 .",)
        case "nomx":
            return ()
        case "deadmx":
            return tuple(f"{number}0 mx{number}.{name}." for number in (1, 2, 3))
        case "manymx":
            return tuple(f"{number} mx{number}.{name}." for number in range(1, MANY_MX + 1))
        case "shared":
            return tuple(f"{number}0 mx{number}.bighost{reading.shared}.test." for number in (1, 2))
        case _:
            return tuple(f"{number}0 mx{number}.{name}." for number in (1, 2))


def _relabel(name: str, old: str, new: str) -> str:
    return ".".join(new if label == old else label for label in name.split("."))


def _quoted(text: str) -> str:
    """A text as zone files write it, in pieces of 255 octets at most (RFC 1035 §3.3.14)."""
    pieces = (text[at : at + MOST_PIECE] for at in range(0, max(len(text), 1), MOST_PIECE))
    return " ".join('"{}"'.format(piece.replace("\\", r"\\").replace('"', r"\"")) for piece in pieces)
