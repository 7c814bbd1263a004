"""Messages that begin without a header, as an alarm's script or a UPS writes them: what they say is their text.

Other mail servers do the same: the first line that is no header field begins the body. What is missing then (``Date``,
``Message-ID``) is added as to any message. A header that begins well and is malformed further on is another matter: it
is refused, for nobody can tell what of the rest was meant as one.

RFC 5322 §2.2 (fields), RFC 6409 §8 (what a submission server may add).
"""

from __future__ import annotations

import re

__all__ = ["with_header"]

FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
MAILBOX_LINE = re.compile(rb">?From .*\r\n(?=[!-9;-~]+[ \t]*:)")
"""As a file of mails has it before a header. What follows is a header, so none of it is text."""


def with_header(message: bytes) -> bytes:
    """The message, with the empty line that ends a header before it where it has none.

    :param message: its lines end in CRLF.
    """
    if not message or message.startswith(b"\r\n") or FIELD.match(message) or MAILBOX_LINE.match(message):
        return message
    return b"\r\n" + message
