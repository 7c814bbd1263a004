"""One ``DKIM-Signature`` field: its tags, its lines, and the octets that a key signs (RFC 6376 §3.5, §3.7).

It has no ``l=``, which would let others add to the body, and no ``i=``. RSA by PKCS #1 v1.5 and Ed25519 are
deterministic (RFC 8017 §8.2, RFC 8032 §5.1): the same message, key and times give the same octets, whenever and
wherever they are asked for.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from softbounce_config.process_settings import Canonicalization

from softbounce_worker.dkim.canonical import body_hash, canonical_field, split_message
from softbounce_worker.dkim.signed_fields import covered_fields
from softbounce_worker.dkim.signing_key import SigningKey

__all__ = ["Identity", "signatures"]

LINE_OCTETS = 76
FOLD = "\r\n "


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """With what a domain signs.

    :ivar domain: the ``d=``, in A-labels.
    :ivar canonicalization: of header and body.
    :ivar expires_seconds: ``x=``: so long after the later of its acceptance and the earliest time that it may be tried
        a message's signature stands; ``None``: for ever.
    """

    domain: str
    selector: str
    key: SigningKey
    canonicalization: Canonicalization
    expires_seconds: int | None = None


def signatures(octets: bytes, identities: Sequence[Identity], *, accepted: int, first_try: int = 0) -> bytes:
    """The fields to put above a message, each with its CRLF, in the order of *identities*.

    :param octets: of the message, as it leaves, before dots are doubled.
    :param accepted: the ``t=``, seconds since 1970.
    :param first_try: before then it is not sent, where that is later.
    :raises ValueError: a key does not sign.
    """
    fields, start = split_message(octets)
    names, covered = covered_fields(fields)
    hashes: dict[bool, str] = {}
    made: list[str] = []
    for one in identities:
        header, _, body = one.canonicalization.partition("/")
        is_relaxed = body == "relaxed"
        if is_relaxed not in hashes:
            hashes[is_relaxed] = body_hash(octets, start, relaxed=is_relaxed)
        until = None if one.expires_seconds is None else max(accepted, first_try) + one.expires_seconds
        unsigned = _unsigned(one, names, hashes[is_relaxed], accepted, until)
        made.append(_signed(unsigned, covered, one.key, relaxed=header == "relaxed"))
    return "".join(made).encode("ascii")


def _unsigned(one: Identity, names: Sequence[str], hashed: str, accepted: int, until: int | None) -> str:
    """The field with an empty ``b=`` at its end."""
    tags = [
        "v=1;",
        f"a={one.key.algorithm};",
        f"c={one.canonicalization};",
        f"d={one.domain};",
        f"s={one.selector};",
        f"t={accepted};",
        *([] if until is None else [f"x={until};"]),
    ]
    listed = [f"{name}:" for name in names[:-1]] + [f"{names[-1]};"]
    listed[0] = f"h={listed[0]}"
    lines = [*_lines(["DKIM-Signature:", *tags], between=" "), *_lines(listed, between=""), f"bh={hashed};", "b="]
    return FOLD.join(lines)


def _lines(words: Iterable[str], *, between: str) -> list[str]:
    """As many words a line as fit; one that is longer has a line of its own."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(between) + len(word) <= LINE_OCTETS:
            lines[-1] += between + word
        else:
            lines.append(word)
    return lines


def _signed(unsigned: str, covered: Sequence[bytes], key: SigningKey, *, relaxed: bool) -> str:
    """The field, signed; a verifier takes the value of ``b=`` with all its white space out again."""
    hashed = [*(canonical_field(field, relaxed=relaxed) for field in covered)]
    hashed.append(canonical_field(unsigned.encode("ascii"), relaxed=relaxed))
    signature = b64encode(key.sign(b"\r\n".join(hashed))).decode("ascii")
    first = LINE_OCTETS - len("b=")
    pieces = [
        signature[:first],
        *(signature[at : at + LINE_OCTETS] for at in range(first, len(signature), LINE_OCTETS)),
    ]
    return unsigned + FOLD.join(pieces) + "\r\n"
