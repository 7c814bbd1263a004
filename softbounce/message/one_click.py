"""One-click unsubscribe (RFC 8058): large providers want it of mail to many, and refuse or hide what is without it."""

from __future__ import annotations

import re

__all__ = ["lacks_one_click"]

HEADER_OCTETS = 64 * 1024
LINE_END = b"\r\n"
FOLDED = re.compile(rb"\r\n(?=[ \t])")
WAY_OUT = re.compile(rb"^list-unsubscribe:.*<\s*https://[^<>\s]+\s*>", re.IGNORECASE | re.MULTILINE)
BY_POST = re.compile(rb"^list-unsubscribe-post:\s*list-unsubscribe=one-click\s*$", re.IGNORECASE | re.MULTILINE)


def lacks_one_click(octets: bytes) -> str:
    """What a message lacks of it, in words; empty: nothing.

    :param octets: the message, with CRLF. Of a header not more than 64 KiB are read.
    """
    header = FOLDED.sub(b"", octets[:HEADER_OCTETS].partition(2 * LINE_END)[0]).replace(LINE_END, b"\n")
    if WAY_OUT.search(header) is None:
        return "it has no List-Unsubscribe with an https address"
    if BY_POST.search(header) is None:
        return "it has no List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    return ""
