"""A message as people read it: subject, addresses, text, HTML, attachments, links.

For looking at mail that is on its way: see :mod:`softbounce.testing` and the inbox of ``softbounce dev``. Nothing that
delivers uses it. It is total: whatever the octets are, something is said of them, in bounded time and number; what
cannot be decoded is shown with replacement characters. RFC 2045 to 2047, RFC 2231, RFC 2392 (``cid:``).
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property
from html.parser import HTMLParser
from itertools import islice

__all__ = ["Attachment", "ParsedMessage", "parse_message"]

HEADER_OCTETS = 262_144
MOST_PARTS = 200
MOST_FIELDS = 200
MOST_LINKS = 100
LONGEST_VALUE = 8_192
LONGEST_NAME = 255
LONGEST_LINK = 2_048
LINKS_WITHIN = 262_144
"""Of HTML; html.parser takes the square of the time for some that never ends."""
MOST_BOUNDARIES = 60
MOST_DELIMITERS = 2_000
"""Each line is looked at by every multipart around it, each part takes a KiB: what has more is read as one text."""
FOLD = re.compile(r"\r?\n[ \t]*")
CID = re.compile(r"cid:([^\s\"'<>()]{1,255})", re.IGNORECASE)
BOUNDARY = re.compile(rb"boundary[ \t]*=", re.IGNORECASE)
MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}")
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A part that is no text to be read with the message.

    :ivar filename: as the sender named it: use it for showing, never as a path; empty: it has none.
    :ivar content: decoded.
    :ivar content_id: by which HTML refers to it (``cid:``), without angle brackets; empty: by none.
    """

    filename: str
    content_type: str
    content: bytes
    content_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ParsedMessage:
    """The message.

    :ivar source: the octets.
    :ivar headers: every field in order, decoded, without line ends; at most 200.
    :ivar text: the plain text; empty: there is none.
    :ivar html: the HTML; empty: there is none. Whatever the sender wrote: never put it into a page of yours.
    """

    source: bytes
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    attachments: tuple[Attachment, ...] = field(default=())

    def header(self, name: str) -> str:
        """The first field of this name, in whatever case; empty: there is none."""
        wanted = name.lower()
        return next((value for one, value in self.headers if one.lower() == wanted), "")

    @property
    def subject(self) -> str:
        """What it is about."""
        return self.header("subject")

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Where its HTML leads (``http:`` and ``https:``), else what looks so in its text; each once, at most 100."""
        found = _Links()
        if self.html:
            with suppress(AssertionError, ValueError):  # what html.parser says to HTML that is none
                found.feed(self.html[:LINKS_WITHIN])
        links = found.links or re.findall(r"https?://[^\s<>\"']{1,2048}", self.text)
        return tuple(dict.fromkeys(link for link in links if len(link) <= LONGEST_LINK))[:MOST_LINKS]

    @cached_property
    def html_with_images(self) -> str:
        """The HTML, in which images that came along stand themselves (``data:``) in place of ``cid:``."""
        images = {one.content_id: one for one in self.attachments if one.content_id}
        if not images:
            return self.html

        def inline(match: re.Match[str]) -> str:
            image = images.get(match[1])
            if image is None or not image.content_type.startswith("image/"):
                return match[0]
            return f"data:{image.content_type};base64,{base64.b64encode(image.content).decode()}"

        return CID.sub(inline, self.html)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and len(self.links) < 10 * MOST_LINKS:
            self.links += [
                link.strip()
                for name, link in attrs
                if name == "href" and link and link.strip().lower().startswith(("http://", "https://"))
            ]


def parse_message(octets: bytes) -> ParsedMessage:
    """Read a message."""
    try:
        if _is_bomb(octets):
            raise ValueError("more parts than a message has")  # noqa: TRY301 - as whatever else cannot be read
        message = message_from_bytes(octets, policy=policy.compat32)
        parts = list(_leaves(message))
    except Exception:  # noqa: BLE001 - the standard library's parser is not total; then it is one text
        head, _, rest = octets.partition(b"\r\n\r\n")
        text = head[:HEADER_OCTETS].decode("ascii", "surrogateescape")
        message = HeaderParser(policy=policy.compat32).parsestr(text)
        return ParsedMessage(source=octets, headers=_fields(message), text=rest.decode(errors="replace"), html="")
    text = html = ""
    attachments: list[Attachment] = []
    for part in parts:
        kind = _kind(part)
        content = _content(part)
        name = _filename(part)
        is_file = bool(name) or _disposition(part) == "attachment"
        if kind == "text/plain" and not is_file and not text:
            text = _decoded(part, content)
        elif kind == "text/html" and not is_file and not html:
            html = _decoded(part, content)
        elif content or is_file:
            attachments.append(
                Attachment(filename=name, content_type=kind, content=content, content_id=_content_id(part))
            )
    return ParsedMessage(source=octets, headers=_fields(message), text=text, html=html, attachments=tuple(attachments))


def _is_bomb(octets: bytes) -> bool:
    boundaries = sum(1 for _ in islice(BOUNDARY.finditer(octets), MOST_BOUNDARIES + 1))
    return boundaries > MOST_BOUNDARIES or (boundaries > 0 and octets.count(b"\n--") > MOST_DELIMITERS)


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that have no parts, in order; a message that is attached is one."""
    waiting = [message]
    found = 0
    while waiting and found < MOST_PARTS:
        part = waiting.pop()
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting += [one for one in reversed(payload) if isinstance(one, Message)]
        else:
            found += 1
            yield part


def _kind(part: Message) -> str:
    kind = part.get_content_type()
    return kind if MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"


def _content(part: Message) -> bytes:
    try:
        if part.get_content_type() == "message/rfc822":
            payload = part.get_payload()
            inner = payload[0] if isinstance(payload, list) and payload else None
            return inner.as_bytes() if isinstance(inner, Message) else b""
        content = part.get_payload(decode=True)
    except Exception:  # noqa: BLE001 - as above: a part that cannot be read is empty, and the source has it
        return b""
    return content if isinstance(content, bytes) else b""


def _decoded(part: Message, content: bytes) -> str:
    charset = str(part.get_param("charset") or "utf-8")
    try:
        text = content.decode(charset, errors="replace")
    except (LookupError, ValueError):
        text = content.decode(errors="replace")
    return text.replace("\r\n", "\n")


def _filename(part: Message) -> str:
    try:
        name = part.get_filename() or ""
        return _readable(str(name))[:LONGEST_NAME]
    except Exception:  # noqa: BLE001 - as above
        return ""


def _disposition(part: Message) -> str:
    try:
        return part.get_content_disposition() or ""
    except Exception:  # noqa: BLE001 - as above
        return ""


def _content_id(part: Message) -> str:
    return str(part.get("Content-ID", "")).strip().strip("<>")[:LONGEST_NAME]


def _fields(message: Message) -> tuple[tuple[str, str], ...]:
    fields = islice(message.raw_items(), MOST_FIELDS)
    return tuple((_readable(name)[:LONGEST_NAME], _readable(value)) for name, value in fields)


def _readable(value: str) -> str:
    """A field's value: unfolded, encoded words decoded, without controls and half characters."""
    text = FOLD.sub(" ", value[:LONGEST_VALUE]).strip()
    text = text.encode("utf-8", "surrogateescape").decode(errors="replace")
    if "=?" in text:
        with suppress(Exception):  # a word that cannot be decoded is shown as it is
            text = str(make_header(decode_header(text)))
    return "".join(one if _is_seen(one) else "\N{REPLACEMENT CHARACTER}" for one in text.replace("\t", " "))


def _is_seen(one: str) -> bool:
    """Whether it is itself, and turns nothing around."""
    return unicodedata.category(one) not in UNSEEN and one not in BIDI
