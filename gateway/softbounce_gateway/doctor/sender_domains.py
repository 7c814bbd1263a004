"""SPF, DKIM and DMARC of the domains that mail came from: what a receiver finds when it asks whether it is ours.

Which domains: those that were named, and of the store's mail a bounded number of envelopes is looked at. RFC 7208, RFC
6376, RFC 7489 §6.6.3 (whose record binds a subdomain).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from softbounce_worker.route.site import load_suffixes

from softbounce.errors import ConfigError, StoreError
from softbounce_gateway.dkim.published import Published, look_up, resolver_of
from softbounce_gateway.doctor.dns_questions import NotTold
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import Patient
from softbounce_gateway.doctor.spf import SpfResult, evaluate, is_spf

__all__ = ["MOST_DOMAINS", "check"]

MOST_DOMAINS = 10
RESULTS = {SpfResult.NEUTRAL, SpfResult.SOFTFAIL}
POLICIES = {"none", "quarantine", "reject"}
DMARC = re.compile(r"\s*v[ \t]*=[ \t]*DMARC1[ \t]*(;|$)")  # RFC 7489 §6.4


def check(patient: Patient) -> Iterator[Finding]:
    """The domains, those with the most mail first."""
    domains = list(dict.fromkeys(patient.domains))
    if not domains:
        try:
            domains = _of_store(patient)
        except StoreError:
            mend = "mend the store first, or name a domain: softbounce doctor --domain DOMAIN"
            yield unknown("sender domains", "the store does not tell whose mail there is", mend)
            return
    if not domains:
        yield unknown("sender domains", "no mail came yet", "name a domain: softbounce doctor --domain DOMAIN")
        return
    for domain in domains[:MOST_DOMAINS]:
        try:
            yield from _look_at(patient, domain)
        except NotTold as error:
            yield unknown(domain, str(error), "mend the name server first")
    if len(domains) > MOST_DOMAINS:
        rest = len(domains) - MOST_DOMAINS
        yield unknown(
            "sender domains",
            f"{rest} more {'was' if rest == 1 else 'were'} not looked at",
            "name them: softbounce doctor --domain DOMAIN",
        )


def _of_store(patient: Patient) -> list[str]:
    senders = [shown.sender.rpartition("@")[2].lower() for shown in patient.envelopes]
    counted = Counter(sender for sender in senders if sender)
    return [domain for domain, _ in counted.most_common()]


def _look_at(patient: Patient, domain: str) -> Iterator[Finding]:
    yield _takes_mail(patient, domain)
    yield from _spf(patient, domain)
    yield from _dkim(patient, domain)
    yield _dmarc(patient, domain)


def _takes_mail(patient: Patient, domain: str) -> Finding:
    what = f"{domain}: bounces"
    answer = patient.dns.ask(domain, "MX")
    mend = (
        f"give {domain} a mail host, or send from a domain that has one: receivers refuse mail that cannot be answered"
    )
    if answer.is_missing:
        return fail(what, "the domain does not exist", mend)
    if answer.records == (".",):
        return fail(what, "it takes no mail (null MX)", mend)
    if answer.records or patient.dns.addresses(domain):
        return good(what, f"they go to {answer.records[0] if answer.records else domain}")
    return fail(what, "it has neither MX nor address", mend)


def _spf(patient: Patient, domain: str) -> Iterator[Finding]:
    what = f"{domain}: SPF"
    for address in patient.sending_addresses or (None,):
        if address is None:
            records = [one for one in patient.dns.ask(domain, "TXT").records if is_spf(one)]
            behind = "behind a NAT, say what the world sees: softbounce doctor --address ADDRESS"
            if records:
                yield unknown(what, f"{records[0]}; whether that is us cannot be seen from here", behind)
            else:
                yield fail(what, "it has no SPF record", f'publish TXT of {domain}: "v=spf1 ip4:ADDRESS -all"')
            continue
        verdict = evaluate(patient.dns, domain, address)
        term = f"ip{address.version}:{address}"
        mend = f"add {term} to the SPF record of {domain}"
        if verdict.result is SpfResult.PASS:
            yield good(what, f"{address} may send ({verdict.why})")
        elif verdict.result is SpfResult.NONE:
            yield fail(what, "it has no SPF record", f'publish TXT of {domain}: "v=spf1 {term} -all"')
        elif verdict.result in RESULTS:
            yield warn(what, f"{address} is neither allowed nor forbidden: {verdict.result}, {verdict.why}", mend)
        elif verdict.result in {SpfResult.NOT_KNOWN, SpfResult.TEMPERROR}:
            yield unknown(what, f"{address}: {verdict.why}", "ask again; or read the record")
        else:
            mend = mend if verdict.result is SpfResult.FAIL else f"mend the record of {domain}"
            yield fail(what, f"{address}: {verdict.result}, {verdict.why}", mend)


def _dkim(patient: Patient, domain: str) -> Iterator[Finding]:
    what = f"{domain}: DKIM"
    try:
        rules = patient.signing.for_author(domain)
    except ConfigError as error:
        yield fail(what, str(error), "softbounce dkim check tells more")
        return
    if not rules:
        mend = (
            f"softbounce dkim new {domain} makes a key, its record and its [[dkim]] table; or the app signs by itself"
        )
        yield warn(what, "no [[dkim]] table fits it: mail leaves as the app made it", mend)
        return
    resolver = resolver_of(patient.dns.servers, patient.seconds)
    for rule in rules:
        name = f"{rule.told.selector}._domainkey.{rule.told.d or domain}"
        found = look_up(resolver, name, rule.key)
        words = f"{name}: {found.detail}"
        if found.state is Published.OK:
            yield good(what, words)
        elif found.state is Published.UNKNOWN:
            yield unknown(what, words, "mend the name server first")
        else:
            yield fail(what, words, f"publish what `softbounce dkim check {domain}` prints")


def _dmarc(patient: Patient, domain: str) -> Finding:
    what = f"{domain}: DMARC"
    organisation = load_suffixes().privatesuffix(domain) or domain
    for place in dict.fromkeys((domain, organisation)):
        records = [one for one in patient.dns.ask(f"_dmarc.{place}", "TXT").records if _is_dmarc(one)]
        if len(records) > 1:
            return fail(what, f"{len(records)} records at _dmarc.{place}: receivers take none", "leave one")
        if records:
            return _judge_dmarc(what, place, records[0], is_own=place == domain)
    example = '"v=DMARC1; p=none; rua=mailto:dmarc@' + organisation + '"'
    mend = f"publish TXT of _dmarc.{organisation}: {example}; large providers ask for it of whoever sends much"
    return warn(what, "there is no record", mend)


def _judge_dmarc(what: str, place: str, record: str, *, is_own: bool) -> Finding:
    if record[0].isspace():
        return fail(
            what, f"the record at _dmarc.{place} begins with a blank: many receivers take it for none", "leave it out"
        )
    tags = _tags(record)
    tag = "p" if is_own or "sp" not in tags else "sp"  # what binds subdomains, RFC 7489 §6.3
    policy = tags.get(tag, "")
    if policy not in POLICIES:
        return fail(
            what, f"_dmarc.{place} has {tag}={policy[:20] or 'nothing'}", f"set {tag}=none, quarantine or reject"
        )
    if "rua" not in tags:
        mend = f"add rua=mailto:... to _dmarc.{place}: without, nobody tells you what fails"
        return warn(what, f"{tag}={policy} (_dmarc.{place}), and no reports", mend)
    return good(what, f"{tag}={policy} (_dmarc.{place})")


def _is_dmarc(record: str) -> bool:
    """Whether it is one, or was meant to be: receivers take none that begins with a blank."""
    return DMARC.match(record) is not None


def _tags(record: str) -> dict[str, str]:
    pairs: Sequence[tuple[str, str, str]] = [part.partition("=") for part in record.split(";")]
    return {name.strip().lower(): value.strip().lower() for name, sign, value in pairs if sign}
