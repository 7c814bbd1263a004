"""Which site some groups of MX names are.

RFC 5321 §5.1 says where mail goes, not which domains share a road; here those do that would be dialled alike: the same
names, in the same order of preference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def site_of(groups: Sequence[Iterable[str]]) -> str:
    """The site's id, from the MX names behind a domain (lower case, no final dot), the best group first.

    Those of one preference are a group, within which order and repeats do not count: two firms that are each other's
    backup are two sites. Shown is the organisational domain when all hosts share it, else the first name and how many
    others there are.
    """
    ordered = [sorted(set(group)) for group in groups]
    hosts = [host for group in ordered for host in group]
    organisations = {_organisation(host) for host in hosts}
    shown = organisations.pop() if len(organisations) == 1 else f"{hosts[0]}+{len(hosts) - 1}"
    digest = blake2b("\n\n".join("\n".join(group) for group in ordered).encode(), digest_size=HASH_OCTETS).hexdigest()
    return f"{shown}{MARK}{digest}"


def _organisation(host: str) -> str:
    """The organisational domain of a host; an address, and a name that is a public suffix itself, are their own."""
    is_address = host.startswith("[") or host.rpartition(".")[2].isdecimal()
    return host if is_address else load_suffixes().privatesuffix(host) or host
