"""Files of certificates that are trusted: read and checked with the configuration, so no worker has to find them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from softbounce_config.small_file import read_small_file

__all__ = ["RootsFile", "read_roots"]

MOST_OCTETS = 64 * 1024
"""It travels in the settings, which each process reads again and again."""


@dataclass(frozen=True, slots=True)
class RootsFile:
    """A file of certificates.

    :ivar path: where it was read.
    :ivar pem: what it said.
    """

    path: Path
    pem: str

    def __str__(self) -> str:
        return str(self.path)


def read_roots(path: Path) -> RootsFile:
    """Read a PEM file of at most 64 KiB.

    :raises ValueError: it cannot be read, is too large, or holds no certificate.
    """
    octets = read_small_file(path, MOST_OCTETS, advice=": name the authorities that are needed, not all")
    if b"PRIVATE KEY" in octets:
        raise ValueError("holds a private key, which has no place there: it would travel with the settings")
    try:
        pem = octets.decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("holds no certificates in PEM") from error
    return RootsFile(path, pem)
