"""What a host offered in its reply to EHLO (RFC 5321 §4.1.1.1): keywords to typed values.

Junk never hurts: unknown keywords, lines that are none and parameters that make no sense are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["NO_EXTENSIONS", "Extensions", "TransactionLimits", "parse_extensions"]

# RFC 5321 §4.1.1.1:  ehlo-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-"). In reality "AUTH=LOGIN" exists as well,
# from before RFC 2554 became a standard; "=" therefore ends a keyword.
KEYWORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =]+(.*))?")

# RFC 1870 §3:  size-param = *20DIGIT
SIZE = re.compile(r"[0-9]{1,20}")

# RFC 2852 §2:  deliverby-param = min-by-time; min-by-time = 1*9DIGIT. §3: more may be behind it one day
BY_TIME = re.compile(r"([0-9]{1,9})(?:[, ].*)?")

# RFC 9422 §3:  limits-param = limit-name-value 0*[SP limit-name-value]
#               limit-name-value = limit-name ["=" limit-value];  limit-value = any visible character but ";"
# §4: the values of MAILMAX, RCPTMAX and RCPTDOMAINMAX are one to six digits, the first of them not 0.
LIMIT = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:=([!-:<-~]+))?")
LIMIT_NUMBER = re.compile(r"[1-9][0-9]{0,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionLimits:
    """LIMITS (RFC 9422); ``None`` where the host named none.

    :ivar mail_max: transactions in one session.
    :ivar rcpt_max: recipients in one transaction.
    :ivar rcpt_domain_max: different recipient domains in one session.
    """

    mail_max: int | None = None
    rcpt_max: int | None = None
    rcpt_domain_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """The offer of one host in one session.

    :ivar size: largest message in octets; 0: offered without a limit; ``None``: not offered (RFC 1870).
    :ivar deliver_by: the shortest time in seconds by which it delivers what else comes back; 0: any; ``None``: not
        offered (RFC 2852).
    :ivar auth: mechanisms, in capitals (RFC 4954).
    """

    pipelining: bool = False
    size: int | None = None
    eight_bit_mime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    dsn: bool = False
    chunking: bool = False
    enhanced_status_codes: bool = False
    requiretls: bool = False
    deliver_by: int | None = None
    limits: TransactionLimits = field(default_factory=TransactionLimits)
    auth: frozenset[str] = frozenset()

    def takes(self, octets: int) -> bool:
        """Whether a message of so many octets is within the offered SIZE."""
        return not self.size or octets <= self.size


NO_EXTENSIONS = Extensions()
"""What may be used after HELO."""


def parse_extensions(lines: Iterable[str]) -> Extensions:
    """Read the lines of a reply to EHLO, without the first, which greets. Of a keyword given twice the last counts."""
    offered: dict[str, str] = {}
    auth: set[str] = set()
    for line in lines:
        if match := KEYWORD.fullmatch(line):
            keyword = match[1].upper()
            parameters = match[2] or ""
            offered[keyword] = parameters
            if keyword == "AUTH":  # may stand twice, once in the old form
                auth.update(parameters.upper().split())
    return Extensions(
        pipelining="PIPELINING" in offered,
        size=_size(offered["SIZE"]) if "SIZE" in offered else None,
        eight_bit_mime="8BITMIME" in offered,
        smtputf8="SMTPUTF8" in offered,
        starttls="STARTTLS" in offered,
        dsn="DSN" in offered,
        chunking="CHUNKING" in offered,
        enhanced_status_codes="ENHANCEDSTATUSCODES" in offered,
        requiretls="REQUIRETLS" in offered,
        deliver_by=_by_time(offered["DELIVERBY"]) if "DELIVERBY" in offered else None,
        limits=_limits(offered.get("LIMITS", "")),
        auth=frozenset(auth),
    )


def _size(parameters: str) -> int:
    """The limit; 0 (none) also where the parameter is missing or no number."""
    return int(parameters) if SIZE.fullmatch(parameters) else 0


def _by_time(parameters: str) -> int:
    """The shortest time; 0 also where the parameter is missing or no number."""
    found = BY_TIME.fullmatch(parameters)
    return 0 if found is None else int(found[1])


def _limits(parameters: str) -> TransactionLimits:
    """The limits named; none at all when any of them is malformed (RFC 9422 §3: then the keyword is ignored)."""
    known: dict[str, int] = {}
    for parameter in parameters.split():
        match = LIMIT.fullmatch(parameter)
        if match is None:
            return TransactionLimits()
        name, value = match[1].upper(), match[2] or ""
        if name in {"MAILMAX", "RCPTMAX", "RCPTDOMAINMAX"}:
            if not LIMIT_NUMBER.fullmatch(value):
                return TransactionLimits()
            known[name] = int(value)
    return TransactionLimits(
        mail_max=known.get("MAILMAX"),
        rcpt_max=known.get("RCPTMAX"),
        rcpt_domain_max=known.get("RCPTDOMAINMAX"),
    )
