"""Whose mail it is: the domain of the first author that the From field names, by which a message's keys are chosen.

It is the domain that DMARC looks at (RFC 9989, RFC 7489 §3.1.1), and the one that a reader sees. The envelope's sender
may be another one, or none, as with bounces. What is in comments and quotes is no address (RFC 5322 §3.2.2, §3.2.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from softbounce.address import ascii_domain

__all__ = ["author_domain"]

SIGN_OR_WORD = re.compile(r'"(?:[^"\\]|\\.)*"?|\\.|[()<>,;:]|[^"\\()<>,;:]+', re.DOTALL)
LONGEST = 65_536
"""Characters of a field that are looked at."""


def author_domain(fields: Sequence[bytes]) -> str | None:
    """The domain in A-labels and lower case; ``None``: no From field names one.

    :param fields: of the header, each with its name. With several From fields, which RFC 5322 §3.6 forbids, the first
        that names a domain counts.
    """
    for field in fields:
        name, _, value = field.partition(b":")
        if name.strip().lower() == b"from":
            text = value[:LONGEST].replace(b"\r\n", b"").decode(errors="replace")
            if (domain := _first_domain(text)) is not None:
                return domain
    return None


def _first_domain(text: str) -> str | None:
    for mailbox in _mailboxes(text):
        local, at, domain = mailbox.rpartition("@")
        if not (local.strip() and at):
            continue
        try:
            return ascii_domain("".join(domain.split()))
        except ValueError:
            continue
    return None


def _mailboxes(text: str) -> list[str]:
    """What stands where addresses stand: in angle brackets, else between commas. Comments are gone."""
    found: list[str] = []
    plain: list[str] = []
    angle: list[str] | None = None
    depth = 0
    for sign in SIGN_OR_WORD.findall(text):
        if sign == "(":
            depth += 1
        elif depth:
            depth -= sign == ")"
        elif sign == "<":
            angle = []
        elif sign == ">" and angle is not None:
            found.append("".join(angle).rpartition(":")[2])  # without an obsolete route
            plain, angle = [], None
        elif angle is not None and sign != ">":
            angle.append(sign)
        elif sign in {",", ";", ":"}:
            found.append("".join(plain))
            plain = []
        else:
            plain.append(sign)
    return [*found, "".join(plain if angle is None else angle)]
