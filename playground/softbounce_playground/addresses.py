"""Which address a host name has: a hash for plain hosts, a block of its own for hosts that behave differently.

============================  =====================================================================================
``127.77.0.1`` - ``.64``      plain hosts, by a hash of the name
``127.77.B.1`` - ``.8``       block B (1 to 249): one block for each set of host labels, and one for each domain that
                              was given a behaviour; the number comes from a hash, so it survives a restart
``127.77.255.1`` - ``.8``     hosts that are down: nothing ever listens here
============================  =====================================================================================

With addresses given (or where the system answers on 127.0.0.1 only), every host has one of those, and labels that
shape hosts have no effect, save that ``slow`` acts from RCPT on. Opens no sockets.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

__all__ = ["AddressPlan"]

NETWORK = "127.77"
PLAIN_HOSTS = 64
BLOCK_HOSTS = 8
BLOCKS = 249
DEAD_BLOCK = 255


class AddressPlan:
    """Names to addresses, the same in every run with the same seed.

    :ivar shared: the addresses that all hosts share, where there are no blocks.
    """

    def __init__(self, *, seed: int = 0, shared: Sequence[str] = ()) -> None:
        self._seed = seed
        self.shared = tuple(shared)
        self._blocks: dict[str, int] = {}
        self._taken: set[int] = set()

    @property
    def plain(self) -> tuple[str, ...]:
        """The addresses of plain hosts."""
        return self.shared or tuple(f"{NETWORK}.0.{number}" for number in range(1, PLAIN_HOSTS + 1))

    def plain_address(self, host: str) -> str:
        """The address of a plain host."""
        if self.shared:
            return self.shared[self._hash(host) % len(self.shared)]
        return f"{NETWORK}.0.{self._hash(host) % PLAIN_HOSTS + 1}"

    def block(self, owner: str) -> tuple[str, ...]:
        """The addresses of a block; the first call with this owner sets it aside.

        :raises LookupError: all blocks are taken.
        """
        if self.shared:
            return self.shared
        number = self._blocks.get(owner)
        if number is None:
            number = self._free_block(owner)
            self._blocks[owner] = number
            self._taken.add(number)
        return tuple(f"{NETWORK}.{number}.{host}" for host in range(1, BLOCK_HOSTS + 1))

    def block_address(self, owner: str, host: str) -> str:
        """The address of a host in its owner's block."""
        block = self.block(owner)
        return block[self._hash(host) % len(block)]

    def dead_address(self, host: str) -> str:
        """An address where nothing listens."""
        return f"{NETWORK}.{DEAD_BLOCK}.{self._hash(host) % BLOCK_HOSTS + 1}"

    def _free_block(self, owner: str) -> int:
        first = self._hash(owner) % BLOCKS
        for step in range(BLOCKS):
            number = (first + step) % BLOCKS + 1
            if number not in self._taken:
                return number
        raise LookupError(f"all {BLOCKS} blocks of host addresses are taken")

    def _hash(self, text: str) -> int:
        return zlib.crc32(f"{self._seed}/{text}".encode("utf-8", "surrogateescape"))
