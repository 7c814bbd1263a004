"""From a message object of the standard library to octets that say what the object says.

The email package writes what it is given: a line separator inside a value becomes a new header field on some versions
of Python, and a long id or URL an encoded word that nobody reads as one. So values are checked before, the number of
fields after, and header fields are written by :mod:`softbounce.message.header_field`. 8-bit text is re-encoded, so
that every host can take the message.

What a signature covers (parts of ``multipart/signed``, RFC 1847 §2.1; a message with a DKIM signature, RFC 6376 §5.3)
keeps its octets: what was parsed is written as it came, and what an app built as the standard library writes it by the
message's own policy, since that is what was signed. So does a message that was parsed and attached. 8-bit text stays.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Iterator
from email.errors import MessageError
from email.generator import BytesGenerator
from email.message import Message
from email.policy import EmailPolicy
from io import BytesIO
from typing import Any

from softbounce.errors import InvalidMessage
from softbounce.message.folding import LINE_OCTETS
from softbounce.message.header_field import NAME, SIGNATURES, as_given, field_octets, printable

__all__ = ["serialise"]

# A line end that does not fold, and every other character at which str.splitlines would break a value in two.
FORBIDDEN = re.compile("\r(?!\n)|\n(?![ \t])|[\0\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
FIELD = re.compile(rb"\r\n(?![ \t])")
LINE_END = re.compile(rb"\r\n?|\n")
COVERED = re.compile(r"(?:\A|;)\s*h\s*=([^;]*)")  # the fields that a signature names, RFC 6376 §3.5
BLIND = frozenset({"bcc", "resent-bcc"})
PLAIN = frozenset({"", "7bit", "8bit", "binary"})  # transfer encodings that leave octets as they are
RECODED = b"Content-Transfer-Encoding: base64\r\n"
PARTS = 10_000
# What the email package raises on objects that it cannot write; there is no promise about it.
WRITE_ERRORS = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError)


def serialise(message: Message[Any, Any]) -> bytes:
    """Write the message with CRLF line ends. The object stays as it is, but for a missing boundary string.

    :raises InvalidMessage: a header value could be read as two, or the email package cannot write the object.
    """
    if not any(name.lower() not in BLIND for name, _ in message.raw_items()):
        raise InvalidMessage("message", "has no header")
    octets = BytesIO()
    try:
        for part in _parts(message):
            _check_fields(part)
        # A generator of our own: some classes have an ``as_bytes`` that takes no policy.
        how = message.policy.clone(linesep="\r\n", cte_type="8bit", raise_on_defect=False)
        _Writer(octets, mangle_from_=False, policy=how).flatten(message)
    except InvalidMessage:
        raise
    except WRITE_ERRORS as error:
        raise InvalidMessage("message", f"cannot be written as octets ({type(error).__name__})") from None
    return octets.getvalue()


def _parts(message: Message[Any, Any]) -> Iterator[Message[Any, Any]]:
    """The message and all its parts, each once an appearance."""
    waiting: list[Any] = [message]
    for _ in range(PARTS):
        if not waiting:
            return
        part = waiting.pop()
        if not isinstance(part, Message):
            raise InvalidMessage("message", f"has a part that is no email.message.Message but {type(part).__name__}")
        yield part
        if part.is_multipart():  # get_payload() decodes text, and fails on some
            waiting += part.get_payload()
    raise InvalidMessage("message", f"has more than {PARTS} parts")


def _check_fields(part: Message[Any, Any]) -> None:
    for name, value in part.raw_items():
        if NAME.fullmatch(name) is None:
            raise InvalidMessage("message", f"a header field is named {printable(name)!r}, which is no name")
        if FORBIDDEN.search(str(value)) is not None:
            raise InvalidMessage(printable(name), "the value has a line end or another control character")


class _Writer(BytesGenerator):
    """The standard library's generator, but for header fields and 8-bit payloads that no signature covers.

    It is extended by methods that are undocumented, and as old as the class: there is no other place where it tells
    whether a part is a signed one.

    :ivar is_kept: a signature covers what is written, or it is somebody else's message.
    :ivar kept_fields: the names of the header fields that are kept too; ``None`` is all.
    """

    policy: Any
    _fp: Any
    is_kept = False
    is_part = False
    kept_fields: frozenset[str] | None = frozenset()

    def clone(self, fp: Any) -> _Writer:  # noqa: ANN401 - as the method that it overrides
        """For a message or part within this one."""
        clone: _Writer = super().clone(fp)
        clone.is_kept, clone.is_part = self.is_kept, True
        return clone

    def flatten(self, msg: Message[Any, Any], unixfrom: bool = False, linesep: str | None = None) -> None:  # noqa: FBT001, FBT002
        """Write a message or a part; the only call on this clone."""
        if self.is_kept:
            self.kept_fields = None
        elif any(name in msg for name in SIGNATURES):
            self.is_kept, self.kept_fields = True, _covered(msg)
        super().flatten(msg, unixfrom=unixfrom, linesep=linesep)

    def _handle_multipart_signed(self, msg: Message[Any, Any]) -> None:
        was_kept, self.is_kept = self.is_kept, True
        super()._handle_multipart_signed(msg)  # type: ignore[misc]
        self.is_kept = was_kept

    def _handle_message(self, msg: Message[Any, Any]) -> None:
        if msg.is_multipart():
            was_kept, self.is_kept = self.is_kept, self.is_kept or _is_parsed(msg.get_payload())
            super()._handle_message(msg)  # type: ignore[misc]
            self.is_kept = was_kept
        else:
            self._write_payload(_payload(msg))

    def _handle_message_delivery_status(self, msg: Message[Any, Any]) -> None:
        if msg.is_multipart():
            super()._handle_message_delivery_status(msg)  # type: ignore[misc]
        else:
            self._write_payload(_payload(msg))

    def _handle_text(self, msg: Message[Any, Any]) -> None:
        octets = _payload(msg)
        self._write_payload(encodebytes(octets) if self._is_recoded(msg) else octets)

    _writeBody = _handle_text  # noqa: N815 - the name that the generator looks for

    def _write_payload(self, octets: bytes) -> None:
        self._fp.write(LINE_END.sub(b"\r\n", octets))

    def _write_headers(self, msg: Message[Any, Any]) -> None:
        is_recoded = self._is_recoded(msg)
        if is_recoded and "content-transfer-encoding" not in msg:
            self._fp.write(RECODED)
        for name, value in msg.raw_items():
            kind = name.lower()
            if kind in BLIND:
                continue
            if is_recoded and kind == "content-transfer-encoding":
                octets = RECODED
            elif self.is_kept and (self.kept_fields is None or kind in self.kept_fields):
                octets = as_given(name, value, width=self._kept_width()) or self.policy.fold_binary(name, value)
            else:
                octets = self._undecodable(name, value) or field_octets(
                    name, value, width=self._width(kind, value), utf8=self._is_utf8()
                )
            # Values were checked; what the standard library made of them is looked at once more.
            if FIELD.search(octets, 0, len(octets) - 2) is not None:  # pragma: no cover
                raise InvalidMessage(name, "does not read back as it was written")
            self._fp.write(octets)
        self._fp.write(b"\r\n")

    def _is_recoded(self, msg: Message[Any, Any]) -> bool:
        """Whether it is written in another transfer encoding than its own, so that it can go through every host."""
        if self.is_kept or msg.get_content_maintype() in {"multipart", "message"}:
            return False
        return _transfer_encoding(msg) in PLAIN and not _payload(msg).isascii()

    def _undecodable(self, name: str, value: Any) -> bytes | None:  # noqa: ANN401 - whatever an app put in
        """A field of a part that was parsed and is neither ASCII nor UTF-8: nobody can write it otherwise."""
        octets = as_given(name, value, width=LINE_OCTETS) if self.is_part else None
        if octets is None:
            return None
        try:
            octets.decode()
        except UnicodeDecodeError:
            return octets
        return None

    def _kept_width(self) -> int:
        """Octets of a line that can have been signed as it is: the older policy folds what it is given."""
        return LINE_OCTETS if isinstance(self.policy, EmailPolicy) else self.policy.max_line_length or LINE_OCTETS

    def _width(self, kind: str, value: Any) -> int:  # noqa: ANN401 - whatever an app put in
        """Octets of a line: the app's choice. What was signed, and what was parsed and shall stay, keeps its lines."""
        stays = not hasattr(value, "fold") and getattr(self.policy, "refold_source", "") == "none"
        if stays or kind in SIGNATURES:
            return LINE_OCTETS
        return min(self.policy.max_line_length or LINE_OCTETS, LINE_OCTETS)

    def _is_utf8(self) -> bool:
        return bool(getattr(self.policy, "utf8", False))


def _covered(message: Message[Any, Any]) -> frozenset[str]:
    """The names of the fields that the message's signatures cover."""
    names: set[str] = set()
    for signature in SIGNATURES:
        for value in message.get_all(signature, ()):
            found = COVERED.search(str(value))
            names.update(found[1].lower().replace(":", " ").split() if found is not None else ())
    return frozenset(names)


def _is_parsed(attached: Any) -> bool:  # noqa: ANN401 - the list that a payload is here
    """Whether no value of an attached message's header was given to the object by an app."""
    return not any(hasattr(value, "fold") for message in attached for _, value in message.raw_items())


def _payload(part: Message[Any, Any]) -> bytes:
    """The octets of a part without parts of its own, in the transfer encoding that its header names."""
    payload: Any = part._payload  # type: ignore[attr-defined] # noqa: SLF001 - get_payload() loses octets
    if payload is None:
        return b""
    if isinstance(payload, bytes):
        return payload
    if not isinstance(payload, str):
        kind = type(payload).__name__
        raise InvalidMessage("message", f"the payload of a part is neither text nor octets but {kind}")
    try:
        return payload.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return _in_charset(part, payload)


def _in_charset(part: Message[Any, Any], text: str) -> bytes:
    """The octets of a text that was given as characters: parsed from a string, not from octets."""
    charset = part.get_content_charset()
    if charset is None or _transfer_encoding(part) not in PLAIN:
        reason = "the payload of a part has characters beyond ASCII and was given no charset: use set_content"
        raise InvalidMessage("message", reason)
    try:
        return text.encode(charset, "surrogateescape")
    except (LookupError, UnicodeEncodeError):
        reason = f"the payload of a part cannot be written in its charset {printable(charset)}"
        raise InvalidMessage("message", reason) from None


def _transfer_encoding(part: Message[Any, Any]) -> str:
    return str(part.get("content-transfer-encoding", "")).strip().lower()
