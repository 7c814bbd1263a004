"""From a message that came in to one that is stored, and to the reply that says so.

A 250 is said when the store has it, and never else. Where the answer of the store was lost, the same key is tried
again for a while; what then is still not known hears a 451, and the client repeats as SMTP has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv6Address, ip_address

import structlog

from softbounce.client.send.arguments import Outgoing
from softbounce.deliver_by import DeliverBy
from softbounce.dsn import DsnOptions
from softbounce.duration import MILLISECOND
from softbounce.errors import (
    InvalidAddress,
    InvalidMessage,
    KeyReused,
    QuotaExceeded,
    StoreError,
    StoreFull,
    StoreUnavailable,
    StoreUncertain,
)
from softbounce.message.authors import authors_of
from softbounce.message.own_fields import BadField, field_name, take_out
from softbounce.message.prepared import prepare
from softbounce.message.raw_fields import in_encoded_words
from softbounce_gateway.submission import replies
from softbounce_gateway.submission.headless import with_header
from softbounce_gateway.submission.house import Login
from softbounce_gateway.submission.steps import Store
from softbounce_gateway.together import Together

__all__ = ["HandingOver"]

SOONEST = timedelta(seconds=1)
"""So much later somebody is told that mail is late which was late when it came: most is delivered by then."""
PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Seconds before an answer that was lost is asked for again."""
log = structlog.get_logger("softbounce.submission")


class HandingOver:
    """Hands messages over to the store.

    :param ways: to the store, by protocol: ``smtp`` and ``lmtp``.
    :param hostname: ours, for the Received field.
    """

    def __init__(self, ways: Mapping[str, Together], hostname: str, now: Callable[[], datetime]) -> None:
        self._ways = ways
        self._hostname = hostname
        self._now = now

    async def take(self, asked: Store, peer: str) -> str:
        """Store it; the reply.

        :param peer: the client's address.
        """
        asked = replace(asked, message=with_header(asked.message))
        try:
            written = asked if asked.options.smtputf8 else replace(asked, message=in_encoded_words(asked.message))
            if asked.login is not None and (refused := _not_for(asked.login, written.message)):
                return refused
            outgoing = self._outgoing(written, peer)
            message_id = await self._send(self._ways[asked.protocol], outgoing)
        except BadField as error:
            return f"550 5.6.0 {replies.in_one_line(str(error))}"
        except InvalidAddress as error:
            return f"553 5.1.3 {replies.in_one_line(str(error))}"
        except InvalidMessage as found:
            wrong = _as_it_came(asked.message, found)
            name = field_name(wrong.field)
            text = replies.in_one_line(str(wrong) if name is None else f"{name}: {wrong.reason}")
            is_too_large = name is None and "max_message_octets" in wrong.reason
            return f"{'552 5.3.4' if is_too_large else '550 5.6.0'} {text}"
        except KeyReused:
            return "550 5.6.0 X-Softbounce-Key: was used before for other content; use a new key for new mail"
        except QuotaExceeded as error:
            return f"452 4.7.1 {replies.in_one_line(str(error))}"
        except StoreFull:
            return "452 4.3.1 the store is full, try again later"
        except StoreError as error:
            log.warning("message_not_taken", error=str(error))
            return replies.STORE_AWAY_451
        except Exception:
            log.exception("handing_over_failed")  # whatever it is, nothing was promised
            return "451 4.3.0 a fault of ours, try again later"
        return f"250 2.0.0 queued as {message_id}"

    async def _send(self, together: Together, outgoing: Outgoing) -> str:
        """Store it; the message's id.

        Where an answer was lost it is asked again, by the same key: what was taken then is known by it.
        """
        is_uncertain = False
        octets = len(outgoing["message"])
        for pause in PAUSES:
            try:
                return (await together.send(outgoing, octets=octets)).message_id
            except StoreUncertain as error:
                is_uncertain, outgoing["key"] = True, error.key
            except StoreUnavailable:
                if not is_uncertain:
                    raise
            await asyncio.sleep(pause)
        return (await together.send(outgoing, octets=octets)).message_id

    def _outgoing(self, asked: Store, peer: str) -> Outgoing:
        """The arguments of ``send``. Where both MAIL and a field bound its time, both are obeyed."""
        now = self._now()
        fields, message = take_out(asked.message, now)
        options = asked.options
        recipients = [one.address for one in asked.recipients]
        received = self._received(asked, peer, now)
        at = max(filter(None, (options.at, fields.at)), default=None)
        window, warn_after = _times(options.deliver_by, timedelta(0) if at is None else max(timedelta(0), at - now))
        outgoing = Outgoing(
            sender=asked.sender,
            recipients=recipients,
            message=received + message,
            stream=fields.stream,
            key=fields.key,
            at=at,
            tenant=fields.tenant,
            tags=fields.tags,
            metadata=fields.metadata,
            window=min(filter(None, (window, fields.window)), default=None),
            warn_after=warn_after,
            deliver_by=options.deliver_by,
            require_tls=options.require_tls,
        )
        dsn = DsnOptions()
        notify = {one.address: one.options.notify for one in asked.recipients if one.options.notify}
        orcpt = {one.address: one.options.orcpt for one in asked.recipients if one.options.orcpt}
        if notify:
            dsn["notify"] = notify
        if orcpt:
            dsn["orcpt"] = orcpt
        if options.ret in ("full", "headers"):
            dsn["ret"] = options.ret  # type: ignore[typeddict-item]
        if options.envid:
            dsn["envid"] = options.envid
        if dsn:
            outgoing["dsn"] = dsn
        return outgoing

    def _received(self, asked: Store, peer: str, now: datetime) -> bytes:
        """The trace that whoever passes mail on has to leave (RFC 5321 §4.4): loops are found by it."""
        text = (
            f"Received: from {asked.helo} ({_literal(peer)})\r\n\tby {self._hostname} with {asked.with_words};"
            f"\r\n\t{format_datetime(now)}\r\n"
        )
        return text.encode("ascii", "replace")


def _literal(peer: str) -> str:
    """A client's address as a trace has it (RFC 5321 §4.1.3); one of IPv4 on a socket of IPv6 is one of IPv4."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return f"[{peer}]"
    if isinstance(address, IPv6Address):
        return f"[IPv6:{address}]" if address.ipv4_mapped is None else f"[{address.ipv4_mapped}]"
    return f"[{address}]"


def _times(by: DeliverBy | None, held: timedelta) -> tuple[timedelta | None, timedelta | None]:
    """The window of a message that is to be delivered by then, or after how long its sender hears that it is late.

    Both count from when its first attempt may begin, and BY from when it came.

    :param held: how much later it may begin.
    :raises BadField: it may not begin before its time is over.
    """
    if by is None:
        return None, None
    left = by.within_ms * MILLISECOND - held
    if not by.returns:
        return None, max(left, SOONEST)
    if left <= timedelta(0):
        raise BadField("X-Softbounce-At", "is behind the time that BY of MAIL names")
    return left, None


def _as_it_came(message: bytes, error: InvalidMessage) -> InvalidMessage:
    """The error with the numbers of lines and fields that the client wrote: ours are not to be seen by it.

    Where it wrote no header the error stays: alone such a message is refused for that.
    """
    if message.startswith(b"\r\n"):
        return error
    try:
        prepare(message, max_octets=len(message))
    except InvalidMessage as own:
        return own if own.field == error.field else error
    return error


def _not_for(login: Login, message: bytes) -> str | None:
    """Why somebody may not send this message, as a reply: whom it says that it is from is not for that token."""
    if login.binds_authors:
        for author in authors_of(message):
            if not login.may_send_as(author):
                return f"550 5.7.1 From: {login.name} may not write as {replies.in_one_line(author)}"
    return None
