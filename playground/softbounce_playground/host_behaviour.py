"""How a whole mail host behaves, whoever the recipient is.

A value: ``softbounce_playground.hosts`` lives by it, ``softbounce_playground.host_labels`` reads it from names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from softbounce_playground.point import Point

__all__ = ["EXTENSIONS", "PLAIN", "HostBehaviour"]

EXTENSIONS = ("STARTTLS", "PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DELIVERBY")
MAX_MESSAGE_OCTETS = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBehaviour:
    """What a host does at each point, and what it offers.

    :ivar replies: by point, instead of the usual reply: a reply (``"554 5.7.1 Go away"``), ``"drop"`` or ``"hang"``.
        A 421 closes the connection, as RFC 5321 §3.8 has it. At ``ehlo`` it answers EHLO only: HELO still works.
    :ivar delay: before every reply.
    :ivar extensions: the EHLO keywords offered; the limit of ``SIZE`` is added (RFC 1870), and ``STARTTLS``
        left out where TLS is on, or the playground has none (RFC 3207).
    :ivar max_message_octets: larger messages are refused, at MAIL when announced there.
    :ivar max_recipients: of one transaction; more are answered 452 4.5.3.
    :ivar max_connections: at one time; more are greeted with 421. 0: no limit.
    :ivar max_messages: begun in any time of ``per``; further MAILs are answered 450 4.7.1. 0: no limit.
    :ivar refuses_connections: nothing listens; connections that are open are cut.
    :ivar data_without_recipients: DATA is answered 354 although no recipient was accepted (RFC 2920 §3.1 warns of it).
    """

    replies: Mapping[Point | str, str] = field(default_factory=dict)
    delay: timedelta = timedelta(0)
    extensions: tuple[str, ...] = EXTENSIONS
    max_message_octets: int = MAX_MESSAGE_OCTETS
    max_recipients: int = 100
    max_connections: int = 0
    max_messages: int = 0
    per: timedelta = timedelta(minutes=1)
    refuses_connections: bool = False
    data_without_recipients: bool = False


PLAIN = HostBehaviour()
