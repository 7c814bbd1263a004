"""How hosts are written: our own name, where we listen, which DNS servers we ask. Syntax only, nothing is looked up."""

from __future__ import annotations

import re
from ipaddress import ip_address

from softbounce.store.address import LARGEST_PORT

__all__ = ["LARGEST_PORT", "check_address", "check_endpoint", "check_hostname", "split_endpoint", "split_nameserver"]

LONGEST_NAME = 253
DNS_PORT = 53

LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
PORT = re.compile(r"[0-9]{1,5}")


def check_hostname(name: str) -> str:
    """Return *name* in lower case when it may follow EHLO: a ``Domain`` or ``address-literal`` of RFC 5321 §4.1.2.

    :raises ValueError: it may not.
    """
    if name.startswith("[") and name.endswith("]"):
        if not _is_literal(name[1:-1]):
            raise ValueError("not an address literal, such as [192.0.2.1] or [IPv6:2001:db8::1]")
        return name
    if not name.isascii():
        raise ValueError("write an international name in its xn-- form")
    if not _is_domain(name):
        raise ValueError("not a host name: letters, digits and hyphens between dots, as in mail.example.com")
    if name.rpartition(".")[2].isdigit():
        raise ValueError("an address stands in brackets, as in [192.0.2.1]")
    return name.lower()


def split_endpoint(text: str) -> tuple[str, int]:
    """Read ``host:port`` or ``[v6]:port``.

    :raises ValueError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if PORT.fullmatch(port) is None or not 0 < int(port) <= LARGEST_PORT:
        raise ValueError(f"should be host:port, with a port from 1 to {LARGEST_PORT}")
    if host.startswith("[") and host.endswith("]"):
        return check_address(host[1:-1]), int(port)
    if ":" in host:
        raise ValueError("an IPv6 address before a port stands in brackets, as in [::1]:8026")
    return host, int(port)


def check_endpoint(text: str) -> str:
    """Return *text* when something can listen there.

    :raises ValueError: it cannot; all addresses are ``0.0.0.0:8026`` or ``[::]:8026``, never an empty host.
    """
    host, _ = split_endpoint(text)
    if ":" not in host:
        if not _is_domain(host):
            raise ValueError('should be host:port, as in "127.0.0.1:8026"')
        if host.rpartition(".")[2].isdigit():
            check_address(host)
    return text


def split_nameserver(text: str) -> tuple[str, int]:
    """Read the address of a DNS server and its port: ``192.0.2.53`` (port 53), ``127.0.0.1:5300``, ``[::1]:5300``.

    :raises ValueError: it is no address; a name would need a DNS server to be found.
    """
    if text.count(":") > 1 and not text.startswith("["):
        return check_address(text), DNS_PORT
    if text.endswith("]"):
        return check_address(text.removeprefix("[").removesuffix("]")), DNS_PORT
    host, port = split_endpoint(text) if ":" in text else (text, DNS_PORT)
    return check_address(host), port


def _is_literal(text: str) -> bool:
    """Without a zone, and an IPv6 address with its tag, as RFC 5321 §4.1.3 has them."""
    six = text.removeprefix("IPv6:")
    try:
        return ip_address(six).version == (4 if six == text else 6) and "%" not in six
    except ValueError:
        return False


def _is_domain(name: str) -> bool:
    return len(name) <= LONGEST_NAME and all(LABEL.fullmatch(label) for label in name.split("."))


def check_address(text: str) -> str:
    """Return *text* in its usual form.

    :raises ValueError: it is no address.
    """
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not an IP address") from error
