"""Where domains' mail goes, as far as that is known: every shard has the whole of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, every, first
from softbounce.store.nonsense import ignore
from softbounce.store.scripts import script

__all__ = ["Site", "decode_site", "learn_sites", "read_sites"]


class Site(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Where a domain's mail goes.

    :ivar shown: empty; older versions wrote the site's shown name, which the lane's has in it.
    :ivar learnt_ms: when mail last went there, to a day: by it a domain without mail is forgotten.
    """

    lane: str
    shown: str = ""
    learnt_ms: int


_encode = msgspec.msgpack.Encoder().encode
decode_site = msgspec.msgpack.Decoder(Site).decode


def read_sites(shard: int, domains: Sequence[str]) -> Operation[list[Site | None]]:
    """What a shard knows of domains."""
    call = Call.read(shard, b"HMGET", keys.key(shard, "site"), *domains)
    return Operation((call,), lambda answers: [_site(one) for one in first(answers)])


def _site(octets: bytes | None) -> Site | None:
    """A site as it is stored; one that cannot be one is not known, so that it is found out and written anew."""
    if not octets:
        return None
    try:
        site = decode_site(octets)
    except msgspec.DecodeError:
        site = None
    if site is None or not keys.is_lane(site.lane):
        ignore("site", octets)
        return None
    return site


def learn_sites(sites: Mapping[str, Site | None], *, shards: int) -> Operation[list[StoreAnswer]]:
    """Tell all shards where domains' mail goes; ``None`` forgets a domain."""
    arguments: list[str | bytes] = []
    for domain, site in sites.items():
        arguments += (domain, _encode(site) if site else b"")
    return Operation([Call(s, script("put"), (keys.key(s, "site"),), arguments) for s in range(shards)], every)
