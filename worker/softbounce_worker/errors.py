"""The two ways in which an SMTP session can go against the protocol: by us, and by the remote.

A refusal is not among them: any complete reply, even a 5xx, is a value (:class:`softbounce.reply.Reply`).
"""

from __future__ import annotations

from softbounce.errors import SoftbounceError

__all__ = ["LocalProtocolError", "ProtocolError", "RemoteProtocolError"]


class ProtocolError(SoftbounceError):
    """Someone went against RFC 5321."""


class LocalProtocolError(ProtocolError):
    """We did: a command that is not legal now, or that must not reach the wire. Nothing was sent or changed."""


class RemoteProtocolError(ProtocolError):
    """The remote did. Inside the engine only: callers see a ``Broken`` event instead."""
