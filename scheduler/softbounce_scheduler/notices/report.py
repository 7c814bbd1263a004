"""A delivery status notification as octets: for its reader in words, for programs in fields, and what is returned.

Pure. Whatever a host said stands in it in one line of ASCII, so that it can forge neither a field nor a part. Addresses
beyond ASCII are written so that no host on the way has to know of them (RFC 6533 §3).

RFC 6522 (multipart/report), RFC 3464 (the fields), RFC 3461 §6 (what they have of the sender's own), RFC 2852 (the time
by which it was to be delivered), RFC 3834 (Auto-Submitted, so that no machine answers).
"""

from __future__ import annotations

import re
import secrets
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.quoprimime import body_encode
from email.utils import format_datetime

from softbounce.dsn import orcpt_value
from softbounce_scheduler.notices.due import Action
from softbounce_scheduler.notices.returned import Returned

__all__ = ["Notice", "Outcome", "write_notice"]

WIDTH = 76
LONGEST = 900
"""Characters of a line that has no place to be folded at."""
STATUS = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3}")
CLASSES = {Action.FAILED: "45", Action.DELAYED: "4", Action.RELAYED: "2"}
STATUSES = {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0", Action.RELAYED: "2.0.0"}
OF_CAUSES = {"promoted": "4.4.7", "suppressed": "5.7.1", "unroutable": "5.4.4", "uncertain": "4.4.2"}
"""Where no host gave one (RFC 3463)."""
EXPIRED = {Action.FAILED: "5.4.7", Action.DELAYED: "4.4.7"}
"""Where its sender said by when, and that time is over (RFC 2852 §4.1.3)."""
PROMOTED = "promoted"
PERMANENT = 5
SUBJECTS = {
    Action.FAILED: "Undelivered Mail Returned to Sender",
    Action.DELAYED: "Delayed Mail (still being retried)",
    Action.RELAYED: "Mail was passed on",
}
SAYS = {
    Action.FAILED: "Your message could not be delivered to {whom}. It is not tried again.",
    Action.DELAYED: "Your message to {whom} is delayed. You need not send it again: it is still being tried.",
    Action.RELAYED: "Your message to {whom} was passed on to a mail host that may tell you no more of it. If it "
    "fails behind that host, you may still hear of it.",
}
LAST = "This is the last notice to this address within this hour: there were too many."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one recipient. Texts may have any characters.

    :ivar original: as the sender called him (ORCPT); empty: he did not.
    :ivar code: of the host's reply; ``None``: there was none, and ``text`` tells of the trouble instead.
    :ivar why: in a sentence of ours.
    :ivar tried_at: the last attempt; ``None``: there was none.
    :ivar until: when it is given up, of a delay.
    :ivar log_id: the envelope's.
    """

    recipient: str
    log_id: str
    original: str = ""
    host: str = ""
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    cause: str = ""
    why: str = ""
    tried_at: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """All that one says.

    :ivar id: what stands before the @ of its own Message-ID: the same whenever it is written.
    :ivar hostname: ours.
    :ivar envid: the sender's own word for the message, if he had one.
    :ivar message_id: of the message, with its brackets; empty: it is not known.
    :ivar deliver_by: by when its sender wanted it delivered, if he said so; and
    :ivar returns: that it was to come back then, instead of being tried on.
    :ivar is_last: no other goes to this address within this hour.
    """

    id: str
    action: Action
    to: str
    sent_from: str
    hostname: str
    at: datetime
    arrived_at: datetime
    outcomes: Sequence[Outcome]
    envid: str = ""
    message_id: str = ""
    returned: Returned | None = None
    deliver_by: datetime | None = None
    returns: bool = False
    is_last: bool = False


def write_notice(notice: Notice) -> bytes:
    """The message."""
    boundary = f"=_{secrets.token_hex(16)}"
    header = [
        f"From: Mail Delivery System <{_line(notice.sent_from)}>",
        f"To: {_line(notice.to)}",
        f"Subject: {SUBJECTS[notice.action]}",
        f"Date: {format_datetime(notice.at)}",
        f"Message-ID: <{notice.id}@{notice.hostname}>",
        "Auto-Submitted: auto-replied",
        *(f"{name}: {notice.message_id}" for name in ("In-Reply-To", "References") if notice.message_id),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
    ]
    parts = [_prose_part(_prose(notice)), _part("message/delivery-status", _status(notice).encode())]
    if notice.returned is not None:
        parts.append(_part(notice.returned.type, notice.returned.octets))
    between = f"\r\n--{boundary}".encode()
    head = "\r\n".join([*header, "", "This is a report about mail, in parts for people and for programs."]).encode()
    return b"".join([head, *(between + b"\r\n" + part for part in parts), between, b"--\r\n"])


# -- for people -------------------------------------------------------------------------------------------------------


def _prose(notice: Notice) -> str:
    number = len(notice.outcomes)
    whom = "one recipient" if number == 1 else f"{number} recipients"
    paragraphs = [f"This is the mail system at {notice.hostname}.", SAYS[notice.action].format(whom=whom)]
    paragraphs += [_told(notice, outcome) for outcome in notice.outcomes]
    if notice.is_last:
        paragraphs.append(LAST)
    if notice.returned is not None:
        paragraphs.append(notice.returned.what)
    return "\r\n\r\n".join(_wrapped(paragraph) for paragraph in paragraphs) + "\r\n"


def _told(notice: Notice, outcome: Outcome) -> str:
    said = " ".join(str(one) for one in (outcome.code, outcome.enhanced, _line(outcome.text)) if one)
    who = f"{_line(outcome.host)} said: " if outcome.code is not None and outcome.host else ""
    lines = [f"<{_line(outcome.recipient)}>:", f"{who}{said}" if said else "", _line(outcome.why)]
    if notice.action is Action.DELAYED and outcome.until is not None:
        lines.append(f"It is tried until {outcome.until:%Y-%m-%d %H:%M} UTC.")
    return "\n".join(line for line in lines if line)


def _wrapped(text: str) -> str:
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        indent = "    " if number else ""
        lines += textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\r\n".join(lines)


def _prose_part(text: str) -> bytes:
    if text.isascii():
        return _part("text/plain; charset=us-ascii", text.encode())
    octets = text.encode("utf-8", "replace").decode("latin-1")  # one character an octet, as the encoder wants them
    return _part(
        "text/plain; charset=utf-8",
        body_encode(octets, eol="\r\n").encode(),
        "Content-Transfer-Encoding: quoted-printable",
    )


# -- for programs -----------------------------------------------------------------------------------------------------


def _status(notice: Notice) -> str:
    of_message = [
        ("Original-Envelope-Id", _ascii(notice.envid)),
        ("Reporting-MTA", f"dns; {notice.hostname}"),
        ("Arrival-Date", format_datetime(notice.arrived_at)),
        ("Deliver-By-Date", format_datetime(notice.deliver_by) if notice.deliver_by else ""),
    ]
    return "\r\n".join(_fields(some) for some in (of_message, *(_of_recipient(notice, one) for one in notice.outcomes)))


def _of_recipient(notice: Notice, outcome: Outcome) -> list[tuple[str, str]]:
    kind = "x-softbounce" if outcome.code is None else "smtp"
    said = " ".join(_ascii(str(one)) for one in (outcome.code, outcome.enhanced, outcome.text) if one)
    delayed = notice.action is Action.DELAYED
    return [
        ("Original-Recipient", _address(outcome.original)),
        ("Final-Recipient", _address(outcome.recipient)),
        ("Action", notice.action),
        ("Status", _status_of(notice, outcome)),
        ("Remote-MTA", f"dns; {_ascii(outcome.host)}" if outcome.host else ""),
        ("Diagnostic-Code", f"{kind}; {said}" if said else ""),
        ("Last-Attempt-Date", format_datetime(outcome.tried_at) if outcome.tried_at else ""),
        ("Final-Log-ID", outcome.log_id),
        ("Will-Retry-Until", format_datetime(outcome.until) if delayed and outcome.until else ""),
    ]


def _status_of(notice: Notice, outcome: Outcome) -> str:
    """The host's own, where it is of a class that goes with the action; else what is known without it."""
    action = notice.action
    if _is_of_time(notice, outcome):
        return EXPIRED[action]
    found = STATUS.fullmatch(outcome.enhanced)
    if found is not None and found[1] in CLASSES[action]:
        return found[0]
    if action is not Action.FAILED or (outcome.code is not None and outcome.code // 100 == PERMANENT):
        return STATUSES[action]
    return OF_CAUSES.get(outcome.cause, STATUSES[action])


def _is_of_time(notice: Notice, outcome: Outcome) -> bool:
    """Whether it tells that the time is over by which its sender wanted it delivered."""
    if notice.deliver_by is None or notice.at < notice.deliver_by:
        return False
    if notice.returns:
        return notice.action is Action.FAILED and outcome.cause == PROMOTED
    return notice.action is Action.DELAYED


def _address(address: str) -> str:
    """With its type."""
    return (
        _ascii(orcpt_value(address).decode())
        if not address.isascii()
        else f"rfc822; {_line(address)}"
        if address
        else ""
    )


def _fields(fields: Sequence[tuple[str, str]]) -> str:
    """A group of fields, those that have a value, folded."""
    lines = []
    for name, value in fields:
        if value:
            folded = textwrap.wrap(
                f"{name}: {value}", WIDTH, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False
            )
            lines += [line[:LONGEST] for line in folded]
    return "\r\n".join([*lines, ""])


def _line(text: str) -> str:
    """In one line, without anything that is not printed."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _ascii(text: str) -> str:
    return _line(text).encode("ascii", "replace").decode()


def _part(kind: str, octets: bytes, *fields: str) -> bytes:
    """A part of the report."""
    if not octets.isascii():
        fields = (*fields, "Content-Transfer-Encoding: 8bit")
    return "\r\n".join([f"Content-Type: {kind}", *fields, "", ""]).encode() + octets
