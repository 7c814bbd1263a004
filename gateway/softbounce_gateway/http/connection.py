"""One connection: how long a client may take to say what it wants, how large its headers may be, what is a request.

A client that is slow costs itself a connection and nobody anything: it is hung up on. uvicorn itself has no bound for
the time before a request is whole, nor httptools one for the octets of a header. What two readers could read in two
ways is no request here (RFC 9112 §11.2): a proxy before us may have read it in the other.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from softbounce_gateway.http.problems import TYPE, ProblemDetails
from softbounce_gateway.submission.crowd import Crowd

__all__ = ["HEADER_OCTETS", "HEADER_SECONDS", "bounded_protocol"]

HEADER_OCTETS = 32 * 1024
HEADER_SECONDS = 10.0
HEADERS = 100
STALLED_SECONDS = 60.0
"""How long a client may read nothing of its answer."""
BODILESS_OCTETS = 2 * HEADER_OCTETS
"""What may come of a body and be none of it: sizes of chunks and what they are told, and fields behind the last one."""
ONCE = frozenset(
    {
        b"host", b"authorization", b"content-type", b"content-encoding", b"transfer-encoding", b"idempotency-key",
        b"origin", b"expect", b"last-event-id", b"sec-fetch-site",
    }
)  # fmt: skip
"""Fields of which one decides. Of two, one reader takes the first and another the last."""
HOST = rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]*)(?::[0-9]{0,5})?"
HOST_FIELD = re.compile(rb"(?:[A-Za-z0-9._~-]*@)?" + HOST)  # who has a name before it is no name of this machine
ABSOLUTE = re.compile(rb"https?://(" + HOST + rb")(?:[/?].*)?", re.IGNORECASE)
UPGRADE = re.compile(rb"\r\n(?=upgrade[ \t]*:)", re.IGNORECASE)
BARE_LF = re.compile(rb"(?<!\r)\n")
REQUEST_LINE = re.compile(rb"(?:\r\n)*[A-Z-]*(?: |\Z)")
END_OF_HEAD = b"\r\n\r\n"


class Refusal(NamedTuple):
    """What is said to who asked in no way that can be answered: problem details, before there is a call."""

    status: HTTPStatus
    details: ProblemDetails

    def octets(self) -> bytes:
        """The whole answer, behind which the connection ends."""
        body = msgspec.json.encode(self.details)
        again = "retry-after: 5\r\n" if self.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\ncontent-type: application/problem+json\r\n{again}"
            f"connection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def _refusal(status: HTTPStatus, kind: str, title: str, detail: str, **more: Any) -> Refusal:  # noqa: ANN401
    details = ProblemDetails(type=TYPE + kind, title=title, status=status.value, detail=detail, **more)
    return Refusal(status, details)


def _no_request(detail: str, field: str | None = None, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Refusal:
    return _refusal(status, "NoRequest", "This is no HTTP request", detail, field=field)


BUSY = _refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Busy",
    "Too many connections",
    "there are as many connections as [gateway] connections, or connections_per_client, allows; nothing was taken",
    uncertain=False,
)
TOO_LARGE = _refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "HeaderTooLarge",
    "The header is too large",
    f"the path and the header fields together: at most {HEADER_OCTETS} octets, and {HEADERS} fields",
)
UNREADABLE = _no_request("it cannot be read as HTTP/1.1, or in more than one way")
NO_HOST = _no_request("Host: give it once, as a name or an address, with a port or without one", "Host")
CODED = _no_request(
    "Transfer-Encoding: chunked, or none; send the body as it is", "Transfer-Encoding", HTTPStatus.NOT_IMPLEMENTED
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A class of its own for each crowd: see :func:`bounded_protocol`."""

    crowd: Crowd
    _peer: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None
    _head = b""
    _head_octets = 0
    _in_head = True
    _has_begun = False
    _bodiless = 0
    _hears_no_more = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.crowd.enter(peer) is not None:
            self._answer(BUSY)
            return
        self._peer = peer
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel("_deadline")
        self._cancel("_stall")
        if self._peer is not None:
            self.crowd.leave(self._peer)
            self._peer = None

    def data_received(self, data: bytes) -> None:
        if self._peer is None or self._hears_no_more or self.transport.is_closing():
            return
        if not self._in_head:
            self._bodiless += len(data)
            super().data_received(data)
            if self._bodiless > BODILESS_OCTETS and not self._in_head:
                self._refuse(TOO_LARGE)
            return
        if self._deadline is None:  # the next request of a connection that was kept
            self._wait()
        self._head_octets += len(data)
        if self._head_octets > HEADER_OCTETS and not self._ends_in(data):
            self._refuse(TOO_LARGE)
            return
        self._head += data
        if self._has_begun or END_OF_HEAD in self._head or not _may_become_head(self._head):
            head, self._head = self._head, b""
            super().data_received(head if self._has_begun else _without_upgrade(head))
        else:
            self._unset_keepalive_if_required()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Some end their half of the connection behind a request, and wait for its answer."""
        cycle: RequestResponseCycle | None = self.cycle
        if self.transport.is_closing() or cycle is None or cycle.more_body or cycle.response_started:
            return False
        self._hears_no_more = True
        cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(UNREADABLE)

    def on_message_begin(self) -> None:
        self._has_begun = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what stands behind a body is nothing that was asked for
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = self._has_begun = False
        self._bodiless = 0
        self._cancel("_deadline")
        octets = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if octets > HEADER_OCTETS or len(self.headers) > HEADERS:
            self._refuse(TOO_LARGE)
        elif (wrong := self._what_is_wrong()) is not None:
            self._refuse(wrong)
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bodiless = 0
        if not self._hears_no_more and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_octets = 0
        if self.cycle is not None and self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._cancel("_deadline")  # the rest of a body that nobody wanted
        if not self._hears_no_more and not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and self._deadline is None and not self.transport.is_closing():
            self._wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel("_stall")
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Another protocol was asked for behind another request: the parser has lost where its body ends."""
        self._hears_no_more = True
        self.cycle.keep_alive = False

    def _what_is_wrong(self) -> Refusal | None:
        """Why this is no request, or one that two readers could read in two ways."""
        seen: dict[bytes, bytes] = {}
        for name, value in self.headers:
            if name in ONCE and name in seen:
                return _no_request("a field that decides what is done is there twice", name.title().decode())
            seen[name] = value
        version = self.parser.get_http_version()  # pyright: ignore[reportOptionalMemberAccess] - while a head is read
        if b"transfer-encoding" in seen and version == "1.0":
            return UNREADABLE
        if seen.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":
            return CODED
        if not self.url.startswith((b"/", b"*")):  # the name that it says is the one that is called (RFC 9112 §3.2.2)
            found = ABSOLUTE.fullmatch(self.url)
            if found is None:
                return UNREADABLE
            self.headers[:] = [one for one in self.headers if one[0] != b"host"]
            self.headers.append((b"host", found[1]))
        elif (b"host" not in seen and version == "1.1") or not HOST_FIELD.fullmatch(seen.get(b"host", b"")):
            return NO_HOST
        return None

    def _ends_in(self, data: bytes) -> bool:
        """Whether the header may end here, behind which a body follows."""
        return self._head_octets - len(data) <= HEADER_OCTETS and b"\n\r\n" in data[: HEADER_OCTETS + 4]

    def _refuse(self, refusal: Refusal) -> None:
        """Say why nothing more is read. Where answers are due to requests before, the connection ends behind them."""
        self._hears_no_more = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._answer(refusal)
        elif not cycle.more_body:
            cycle.keep_alive = False
        elif cycle.response_started or any(one is cycle for one, _ in self.pipeline):
            self.transport.close()
        else:
            self._answer(refusal)

    def _answer(self, refusal: Refusal) -> None:
        self.transport.write(refusal.octets())
        self.transport.close()

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.transport.close()

    def _cancel(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


def _may_become_head(begun: bytes) -> bool:
    """Whether the parser, that is told of heads in whole, would go on: what is none, it says at once."""
    return REQUEST_LINE.match(begun) is not None and BARE_LF.search(begun) is None


def _without_upgrade(head: bytes) -> bytes:
    """A head without the wish for another protocol, which we speak none of: the parser would take the body for that.

    Java's client asks for HTTP/2 so with each first request, one with a body too.
    """
    end = head.find(END_OF_HEAD)
    return UPGRADE.sub(b"\r\nnot-", head[:end]) + head[end:] if end >= 0 else head


def bounded_protocol(crowd: Crowd) -> type[HttpToolsProtocol]:
    """The protocol of connections that are of one crowd."""
    return type("CrowdProtocol", (BoundedProtocol,), {"crowd": crowd})
