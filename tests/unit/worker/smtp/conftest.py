"""Engines brought to where a test begins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from softbounce_worker.smtp import Data, Ehlo, Engine, Mail, Rcpt

OFFER = b"250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 STARTTLS\r\n"
PLAIN_OFFER = b"250-mx.example.net\r\n250 STARTTLS\r\n"


@pytest.fixture
def connected() -> Engine:
    """A session whose greeting has not come."""
    return Engine("mail.example.com")


@pytest.fixture
def greeted(connected: Engine) -> Engine:
    """A session that was greeted."""
    connected.feed(b"220 mx.example.net ESMTP\r\n")
    return connected


@pytest.fixture
def ready(greeted: Engine) -> Engine:
    """A session with a host that offers a lot, PIPELINING included."""
    greeted.send(Ehlo())
    greeted.feed(OFFER)
    return greeted


@pytest.fixture
def plain(greeted: Engine) -> Engine:
    """A session with a host that offers no PIPELINING."""
    greeted.send(Ehlo())
    greeted.feed(PLAIN_OFFER)
    return greeted


@pytest.fixture
def grouped(ready: Engine) -> Engine:
    """A session with MAIL, two RCPT and DATA on their way in one group."""
    for command in (Mail("a@example.com"), Rcpt("b@example.net"), Rcpt("c@example.net"), Data()):
        ready.send(command)
    return ready


@pytest.fixture
def at_content(grouped: Engine) -> Engine:
    """A session in which everything was accepted and content is due."""
    grouped.feed(b"250 ok\r\n" * 3 + b"354 go\r\n")
    return grouped


@pytest.fixture
def arranged(request: pytest.FixtureRequest) -> Callable[[str], Engine]:
    """Any of these by its name, for tables."""

    def get(name: str) -> Engine:
        engine = request.getfixturevalue(name)
        assert isinstance(engine, Engine)
        return engine

    return get
