"""The parameters of MAIL and RCPT: what each asks for, in the terms of ``send``.

Announced is what can be honoured. RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 (DSN), RFC 4865
(FUTURERELEASE), RFC 2852 (DELIVERBY), RFC 8689 (REQUIRETLS). A priority (RFC 6710) is read, and the reply says that
none counts here, which is why it is not announced. So is who is said to have written it (``AUTH``, RFC 4954 §5), which
Outlook and Postfix say wherever a login is offered: nobody here is trusted to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from softbounce.deliver_by import DeliverBy
from softbounce.duration import MILLISECOND
from softbounce_gateway.submission.paths import Parameters
from softbounce_gateway.submission.replies import TOO_LARGE_552

__all__ = ["FURTHEST", "MailOptions", "RcptOptions", "Refused", "read_mail_options", "read_rcpt_options"]

FURTHEST = timedelta(days=3650)
"""How far ahead mail may be handed over: FUTURERELEASE says it in at most nine digits."""

SECONDS = re.compile(r"[0-9]{1,9}")
SIZE = re.compile(r"[0-9]{1,20}")
BY = re.compile(r"([+-]?[0-9]{1,9});([NR])(T?)", re.IGNORECASE)
PRIORITY = re.compile(r"-?[0-9]")
ORCPT = re.compile(r"(rfc822|utf-8);(.+)", re.IGNORECASE)
HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
UNICODE = re.compile(r"\\x\{([0-9A-F]{1,6})\}", re.IGNORECASE)
RET: Mapping[str, str] = {"FULL": "full", "HDRS": "headers"}
BODIES = frozenset({"7BIT", "8BITMIME"})
MOST_NOTIFY = 3


class Refused(Exception):
    """A parameter cannot be taken.

    :ivar reply: what the client hears.
    """

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOptions:
    """What MAIL asked for, beside its path.

    :ivar size: how large the message is going to be, as said; 0: not said.
    :ivar at: not before.
    :ivar deliver_by: by when it is to be delivered, from when MAIL came, and what then.
    :ivar ret: ``full`` or ``headers``: how much of the message a report shall hold.
    :ivar priority: was given, and does not count.
    """

    size: int = 0
    at: datetime | None = None
    deliver_by: DeliverBy | None = None
    require_tls: bool = False
    ret: str | None = None
    envid: str | None = None
    smtputf8: bool = False
    priority: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RcptOptions:
    """What RCPT asked for, beside its path.

    :ivar notify: words of RFC 3461 §4.1, in lower case.
    :ivar orcpt: the address that the sender had in mind.
    """

    notify: tuple[str, ...] = ()
    orcpt: str | None = None


NOTHING_ASKED, NOTHING_ASKED_FOR_IT = MailOptions(), RcptOptions()


def read_mail_options(parameters: Parameters, *, max_octets: int, is_tls: bool, now: datetime) -> MailOptions:
    """Read them.

    :raises Refused: one is unknown, malformed, or asks for what cannot be.
    """
    if not parameters:
        return NOTHING_ASKED
    known = {"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "HOLDFOR", "HOLDUNTIL", "BY", "MT-PRIORITY", "AUTH"}
    _refuse_unknown(parameters, known | ({"REQUIRETLS"} if is_tls else set()))
    for flag in ("SMTPUTF8", "REQUIRETLS"):
        if parameters.get(flag) is not None:
            raise _malformed(f"{flag} has no value")
    if "BODY" in parameters and (parameters["BODY"] or "").upper() not in BODIES:
        raise _malformed("BODY=7BIT or BODY=8BITMIME")
    if "MT-PRIORITY" in parameters and PRIORITY.fullmatch(parameters["MT-PRIORITY"] or "") is None:
        raise _malformed("MT-PRIORITY is from -9 to 9")
    at, deliver_by = _release(parameters, now), _deliver_by(parameters)
    if at is not None and deliver_by is not None and max(timedelta(0), at - now) > deliver_by.within_ms * MILLISECOND:
        raise _malformed("the message is to be held for longer than BY")
    return MailOptions(
        size=_size(parameters, max_octets),
        at=at,
        deliver_by=deliver_by,
        require_tls="REQUIRETLS" in parameters,
        ret=_ret(parameters),
        envid=_xtext(parameters["ENVID"] or "", "ENVID") if "ENVID" in parameters else None,
        smtputf8="SMTPUTF8" in parameters,
        priority="MT-PRIORITY" in parameters,
    )


def read_rcpt_options(parameters: Parameters) -> RcptOptions:
    """Read them.

    :raises Refused: one is unknown or malformed.
    """
    if not parameters:
        return NOTHING_ASKED_FOR_IT
    _refuse_unknown(parameters, {"NOTIFY", "ORCPT"})
    notify: tuple[str, ...] = ()
    if "NOTIFY" in parameters:
        notify = tuple(word.lower() for word in (parameters["NOTIFY"] or "").split(","))
        is_known = set(notify) <= {"success", "failure", "delay"} and len(notify) <= MOST_NOTIFY
        if notify != ("never",) and not is_known:
            raise _malformed("NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY")
    return RcptOptions(notify=notify, orcpt=_orcpt(parameters["ORCPT"] or "") if "ORCPT" in parameters else None)


def _size(parameters: Parameters, max_octets: int) -> int:
    if "SIZE" not in parameters:
        return 0
    text = parameters["SIZE"] or ""
    if SIZE.fullmatch(text) is None:
        raise _malformed("SIZE is a number of octets")
    if int(text) > max_octets:
        raise Refused(TOO_LARGE_552.format(max_octets))
    return int(text)


def _release(parameters: Parameters, now: datetime) -> datetime | None:
    """RFC 4865 §4: one of the two, and not further ahead than was announced."""
    if "HOLDFOR" in parameters and "HOLDUNTIL" in parameters:
        raise _malformed("HOLDFOR or HOLDUNTIL, not both")
    if "HOLDFOR" in parameters:
        text = parameters["HOLDFOR"] or ""
        if SECONDS.fullmatch(text) is None:
            raise _malformed("HOLDFOR is a number of seconds")
        if int(text) > FURTHEST.total_seconds():
            raise _malformed("HOLDFOR is too far ahead")
        return now + timedelta(seconds=int(text))
    if "HOLDUNTIL" not in parameters:
        return None
    try:
        until = datetime.fromisoformat(parameters["HOLDUNTIL"] or "")
    except ValueError:
        raise _malformed("HOLDUNTIL=2026-01-31T08:00:00Z") from None
    if until.utcoffset() is None:
        raise _malformed("HOLDUNTIL needs a time zone, as in 2026-01-31T08:00:00Z")
    if until - now > FURTHEST:
        raise _malformed("HOLDUNTIL is too far ahead")
    return until.astimezone(UTC)


def _deliver_by(parameters: Parameters) -> DeliverBy | None:
    """RFC 2852 §4. With ``N`` the time may be over already."""
    if "BY" not in parameters:
        return None
    found = BY.fullmatch(parameters["BY"] or "")
    if found is None:
        raise _malformed("BY=SECONDS;R or BY=SECONDS;N")
    length = min(timedelta(seconds=int(found[1])), FURTHEST)
    returns = found[2].upper() == "R"
    if returns and length <= timedelta(0):
        raise _malformed("BY with mode R needs a time above 0")
    return DeliverBy(within_ms=length // MILLISECOND, returns=returns, traces=bool(found[3]))


def _ret(parameters: Parameters) -> str | None:
    if "RET" not in parameters:
        return None
    ret = RET.get((parameters["RET"] or "").upper())
    if ret is None:
        raise _malformed("RET=FULL or RET=HDRS")
    return ret


def _xtext(text: str, name: str) -> str:
    """RFC 3461 §4: ``+41`` is an ``A``."""
    if HEXCHAR.sub("", text).find("+") >= 0 or not text.isascii() or not text:
        raise _malformed(f"{name} is no xtext")
    return HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)


def _orcpt(text: str) -> str | None:
    """The address, where it is one that we can pass on; other kinds of addresses are for other networks."""
    kind, _, address = text.partition(";")
    if not kind or not address:
        raise _malformed("ORCPT=rfc822;ADDRESS")
    found = ORCPT.fullmatch(text)
    if found is None:
        return None
    if found[1].lower() == "rfc822":
        return _xtext(found[2], "ORCPT")
    try:
        return UNICODE.sub(lambda match: chr(int(match[1], 16)), found[2])
    except ValueError:
        raise _malformed("ORCPT has a character that is none") from None


def _refuse_unknown(parameters: Parameters, known: set[str]) -> None:
    for name in parameters:
        if name not in known:
            raise Refused(f"555 5.5.4 the parameter {name} is not known here")


def _malformed(syntax: str) -> Refused:
    return Refused(f"501 5.5.4 {syntax}")
