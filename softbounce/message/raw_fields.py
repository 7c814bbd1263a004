"""Header fields in raw UTF-8, of a client that did not say so: in encoded words they reach hosts without SMTPUTF8, too.

Old scripts and devices write ``Subject: Grüße`` as it is. A client that says SMTPUTF8 means it (RFC 6531 §3.4); of one
that does not the header is malformed, and a submission server may mend it (RFC 6409 §8). Not where a signature is over
it, nor where an address or an id is beyond ASCII, which no encoded word may stand for (RFC 2047 §5): then all of it
stays as it came. What strangers write is not given to the standard library's parser here, whose time and depth have no
bound; mailboxes of another form than ``Name <address>`` are left alone instead.
"""

from __future__ import annotations

import re

from softbounce.errors import InvalidMessage
from softbounce.message.folding import encoded_words
from softbounce.message.header_field import ADDRESSES, AS_IT_IS, NAME, PARAMETERS, SIGNATURES, field_octets
from softbounce.message.prepared import CONTROLS, FIELD_BREAK, FOLD, HEADER_OCTETS, LINE_SEPARATORS

__all__ = ["in_encoded_words"]

WIDTH = 78
"""Octets of a line, where words allow it (RFC 5322 §2.1.1)."""
MOST_OCTETS = 16_384
"""Of all fields beyond ASCII: writing them anew takes a millisecond for each thousand."""
MAILBOX = re.compile(
    r"""[ ]* (?: (?: "(?P<quoted>(?:[^"\\]|\\.)*+)" | (?P<atoms>[^"<>(),:;@\\]*+) ) [ ]* <(?P<path>[!-;=?-~]++)>
             | (?P<bare>[!\#-'*+\--9=?A-Z^-~]++@[A-Za-z0-9.\-]++) ) [ ]* (?:,|\Z)""",
    re.VERBOSE,
)


def in_encoded_words(message: bytes) -> bytes:
    """The message with a header in ASCII; as it is, where that has been so, or cannot be.

    :param message: its lines end in CRLF, or all of them in LF: then they end in CRLF, where it is written anew.
    """
    if message.isascii():
        return message
    made = _written(message if b"\r" in message else message.replace(b"\n", b"\r\n"))
    return message if made is None else made


def _written(message: bytes) -> bytes | None:
    """It anew; ``None``: it had better stay as it is."""
    end = message.find(b"\r\n\r\n", 0, HEADER_OCTETS + 4)
    head = message[:HEADER_OCTETS] if end < 0 else message[:end]
    if head.isascii() or message.startswith(b"\r\n") or len(head.translate(None, CONTROLS)) != len(head):
        return None
    fields = FIELD_BREAK.split(head)
    if (end < 0 and len(message) > HEADER_OCTETS) or sum(len(one) for one in fields if not one.isascii()) > MOST_OCTETS:
        return None
    try:
        made = b"\r\n".join(_field(octets) for octets in fields)
    except (InvalidMessage, ValueError):
        return None
    return made + message[len(head) :]


def _field(octets: bytes) -> bytes:
    """It in ASCII.

    :raises ValueError: all of the header had better stay as it is. So does ``InvalidMessage``.
    """
    head, _, value = octets.partition(b":")
    name = head.decode("latin-1")
    kind = name.strip().lower()
    if kind in SIGNATURES:
        raise ValueError("it may be over the others")
    if octets.isascii():
        return octets
    text = FOLD.sub(b" ", value).decode().strip(" \t")
    is_odd = NAME.fullmatch(name) is None or any(separator in text for separator in ("\r", "\n", *LINE_SEPARATORS))
    if is_odd or kind in AS_IT_IS or kind in PARAMETERS:
        raise ValueError("no encoded word may stand there, or it is to be refused as it came")
    if kind in ADDRESSES:
        text = _mailboxes(text.replace("\t", " "))
    return field_octets(name, text, width=WIDTH, utf8=False).removesuffix(b"\r\n")


def _mailboxes(text: str) -> str:
    """Mailboxes, with the names of which none is beyond ASCII any more.

    :raises ValueError: they are no mailboxes, or have another form.
    """
    made: list[str] = []
    at = 0
    while at < len(text):
        found = MAILBOX.match(text, at)
        if found is None:
            raise ValueError("no mailbox of a form that is known")
        at = found.end()
        mailbox = found[0].strip(" ,")
        if not mailbox.isascii():
            quoted = found["quoted"]
            words = found["atoms"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            mailbox = f"{encoded_words(words.strip())} <{found['path']}>"
        made.append(mailbox)
    return ", ".join(made)
