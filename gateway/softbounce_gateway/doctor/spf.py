"""Whether a domain's SPF record lets an address send, as a receiver would find it (RFC 7208 §4), and why not.

Macros (§7) are not expanded, nor is ``ptr`` (§5.5, "should not be used") looked into: what depends on one is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from softbounce_gateway.doctor.dns_questions import Answer, DnsQuestions, NotTold
from softbounce_gateway.doctor.patient import Address

__all__ = ["SpfResult", "Verdict", "evaluate", "is_spf"]

MOST_LOOKUPS = 10  # §4.6.4
MOST_VOID = 2
MOST_HOSTS = 10  # of one mx, §4.6.4
MOST_TERMS = 100
MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})


class SpfResult(StrEnum):
    """What a receiver finds (§2.6), and: it cannot be told from here."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    NOT_KNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is found, and in words by what."""

    result: SpfResult
    why: str


class _Ends(Exception):
    """The evaluation ends here, whatever else the record says."""

    def __init__(self, result: SpfResult, why: str) -> None:
        super().__init__(why)
        self.verdict = Verdict(result=result, why=why)


QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


def is_spf(record: str) -> bool:
    """Whether a TXT record is one of SPF's (§4.5); in any case of letters, as all of it (§12)."""
    return record.lower().partition(" ")[0] == "v=spf1"


def evaluate(dns: DnsQuestions, domain: str, address: Address) -> Verdict:
    """What a receiver finds for mail from *domain* that comes from *address*."""
    try:
        return _Evaluation(dns, address).of(domain)
    except _Ends as end:
        return end.verdict
    except NotTold as error:
        return Verdict(result=SpfResult.TEMPERROR, why=str(error))


@dataclass
class _Evaluation:
    """One address, and what has been looked up for it so far."""

    dns: DnsQuestions
    address: Address
    lookups: int = field(default=0, init=False)
    void: int = field(default=0, init=False)

    def of(self, domain: str) -> Verdict:
        """What the record of a domain says."""
        records = [one for one in self.dns.ask(domain, "TXT").records if is_spf(one)]
        if not records:
            return Verdict(result=SpfResult.NONE, why=f"{domain} has no SPF record")
        if len(records) > 1:
            raise _Ends(SpfResult.PERMERROR, f"{domain} has {len(records)} SPF records: leave one")
        mechanisms, modifiers = _read(records[0], domain)
        for term in mechanisms:
            qualifier = QUALIFIERS.get(term[0])
            if self._matches(term if qualifier is None else term[1:], domain):
                return Verdict(result=qualifier or SpfResult.PASS, why=f"by {term} of {domain}")
        if redirect := modifiers.get("redirect"):
            self._count()
            verdict = self.of(_plain(redirect))
            if verdict.result is SpfResult.NONE:
                raise _Ends(SpfResult.PERMERROR, f"redirect={redirect}, which has no SPF record")
            return verdict
        return Verdict(
            result=SpfResult.NEUTRAL, why=f"nothing in the record of {domain} is about it, and it has no all"
        )

    def _matches(self, mechanism: str, domain: str) -> bool:
        name, rest = _split(mechanism)
        match name:
            case "all":
                return True
            case "ip4" | "ip6":
                return self.address in _network(rest.removeprefix(":"), mechanism)
            case "include":
                return self._is_included(rest.removeprefix(":"))
            case "a" | "mx":
                return self._is_host(name, rest, domain)
            case "exists":
                return bool(self._ask(_plain(rest.removeprefix(":")), "A").records)
            case _:
                raise _Ends(SpfResult.NOT_KNOWN, f"the record of {domain} has ptr, which depends on the receiver")

    def _is_included(self, other: str) -> bool:
        self._count()
        verdict = self.of(_plain(other))
        if verdict.result is SpfResult.NONE:
            raise _Ends(SpfResult.PERMERROR, f"include:{other}, which has no SPF record")
        return verdict.result is SpfResult.PASS

    def _is_host(self, name: str, rest: str, domain: str) -> bool:
        target, four, six = _dual(rest)
        target = _plain(target) or domain
        kind = "A" if self.address.version == 4 else "AAAA"  # noqa: PLR2004 - IPv4
        length = four if kind == "A" else six
        if name == "a":
            return self._is_near(self._ask(target, kind).records, length)
        hosts = self._ask(target, "MX").records
        if len(hosts) > MOST_HOSTS:
            raise _Ends(SpfResult.PERMERROR, f"mx of {target} has more than {MOST_HOSTS} hosts")
        return any(self._is_near(self.dns.ask(host, kind).records, length) for host in hosts if host != ".")

    def _is_near(self, records: tuple[str, ...], length: str) -> bool:
        return any(self.address in _network(f"{one}/{length}" if length else one, one) for one in records)

    def _ask(self, name: str, kind: str) -> Answer:
        self._count()
        answer = self.dns.ask(name, kind)
        if not answer.records:
            self.void += 1
            if self.void > MOST_VOID:
                raise _Ends(SpfResult.PERMERROR, f"more than {MOST_VOID} of its names lead nowhere, the last {name}")
        return answer

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Ends(SpfResult.PERMERROR, f"it needs more than {MOST_LOOKUPS} look-ups: receivers give up there")


def _read(record: str, domain: str) -> tuple[list[str], dict[str, str]]:
    """Its mechanisms and modifiers, all of them: one that nobody can read spoils the record, wherever it is (§4.6)."""
    mechanisms: list[str] = []
    modifiers: dict[str, str] = {}
    for term in record.split()[1 : MOST_TERMS + 1]:
        name, sign, value = term.partition("=")
        if sign and name.lower() in {"redirect", "exp"}:
            if name.lower() in modifiers:
                raise _Ends(SpfResult.PERMERROR, f"{domain} has {name.lower()}= twice")
            modifiers[name.lower()] = value
        elif not (sign and name.isalnum()):  # else a modifier that nobody knows, §6
            _check_form(term if term[0] not in QUALIFIERS else term[1:], domain)
            mechanisms.append(term)
    return mechanisms, modifiers


def _check_form(mechanism: str, domain: str) -> None:
    """See that a mechanism is one, and whole."""
    name, rest = _split(mechanism)
    if name not in MECHANISMS:
        raise _Ends(SpfResult.PERMERROR, f"{domain} has {mechanism[:60]!r}, which is no mechanism")
    if rest == ":" or (name == "all" and rest) or (name in {"include", "exists"} and not rest.startswith(":")):
        raise _Ends(SpfResult.PERMERROR, f"{domain} has {mechanism[:60]!r}, which nobody can read")
    if name in {"ip4", "ip6"} and _network(rest.removeprefix(":"), mechanism).version != int(name[2]):
        raise _Ends(SpfResult.PERMERROR, f"{mechanism[:60]!r} has a network of the other family")


def _network(text: str, mechanism: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise _Ends(SpfResult.PERMERROR, f"{mechanism[:60]!r} has no network") from None


def _split(mechanism: str) -> tuple[str, str]:
    """A mechanism's name, and the rest with its colon or slash."""
    at = next((at for at, one in enumerate(mechanism) if one in ":/"), len(mechanism))
    return mechanism[:at].lower(), mechanism[at:]


def _dual(rest: str) -> tuple[str, str, str]:
    """Domain, and the prefix lengths for IPv4 and IPv6 (§5.6): ``:example.com/24//64``."""
    head, _, six = rest.partition("//")
    target, _, four = head.partition("/")
    return target.removeprefix(":"), four, six


def _plain(name: str) -> str:
    if "%" in name:
        raise _Ends(SpfResult.NOT_KNOWN, f"it has a macro ({name[:60]}), which only a receiver expands")
    return name.rstrip(".").lower()
