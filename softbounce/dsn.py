"""What a sender asks of reports about delivery: kept with the envelope, and passed on to hosts that offer DSN.

RFC 3461 §4 (NOTIFY and ORCPT of a recipient, RET and ENVID of a message), RFC 6533 §3 (addresses beyond ASCII).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

import msgspec

from softbounce.address import Address, parse_address
from softbounce.errors import InvalidAddress, InvalidMessage

__all__ = [
    "DELAY",
    "FAILURE",
    "NEVER",
    "SUCCESS",
    "Dsn",
    "DsnOptions",
    "check_dsn",
    "orcpt_value",
    "with_delay",
    "xtext",
]

NEVER = "NEVER"
SUCCESS, FAILURE, DELAY = WORDS = ("SUCCESS", "FAILURE", "DELAY")
RET: Mapping[str, str] = {"full": "FULL", "headers": "HDRS"}
ENVID_CHARACTERS = 100  # as xtext, RFC 3461 §4.4
ENVID = re.compile(r"[ -~]+")
NOT_XCHAR = re.compile(rb"[^!-*,-<>-~]")  # RFC 3461 §4: xchar is any visible character but "+" and "="
NOT_QCHAR = re.compile(r"[^!-*,-<>-\[\]-~]")  # RFC 6533 §3: QCHAR, which leaves out the backslash too


class Dsn(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """As it is stored, one an envelope. Empty: nothing was said.

    :ivar notify: ``NEVER``, or some of ``SUCCESS``, ``FAILURE``, ``DELAY`` with commas between them.
    :ivar orcpt: the address that the sender had in mind.
    :ivar ret: ``FULL`` or ``HDRS``.
    :ivar envid: the sender's own word for the message.
    """

    notify: str = ""
    orcpt: str = ""
    ret: str = ""
    envid: str = ""


class DsnOptions(TypedDict, total=False):
    """What ``send`` takes as ``dsn``.

    ``notify``: ``["never"]``, or some of ``success``, ``failure``, ``delay``, for all recipients; or such a list by
    recipient. ``ret``: ``"full"`` or ``"headers"``, how much of the message a report shall hold. ``envid``: printable
    ASCII. ``orcpt``: the original address, by recipient.
    """

    notify: Iterable[str] | Mapping[str, Iterable[str]]
    ret: Literal["full", "headers"]
    envid: str
    orcpt: Mapping[str, str]


def check_dsn(options: object, recipients: Mapping[str, Address]) -> dict[str, Dsn]:
    """By each recipient's canonical address, what is asked for it; empty: nothing is.

    :param recipients: the caller's spellings.
    :raises InvalidMessage: naming what is wrong.
    """
    if not isinstance(options, Mapping) or not set(options) <= set(DsnOptions.__annotations__):
        raise InvalidMessage("dsn", f"is no mapping of {', '.join(sorted(DsnOptions.__annotations__))}")
    ret, envid = _ret(options.get("ret")), _envid(options.get("envid"))
    notify = options.get("notify", ())
    orcpt = options.get("orcpt", {})
    for name, given in (("notify", notify), ("orcpt", orcpt)):
        if isinstance(given, Mapping) and not set(given) <= set(recipients):
            raise InvalidMessage(f"dsn.{name}", "names an address that is no recipient")
    if not isinstance(orcpt, Mapping):
        raise InvalidMessage("dsn.orcpt", "is no mapping by recipient")
    by_recipient = isinstance(notify, Mapping)
    for_all = "" if by_recipient else _notify(notify)
    asked: dict[str, Dsn] = {}
    for spelling, address in recipients.items():
        words = _notify(notify.get(spelling, ())) if by_recipient else for_all
        one = Dsn(notify=words, orcpt=_orcpt(orcpt.get(spelling)), ret=ret, envid=envid)
        if one != Dsn():
            asked[address.canonical] = one
    return asked


def with_delay(dsn: Dsn | None) -> Dsn:
    """The same, and news of delays, too: for a host that knows no time to deliver by (RFC 2852 §4.1.4.2)."""
    asked = Dsn() if dsn is None else dsn
    if asked.notify == NEVER or DELAY in asked.notify:
        return asked
    return msgspec.structs.replace(asked, notify=f"{asked.notify or FAILURE},{DELAY}")


def _notify(words: object) -> str:
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise InvalidMessage("dsn.notify", "is no list of words")
    asked = {str(word).upper() for word in words}
    if not asked <= {NEVER, *WORDS} or (NEVER in asked and len(asked) > 1):
        raise InvalidMessage("dsn.notify", 'takes "never" alone, or some of "success", "failure", "delay"')
    return NEVER if NEVER in asked else ",".join(word for word in WORDS if word in asked)


def _ret(ret: object) -> str:
    if ret is None:
        return ""
    if not isinstance(ret, str) or ret not in RET:
        raise InvalidMessage("dsn.ret", 'is neither "full" nor "headers"')
    return RET[ret]


def _envid(envid: object) -> str:
    if envid is None:
        return ""
    if not isinstance(envid, str) or not ENVID.fullmatch(envid) or len(xtext(envid)) > ENVID_CHARACTERS:
        raise InvalidMessage("dsn.envid", f"has to be printable ASCII of up to {ENVID_CHARACTERS} characters")
    return envid


def _orcpt(address: object) -> str:
    if address is None:
        return ""
    if not isinstance(address, str):
        raise InvalidMessage("dsn.orcpt", f"not a string but {type(address).__name__}")
    try:
        return parse_address(address).canonical
    except InvalidAddress as error:
        raise InvalidMessage("dsn.orcpt", error.reason) from None


def xtext(text: str) -> bytes:
    """As a parameter's value may have it (RFC 3461 §4)."""
    return NOT_XCHAR.sub(lambda match: b"+%02X" % match[0][0], text.encode())


def orcpt_value(address: str) -> bytes:
    """An ORCPT, in ASCII whatever the address is."""
    if address.isascii():
        return b"rfc822;" + xtext(address)
    return b"utf-8;" + NOT_QCHAR.sub(lambda match: f"\\x{{{ord(match[0]):X}}}", address).encode()
