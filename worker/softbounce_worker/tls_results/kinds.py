"""The kinds of results, by the names of RFC 8460 §4.3, and by the numbers that a local collector knows them by."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

__all__ = ["PolicyKind", "Seen", "TlsFailure", "TlsResult"]


class PolicyKind(Enum):
    """By what a session was judged."""

    TLSA = "tlsa", 1
    STS = "sts", 2
    NONE = "no-policy-found", 9

    def __init__(self, word: str, number: int) -> None:
        self.word = word
        self.number = number


class TlsResult(Enum):
    """What went wrong."""

    STARTTLS_NOT_SUPPORTED = "starttls-not-supported", 201
    CERTIFICATE_HOST_MISMATCH = "certificate-host-mismatch", 202
    CERTIFICATE_NOT_TRUSTED = "certificate-not-trusted", 203
    CERTIFICATE_EXPIRED = "certificate-expired", 204
    VALIDATION_FAILURE = "validation-failure", 205
    STS_POLICY_FETCH_ERROR = "sts-policy-fetch-error", 301
    STS_POLICY_INVALID = "sts-policy-invalid", 302
    STS_WEBPKI_INVALID = "sts-webpki-invalid", 303
    TLSA_INVALID = "tlsa-invalid", 304
    DNSSEC_INVALID = "dnssec-invalid", 305

    def __init__(self, word: str, number: int) -> None:
        self.word = word
        self.number = number


class TlsFailure(NamedTuple):
    """What went wrong with one host.

    :ivar by_dane: what DNS says of the host was not met, or could not be asked.
    """

    result: TlsResult
    by_dane: bool = False


class Seen(NamedTuple):
    """What became of TLS with a host, for a domain's mail.

    :ivar result: what went wrong, though mail may have gone all the same; none: nothing did.
    """

    domain: str
    policy: PolicyKind
    result: TlsResult | None
    host: str | None = None
    address: str | None = None
