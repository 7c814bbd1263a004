"""Whether lists of bad senders have our addresses (RFC 5782), as far as they tell whoever asks by our name servers.

Many lists refuse those who ask through a public resolver, or too often, with an answer that looks like a listing
(127.255.255.254, 127.0.0.1), and one that was given up may list everybody. So each is asked first for the two addresses
whose answers are known (§5), and nothing that such a list says of ours counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

from softbounce_gateway.doctor.dns_questions import NotTold
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown
from softbounce_gateway.doctor.patient import Address, Patient

__all__ = ["check"]

WHAT = "blocklists"
MOST_ADDRESSES = 8
ANSWERS = ip_network("127.0.0.0/8")
REFUSALS = tuple(ip_network(one) for one in ("127.255.0.0/16", "127.0.0.1/32", "127.0.1.255/32", "127.0.0.255/32"))
"""With these lists say that they do not tell: an error, a public resolver, too many questions."""
NEVER_LISTED, ALWAYS_LISTED = "1.0.0.127", "2.0.0.127"
ALWAYS_LISTED_IPV6 = "2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20
IPV6 = 6
KEY = re.compile(r"\b(?=[a-z]*[0-9])[0-9a-z]{20,63}(?=\.)")
KEY_SHOWN = "(key)"
REASON_CHARACTERS = 120


def check(patient: Patient) -> Iterator[Finding]:
    """Each list, about each address that we send from.

    A list's name may bear the key of whoever pays for it: it is shown without.
    """
    for one in _look(patient):
        what, found, mend = (KEY.sub(KEY_SHOWN, text) for text in (one.what, one.found, one.mend))
        yield replace(one, what=what, found=found, mend=mend)


def _look(patient: Patient) -> Iterator[Finding]:
    lists = patient.config.health.blocklists
    if not lists:
        return
    addresses = patient.sending_addresses[:MOST_ADDRESSES]
    if not addresses:
        behind = "say what the world sees: [identity] addresses, or softbounce doctor --address ADDRESS"
        yield unknown(WHAT, "the address that we send from cannot be seen from here", behind)
        return
    for name in lists:
        try:
            trouble = _trouble_of(patient, name)
        except NotTold as error:
            trouble = str(error)
        if trouble:
            mend = f"ask it by a resolver of your own; or take {name} out of [health] blocklists"
            yield unknown(f"{WHAT}: {name}", trouble, mend)
            continue
        for address in addresses:
            yield _ask(patient, name, address)


def _trouble_of(patient: Patient, name: str) -> str:
    """Why nothing that a list says counts; empty: it works as one."""
    if told := patient.dns.ask(f"{NEVER_LISTED}.{name}", "A").records:
        return f"it has an answer to everything ({told[0]} for 127.0.0.1, which nobody may list)"
    told = patient.dns.ask(f"{ALWAYS_LISTED}.{name}", "A").records
    if not told:
        return "it does not list 127.0.0.2, as each list does (RFC 5782): given up, or it does not answer us"
    return _refusal(told)


def _ask(patient: Patient, name: str, address: Address) -> Finding:
    what = f"{WHAT}: {address} on {name}"
    place = f"{_reversed(address)}.{name}"
    try:
        told = patient.dns.ask(place, "A").records
        if not told and address.version == IPV6 and not patient.dns.ask(f"{ALWAYS_LISTED_IPV6}.{name}", "A").records:
            found = "it does not list ::ffff:127.0.0.2, as each list of IPv6 addresses does: it may have none"
            return unknown(what, found, "nothing, if it is a list of IPv4 addresses")
        if not told:
            return good(what, "it is not listed")
        if refused := _refusal(told):
            return unknown(
                what, refused, f"ask it by a resolver of your own; or take {name} out of [health] blocklists"
            )
        reason = " ".join(patient.dns.ask(place, "TXT").records)[:REASON_CHARACTERS]
    except NotTold as error:
        return unknown(what, str(error), "mend the name server first")
    found = f"it is listed ({', '.join(told[:4])}){f': {reason}' if reason else ''}"
    mend = f"read what {name} says of it, stop what caused it, then ask to be taken off; hosts that use it refuse mail"
    return fail(what, found, mend)


def _refusal(told: tuple[str, ...]) -> str:
    """Why an answer is no listing; empty: it is one."""
    for one in told:
        answer = ip_address(one)
        if answer not in ANSWERS:
            return f"it answers {one}, which is no answer of a list: something on the way invents it"
        if any(answer in refusal for refusal in REFUSALS):
            return f"it answers {one}: it does not tell those who ask by this name server"
    return ""


def _reversed(address: Address) -> str:
    """An address as a list's name begins with it (§2.1, §2.4)."""
    pointer: str = address.reverse_pointer
    return pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
