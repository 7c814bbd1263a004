"""Which share of the mail of one stream in one lane an envelope is in: by whose it is, and whether it was tried before.

Each share waits in ready lists of its own, so that one tenant's million, or what an outage left behind, stands in
front of nobody else's mail. Tenants fall into few shares by a checksum of their names: ten thousand of them make no
more lists than sixty-four. Two that fall into one wait as if they were one. The tenant's number is written into the
message's id when it is accepted, so that whoever moves an envelope knows its list without reading the record.
"""

from __future__ import annotations

from zlib import crc32

from softbounce.ids import tenant_number_of

__all__ = ["TENANTS", "is_of_retries", "share_of", "sibling_of", "tenant_number"]

TENANTS = 64


def tenant_number(tenant: str) -> int:
    """The number of the share that a tenant's mail is in, below :data:`TENANTS`."""
    return crc32(tenant.encode()) % TENANTS


def share_of(identity: bytes, charged: int) -> int:
    """The share of an envelope, by its id and how many attempts it was charged: its tenant's first tries, or others."""
    return tenant_number_of(identity) + (TENANTS if charged else 0)


def sibling_of(share: int) -> int:
    """The other share of the same tenants: of what was tried before, or was not."""
    return share ^ TENANTS


def is_of_retries(share: int) -> bool:
    """Whether what is in it was tried before."""
    return share >= TENANTS
