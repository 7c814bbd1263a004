"""From the parts that a request names to a message: what could make another header field of a value is refused.

What is usual is written at once (:mod:`softbounce_gateway.http.writing`); for the rest the message is the standard
library's ``EmailMessage``. ``Bcc`` is never part of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime
from typing import Any

from softbounce.address import Address, parse_address, parse_sender
from softbounce.errors import InvalidAddress, InvalidMessage
from softbounce.mailbox import part_mailbox
from softbounce.message.raw_fields import in_encoded_words
from softbounce_gateway.http.models import Attachment, NewMessage
from softbounce_gateway.http.writing import Named, write

__all__ = ["compose", "read_mailbox", "read_sender"]

FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
LONGEST_VALUE = 8_000
BREAKS = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
"""Controls, and what some readers take for a line end."""
MEDIA_TYPE = re.compile(r"([a-z0-9][a-z0-9!#$&^_.+-]{0,63})/([a-z0-9][a-z0-9!#$&^_.+-]{0,63})", re.IGNORECASE)
PARAMETER = re.compile(
    r"""\s*;\s*(?P<name>[A-Za-z0-9-]{1,64})=
        (?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<token>[A-Za-z0-9!\#$&^_`.+/-]{1,128}))\s*""",
    re.VERBOSE,
)
MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}@[!-;=?-~]{1,250}>")
CONTENT_ID = re.compile(r"[A-Za-z0-9._+@-]{1,128}")
OURS = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "mime-version", "received", "return-path"})
"""Fields that the parts say, or that hosts write."""
KEYS = frozenset({"idempotency-key", "idempotencykey"})
"""Where other interfaces want the key: here it would be a field of the mail, and nothing would be sent once."""
OURS_BEGIN = ("content-", "resent-", "x-softbounce-")
NO_PARTS = ("cc", "bcc", "reply_to", "subject", "text", "html", "headers", "attachments")


def read_sender(text: str) -> tuple[str, Address]:
    """The name and the address of a sender.

    :raises InvalidMessage: naming ``from``.
    """
    name, path = _parts(text, "from")
    try:
        return name, parse_sender(path)
    except InvalidAddress as error:
        raise InvalidAddress("from", error.reason) from None


def read_mailbox(text: str, field: str) -> tuple[str, Address]:
    """The name and the address of a recipient.

    :raises InvalidMessage: naming the field.
    """
    name, path = _parts(text, field)
    try:
        return name, parse_address(path)
    except InvalidAddress as error:
        raise InvalidAddress(field, error.reason) from None


def compose(new: NewMessage) -> EmailMessage | bytes:
    """The message of a request.

    :raises InvalidMessage: naming the field.
    """
    if new.raw is not None:
        return _whole(new, new.raw)
    if new.text is None and new.html is None:
        raise InvalidMessage("text", "there is none, nor html: give one of them, or both")
    sender = read_sender(new.sender)
    if sender[1].is_null:
        raise InvalidMessage("from", "a message in parts needs an author; the null sender goes with `raw`")
    addresses: dict[str, list[Named]] = {"From": [sender]}
    for field, texts in (("To", new.to), ("Cc", new.cc), ("Reply-To", _listed(new.reply_to))):
        if texts:
            key = field.lower().replace("-", "_")
            addresses[field] = [read_mailbox(text, f"{key}[{number}]") for number, text in enumerate(texts)]
    fields = [("Subject", _checked(new.subject, "subject"))] if new.subject is not None else []
    for name, value in new.headers.items():
        _check_header(name, value)
        fields.append((name, value))
    written = None if new.attachments else write(addresses, fields, new.text, new.html)
    return _composed(new, addresses, fields) if written is None else written


def _composed(
    new: NewMessage, addresses: Mapping[str, Sequence[Named]], fields: Sequence[tuple[str, str]]
) -> EmailMessage:
    """By the standard library, which knows how anything is written."""
    message = EmailMessage()
    for field, them in addresses.items():
        key = field.lower().replace("-", "_")
        mailboxes = [
            _mailbox(name, address, key if field == "From" else f"{key}[{number}]")
            for number, (name, address) in enumerate(them)
        ]
        message[field] = mailboxes[0] if field == "From" else mailboxes
    for name, value in fields:
        try:
            message[name] = value
        except Exception as error:  # what the standard library's parsers of single fields stumble over
            raise InvalidMessage(_of_header(name), "cannot be written as this field") from error
    _add_content(message, new)
    page = message.get_body(("html",))  # before anything is attached, which makes it a part of another
    for number, attachment in sorted(enumerate(new.attachments), key=lambda one: not one[1].content_id):
        _attach(message, page, attachment, f"attachments[{number}]")
    return message


def _whole(new: NewMessage, octets: bytes) -> bytes:
    for name in NO_PARTS:
        if getattr(new, name):
            raise InvalidMessage(name, "stands in `raw` already: give one or the other")
    return in_encoded_words(octets)


def _listed(one_or_more: str | list[str] | None) -> list[str]:
    return [one_or_more] if isinstance(one_or_more, str) else one_or_more or []


def _parts(text: str, field: str) -> tuple[str, str]:
    try:
        name, path = part_mailbox(text)
    except ValueError as error:
        _checked(text, field)
        raise InvalidAddress(field, str(error)) from None
    name = _checked(name, field)
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _unescaped(name[1:-1])
    return name, path


def _unescaped(text: str) -> str:
    """What stands between the quotes of a quoted string (RFC 5322 §3.2.4)."""
    return re.sub(r"\\(.)", r"\1", text)


def _mailbox(name: str, address: Address, field: str) -> Mailbox:
    try:
        return Mailbox(display_name=name, addr_spec=address.canonical)
    except Exception as error:
        raise InvalidAddress(field, "cannot stand in a header field; it can be a recipient with `raw` only") from error


def _checked(text: str, field: str) -> str:
    if BREAKS.search(text) or ("=?" in text and BREAKS.search(_decoded(text))):
        raise InvalidMessage(field, "has a line end or another control character")
    return text


def _decoded(text: str) -> str:
    """As a reader has it who decodes what stands there in encoded words (RFC 2047)."""
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text


def _of_header(name: str) -> str:
    return "subject" if name == "Subject" else f"headers.{name[:76]}"


def _check_header(name: str, value: str) -> None:
    if FIELD_NAME.fullmatch(name) is None:
        raise InvalidMessage("headers", f"{name[:76]!r} is no field's name: printable ASCII without a colon")
    kind, field = name.lower(), f"headers.{name}"
    if kind in OURS or kind.startswith(OURS_BEGIN):
        raise InvalidMessage(field, "is made of the parts, or no field that an app writes")
    if len(value) > LONGEST_VALUE:
        raise InvalidMessage(field, f"has more than {LONGEST_VALUE} characters")
    _checked(value, field)
    if kind in KEYS:
        raise InvalidMessage(field, "is a header of the request, or the member `key`: in the mail it does nothing")
    if kind == "date" and value and not _is_date(value):
        raise InvalidMessage(field, "is no date, as in Sat, 31 Jan 2026 08:00:00 +0000; without it one is added")
    if kind == "message-id" and MESSAGE_ID.fullmatch(value.strip()) is None:
        raise InvalidMessage(field, "is none, as in <7f3a@shop.example>; without it one is added")


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _add_content(message: EmailMessage, new: NewMessage) -> None:
    try:
        if new.text is not None:
            message.set_content(new.text)
            if new.html is not None:
                message.add_alternative(new.html, subtype="html")
        else:
            message.set_content(new.html, subtype="html")
    except UnicodeEncodeError:
        raise InvalidMessage("text", "has half of a surrogate pair, which is no character") from None


def _attach(message: EmailMessage, page: MIMEPart[Any, Any] | None, attachment: Attachment, field: str) -> None:
    main, sub, more = _media_type(attachment.content_type, f"{field}.content_type")
    if main in {"message", "multipart"}:
        raise InvalidMessage(
            f"{field}.content_type", f"{main}/* is never in base64 (RFC 2045 §6.4): attach it otherwise"
        )
    name = _checked(attachment.filename, f"{field}.filename")
    parameters: dict[str, Any] = {"filename": name, "params": more}
    if attachment.content_id:
        if CONTENT_ID.fullmatch(attachment.content_id) is None:
            raise InvalidMessage(f"{field}.content_id", "is none: letters, digits and . _ - + @, without brackets")
        if page is None:
            raise InvalidMessage(f"{field}.content_id", "names a picture of the html, and there is none")
        parameters |= {"disposition": "inline", "cid": f"<{attachment.content_id}>"}
    add = message.add_attachment if page is None or not attachment.content_id else page.add_related
    try:
        add(attachment.content, maintype=main, subtype=sub, **parameters)
    except Exception as error:
        raise InvalidMessage(f"{field}.filename", "cannot be written as a file's name") from error


def _media_type(text: str, field: str) -> tuple[str, str, dict[str, str]]:
    """A media type with its parameters, as in ``text/calendar; method=REQUEST``."""
    found = MEDIA_TYPE.match(_checked(text, field))
    place = 0 if found is None else found.end()
    more: dict[str, str] = {}
    while found is not None and place < len(text):
        parameter = PARAMETER.match(text, place)
        if parameter is None or parameter["name"].lower() in more:
            found = None
        else:
            token = parameter["token"]
            more[parameter["name"].lower()] = _unescaped(parameter["quoted"]) if token is None else token
            place = parameter.end()
    if found is None:
        raise InvalidMessage(field, "is no media type, such as application/pdf or text/calendar; method=REQUEST")
    more.pop("name", None)  # ``filename`` says it, in each alphabet
    return found[1].lower(), found[2].lower(), more
