"""The checks that span several keys, made on the tables as they were written.

They do not wait for the single values to be right, so that one run shows everything that is wrong with a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from softbounce.address import ascii_domain
from softbounce_config.alert_checks import alert_contradictions
from softbounce_config.brakes import BRAKE
from softbounce_config.complaints import NO_VALUE, Complaint, nearest
from softbounce_config.config import DEFAULT_POLICY
from softbounce_config.dkim import is_glob
from softbounce_config.fields import RULE_NAME
from softbounce_config.list_checks import LISTS, list_contradictions
from softbounce_config.quota_checks import quiet_contradictions, quota_contradictions
from softbounce_config.route_checks import route_contradictions
from softbounce_config.webhook_checks import webhook_contradictions

__all__ = ["contradictions"]

SHARES = ("hard", "sender_fault", "complaints")
REPLY_CONDITIONS = ("code", "enhanced", "site", "stage", "text")


def contradictions(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    """What does not fit together in the merged *tables*."""
    for one in LISTS:
        yield from list_contradictions(one, _listed(tables, one.key))
    policies = _named(tables, "policy")
    yield from _policies(policies)
    yield from _assigned(tables, {DEFAULT_POLICY, *policies})
    yield from _replies(tables)
    yield from _tls(tables)
    yield from _certificate(tables)
    yield from route_contradictions(_listed(tables, "route"))
    yield from _brakes(tables)
    yield from quota_contradictions(_listed(tables, "quota"), tables.get("store"))
    yield from quiet_contradictions(_listed(tables, "quiet"))
    yield from _signing(tables)
    yield from webhook_contradictions(_listed(tables, "webhook"), {DEFAULT_POLICY, *policies})
    yield from alert_contradictions(_listed(tables, "alert"), _listed(tables, "webhook"))
    yield from _returns(tables)
    yield from _gate(tables)


def _policies(policies: Mapping[str, Any]) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for name, policy in policies.items():
        path = ("policy", name)
        if RULE_NAME.fullmatch(name) is None:
            yield Complaint(path, NO_VALUE, "a name has 1 to 64 letters, digits, dots, hyphens and underscores")
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield Complaint(path, NO_VALUE, f"differs from {other} by case only: choose another name")
        if isinstance(policy, dict) and policy.get("delays") and policy.get("wait"):
            yield Complaint((*path, "wait"), policy["wait"], "excludes delays: give one of them")


def _assigned(tables: Mapping[str, Any], policies: set[str]) -> Iterator[Complaint]:
    for number, rule in _listed(tables, "assign"):
        policy = rule.get("policy")
        if isinstance(policy, str) and policy not in policies:
            reason = f"no such policy{nearest(policy, sorted(policies))}"
            yield Complaint(("assign", number, "policy"), policy, reason)


def _replies(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    for number, rule in _listed(tables, "reply"):
        if not any(condition in rule for condition in REPLY_CONDITIONS):
            reason = f"would judge every reply: give at least one of {', '.join(REPLY_CONDITIONS)}"
            yield Complaint(("reply", number), NO_VALUE, reason)


def _tls(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    for number, rule in _listed(tables, "tls"):
        mode = rule.get("mode")
        for key in ("roots", "minimum_version"):
            if key in rule and mode == "none":
                yield Complaint(("tls", number, key), rule[key], 'has no meaning with mode = "none"')


def _certificate(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    gateway = _named(tables, "gateway")
    for one, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        if gateway.get(one) and not gateway.get(other):
            yield Complaint(("gateway", one), gateway[one], f"needs {other} beside it")


def _brakes(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    for number, rule in _listed(tables, "brake"):
        if not any(share in rule for share in SHARES):
            reason = f"would never hold anything: give at least one of {', '.join(SHARES)}"
            yield Complaint(("brake", number), NO_VALUE, reason)
        of, at_least = rule.get("of", BRAKE.of), rule.get("at_least", BRAKE.at_least)
        if isinstance(of, int) and isinstance(at_least, int) and at_least > of:
            reason = f"must not be more than of, which is {of}: so many are never counted"
            yield Complaint(("brake", number, "at_least"), at_least, reason)


def _signing(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    seen: dict[tuple[str, ...], int] = {}
    for number, table in _listed(tables, "dkim"):
        path = ("dkim", number)
        if bool(table.get("key_file")) == bool(table.get("key_env")):
            yield Complaint(path, NO_VALUE, "needs its key: give one of key_file and key_env")
        domain, selector, signer = (_lower(table.get(key, "")) for key in ("domain", "selector", "d"))
        if seen.setdefault((domain, signer or domain, selector), number) != number:
            first = seen[domain, signer or domain, selector]
            yield Complaint((*path, "selector"), selector, f"dkim[{first}] has this selector for the domain already")
        if signer and domain and not is_glob(domain) and not f".{domain}".endswith(f".{signer}"):
            reason = f"is neither {domain} nor above it, so no host would count the signature for that (DMARC)"
            yield Complaint((*path, "d"), signer, reason)


def _returns(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    gateway = _named(tables, "gateway")
    rules = list(_listed(tables, "returns"))
    if not any(rule.get("domain") for _, rule in rules):
        for key in ("returns", "returns_lmtp"):
            if gateway.get(key):
                reason = "would take nothing: no [[returns]] table names a domain"
                yield Complaint(("gateway", key), gateway[key], reason)
    for number, rule in rules:
        if rule.get("feedback") and not rule.get("domain"):
            yield Complaint(("returns", number, "feedback"), rule["feedback"], "needs domain beside it")


def _gate(tables: Mapping[str, Any]) -> Iterator[Complaint]:
    gate = tables.get("gate")
    if isinstance(gate, dict) and "allow" not in gate:
        reason = 'needs allow: without it mail goes to everybody; write allow = ["*@example.com"], or leave [gate] out'
        given = next(iter(gate), None)  # where it comes from is told of a key, and of no table
        path, value = (("gate",), NO_VALUE) if given is None else (("gate", given), gate[given])
        yield Complaint(path, value, reason)


def _lower(value: object) -> str:
    """A domain in A-labels where it is one, and whatever else it is in lower case."""
    try:
        return ascii_domain(str(value).lower())
    except ValueError:
        return str(value).lower()


def _named(tables: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    named = tables.get(key)
    return named if isinstance(named, dict) else {}


def _listed(tables: Mapping[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    listed = tables.get(key)
    if isinstance(listed, list | tuple):
        yield from ((number, rule) for number, rule in enumerate(listed) if isinstance(rule, dict))
