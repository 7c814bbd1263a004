"""One message on its way to some recipients: what is said for it, and who still has no outcome.

Decides what cannot be said to a host at all, whatever it would answer; drives nothing. RFC 1870 (size), RFC 2852
(delivery by a time), RFC 6152 (8-bit content), RFC 6531 (addresses beyond ASCII), RFC 8689 (TLS all the way).
"""

from __future__ import annotations

import asyncio

from softbounce.deliver_by import By
from softbounce.reply import Trouble, TroubleKind
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp import Command, Data, Extensions, Mail, Rcpt, unstuff
from softbounce_worker.smtp.seven_bit import seven_bit
from softbounce_worker.smtp.wire import mail_line, rcpt_line
from softbounce_worker.work import Work

__all__ = ["LACKS", "Transaction", "unsendable"]

LACKS = frozenset(
    {
        TroubleKind.TOO_BIG,
        TroubleKind.NEEDS_8BITMIME,
        TroubleKind.NEEDS_SMTPUTF8,
        TroubleKind.NEEDS_REQUIRETLS,
        TroubleKind.NEEDS_DELIVERBY,
    }
)
"""What is one host's lack: another of the same site may do it."""


class Transaction:
    """One message for up to 100 recipients.

    :ivar commands: what is said before the content.
    :ivar content: what is then sent, with all dots.
    :ivar accepted: recipients whose RCPT was accepted.
    :ivar waiting: recipients without an outcome so far whose message cannot have been taken: they may go back untried.
    :ivar surplus: those of them that the host wants in another transaction.
    """

    __slots__ = (
        "accepted",
        "commands",
        "content",
        "data",
        "mail",
        "sender_is_refused",
        "started_ms",
        "surplus",
        "waiting",
        "works",
    )

    def __init__(self, works: list[Work], started_ms: int) -> None:
        self.started_ms = started_ms
        self.accepted: list[Work] = []
        self.surplus: list[Work] = []
        self.data = Data()
        self.sender_is_refused = False
        self._begin(works)

    def _begin(self, works: list[Work]) -> None:
        self.works = works
        self.waiting = list(works)
        first = works[0]
        envelope = first.record.envelope
        if envelope.deliver_by is not None:
            by = envelope.deliver_by.by(first.record.created_ms, self.started_ms)
            for work in works:
                work.by = by
        self.content = first.parcel.content  # which may become another one, for others
        self.mail = Mail(
            first.mail_from,
            size=first.parcel.octets,
            eight_bit=first.parcel.eight_bit,
            smtputf8=any(work.record.envelope.body.smtputf8 for work in works),
            dsn=envelope.dsn,
            require_tls=first.requires_tls,
            by=first.by,
        )
        is_timed = first.by is not None and not first.by.returns and first.by.seconds > 0
        envelopes = [work.record.envelope for work in works]
        rcpts = [Rcpt(one.recipient, dsn=one.dsn, is_timed=is_timed) for one in envelopes]
        self.commands: tuple[Command, ...] = (self.mail, *rcpts, self.data)

    def take_waiting(self) -> list[Work]:
        """Those without an outcome; they wait here no more."""
        works, self.waiting, self.surplus = self.waiting, [], []
        return works

    def is_refused(self, command: Command) -> bool:
        """Whether the answers so far leave nothing for this command to ask."""
        return self.sender_is_refused or (command is self.data and not self.accepted)

    async def convert(self) -> None:
        """Make 7-bit what no host that can be asked takes otherwise. In a thread: a message may be large."""
        parcels = {work.parcel for work in self.works if work.parcel.wants_seven_bit}
        for parcel in parcels:
            parcel.take_converted(await asyncio.to_thread(seven_bit, unstuff(parcel.content)))
        if parcels:
            self._begin(self.works)

    def sift(self, offered: Extensions) -> list[tuple[Work, Trouble]]:
        """Take out the recipients to whom the message cannot be sent at this host, and say why.

        Each is judged alone: one address beyond ASCII is no obstacle to the others. Empty ``works``: none is left.
        """
        refused = [(work, trouble) for work in self.works if (trouble := unsendable(work, offered)) is not None]
        if not refused:
            return refused
        gone = {id(work) for work, _ in refused}
        left = [work for work in self.works if id(work) not in gone]
        if left:
            self._begin(left)
        else:
            self.works, self.waiting = [], []
        return refused


def unsendable(work: Work, offered: Extensions) -> Trouble | None:
    """Why a host with this offer cannot be sent a message, if so. Only another offer can change that."""
    parcel, envelope = work.parcel, work.record.envelope
    utf8 = envelope.body.smtputf8
    if not offered.takes(parcel.octets):
        text = f"the message has {parcel.octets} octets, the host takes {offered.size}"
        return Trouble(kind=TroubleKind.TOO_BIG, text=text, permanent=True, enhanced="5.3.4")
    if parcel.eight_bit and not offered.eight_bit_mime:
        text = "the message has 8-bit content, and the host does not offer 8BITMIME"
        return Trouble(kind=TroubleKind.NEEDS_8BITMIME, text=text, permanent=True, enhanced="5.6.3")
    if utf8 and not offered.smtputf8:
        text = "the message needs SMTPUTF8, which the host does not offer"
        return Trouble(kind=TroubleKind.NEEDS_SMTPUTF8, text=text, permanent=True, enhanced="5.6.7")
    if work.requires_tls and not offered.requiretls:
        text = "the message needs REQUIRETLS, which the host does not offer"
        return Trouble(kind=TroubleKind.NEEDS_REQUIRETLS, text=text, permanent=True, enhanced="5.7.30")
    if (by := work.by) is not None and by.returns and (text := _not_by(by, offered.deliver_by)):
        return Trouble(kind=TroubleKind.NEEDS_DELIVERBY, text=text, permanent=True, enhanced="5.4.7")
    try:
        mail_line(Mail(work.mail_from, smtputf8=utf8), offered)
        rcpt_line(envelope.recipient, utf8=utf8)
    except LocalProtocolError as error:  # an address that should never have been accepted
        return Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=str(error), permanent=True, enhanced="5.1.3")
    return None


def _not_by(by: By, shortest: int | None) -> str:
    """Why a host does not deliver it in time, in words; empty: it may.

    RFC 2852 §4.1.4.1 wants it withheld from a host that does not offer DELIVERBY as well. Hardly any does, and who
    names a time wants his mail there by then: what the hosts of its domain take in time has come in time.
    """
    if by.seconds <= 0:
        return "the time by which it was to be delivered is over"
    is_too_short = shortest is not None and by.seconds < shortest
    return f"it is to be delivered within {by.seconds} s, the host takes {shortest} s" if is_too_short else ""
