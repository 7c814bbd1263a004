"""The staging gate: whom mail may go to at all, so that a copy of production mails nobody.

Pure. Asked when mail is accepted, and again of every envelope that a worker claims, whatever way it came in by.
It is asked about the envelope's recipient, never about a header field: a ``Cc`` that is no recipient gets nothing.
"""

from __future__ import annotations

import re
from functools import cached_property

import msgspec

from softbounce.address import ascii_domain, ascii_glob
from softbounce.globs import Globs
from softbounce.road import Road, digest_in

__all__ = ["MOST_PATTERNS", "GateRules", "closes_to", "read_pattern"]

MOST_PATTERNS = 1_000
LONGEST_PATTERN = 320
GLOB = re.compile(r"[*?\[\]]")
ANY = re.compile(r"[*?.]+")
NOBODYS = frozenset({"test", "example", "invalid", "localhost", "local", "internal", "lan", "corp", "home"})
"""Ends of names that nobody can register, so that all below them may be allowed (RFC 2606, RFC 6762)."""


class GateRules(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Whom mail may go to.

    :ivar allow: patterns as :func:`read_pattern` makes them; none: nobody.
    :ivar others_to: the road to what takes all other mail on this machine; ``None``: that is held.
    """

    allow: tuple[str, ...]
    others_to: Road | None = None

    def allows(self, recipient: str) -> bool:
        """Whether a canonical address may get mail. Case is ignored, before the ``@`` too.

        What stands before the ``@`` and what behind it are compared apart: no local part, however quoted, looks like a
        domain.
        """
        local, _, domain = recipient.rpartition("@")
        return self._globs.first(domain, local) is not None

    @cached_property
    def _globs(self) -> Globs:
        pairs = (pattern.rpartition("@") for pattern in self.allow)
        return Globs((domain, local) for local, _, domain in pairs)

    @property
    def holds_others(self) -> bool:
        """Whether all other mail is held, and nothing takes it."""
        return self.others_to is None

    @property
    def in_words(self) -> str:
        """Whom it lets through: as much of it as a line holds."""
        shown = ", ".join(self.allow[:5])
        more = f" and {len(self.allow) - 5} more" if len(self.allow) > 5 else ""  # noqa: PLR2004 - as above
        return f"{shown}{more}" or "nobody"

    @property
    def others_in_words(self) -> str:
        """What becomes of all other mail."""
        if self.others_to is None:
            return "all else is held"
        return f"all else goes to {self.others_to.place} port {self.others_to.port} on this machine"

    def catches(self, lane: str) -> bool:
        """Whether a lane leads to the catcher, and nowhere else."""
        return self.others_to is not None and digest_in(lane) == self.others_to.digest

    def why_held(self, recipient: str) -> str:
        """Why an envelope is held: a sentence."""
        return f"The staging gate holds it: {recipient} is not among those whom [gate] allow lets have mail."


def closes_to(gate: GateRules | None, recipient: str, *, past_gate: bool) -> bool:
    """Whether a gate keeps mail from an address. No gate keeps none.

    :param past_gate: a person let this envelope past it.
    """
    return gate is not None and not past_gate and not gate.allows(recipient)


def read_pattern(text: str) -> str:
    """A pattern as it is compared: lower case, its domain in A-labels.

    :raises ValueError: it is none, or would let through what its writer does not think of; in words, why.
    """
    if not text.isprintable() or len(text) > LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {LONGEST_PATTERN} printable characters")
    local, at, domain = text.strip().lower().rpartition("@")
    if not (at and local and domain):
        raise ValueError(f'"{text}" should be an address or a pattern of addresses, such as "*@example.com"')
    domain = domain.removesuffix(".")
    if not GLOB.search(domain):
        return f"{local}@{ascii_domain(domain)}"
    domain = ascii_glob(domain)
    fixed = GLOB.split(domain)[-1]
    if not fixed:
        whose = "any domain" if ANY.fullmatch(domain) else "domains of other people, who can end theirs as they like"
        raise ValueError(f'"{text}" lets mail out to {whose}: name the domains')
    if not fixed.startswith("."):
        raise ValueError(
            f'"{text}" fits other people\'s not{fixed} too: write "{local}@{fixed}" and "{local}@*.{fixed}"'
        )
    if not domain.isascii():
        raise ValueError(f'"{text}" has letters beyond ASCII in a pattern: write the domain as xn--...')
    if "." not in ascii_domain(fixed[1:]) and fixed[1:] not in NOBODYS:
        raise ValueError(f'"{text}" lets mail out to every domain that ends with {fixed}: name the domains')
    return f"{local}@{domain}"
