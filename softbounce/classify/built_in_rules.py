"""The built-in wordings in their order: the first that fits judges.

The order is by how much a wording excludes. What names a mechanism (DMARC, a virus, a greylist) goes before what names
an object (the mailbox, the domain), and that before what only says that something was refused or is not available.
"""

from __future__ import annotations

from functools import lru_cache

from softbounce.classify.wording import Wording
from softbounce.classify.wordings import message, recipient, sender, system
from softbounce.classify.wordings.providers import PROVIDERS
from softbounce.settings import matches

__all__ = ["PREFIX", "WORDINGS", "active_wordings", "is_disabled"]

PREFIX = "builtin:"

WORDINGS: tuple[Wording, ...] = (
    system.BLOCKLIST_ERROR,
    *PROVIDERS,
    sender.AUTH_CHECK_FAILED,
    message.VIRUS,
    recipient.UNVERIFIED,
    system.ONE_DOMAIN,
    system.GREYLIST,
    system.TOO_MANY_ERRORS,
    system.RATE_OF_RECIPIENT,
    system.RATE_OF_SYSTEM,
    system.SYSTEM_SPACE,
    recipient.MAILBOX_FULL,
    message.TOO_BIG,
    sender.SENDER_DNS,
    sender.AUTH,
    sender.RELAY,
    sender.RATE_OF_SENDER,
    recipient.RECIPIENT_RESTRICTED,
    sender.SENDER_BLOCKED,
    sender.SENDER_REFUSED,
    system.RECIPIENT_SYSTEM,
    recipient.DISABLED,
    recipient.SUSPENDED,
    recipient.BAD_DOMAIN,
    recipient.BAD_MAILBOX,
    message.PIPELINING,
    sender.REPUTATION,
    message.LOOP,
    message.SPAM,
    message.CONTENT,
    recipient.RECIPIENT_BLOCKED,
    system.GREYLIST_HINT,
    message.TLS_NEEDED,
    message.AUTH_NEEDED,
    message.PROTOCOL,
    recipient.BAD_MAILBOX_ABROAD,
    system.NETWORK,
    message.POLICY,
    system.SYSTEM,
    recipient.ADDRESS_REJECTED,
    recipient.UNAVAILABLE,
    recipient.UNDELIVERABLE,
    message.POLICY_WEAK,
    message.REFUSED_WEAK,
    system.SYSTEM_WEAK,
    system.SAYS_LATER,
)


def is_disabled(name: str, disabled: tuple[str, ...]) -> bool:
    """Whether the user switched a built-in rule off: by name, with or without ``builtin:``, or by a glob."""
    return any(matches(glob.removeprefix(PREFIX), name) for glob in disabled)


@lru_cache(maxsize=16)
def active_wordings(disabled: tuple[str, ...]) -> tuple[Wording, ...]:
    """The wordings that are on."""
    return tuple(wording for wording in WORDINGS if not is_disabled(wording.name, disabled))
