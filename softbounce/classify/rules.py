"""The built-in wordings in their order: the first that fits judges.

The order is by how much a wording excludes. What names a mechanism (DMARC, a virus, a greylist) goes before what names
an object (the mailbox, the domain), and that before what only says that something was refused or is not available.
"""

from __future__ import annotations

from functools import lru_cache

from softbounce.classify import about_message, about_recipient, about_sender, about_system
from softbounce.classify.providers import PROVIDERS
from softbounce.classify.wording import Wording
from softbounce.settings import matches

__all__ = ["PREFIX", "WORDINGS", "active_wordings", "is_disabled"]

PREFIX = "builtin:"

WORDINGS: tuple[Wording, ...] = (
    about_system.BLOCKLIST_ERROR,
    *PROVIDERS,
    about_sender.AUTH_CHECK_FAILED,
    about_message.VIRUS,
    about_recipient.UNVERIFIED,
    about_system.ONE_DOMAIN,
    about_system.GREYLIST,
    about_system.TOO_MANY_ERRORS,
    about_system.RATE_OF_RECIPIENT,
    about_system.RATE_OF_SYSTEM,
    about_system.SYSTEM_SPACE,
    about_recipient.MAILBOX_FULL,
    about_message.TOO_BIG,
    about_sender.SENDER_DNS,
    about_sender.AUTH,
    about_sender.RELAY,
    about_sender.RATE_OF_SENDER,
    about_recipient.RECIPIENT_RESTRICTED,
    about_sender.SENDER_BLOCKED,
    about_sender.SENDER_REFUSED,
    about_system.RECIPIENT_SYSTEM,
    about_recipient.DISABLED,
    about_recipient.SUSPENDED,
    about_recipient.BAD_DOMAIN,
    about_recipient.BAD_MAILBOX,
    about_message.PIPELINING,
    about_sender.REPUTATION,
    about_message.LOOP,
    about_message.SPAM,
    about_message.CONTENT,
    about_recipient.RECIPIENT_BLOCKED,
    about_system.GREYLIST_HINT,
    about_message.TLS_NEEDED,
    about_message.PROTOCOL,
    about_recipient.BAD_MAILBOX_ABROAD,
    about_system.NETWORK,
    about_message.POLICY,
    about_system.SYSTEM,
    about_recipient.ADDRESS_REJECTED,
    about_recipient.UNAVAILABLE,
    about_recipient.UNDELIVERABLE,
    about_message.POLICY_WEAK,
    about_message.REFUSED_WEAK,
    about_system.SYSTEM_WEAK,
    about_system.SAYS_LATER,
)


def is_disabled(name: str, disabled: tuple[str, ...]) -> bool:
    """Whether the user switched a built-in rule off: by name, with or without ``builtin:``, or by a glob."""
    return any(matches(glob.removeprefix(PREFIX), name) for glob in disabled)


@lru_cache(maxsize=16)
def active_wordings(disabled: tuple[str, ...]) -> tuple[Wording, ...]:
    """The wordings that are on."""
    return tuple(wording for wording in WORDINGS if not is_disabled(wording.name, disabled))
