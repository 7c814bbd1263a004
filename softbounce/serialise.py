"""From a message object of the standard library to octets that say what the object says.

The email package writes what it is given: a line separator inside a value becomes a new header field on some versions
of Python. So values are checked before, and the number of fields after. Long lines and 8-bit text are re-encoded, so
that every host can take the message; not so when a DKIM signature covers it.
"""

from __future__ import annotations

import re
from email import policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.policy import EmailPolicy
from typing import Any

from softbounce.errors import InvalidMessage

__all__ = ["serialise"]

# A line end that does not fold, and every other character at which str.splitlines would break a value in two.
FORBIDDEN = re.compile("\r(?!\n)|\n(?![ \t])|[\0\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
FIELD = re.compile(rb"\r\n(?![ \t])")
ADDRESS_FIELDS = ("from", "sender", "reply-to", "to", "cc")
# What the email package raises on objects that it cannot write; there is no promise about it.
WRITE_ERRORS = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


def serialise(message: Message[Any, Any]) -> bytes:
    """Write the message with CRLF line ends. The object stays as it is, but for a missing boundary string.

    :raises InvalidMessage: a header value could be read as two, or the email package cannot write the object.
    """
    fields = len(list(message.raw_items()))
    if fields == 0:
        raise InvalidMessage("message", "has no header")
    try:
        for part in message.walk():
            for name, value in part.raw_items():
                if FORBIDDEN.search(str(value)) is not None:
                    raise InvalidMessage(_printable(name), "the value has a line end or another control character")
        octets = message.as_bytes(policy=_policy(message))
    except WRITE_ERRORS as error:
        raise InvalidMessage("message", f"cannot be written as octets ({type(error).__name__})") from None
    head = octets.partition(b"\r\n\r\n")[0]
    if len(FIELD.split(head)) != fields:
        raise InvalidMessage("message", "the header does not read back as it was written")
    return octets


def _policy(message: Message[Any, Any]) -> policy.Policy[Any]:
    """How to write it: as 7-bit text, unless a signature covers the text as it is."""
    signed = "DKIM-Signature" in message
    if not isinstance(message, EmailMessage) or not isinstance(message.policy, EmailPolicy):
        return policy.compat32.clone(linesep="\r\n", mangle_from_=False, cte_type="8bit" if signed else "7bit")
    return message.policy.clone(
        linesep="\r\n",
        max_line_length=78,
        cte_type="8bit" if signed else "7bit",
        refold_source="none" if signed else "long",
        utf8=message.policy.utf8 or _has_utf8_address(message),
        raise_on_defect=False,
    )


def _has_utf8_address(message: EmailMessage) -> bool:
    """Whether a mailbox of the header is not ASCII: no encoded word may stand for one (RFC 2047 §5, RFC 6532)."""
    for name in ADDRESS_FIELDS:
        for value in message.get_all(name, ()):
            addresses = getattr(value, "addresses", ())
            if any(not address.addr_spec.isascii() for address in addresses):
                return True
    return False


def _printable(name: str) -> str:
    return "".join(character for character in name[:64] if character.isascii() and character.isprintable())
