"""Most messages written down directly, at a tenth of what the standard library takes for it; others are left to that.

What is written here: fields of printable ASCII that fit a line, addresses that need no encoding, and texts of any kind.
A reader finds in it what he would find in the standard library's (tests/property/test_http_writing.py compares).

RFC 5322 §2.2 and §3.4; RFC 2045 §6.7 and §6.8; RFC 2046 §5.1.4.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from softbounce.address import Address

__all__ = ["Named", "write"]

Named = tuple[str, Address]
"""A name, which may be empty, and the address."""
LINE = 76
LONGEST_LINE = 998
ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
SIMPLE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+")
PRINTABLE = re.compile(r"[ -~]*")
OWN = re.compile(r"(?:X|List)-[A-Za-z0-9-]+", re.IGNORECASE)
"""Fields without a grammar of their own that the standard library would put in order."""


def write(
    addresses: Mapping[str, Sequence[Named]], fields: Sequence[tuple[str, str]], text: str | None, html: str | None
) -> bytes | None:
    """The message; ``None``: there is something in it that the standard library knows better.

    :param addresses: by the name of their field.
    :param fields: the others; no value has a control character.
    """
    lines: list[str] = []
    for name, them in addresses.items():
        field = _addresses(name, them)
        if field is None:
            return None
        lines.append(field)
    for name, value in fields:
        is_known = name == "Subject" or OWN.fullmatch(name) is not None
        line = f"{name}: {value}"
        if not is_known or len(line) > LINE or not _is_plain(value):
            return None
        lines.append(line)
    head = "\r\n".join([*lines, "MIME-Version: 1.0"]).encode()
    try:
        contents = list(_contents(text, html))
    except UnicodeEncodeError:
        return None
    if len(contents) == 1:
        return head + b"\r\n" + contents[0]
    boundary = b"=_" + blake2b(b"".join(contents), digest_size=16).hexdigest().encode()
    parts = b"".join(b"--%s\r\n%s\r\n" % (boundary, one) for one in contents)  # this line end is the boundary's
    kind = b'Content-Type: multipart/alternative; boundary="%s"' % boundary
    return b"%s\r\n%s\r\n\r\n%s--%s--\r\n" % (head, kind, parts, boundary)


def _is_plain(value: str) -> bool:
    """Whether it is read as it is written: printable, with nothing at its ends, and no encoded word."""
    return PRINTABLE.fullmatch(value) is not None and "=?" not in value and value.strip(" ") == value != ""


def _addresses(name: str, them: Sequence[Named]) -> str | None:
    written: list[str] = []
    for shown, address in them:
        path = address.canonical
        if SIMPLE.fullmatch(path) is None:
            return None
        if not shown:
            one = path
        elif not _is_plain(shown) or "  " in shown or '"' in shown or "\\" in shown:
            return None
        else:
            one = f"{shown} <{path}>" if ATOMS.fullmatch(shown) else f'"{shown}" <{path}>'
        if len(name) + 2 + len(one) + 1 > LINE:
            return None
        written.append(one)
    return f"{name}: " + ",\r\n ".join(written)


def _contents(text: str | None, html: str | None) -> Iterator[bytes]:
    for kind, content in (("plain", text), ("html", html)):
        if content is not None:
            encoding, octets = _encoded(content.encode())
            head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
            yield head.encode() + octets


def _encoded(content: bytes) -> tuple[str, bytes]:
    """As it is where every host takes it so; else in the shorter one of the two encodings."""
    lines = content.splitlines()
    octets = b"".join(line + b"\r\n" for line in lines) or b"\r\n"
    if content.isascii() and max(map(len, lines), default=0) <= LONGEST_LINE:
        return "7bit", octets
    quoted = b2a_qp(octets)
    if len(quoted) * 3 <= len(octets) * 4:
        return "quoted-printable", quoted
    return "base64", encodebytes(octets).replace(b"\n", b"\r\n")
