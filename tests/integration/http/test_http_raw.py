"""What no client sends that means well, octet by octet: read in one way only, or refused; nobody gets in by it."""

from __future__ import annotations

import gzip
import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import pytest
from calling import MESSAGES, calling, part
from developing import Dev
from service import Service, until
from softbounce_gateway.http.connection import BODILESS_OCTETS

if TYPE_CHECKING:
    from collections.abc import Iterator


LINE = b"GET /api/v1/queue HTTP/1.1"
BODY = json.dumps(part()).encode()
WISH = b"Connection: Upgrade, HTTP2-Settings\r\nUPGRADE: h2c\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PACKED = gzip.compress(b"a" * 10_000_000)
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
WITHIN = 30.0


class Answer(NamedTuple):
    """One answer. ``ends``: it says that the connection ends behind it."""

    status: int
    ends: bool
    body: bytes


class Raw:
    """A connection on which octets are written as they stand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN)
        self._got = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> Raw:
        """Each in a packet of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one in parts:
            self.socket.sendall(one)
        return self

    def answer(self) -> Answer | None:
        """The next one; ``None``: the connection ended."""
        while True:
            head, end, rest = self._got.partition(b"\r\n\r\n")
            found = LENGTH.search(head + b"\r\n")
            length = 0 if found is None else int(found[1])
            if end and len(rest) >= length:
                self._got = rest[length:]
                return Answer(int(head[9:12]), b"connection: close" in head.lower(), rest[:length])
            try:
                chunk = self.socket.recv(65536)
            except ConnectionResetError:
                chunk = b""
            if not chunk:
                assert not self._got, self._got
                return None
            self._got += chunk

    def answers(self) -> Iterator[Answer]:
        """All, until the connection ends."""
        while (one := self.answer()) is not None:
            yield one


def asked(
    line: bytes = b"GET /api/v1/queue HTTP/1.1",
    host: bytes = b"Host: 127.0.0.1\r\n",
    more: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """A request."""
    return line + b"\r\n" + host + more + b"\r\n" + body


def posted(more: bytes, body: bytes = BODY, *, length: int | None = None, line: bytes | None = None) -> bytes:
    """A message in parts, with these fields."""
    told = b"" if length is None else b"Content-Length: %d\r\n" % length
    return asked(
        line or f"POST {MESSAGES} HTTP/1.1".encode(),
        more=b"Content-Type: application/json\r\n" + told + more,
        body=body,
    )


def chunk(body: bytes, size: bytes | None = None) -> bytes:
    """A body in one chunk."""
    return (b"%x" % len(body) if size is None else size) + b"\r\n" + body + b"\r\n0\r\n\r\n"


WHOLE = len(BODY)
TAKEN = {
    "as it should be": posted(b"", length=WHOLE),
    "in a chunk": posted(CHUNKED, chunk(BODY)),
    "with an extension": posted(CHUNKED, chunk(BODY, b'%x;a="b"' % WHOLE)),
    "with fields behind it": posted(CHUNKED, chunk(BODY)[:-2] + b"Host: evil.test\r\nX: y\r\n\r\n"),
    "in capitals": posted(b"TRANSFER-ENCODING: Chunked\r\n", chunk(BODY)),
    "Java's wish for HTTP/2": posted(b"HTTP2-Settings: AAEAAEAA\r\n" + WISH, length=WHOLE),
    "a wish for HTTP/2, in a chunk": posted(WISH + CHUNKED, chunk(BODY)),
    "an absolute form": posted(b"", length=WHOLE, line=f"POST http://127.0.0.1{MESSAGES} HTTP/1.1".encode()),
}
NO_REQUEST = {
    "length and chunks": posted(CHUNKED, length=WHOLE),
    "chunks and length": posted(CHUNKED + b"Content-Length: 5\r\n", chunk(BODY)),
    "two lengths": posted(b"Content-Length: 3\r\n", length=WHOLE),
    "two lengths alike": posted(b"Content-Length: %d\r\n" % WHOLE, length=WHOLE),
    **{
        f"the length {text!r}": posted(b"Content-Length: " + text + b"\r\n")
        for text in (b"+5", b"-1", b"0x10", b"5, 5", b"1_0", b"9" * 30, b"", b"\xb2")
    },
    **{
        f"the coding {text!r}": posted(b"Transfer-Encoding: " + text + b"\r\n", chunk(BODY))
        for text in (b"chunked, identity", b"chunked, chunked", b"\x0bchunked", b"chunked\r\nTransfer-Encoding: gzip")
    },
    "a length behind chunks": posted(CHUNKED, chunk(BODY)[:-2] + b"Content-Length: 1\r\n\r\n"),
    "a blank before a colon": posted(b"Transfer-Encoding : chunked\r\n", chunk(BODY)),
    "chunks of HTTP/1.0": posted(CHUNKED, chunk(BODY), line=f"POST {MESSAGES} HTTP/1.0".encode()),
    **{
        f"the chunk size {text!r}": posted(CHUNKED, chunk(b"hello", text))
        for text in (b"zz", b"-5", b"0x5", b"f" * 18, b"5 ", b" 5", b"", b'5;a="\r')
    },
    "bare line feeds in chunks": posted(CHUNKED, b"5\nhello\n0\n\n"),
    "a chunk that does not end": posted(CHUNKED, b"5\r\nhelloXX0\r\n\r\n"),
    **{
        f"the line {text!r}": asked(text)
        for text in (
            b"get /api/v1/queue HTTP/1.1",
            b"FOO /api/v1/queue HTTP/1.1",
            b"GET\t/api/v1/queue HTTP/1.1",
            b" /api/v1/queue HTTP/1.1",
            b"CONNECT evil.test:443 HTTP/1.1",
            b"PRI * HTTP/2.0",
            b"GET ftp://127.0.0.1/api/v1/queue HTTP/1.1",
            b"GET http://evil.test@127.0.0.1/api/v1/queue HTTP/1.1",
            b"GET http:// HTTP/1.1",
            b"GET api/v1/queue HTTP/1.1",
            b"GET /api/v1/que\xff HTTP/1.1",
            b"GET /api/v1/queue HTTP/1.1\n",
        )
    },
    **{
        f"the host {text!r}": asked(host=text)
        for text in (
            b"",
            b"Host: 127.0.0.1\r\nHost: evil.test\r\n",
            b"Host: evil.test\r\nHost: 127.0.0.1\r\n",
            b"Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n",
            b"Host: 127.0.0.1, evil.test\r\n",
            b"Host: 127.0.0.1/evil.test\r\n",
            b"Host: evil.test\\@127.0.0.1\r\n",
            b"Host: 127.0.0.1:abc\r\n",
            b"Host: [::1%25lo]\r\n",
            b"Host: \xff\r\n",
            b" Host: 127.0.0.1\r\n",
            b"Host: 127.0.0.1\r\n evil.test\r\n",
        )
    },
    **{
        f"{name} twice": posted(b"%s: a\r\n%s: b\r\n" % (name.encode(), name.lower().encode()), length=WHOLE)
        for name in ("Authorization", "Content-Encoding", "Idempotency-Key", "Origin")
    },
    "Content-Type twice": posted(b"content-type: text/plain\r\n", length=WHOLE),
    **{
        f"the field {text!r}": asked(more=text + b"\r\n")
        for text in (b"X: a\x00b", b"X\x00: a", b": a", b"X", b"X: a\r\n\tb", b"X: a\rb", b"X: a\nY: b")
    },
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
}
OTHERS: dict[str, tuple[int, bytes]] = {
    **{f"the coding {text!r}": (501, posted(b"Transfer-Encoding: " + text + b"\r\n", chunk(PACKED)))
       for text in (b"gzip, chunked", b"xchunked", b"identity")},
    "a packed body": (415, posted(b"Content-Encoding: gzip\r\n", PACKED, length=len(PACKED))),
    "a packed body, told late": (415, posted(b"Content-Encoding: identity, gzip\r\n", PACKED, length=len(PACKED))),
    **{f"the method {text}": (405, asked(f"{text} /api/v1/queue HTTP/1.1".encode()))
       for text in ("TRACE", "CONNECT", "PUT", "PROPFIND")},
    "all of the server": (404, asked(b"OPTIONS * HTTP/1.1")),
    "a foreign absolute form": (403, asked(b"GET http://evil.test/api/v1/queue HTTP/1.1")),
    "its port": (403, asked(b"GET http://evil.test:80/api/v1/queue HTTP/1.1")),
    "a path that begins twice": (404, asked(b"GET //evil.test/api/v1/queue HTTP/1.1")),
    "a way up": (404, asked(b"GET /api/v1/%2e%2e/v1/queue HTTP/1.1")),
    "a zero in an id": (404, asked(b"GET /api/v1/envelopes/%00 HTTP/1.1")),
    **{f"the host {text!r}": (403, asked(host=b"Host: " + text + b"\r\n"))
       for text in (b"", b"user@127.0.0.1", b"127.1", b"0x7f.1", b"2130706433", b"0.0.0.0", b"localhost.evil.test",
                    b"[::ffff:127.0.0.1]")},
    "HTTP/1.0 without a host": (403, asked(b"GET /api/v1/queue HTTP/1.0", host=b"")),
    **{f"passed on: {text}": (403, asked(more=f"{text}: 127.0.0.1\r\n".encode()))
       for text in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "Via",
                    "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "Client-IP", "X-Original-URL",
                    "Tailscale-User-Login", "X-Amzn-Trace-Id")},
    "another method by a field": (200, asked(more=b"X-HTTP-Method-Override: DELETE\r\n")),
    "a body that nobody reads": (200, asked(more=b"Content-Length: 5\r\n", body=b"hello")),
}  # fmt: skip


@pytest.fixture(params=["dev", "up"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Where `softbounce dev` listens, and where `up` does."""
    if request.param == "up":
        request.getfixturevalue("service")
        yield request.getfixturevalue("port")
        return
    request.getfixturevalue("store_binary")
    with Dev(tmp_path) as dev:
        dev.wait_for("^  HTTP   ")
        yield dev.http_port


def test_issue14_what_can_be_read_in_two_ways_is_no_request(place: int) -> None:
    """Whole requests are taken, whatever else they wish; all else is told what it is, and ends the connection."""
    for name, octets in TAKEN.items():
        with Raw(place) as raw:
            assert getattr(raw.send(octets).answer(), "status", None) == 202, name
            assert getattr(raw.send(asked()).answer(), "status", None) == 200, f"behind {name}"
    for name, octets in NO_REQUEST.items():
        with Raw(place) as raw:
            (answer,) = raw.send(octets).answers()
            assert (answer.status, answer.ends) == (400, True), (name, answer)
            assert json.loads(answer.body)["type"] == "urn:softbounce:problem:NoRequest", name
    for name, (status, octets) in OTHERS.items():
        with Raw(place) as raw:
            found = raw.send(octets).answer()
            assert found is not None, name
            assert found.status == status, (name, found)
    with calling(place) as http:
        assert http.get("/api/v1/queue").json()["total"] == len(TAKEN), "nothing else was taken"


def test_issue14_expectations_halves_and_many_at_once(place: int) -> None:
    """100 before a body that is wanted; an answer to who ends its half; those due before what is wrong, in order."""
    expecting = posted(b"Expect: 100-continue\r\n", b"", length=WHOLE)
    with Raw(place) as raw:
        assert getattr(raw.send(expecting).answer(), "status", None) == 100
        assert getattr(raw.send(BODY).answer(), "status", None) == 202
    for head in (expecting.replace(MESSAGES.encode(), b"/none"), expecting.replace(b"h: %d" % WHOLE, b"h: 900000000")):
        with Raw(place) as raw:
            (answer,) = raw.send(head).answers()
            assert (answer.status in {404, 413}, answer.ends) == (True, True)
    for octets, wanted in (
        (posted(b"", length=WHOLE), [202]),
        (asked() + asked(), [200, 200]),
        (b"GET /api", []),
        (posted(b"", BODY[:-5], length=WHOLE), []),
        (posted(CHUNKED, b"50\r\nabc"), []),
    ):
        with Raw(place) as raw:
            raw.send(octets).socket.shutdown(socket.SHUT_WR)
            assert [one.status for one in raw.answers()] == wanted, octets
    with Raw(place) as raw:
        raw.send(asked(b"GET /healthz HTTP/1.1") * 500)
        assert [getattr(raw.answer(), "status", None) for _ in range(500)] == [200] * 500
    with Raw(place) as raw:
        raw.send(posted(b"", length=WHOLE) + asked(b"FOO / HTTP/1.1"))
        assert [one.status for one in raw.answers()] == [202], "the refusal is not taken for the answer to the message"
    with Raw(place) as raw:  # behind another request the wish for HTTP/2 costs the connection, and smuggles nothing
        wish = posted(WISH, asked(), length=len(asked()))
        raw.send(asked() + wish, asked())
        assert [one.status for one in raw.answers()] in ([200, 400], [200])
    with Raw(place) as raw:  # a head in pieces, as slow networks bring it
        whole = posted(WISH, length=WHOLE)
        for at in range(0, len(whole), 7):
            raw.send(whole[at : at + 7])
        assert getattr(raw.answer(), "status", None) == 202
    with calling(place) as http:
        assert http.get("/api/v1/queue").json()["total"] == 4


def test_A13_what_stands_around_a_body_has_an_end(service: Service, port: int) -> None:
    """Fields behind the last chunk, and what is told of a chunk."""
    for begun in (b"0\r\nX: ", b"1;a="):
        with Raw(port) as raw:
            raw.send(posted(CHUNKED, begun))
            sent = 0
            try:
                while sent < 100 * BODILESS_OCTETS:
                    raw.send(b"a" * 65536)
                    sent += 65536
            except OSError:
                pass
            assert sent < 100 * BODILESS_OCTETS, begun
    assert "Traceback" not in service.log


def test_issue14_odd_logins_are_none(service: Service, port: int) -> None:
    """Once there is a token nothing else lets in: no half of one, no second one, no cookie that somebody made up."""
    token = service.cli("token", "new", "--scope", "read", "--name", "ann").stdout.strip()
    with calling(port) as nobody:
        until(lambda: nobody.get("/api/v1/queue").status_code == 401, 5, "tokens are known")
    for said, status in (
        (b"Bearer " + token, 200),
        (b"bearer  " + token + b" ", 200),
        (b"Bearer", 401),
        (b"Bearer ", 401),
        (b"Bearer " + token[:-1], 401),
        (b"Bearer " + token + b"A", 401),
        (b"Bearer " + token.swapcase(), 401),
        (b"Bearer x, Bearer " + token, 401),
        (b"Bearer " + token + b", x", 401),
        (b"Basic " + token, 401),
        (b"Bearer \xff" + token, 401),
        (b"Bearer " + b"a" * 30_000, 401),
        (token, 401),
    ):
        with Raw(port) as raw:
            found = raw.send(asked(more=b"Authorization: " + said + b"\r\n")).answer()
            assert found is not None
            assert found.status == status, said[:80]
    for cookie in (
        b"softbounce_session=",
        b"softbounce_session=ann:99999999999:y:" + b"0" * 64,
        b"softbounce_session=ann:1:y:\xc3\xa9",
        b"softbounce_session=" + token,
        b'softbounce_session="x',
        b"softbounce_session=a; softbounce_session=b",
        b"\xff\xfe=1; ;;==; =",
        b"a" * 20_000,
    ):
        with Raw(port) as raw:
            found = raw.send(asked(b"GET /ui HTTP/1.1", more=b"Cookie: " + cookie + b"\r\n")).answer()
            assert found is not None
            assert found.status in {303, 401}, (cookie[:60], found)
    assert "Traceback" not in service.log
