"""What makes two messages the same content: a digest that an app gets again when it rebuilds its mail.

Left out is what a rebuild changes by itself: ``Date``, ``Message-ID`` and the boundary strings of MIME (RFC 2046
§5.1.1). The digest tells an honest repeat from a key used twice; it proves nothing to anybody else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

__all__ = ["content_digest"]

DIGEST_OCTETS = 32
BOUNDARIES = 64  # of a message; further ones count as content, so that nesting cannot cost without bound
BOUNDARY_OCTETS = 8  # shorter ones are no machine's random choice, and could be ordinary text
BOUNDARY = re.compile(
    rb"""boundary[ \t]*=[ \t]*(?:\r\n[ \t]+)?(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE
)


def content_digest(fields: Sequence[bytes], body: bytes) -> bytes:
    """Digest 32 octets from the header's fields (without the ones that a rebuild changes) and the body.

    Cost: one pass, and for multipart messages one more and a copy for each boundary.
    """
    head = b"\r\n".join(fields)
    digest = blake2b(digest_size=DIGEST_OCTETS)
    if b"boundary" in head.lower():
        boundaries = _boundaries(head, body)
        head, body = _blank(head, boundaries), _blank(body, boundaries)
    digest.update(head)
    digest.update(b"\r\n")
    digest.update(body)
    return digest.digest()


def _boundaries(head: bytes, body: bytes) -> list[bytes]:
    """The boundary strings that header and parts declare, in order of appearance, each once."""
    found: dict[bytes, None] = {}
    for octets in (head, body):
        lowered = octets.lower()  # a search for a plain octet string is many times as fast as one that ignores case
        at = lowered.find(b"boundary")
        while at >= 0 and len(found) < BOUNDARIES:
            declared = BOUNDARY.match(octets, at)
            if declared is not None and len(value := declared[1] or declared[2]) >= BOUNDARY_OCTETS:
                found.setdefault(value)
            at = lowered.find(b"boundary", at + 1)
    return list(found)


def _blank(octets: bytes, boundaries: list[bytes]) -> bytes:
    """Replace each boundary by its number between NULs, which no message contains.

    Long ones first: a shorter one may be the beginning of a longer one.
    """
    for number, boundary in sorted(enumerate(boundaries), key=lambda entry: -len(entry[1])):
        octets = octets.replace(boundary, b"\0%d\0" % number)
    return octets
