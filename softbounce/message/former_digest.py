"""The digest that softbounce stored of a message object before it wrote header fields itself.

A repeat of a send that an older version took is known by it: that version wrote long and encoded fields otherwise.
Asked only where the digests of today do not fit; may go when no store holds keys of that time.
"""

from __future__ import annotations

from email import policy
from email.message import EmailMessage, Message
from email.policy import EmailPolicy
from typing import Any

__all__ = ["written_formerly"]

ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc")
WIDTH = 78


def written_formerly(message: Message[Any, Any]) -> bytes | None:
    """The octets of the message as they were written then; ``None``: it was refused."""
    try:
        return message.as_bytes(policy=_policy(message))
    except Exception:  # noqa: BLE001 - then there is no digest of it in any store
        return None


def _policy(message: Message[Any, Any]) -> policy.Policy[Any]:
    signed = "DKIM-Signature" in message
    cte_type = "8bit" if signed else "7bit"
    if not isinstance(message, EmailMessage) or not isinstance(message.policy, EmailPolicy):
        return policy.compat32.clone(linesep="\r\n", mangle_from_=False, cte_type=cte_type)
    return message.policy.clone(
        linesep="\r\n",
        max_line_length=WIDTH,
        cte_type=cte_type,
        refold_source="none" if signed else "long",
        utf8=message.policy.utf8 or _has_utf8_address(message),
        raise_on_defect=False,
    )


def _has_utf8_address(message: EmailMessage) -> bool:
    return any(
        not address.addr_spec.isascii()
        for name in ADDRESS_FIELDS
        for value in message.get_all(name, ())
        for address in getattr(value, "addresses", ())
    )
