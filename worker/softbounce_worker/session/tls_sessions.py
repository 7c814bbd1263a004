"""TLS sessions of hosts that were called before, to be resumed (RFC 8446 §2.2, RFC 5077). Speed only."""

from __future__ import annotations

import ssl

__all__ = ["TlsSessions"]

MOST = 2000


class TlsSessions:
    """By host and address, and for the context alone that they were made with: so none is resumed that proved less."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[ssl.SSLContext, ssl.SSLSession]] = {}
        self._distrusted: dict[tuple[str, str], None] = {}

    def of(self, place: tuple[str, str], context: ssl.SSLContext) -> ssl.SSLSession | None:
        """What may be resumed there; once, as a ticket shall be (RFC 8446 §C.4)."""
        kept = self._kept.pop(place, None)
        return kept[1] if kept is not None and kept[0] is context else None

    def distrust(self, place: tuple[str, str]) -> None:
        """TLS broke there with a session from before, and went on without: from now on none is offered."""
        self._kept.pop(place, None)
        if len(self._distrusted) >= MOST:
            del self._distrusted[next(iter(self._distrusted))]
        self._distrusted[place] = None

    def keep(self, place: tuple[str, str], context: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
        """Keep the latest."""
        if session is None or place in self._distrusted or not (session.has_ticket or session.id):
            return
        self._kept.pop(place, None)
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[place] = context, session
