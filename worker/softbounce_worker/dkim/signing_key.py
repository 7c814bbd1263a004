"""A private key for signatures: how one signs with it, and the DNS record that others check that by.

RFC 6376 §3.6.1; RFC 8301 (RSA keys: 1024 bits at least, better 2048). How it is read is in :mod:`.keys`, and with it
what takes time and room to load: a worker that signs nothing does without.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

__all__ = ["RECOMMENDED_BITS", "SigningKey"]

RECOMMENDED_BITS, MOST_BITS = 2048, 4096
"""Of RSA keys."""


class SigningKey:
    """A private key. Neither its text nor its ``repr`` tells it.

    :ivar type: ``rsa`` or ``ed25519``, the ``k=`` of its record.
    :ivar algorithm: the ``a=`` of its signatures.
    :ivar bits: its size.
    :ivar public: the ``p=`` of its record.
    :param sign: signs octets.
    """

    __slots__ = ("_sign", "algorithm", "bits", "public", "type")

    def __init__(self, kind: str, bits: int, public: bytes, sign: Callable[[bytes], bytes]) -> None:
        self.type = kind
        self.bits = bits
        self.algorithm = f"{kind}-sha256"
        self.public = b64encode(public).decode("ascii")
        self._sign = sign

    @property
    def record(self) -> str:
        """The text of its DNS record (§3.6.1)."""
        return f"v=DKIM1; k={self.type}; p={self.public}"

    @property
    def warning(self) -> str | None:
        """What speaks against its size, if anything does."""
        if self.type != "rsa" or RECOMMENDED_BITS <= self.bits <= MOST_BITS:
            return None
        if self.bits > MOST_BITS:
            return f"is an RSA key of {self.bits} bits: not every host can check more than {MOST_BITS} (RFC 8301)"
        return f"is an RSA key of {self.bits} bits: hosts may not count less than {RECOMMENDED_BITS} (RFC 8301)"

    def sign(self, octets: bytes) -> bytes:
        """The signature of these octets: always the same one."""
        return self._sign(octets)
