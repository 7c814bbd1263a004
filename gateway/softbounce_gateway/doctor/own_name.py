"""The name that we give in EHLO: it leads to the address that we send from, and that address leads back to it.

Many hosts refuse all mail where it does not (RFC 1912 §2.1; RFC 5321 §4.1.4 lets them look, and not refuse for it).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from softbounce_config import ehlo_name

from softbounce.errors import ConfigError
from softbounce_gateway.doctor.dns_questions import NotTold
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import Address, Patient

__all__ = ["check"]

NAME, FORWARD, REVERSE = "EHLO name", "name to address", "address to name (PTR)"
MOST_ADDRESSES = 8


def check(patient: Patient) -> Iterator[Finding]:
    """The name, its addresses, and the PTR record of each that we send from."""
    try:
        name = ehlo_name(patient.config.identity.hostname)
    except ConfigError as error:
        yield fail(
            NAME, str(error).partition(": ")[0], "set [identity] hostname to the full name of your sending address"
        )
        return
    yield good(NAME, name)
    if name.startswith("["):
        yield warn(FORWARD, f"{name} is an address, no name", "give it a name: many hosts refuse an address in EHLO")
        return
    try:
        named = [ip_address(one) for one in patient.dns.addresses(name)[:MOST_ADDRESSES]]
    except NotTold as error:
        yield unknown(FORWARD, str(error), "mend the name server first")
        return
    sending = patient.sending_addresses
    yield _forward(name, named, sending)
    for address in (sending or tuple(named))[:MOST_ADDRESSES]:
        yield _reverse(patient, name, address)


def _forward(name: str, named: list[Address], sending: tuple[Address, ...]) -> Finding:
    if not named:
        wanted = " and ".join(str(one) for one in sending) or "your sending address"
        return fail(FORWARD, f"{name} has neither A nor AAAA", f"publish A (and AAAA) of {name}: {wanted}")
    shown = ", ".join(str(one) for one in named)
    if not sending:
        found = f"{name} is {shown}; whether we send from there cannot be seen from here"
        return unknown(FORWARD, found, "behind a NAT, say what the world sees: softbounce doctor --address ADDRESS")
    missing = [str(one) for one in sending if one not in named]
    if missing:
        what = " and ".join(missing)
        found = f"{name} is {shown}, and we send from {what}"
        return fail(FORWARD, found, f"publish {what} as an address of {name}, or set [identity] hostname to its name")
    return good(FORWARD, f"{name} is {shown}, from where we send")


def _reverse(patient: Patient, name: str, address: Address) -> Finding:
    try:
        names = patient.dns.ask(address.reverse_pointer, "PTR").records
    except NotTold as error:
        return unknown(REVERSE, str(error), "mend the name server first")
    who = "whoever gave you the address (your provider) sets its PTR record"
    if not names:
        return fail(REVERSE, f"{address} has no PTR record", f"{who}: to {name}")
    if name not in {one.lower() for one in names}:
        found = f"{address} is {', '.join(names[:3])}, and we say {name}"
        return warn(REVERSE, found, f"set [identity] hostname to that name; or {who}: to {name}")
    return good(REVERSE, f"{address} is {name}")
