"""How commands look on the wire, and the last check before they do (RFC 5321 §4.1.1).

Addresses were judged by their full grammar when the mail was accepted. What is asked again here is only what could
make one command into two, or add a parameter: no control octet, and no space or angle bracket outside a quoted
local part. A string that fails never becomes octets.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import lru_cache

from softbounce.deliver_by import By
from softbounce.dsn import Dsn, orcpt_value, xtext
from softbounce_worker.errors import LocalProtocolError
from softbounce_worker.smtp.commands import Auth, AuthResponse, Mail
from softbounce_worker.smtp.extensions import Extensions

__all__ = ["auth_line", "hello_lines", "mail_line", "rcpt_line", "response_line"]

# Every visible ASCII character but "<" and ">": nearly all addresses there are, and the null sender.
PLAIN = re.compile(r"[!-;=?-~]*")

# RFC 5321 §4.1.2:  Local-part may be a Quoted-string, with spaces and brackets in it. RFC 6531 §3.3 adds all of
# UTF-8 beyond ASCII; C1 controls (U+0080 to U+009F) are left out here, and lone surrogates fail to encode.
WIDE = re.compile(
    r"""(?: [!-;=?-~\u00a0-\U0010ffff]*
        |   "(?: [\ !\#-\[\]-~\u00a0-\U0010ffff] | \\[\ -~] )*" @ [!-;=?-~\u00a0-\U0010ffff]+ )""",
    re.VERBOSE,
)

# RFC 5321 §4.1.3:  Domain or address-literal
HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[A-Za-z0-9.:-]+\]")


# RFC 4422 §3.1:  sasl-mech = 1*20mech-char; mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE
MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")


@lru_cache(maxsize=16)
def hello_lines(hostname: str, *, lmtp: bool = False) -> tuple[bytes, bytes]:
    """EHLO, or LHLO, and HELO with our name, and nothing behind it (S04).

    :raises LocalProtocolError: *hostname* is neither a domain name in A-labels nor an address literal.
    """
    if not HOSTNAME.fullmatch(hostname):
        raise LocalProtocolError(f"hostname {hostname!r} is neither a domain name nor an address literal")
    name = hostname.encode("ascii")
    return (b"LHLO " if lmtp else b"EHLO ") + name + b"\r\n", b"HELO " + name + b"\r\n"


def auth_line(command: Auth) -> bytes:
    """AUTH with its initial response, if it has one; ``=`` is one without an octet (RFC 4954 §4).

    :raises LocalProtocolError: that is the name of no mechanism.
    """
    if not MECHANISM.fullmatch(command.mechanism):
        raise LocalProtocolError("not the name of a mechanism")
    line = b"AUTH " + command.mechanism.encode("ascii")
    if command.initial is not None:
        line += b" " + (b64encode(command.initial) or b"=")
    return line + b"\r\n"


def response_line(command: AuthResponse) -> bytes:
    """A response; ``*`` gives up (RFC 4954 §4)."""
    return b"*\r\n" if command.octets is None else b64encode(command.octets) + b"\r\n"


def mail_line(command: Mail, extensions: Extensions) -> bytes:
    """MAIL FROM with the parameters that the message needs and the host offers.

    :raises LocalProtocolError: the sender must not reach the wire, or the host does not take such a message.
    """
    line = b"MAIL FROM:<" + _path(command.sender, utf8=command.smtputf8) + b">"
    if command.size is not None and extensions.size is not None:
        line += _of_size(command.size, extensions)
    if command.eight_bit:
        if not extensions.eight_bit_mime:
            raise LocalProtocolError("8-bit message, the host does not offer 8BITMIME")
        line += b" BODY=8BITMIME"
    if command.smtputf8:
        if not extensions.smtputf8:
            raise LocalProtocolError("SMTPUTF8 message, the host does not offer it")
        line += b" SMTPUTF8"
    if command.dsn is not None and extensions.dsn:
        line += _of_reports(command.dsn)
    if command.require_tls:
        if not extensions.requiretls:
            raise LocalProtocolError("REQUIRETLS message, the host does not offer it")
        line += b" REQUIRETLS"
    if command.by is not None:
        line += _of_time(command.by, extensions.deliver_by)
    return line + b"\r\n"


def _of_size(size: int, extensions: Extensions) -> bytes:
    if not extensions.takes(size):
        raise LocalProtocolError(f"message of {size} octets, the host takes {extensions.size}")
    return b" SIZE=%d" % size


def _of_time(by: By, shortest: int | None) -> bytes:
    """RFC 2852 §4.1.4: what is left of the time; mode R for no host that wants more of it."""
    if by.returns and by.seconds < max(1, shortest or 0):
        raise LocalProtocolError("message to be returned after a time that is over, or too short for the host")
    return b"" if shortest is None else b" BY=%d;%s" % (by.seconds, by.mode.encode("ascii"))


def _of_reports(dsn: Dsn) -> bytes:
    words = (b" RET=" + xtext(dsn.ret)) if dsn.ret else b""
    return words + ((b" ENVID=" + xtext(dsn.envid)) if dsn.envid else b"")


def rcpt_line(recipient: str, *, utf8: bool, dsn: Dsn | None = None) -> bytes:
    """RCPT TO; octets beyond ASCII only where *utf8*: the transaction's MAIL said SMTPUTF8.

    :param dsn: what is asked of reports, where the host offers DSN.
    :raises LocalProtocolError: the recipient must not reach the wire.
    """
    if not recipient:
        raise LocalProtocolError("a recipient is never empty")
    line = b"RCPT TO:<" + _path(recipient, utf8=utf8) + b">"
    if dsn is not None:
        if dsn.notify:
            line += b" NOTIFY=" + xtext(dsn.notify)
        if dsn.orcpt:
            line += b" ORCPT=" + orcpt_value(dsn.orcpt)
    return line + b"\r\n"


@lru_cache(maxsize=256)
def _path(address: str, *, utf8: bool) -> bytes:
    """An address as it is sent. Asked twice for each, before and when it is; and many have the same sender."""
    if PLAIN.fullmatch(address):
        return address.encode("ascii")
    if WIDE.fullmatch(address):
        try:
            return address.encode("utf-8" if utf8 else "ascii")
        except UnicodeEncodeError:
            pass
    raise LocalProtocolError(f"address {address!r} must not be sent as it is")
