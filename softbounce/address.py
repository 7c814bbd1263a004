"""Addresses of envelopes: the path grammar of RFC 5321 §4.1.2, and nothing wider.

Header addresses (RFC 5322) are another, wider grammar: comments, display names, folding. None of that is taken here,
because a parser that guesses where a route ends can be led to another host. This module resolves no name and does not
ask whether a mailbox exists.

RFC 5321 §4.1.2 and §4.5.3.1 (grammar, limits), RFC 6531 §3.3 (UTF-8 local parts), RFC 5891 and UTS #46 (domains).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna
import msgspec

from softbounce.errors import InvalidAddress

__all__ = ["NULL_SENDER", "Address", "ascii_domain", "ascii_glob", "is_name", "parse_address", "parse_sender"]

LOCAL_OCTETS = 64  # RFC 5321 §4.5.3.1.1
DOMAIN_OCTETS = 255  # §4.5.3.1.2
LABEL_OCTETS = 63  # RFC 1035 §2.3.4
PATH_OCTETS = 256  # §4.5.3.1.3, with the angle brackets around it
TEXT_CHARACTERS = 1024  # more is refused unread
WILDCARDS = frozenset("*?[]")

# atext = ALPHA / DIGIT / "!" / "#" / ... (RFC 5322 §3.2.3); Dot-string = Atom *("." Atom). Possessive: linear in time.
ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
PLAIN_PATH = re.compile(rf"({ATEXT}++(?:\.{ATEXT}++)*+)@([\x21-\x3f\x41-\x7e]*+)")
# RFC 6531 §3.3 widens atext by UTF8-non-ascii; which of those we take is _odd_character's business.
WIDE_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
DOT_STRING = re.compile(rf"{WIDE_ATEXT}++(?:\.{WIDE_ATEXT}++)*+")
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE; qtextSMTP = %d32-33 / %d35-91 / %d93-126; "\" %d32-126
QUOTED_PATH = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*+)"@(.*+)', re.DOTALL)
# sub-domain = Let-dig [Ldh-str]
LABEL = r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"
DOMAIN = re.compile(rf"{LABEL}(?:\.{LABEL})*")
# IPv4-address-literal / "IPv6:" IPv6-addr (§4.1.3); no zone, no General-address-literal
LITERAL = re.compile(r"\[(IPv6:)?([0-9A-F.:]+)\]", re.IGNORECASE)

JOINERS = frozenset("\u200c\u200d")  # needed to spell words of Persian and of Indic scripts
REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One mailbox, as it is routed and as it was given.

    :ivar local: the local part as it goes on the wire: case kept, NFC, quoted only where it must be.
    :ivar domain: in A-labels and lower case; an address literal keeps its brackets.
    :ivar text: the caller's spelling.
    """

    local: str
    domain: str
    text: str

    @property
    def canonical(self) -> str:
        """The path without angle brackets: what goes on the wire, and what tells duplicates. Empty: the null sender."""
        return f"{self.local}@{self.domain}" if self.domain else ""

    @property
    def smtputf8(self) -> bool:
        """Whether the path can only be carried by a host that offers SMTPUTF8 (RFC 6531)."""
        return not self.local.isascii()

    @property
    def is_null(self) -> bool:
        """Whether this is the null sender ``<>``."""
        return not self.domain


NULL_SENDER = Address(local="", domain="", text="")


def parse_address(text: str, *, field: str = "recipient", allow_literals: bool = False) -> Address:
    """Read one mailbox, ``local@domain``, with or without the angle brackets of a path.

    :param field: the argument that an error names.
    :param allow_literals: take ``[192.0.2.1]`` and ``[IPv6:2001:db8::1]`` for a domain.
    :raises InvalidAddress: outside the grammar, or longer than 64 (local part), 255 (domain), 256 octets (path).
    """
    if not isinstance(text, str):
        raise InvalidAddress(field, f"not a string but {type(text).__name__}")
    plain = PLAIN_PATH.fullmatch(text) if len(text) <= PATH_OCTETS else None
    try:
        if plain is not None:
            local = plain[1]
            domain = _domain(plain[2], allow_literals)
            if len(local) <= LOCAL_OCTETS and len(local) + len(domain) <= PATH_OCTETS - 3:
                return Address(local=local, domain=domain, text=text)
        return _parse_slowly(text, allow_literals=allow_literals)
    except ValueError as error:
        raise InvalidAddress(field, str(error)) from None


def parse_sender(text: str, *, field: str = "sender", allow_literals: bool = False) -> Address:
    """Read the sender: as :func:`parse_address`, and ``""`` or ``"<>"`` for the null sender.

    :raises InvalidAddress: as there.
    """
    if text in ("", "<>"):
        return NULL_SENDER
    return parse_address(text, field=field, allow_literals=allow_literals)


@lru_cache(maxsize=16_384)
def ascii_domain(text: str) -> str:
    """The domain in A-labels and lower case, as DNS, TLS and the wire want it.

    :raises ValueError: not a domain of RFC 5321 §4.1.2; the message says why, in words.
    """
    if len(text) > DOMAIN_OCTETS:
        raise ValueError(f"the domain is longer than {DOMAIN_OCTETS} octets")
    domain = text.lower()
    if not text.isascii():
        try:
            domain = idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
        except UnicodeError as error:
            raise ValueError(f"the domain has no form in A-labels: {ascii(str(error))[1:-1]}") from None
    if DOMAIN.fullmatch(domain) is None:
        raise ValueError(_why_no_domain(domain))
    if domain[domain.rfind(".") + 1 :].isdecimal():
        raise ValueError("the last label of the domain is a number, so it can be no domain")
    return domain


def is_name(domain: str) -> bool:
    """Whether each label of an ASCII domain that begins with ``xn--`` stands for one beyond ASCII (RFC 5891)."""
    try:
        for label in domain.split("."):
            if label.startswith("xn--"):
                idna.decode(label)
    except UnicodeError:
        return False
    return True


def ascii_glob(text: str) -> str:
    """A glob of domains, or of addresses, as their names are stored: labels of the domain beyond ASCII as A-labels.

    A label that has a wildcard beside letters beyond ASCII has no such form, and stays: nothing fits it.
    """
    if text.isascii():
        return text
    local, at, domain = text.rpartition("@")
    return f"{local}{at}{'.'.join(map(_a_label, domain.split('.')))}"


def _a_label(label: str) -> str:
    if label.isascii() or not WILDCARDS.isdisjoint(label):
        return label
    try:
        return idna.encode(label, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:
        return label


def _domain(text: str, allow_literals: bool) -> str:  # noqa: FBT001 (positional for the speed of the plain path)
    return ascii_domain(text) if not text.startswith("[") else _literal(text, allowed=allow_literals)


def _parse_slowly(text: str, *, allow_literals: bool) -> Address:
    """Everything but short ASCII dot-strings: brackets, quotes, UTF-8, and the reason for a refusal."""
    if len(text) > TEXT_CHARACTERS:
        raise ValueError(f"longer than {PATH_OCTETS} octets")
    path = unicodedata.normalize("NFC", text)
    if (odd := _odd_character(path)) is not None:
        raise ValueError(f"has the character U+{ord(odd):04X}, which no address may have")
    if path.startswith("<") and path.endswith(">"):
        path = path[1:-1]
    local, right = _split(path)
    domain = _domain(right, allow_literals)
    octets = len(local.encode())
    if octets > LOCAL_OCTETS:
        raise ValueError(f"the local part has {octets} octets, more than {LOCAL_OCTETS}")
    if octets + len(domain) > PATH_OCTETS - 3:
        raise ValueError(f"the path has {octets + len(domain) + 3} octets, more than {PATH_OCTETS}")
    return Address(local=local, domain=domain, text=text)


def _split(path: str) -> tuple[str, str]:
    """Local part in its canonical spelling, and the domain as it stands."""
    if path.startswith("@"):
        raise ValueError("source routes (@host:user@domain) are refused" if ":" in path else "no local part")
    if path.startswith('"'):
        quoted = QUOTED_PATH.fullmatch(path)
        if quoted is None:
            raise ValueError("the quoted local part does not end in a quote and an @")
        return _requote(quoted[1]), quoted[2]
    local, at, right = path.partition("@")
    if not at:
        raise ValueError("has no @")
    if DOT_STRING.fullmatch(local) is None:
        raise ValueError(_why_no_local_part(local))
    return local, right


def _requote(content: str) -> str:
    r"""The minimal spelling of a quoted local part: ``"joe"`` is ``joe``, ``"\j oe"`` is ``"j oe"`` (§4.1.2)."""
    plain = re.sub(r"\\(.)", r"\1", content)
    if DOT_STRING.fullmatch(plain):
        return plain
    return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'


def _odd_character(path: str) -> str | None:
    """The first character that is a control, invisible, a strange space, a surrogate or unassigned."""
    if path.isascii() and path.isprintable():
        return None
    return next(
        (
            character
            for character in path
            if character not in JOINERS and character != " " and unicodedata.category(character) in REFUSED_CATEGORIES
        ),
        None,
    )


def _literal(text: str, *, allowed: bool) -> str:
    """An address literal of RFC 5321 §4.1.3 in one spelling."""
    if not allowed:
        raise ValueError("address literals ([192.0.2.1]) are not taken here")
    tagged = LITERAL.fullmatch(text)
    try:
        if tagged is not None:
            return f"[IPv6:{IPv6Address(tagged[2])}]" if tagged[1] else f"[{IPv4Address(tagged[2])}]"
    except AddressValueError:
        pass
    raise ValueError("the address literal is neither [192.0.2.1] nor [IPv6:2001:db8::1]")


def _why_no_local_part(local: str) -> str:
    if "(" in local or ")" in local:
        return "comments in parentheses are refused"
    if "<" in local:
        return "a display name is no part of an envelope's address"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "the local part starts or ends with a dot, or has two in a row"
    wrong = next(character for character in local if re.fullmatch(rf"{WIDE_ATEXT}|\.", character) is None)
    return f"the local part has {wrong!a} outside quotes"


def _why_no_domain(domain: str) -> str:
    for mark, reason in (
        ("@", "has more than one @"),
        ("(", "comments in parentheses are refused"),
        (":", "a domain has no port"),
        ("_", "the domain has an underscore, which host names may not have"),
    ):
        if mark in domain:
            return reason
    if not domain:
        return "no domain after the @"
    if domain.endswith("."):
        return "the domain ends with a dot"
    labels = domain.split(".")
    if "" in labels:
        return "the domain has an empty label"
    if any(len(label) > LABEL_OCTETS for label in labels):
        return f"a label of the domain is longer than {LABEL_OCTETS} octets"
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return "a label of the domain starts or ends with a hyphen"
    return "the domain has characters other than letters, digits, hyphens and dots"
