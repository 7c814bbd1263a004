"""TLS sessions of hosts that were called before, to be resumed (RFC 8446 §2.2, RFC 5077). Speed only."""

from __future__ import annotations

import ssl
from typing import NamedTuple

__all__ = ["Kept", "TlsSessions"]

MOST = 2000
MOST_CHAIN_OCTETS = 16 * 1024
"""A host that shows more is asked for it each time."""


class Kept(NamedTuple):
    """What may be resumed.

    :ivar chain: what the host showed when it was begun, in DER, where that has to be proven again: no handshake that
        resumes it shows anything.
    """

    context: ssl.SSLContext
    session: ssl.SSLSession
    chain: tuple[bytes, ...]


class TlsSessions:
    """By host and address, and for the context alone that they were made with: so none is resumed that proved less."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Kept] = {}
        self._distrusted: dict[tuple[str, str], None] = {}

    def of(self, place: tuple[str, str], context: ssl.SSLContext, *, with_chain: bool = False) -> Kept | None:
        """What may be resumed there; once, as a ticket shall be (RFC 8446 §C.4)."""
        kept = self._kept.pop(place, None)
        return kept if kept is not None and kept.context is context and (kept.chain or not with_chain) else None

    def distrust(self, place: tuple[str, str]) -> None:
        """TLS broke there with a session from before, and went on without: from now on none is offered."""
        self._kept.pop(place, None)
        if len(self._distrusted) >= MOST:
            del self._distrusted[next(iter(self._distrusted))]
        self._distrusted[place] = None

    def keep(
        self,
        place: tuple[str, str],
        context: ssl.SSLContext,
        session: ssl.SSLSession | None,
        chain: tuple[bytes, ...] = (),
    ) -> None:
        """Keep the latest."""
        if session is None or place in self._distrusted or not (session.has_ticket or session.id):
            return
        if sum(map(len, chain)) > MOST_CHAIN_OCTETS:
            return
        self._kept.pop(place, None)
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = Kept(context, session, chain)
