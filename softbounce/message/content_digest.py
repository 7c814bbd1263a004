"""What makes two messages the same content: a digest that an app gets again when it rebuilds its mail.

Left out is what a rebuild changes by itself: ``Date``, ``Message-ID`` and the boundary strings of MIME (RFC 2046
§5.1.1). A second digest, the lasting one, leaves out too what signing anew changes, and the ids by which parts refer to
each other. Where a message has nothing of that, both are the same.

They tell an honest repeat from a key used twice, and prove nothing to anybody else. What was encrypted anew, or signed
within one opaque part, is other content: nobody but its reader can tell.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NoBase64
from binascii import a2b_qp
from collections.abc import Sequence
from hashlib import blake2b

__all__ = ["content_digest", "lasting_digest"]

DIGEST_OCTETS = 32
BOUNDARIES = 64  # of a message; further ones count as content, so that nesting cannot cost without bound
BOUNDARY_OCTETS = 8  # shorter ones are no machine's random choice, and could be ordinary text
BOUNDARY = re.compile(
    rb"""boundary[ \t]*=[ \t]*(?:\r\n[ \t]+)?(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE
)
PASSING = frozenset(
    {
        *(b"dkim-signature", b"domainkey-signature", b"x-google-dkim-signature", b"content-id"),
        *(b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"authentication-results"),
        *(b"received", b"resent-date", b"resent-message-id"),
    }
)
"""Fields that are about one passage of the message: what is signed anew, or goes the same way again, has others."""
DELIMITER = re.compile(rb"\r\n--\0[0-9]+\0(?:--)?[ \t]*(?=\r\n|\Z)")
PART_ID = re.compile(rb"(?:\A|\r\n)content-id[ \t]*:[ \t]*(?:\r\n[ \t]+)?<?([^<>\s]{8,250})", re.IGNORECASE)
SIGNATURE = re.compile(rb"application/(?:pgp-signature|(?:x-)?pkcs7-signature)", re.IGNORECASE)
ENCODED = re.compile(rb"content-transfer-encoding[ \t]*:\s*(base64|quoted-printable)", re.IGNORECASE)
TEXT = re.compile(rb"content-type[ \t]*:\s*text/", re.IGNORECASE)
FOLD = re.compile(rb"(?:\r\n)?[ \t]+")


def content_digest(fields: Sequence[bytes], body: bytes) -> bytes:
    """Digest 32 octets from the header's fields (without the ones that a rebuild changes) and the body.

    Cost: one pass, and for multipart messages one more and a copy for each boundary.
    """
    return _digest(*_without_boundaries(b"\r\n".join(fields), body))


def lasting_digest(fields: Sequence[bytes], body: bytes) -> bytes | None:
    """Digest what signing anew leaves as it was; ``None``: that is all of it, :func:`content_digest` tells the same.

    :param fields: as for :func:`content_digest`.
    """
    kept = [field for field in fields if field.partition(b":")[0].rstrip().lower() not in PASSING]
    has_parts = _has_passing_parts(kept, body)
    if len(kept) == len(fields) and not has_parts:
        return None
    head, body = _without_boundaries(b"\r\n".join(kept), body)
    return _digest(*_without_passing_parts(head, body)) if has_parts else _digest(head, body)


def _digest(head: bytes, body: bytes) -> bytes:
    digest = blake2b(digest_size=DIGEST_OCTETS)
    digest.update(head)
    digest.update(b"\r\n")
    digest.update(body)
    return digest.digest()


def _without_boundaries(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    if b"boundary" not in head.lower():
        return head, body
    boundaries = _boundaries(head, body)
    return _blank(head, boundaries), _blank(body, boundaries)


def _has_passing_parts(fields: Sequence[bytes], body: bytes) -> bool:
    """Whether some part is a signature, or has an id."""
    if not any(b"multipart" in field.lower() for field in fields):
        return False
    lowered = body.lower()
    return b"\r\ncontent-id" in lowered or b"-signature" in lowered


def _without_passing_parts(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Blank signatures and the ids of parts, also where a text refers to them in an encoding."""
    parts = [_part(part) for part in DELIMITER.split(b"\r\n" + body)]
    ids = list(dict.fromkeys(PART_ID.findall(body)))[:BOUNDARIES]
    whole = b"\0\0".join(FOLD.sub(b" ", part_head) + b"\0" + content for part_head, content in parts)
    return _blank(FOLD.sub(b" ", head), ids), _blank(whole, ids)


def _part(octets: bytes) -> tuple[bytes, bytes]:
    """A part's header and its content, as it is read."""
    head, _, content = octets.partition(b"\r\n\r\n")
    if SIGNATURE.search(head) is not None:
        return head, b""
    encoding = ENCODED.search(head)
    if encoding is None or TEXT.search(head) is None:
        return head, content
    if encoding[1].lower() == b"base64":
        try:
            return head, b64decode(content)
        except NoBase64:  # no text that anybody can read
            return head, content
    return head, a2b_qp(content)


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


def _blank(octets: bytes, strings: list[bytes]) -> bytes:
    """Replace each string by its number between NULs, which no message contains.

    Long ones first: a shorter one may be the beginning of a longer one.
    """
    for number, string in sorted(enumerate(strings), key=lambda entry: -len(entry[1])):
        octets = octets.replace(string, b"\0%d\0" % number)
    return octets
