"""What all connections of one process share: its limits, its store, its certificate."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from softbounce_gateway.submission.crowd import Crowd
from softbounce_gateway.submission.house import Login
from softbounce_gateway.submission.login_failures import LoginGuard
from softbounce_gateway.submission.sasl import Credentials
from softbounce_gateway.submission.steps import Store

__all__ = ["Client", "Door", "Takes"]


class Takes(Protocol):
    """Who takes what came."""

    async def take(self, asked: Store, peer: str) -> str:
        """Store it; the reply.

        :param peer: the client's address.
        """
        ...


class Client(Protocol):
    """Who came in by it.

    :ivar peer: the address.
    """

    peer: str

    async def end(self) -> None:
        """Finish what is under way, and close."""


@dataclass(slots=True, kw_only=True)
class Door:
    """The doorkeeper.

    :ivar check_login: who has these credentials; ``None``: nobody.
    :ivar check_recipient: why mail for an address is not taken from a client, as a reply; ``None``: it is.
    :ivar tls: the certificate to show, where there is one.
    :ivar idle_seconds: how long a client may be silent.
    """

    crowd: Crowd
    guard: LoginGuard
    handing_over: Takes
    check_login: Callable[[Credentials], Awaitable[Login | None]]
    tls: ssl.SSLContext | None
    idle_seconds: float
    check_recipient: Callable[[str, str], Awaitable[str | None]] | None = None
    clients: set[Client] = field(default_factory=set)

    def enter(self, client: Client) -> str | None:
        """Let somebody in; the reply where there is no room."""
        refusal = self.crowd.enter(client.peer)
        if refusal is None:
            self.clients.add(client)
        return refusal

    def leave(self, client: Client) -> None:
        """Somebody is gone."""
        self.clients.discard(client)
        self.crowd.leave(client.peer)
