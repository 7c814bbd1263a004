"""What came back: a mail host's complete reply, or the trouble that stood in for one.

Both are values. What they *mean* is decided in one place, :mod:`softbounce.classify`. This module does not parse the
wire; the engine in ``softbounce_worker.smtp`` does, and builds a :class:`Reply` from any complete reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

__all__ = ["Reply", "Trouble", "TroubleKind"]

POSITIVE = 2


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One complete SMTP reply (RFC 5321 §4.2).

    :ivar code: three digits, 200 to 599 in any sane session; other values are kept as they came.
    :ivar enhanced: the enhanced status code ``class.subject.detail`` of RFC 3463 when the text began with one.
    :ivar lines: the text of each line, without code and enhanced status; control and bidirectional characters are
        already escaped, so it is safe to print.
    """

    code: int
    enhanced: str | None = None
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All lines joined by single spaces."""
        return " ".join(self.lines)

    @property
    def is_positive(self) -> bool:
        """Whether the first digit is 2 (RFC 5321 §4.2.1)."""
        return self.code // 100 == POSITIVE


class TroubleKind(StrEnum):
    """Why there was no reply, or why none was asked for."""

    NO_SUCH_DOMAIN = "no_such_domain"  # NXDOMAIN
    NULL_MX = "null_mx"  # RFC 7505
    NO_MAIL_HOST = "no_mail_host"  # neither MX nor address, or no usable one: permanent
    MAIL_LOOP = "mail_loop"  # we are the best MX ourselves
    ADDRESS_REFUSED = "address_refused"  # address policy: private or otherwise forbidden
    DNS_TEMPORARY = "dns_temporary"  # SERVFAIL, REFUSED, timeout
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"  # no route, reset while connecting
    TIMEOUT = "timeout"  # the deadline of a stage passed
    CONNECTION_LOST = "connection_lost"  # closed or reset by the remote
    PROTOCOL_ERROR = "protocol_error"  # a reply that makes no sense where it stands
    TLS_FAILED = "tls_failed"
    LOGIN_FAILED = "login_failed"  # a smarthost was to know us, and cannot (RFC 4954)
    TOO_BIG = "too_big"  # larger than the SIZE the host offers (RFC 1870)
    NEEDS_8BITMIME = "needs_8bitmime"  # 8-bit content, host does not offer it (RFC 6152)
    NEEDS_SMTPUTF8 = "needs_smtputf8"  # RFC 6531
    NEEDS_REQUIRETLS = "needs_requiretls"  # RFC 8689
    NEEDS_DELIVERBY = "needs_deliverby"  # RFC 2852
    HOST_LACKS = "host_lacks"  # one of these five, and another host of the site may take it
    WORKER_LOST = "worker_lost"  # our process ended after the marker: the outcome is not known
    SITE_UNAVAILABLE = "site_unavailable"  # the lane is closed; no session could be had lately


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that ended an attempt, or a part of it, without a reply.

    :ivar kind: what happened.
    :ivar text: the detail in words, safe to print.
    :ivar permanent: whether the same request can never succeed (NXDOMAIN, null MX, 8-bit refused ...).
    :ivar enhanced: the RFC 3463 code that says the same.
    """

    kind: TroubleKind
    text: str
    permanent: bool = False
    enhanced: str | None = None
