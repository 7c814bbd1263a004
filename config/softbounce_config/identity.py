"""What this machine is called, and which name it gives to the hosts that it mails to.

The one place where that name is chosen: the configuration's, else the machine's own, and not every machine has one
that other hosts accept. A container is called by an id, a laptop ``localhost``: hosts answer 504 to that. A name with
an underscore is none at all. So it is looked at when the service starts, not with each session.

RFC 5321 §2.3.5 and §4.1.1.1 (the name in EHLO), RFC 6761, RFC 6762, RFC 8375 (names that mean nothing elsewhere).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

from softbounce.errors import ConfigError
from softbounce_config.hosts import check_hostname

__all__ = ["PLAYGROUND_NAME", "ehlo_name", "host_label", "machine_name"]

PLAYGROUND_NAME = "client.playground.test"
NO_NAMES = frozenset({"localhost", "localhost6", "localdomain", "localdomain4", "localdomain6", "invalid"})
LOCAL_ONLY = frozenset({"local", "internal", "lan", "home", "intranet", "private", "corp", "arpa"})
LABEL_CHARACTERS = 64
UNSAFE = re.compile(r"[^A-Za-z0-9.-]")
TO_DO = (
    'set [identity] hostname = "mail.example.com" in the configuration, or SOFTBOUNCE__IDENTITY__HOSTNAME, to the full '
    "name of your sending address: mail hosts refuse any other greeting (--playground needs none)"
)


def ehlo_name(configured: str, machine: Callable[[], str] | None = None) -> str:
    """The name to give in EHLO, in lower case.

    :param configured: ``[identity] hostname``, checked; empty: the machine's own name.
    :param machine: tells that; ``None``: the system.
    :raises ConfigError: there is none that other hosts accept; in words, what to do.
    """
    if configured:
        reason = _why_not(configured, NO_NAMES)
        if reason is not None:
            raise ConfigError(f"identity.hostname is {configured!r}, and that {reason}: {TO_DO}")
        return configured
    name = (machine or machine_name)()
    try:
        checked = check_hostname(name)
        reason = _why_not(checked, NO_NAMES | LOCAL_ONLY)
    except ValueError as error:
        checked, reason = name, f"cannot be said in EHLO ({error})"
    if reason is not None:
        raise ConfigError(f"identity.hostname is not set, and this machine's name {name[:80]!r} {reason}: {TO_DO}")
    return checked


def machine_name() -> str:
    """The machine's full name, as far as the system knows it; anything may stand in it."""
    try:
        return socket.getfqdn()
    except (OSError, UnicodeError):  # a label that is too long for a look-up
        return socket.gethostname()


def host_label() -> str:
    """The machine's short name, fit for the names of processes, keys and files: nothing of it means anything there."""
    return UNSAFE.sub("-", socket.gethostname())[:LABEL_CHARACTERS].strip(".-") or "host"


def _why_not(name: str, useless: frozenset[str]) -> str | None:
    if name.startswith("["):
        return None
    labels = name.split(".")
    if len(labels) == 1:
        return "is no full name (it has no dot)"
    if labels[-1] in useless:
        return f"means nothing to other hosts (it ends with .{labels[-1]})"
    return None
