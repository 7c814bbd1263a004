"""Which site a set of MX names is.

RFC 5321 §5.1 says where mail goes, not which domains share a road; here those do that have the same set of MX names.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b

from publicsuffixlist import PublicSuffixList

from softbounce.site import MARK

__all__ = ["load_suffixes", "site_of"]

# 64 bits: with 32 a stranger could search host names of his own making until his set meets a provider's.
HASH_OCTETS = 8


@cache
def load_suffixes() -> PublicSuffixList:
    """The public suffix list, read from the package once; that takes about 0.2 s."""
    return PublicSuffixList()


def site_of(names: Iterable[str]) -> str:
    """The site's id from all MX names behind a domain (lower case, no final dot): order and repeats do not count.

    Shown is the organisational domain when all hosts share it, else the first name and how many others there are.
    """
    hosts = sorted(set(names))
    organisations = {_organisation(host) for host in hosts}
    shown = organisations.pop() if len(organisations) == 1 else f"{hosts[0]}+{len(hosts) - 1}"
    digest = blake2b("\n".join(hosts).encode(), digest_size=HASH_OCTETS).hexdigest()
    return f"{shown}{MARK}{digest}"


def _organisation(host: str) -> str:
    """The organisational domain of a host; an address, and a name that is a public suffix itself, are their own."""
    is_address = host.startswith("[") or host.rpartition(".")[2].isdecimal()
    return host if is_address else load_suffixes().privatesuffix(host) or host
