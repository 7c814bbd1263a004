"""One header field of a message object as octets: what kind of field it is says how text beyond ASCII is written.

ASCII stays as it is in every field. Beyond it an encoded word may stand for words of a text, and for the name of a
mailbox, and nowhere else (RFC 2047 §5); a parameter has a notation of its own (RFC 2231); an id, a URL, a signature or
a mailbox is written in UTF-8, which asks for SMTPUTF8 (RFC 6532).
"""

from __future__ import annotations

import re
from email.charset import UNKNOWN8BIT
from email.header import Header
from email.policy import default
from typing import Any
from urllib.parse import quote

from softbounce.errors import InvalidMessage
from softbounce.message.folding import LINE_OCTETS, encoded_words, fold, unfold

__all__ = ["NAME", "SIGNATURES", "as_given", "field_octets", "printable"]

SIGNATURES = frozenset({"dkim-signature", "domainkey-signature", "arc-message-signature", "arc-seal"})
ADDRESSES_NAMES = """
    from sender reply-to to cc resent-from resent-sender resent-to resent-cc resent-reply-to errors-to
    disposition-notification-to return-receipt-to mail-followup-to mail-reply-to apparently-to
    x-confirm-reading-to
"""
ADDRESSES = frozenset(ADDRESSES_NAMES.split())
PARAMETERS = frozenset({"content-type", "content-disposition"})
AS_IT_IS_NAMES = """
    date message-id in-reply-to references resent-date resent-message-id original-message-id supersedes
    obsoletes content-id content-location content-base content-md5 content-language content-transfer-encoding
    mime-version list-unsubscribe list-unsubscribe-post list-help list-subscribe list-post list-owner
    list-archive archived-at received received-spf return-path delivered-to x-original-to authentication-results
    arc-authentication-results dkim-authentication-results feedback-id x-feedback-id auto-submitted precedence
    importance priority x-priority expires reply-by deferred-delivery autocrypt autocrypt-gossip bimi-selector
    bimi-location bimi-indicator tls-required tls-report-domain tls-report-submitter mt-priority
    original-recipient require-recipient-valid-since original-envelope-id x-entity-ref-id x-mailgun-variables
    x-smtpapi x-mc-metadata thread-index
"""
AS_IT_IS = SIGNATURES | frozenset(AS_IT_IS_NAMES.split())
"""Fields of which no word is a text that a person wrote: never encoded, whatever is in them."""
NAME = re.compile(r"[!-9;-~]+")
WORD = re.compile(r"[ \t]*[^ \t]+")
LINE_END = re.compile(r"\r?\n")
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")  # RFC 5322 §3.2.3
ESCAPED = re.compile(r"%..|.")
LITERAL = "!#$&+-.^_`|~"  # of attribute-char (RFC 2231 §7), besides letters and digits
PART_OCTETS = 700  # of one parameter's value, in a line that has room for its name


def field_octets(name: str, value: Any, *, width: int, utf8: bool) -> bytes:  # noqa: ANN401 - whatever an app put in
    """The field with its last CRLF.

    :param value: text, with octets beyond ASCII as surrogates or folded by its author; a ``Header`` of the older
        interface; or a value that ``EmailMessage`` made of text.
    :param width: octets of a line, wherever its words allow it.
    :param utf8: the app wants UTF-8 and no encoded words.
    :raises InvalidMessage: it has no such writing; names the field.
    """
    kind = name.lower()
    text = _text_of(name, value)
    lines = LINE_END.split(f"{name}: {text}")
    # What EmailMessage has decoded may look as if it were encoded, and would be decoded once more by who reads it.
    looks_encoded = "=?" in text and hasattr(value, "fold") and kind not in AS_IT_IS
    if text.isascii() and not looks_encoded and max(map(len, lines)) <= width:
        return "\r\n".join((*lines, "")).encode()
    text = unfold(text)
    if looks_encoded or not (text.isascii() or utf8):
        text = _encoded(name, kind, text)
    is_quoting = kind in ADDRESSES or kind in PARAMETERS
    octets = fold(f"{name}: {text}".encode("utf-8", "surrogateescape"), width=width, is_quoting=is_quoting)
    if octets is None and kind in PARAMETERS:
        octets = fold(f"{name}: {_with_parameters(name, text)}".encode(), width=width, is_quoting=True)
    elif octets is None and kind not in AS_IT_IS | ADDRESSES:
        octets = fold(f"{name}: {_with_encoded_words(name, text)}".encode(), width=width)
    if octets is None:
        raise InvalidMessage(name, f"has a word of more than {LINE_OCTETS} octets, which no line can hold")
    return octets + b"\r\n"


def as_given(name: str, value: Any, *, width: int) -> bytes | None:  # noqa: ANN401
    """The field in the lines and octets that it was parsed from; ``None``: it was not, or has a line beyond *width*."""
    if not isinstance(value, str) or hasattr(value, "fold"):
        return None
    try:
        lines = LINE_END.split(f"{name}: {value}".encode("ascii", "surrogateescape").decode("latin-1"))
    except UnicodeEncodeError:
        return None
    return None if max(map(len, lines)) > width else "\r\n".join((*lines, "")).encode("latin-1")


def _text_of(name: str, value: Any) -> str:  # noqa: ANN401
    """The value as text; beyond ASCII only where it is no encoded word yet."""
    if isinstance(value, Header):
        encoded = value.encode(linesep="\r\n")
        kind = name.lower()
        # What was encoded whole has no "@" left: as if the app had given it as text.
        is_lost = kind in AS_IT_IS or kind in PARAMETERS or (kind in ADDRESSES and "@" not in encoded)
        return str(value) if is_lost else encoded
    if not isinstance(value, str):
        raise InvalidMessage(name, f"the value is not text but {type(value).__name__}")
    try:
        octets = value.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return _whole_text(name, str(value))
    try:
        return octets.decode()
    except UnicodeDecodeError:
        if name.lower() in AS_IT_IS | ADDRESSES | PARAMETERS:
            raise InvalidMessage(name, "the value is neither ASCII nor UTF-8") from None
        return Header(value, charset=UNKNOWN8BIT, header_name=name).encode(linesep="\r\n")


def _whole_text(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage(name, "the value has half of a surrogate pair, which is no character") from None
    return text


def _encoded(name: str, kind: str, text: str) -> str:
    """The words of the text that may be encoded, encoded."""
    if kind in AS_IT_IS:
        return text
    if kind in PARAMETERS:
        return _with_parameters(name, text)
    return (_with_mailboxes(text) if kind in ADDRESSES else None) or _with_encoded_words(name, text)


def _with_encoded_words(name: str, text: str) -> str:
    """Encode runs of words that are not ASCII, or that no line could hold; the whitespace within a run goes along."""
    pieces: list[str] = []
    run: list[str] = []
    longest = LINE_OCTETS - len(name) - 3
    for word in [*WORD.findall(text), ""]:
        if word and (not word.isascii() or len(word) > longest or "=?" in word):
            run.append(word)
            continue
        if run:
            joined = "".join(run)
            bare = joined.lstrip(" \t")
            behind = 0 if pieces else len(name) + 2
            pieces += [joined[: len(joined) - len(bare)], encoded_words(bare, behind=behind)]
            run = []
        pieces.append(word)
    return "".join(pieces)


def _with_mailboxes(text: str) -> str | None:
    """Encode names alone; ``None`` where there is no mailbox and no group. With a mailbox beyond ASCII all is UTF-8."""
    header: Any = default.header_factory("To", text)
    is_some = header.addresses or any(group.display_name is not None for group in header.groups)
    if not is_some or any("@" not in one.addr_spec for one in header.addresses):
        return None
    if not all(one.addr_spec.isascii() for one in header.addresses):
        return text
    groups = []
    for group in header.groups:
        mailboxes = ", ".join(_mailbox(one) for one in group.addresses)
        groups.append(mailboxes if group.display_name is None else f"{_group(group.display_name)}: {mailboxes};")
    return ", ".join(groups)


def _mailbox(address: Any) -> str:  # noqa: ANN401 - an Address of email.headerregistry
    if address.display_name.isascii():
        return str(address)
    return f"{_phrase(address.display_name)} <{address.addr_spec}>"


def _group(name: str) -> str:
    """Its name; whitespace parts an encoded word from the colon (RFC 2047 §5)."""
    return _phrase(name) if name.isascii() else _phrase(name) + " "


def _phrase(name: str) -> str:
    if not name.isascii():
        return encoded_words(name)
    return name if ATOMS.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _with_parameters(name: str, text: str) -> str:
    """Write what is beyond ASCII, or longer than a line, as RFC 2231 says; in parts where one line cannot hold it."""
    header: Any = default.header_factory(name, text)
    pieces = [text.partition(";")[0].strip()]
    if not pieces[0].isascii():
        return text  # there is no notation for that
    for attribute, value in header.params.items():
        if value.isascii() and len(value) <= PART_OCTETS:
            pieces.append(f"{attribute}={_quoted(value)}")
            continue
        octets = "utf-8''" + quote(value, safe=LITERAL)
        if len(octets) <= PART_OCTETS:
            pieces.append(f"{attribute}*={octets}")
            continue
        units = ESCAPED.findall(octets)
        starts = range(0, len(units), PART_OCTETS // 3)
        parts = ["".join(units[start : start + PART_OCTETS // 3]) for start in starts]
        pieces += [f"{attribute}*{number}*={part}" for number, part in enumerate(parts)]
    return "; ".join(pieces)


def printable(name: str) -> str:
    """The name as it may stand in an error."""
    return "".join(character for character in name[:64] if character.isascii() and character.isprintable())
