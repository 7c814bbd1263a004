"""What all who use a store go by: its schema with the number of shards, where its mail goes, the published settings."""

from __future__ import annotations

from collections.abc import Container

import msgspec

from softbounce.errors import SchemaMismatch
from softbounce.settings import Settings
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.scripts import script

__all__ = ["destination", "publish_settings", "read_settings", "schema"]

_encode = msgspec.msgpack.Encoder().encode
_decode_settings = msgspec.msgpack.Decoder(Settings).decode


def schema(shard: int, *, shards: int) -> Call:
    """Read a shard's schema; with ``shards`` > 0 write it where there is none."""
    return Call(shard, script("schema"), (keys.key(shard, "schema"),), (keys.SCHEMA_VERSION, shards))


def destination(wanted: str, *, others_with_mail: int) -> Operation[str]:
    """Settle where the store's mail goes; answers what holds.

    :param others_with_mail: how many shards besides the home shard ever had mail.
    """
    call = Call(
        HOME,
        script("destination"),
        keys.of(HOME, "schema", "leases", "clock", "events"),
        (wanted, others_with_mail),
    )
    return Operation((call,), lambda answers: first(answers).decode())


def read_settings(*, waits: Container[str] = frozenset()) -> Operation[Settings | None]:
    """The published settings; ``None``: none were published yet. What a newer version added to them is passed over.

    :param waits: the strategies that our own configuration names; a policy's other one is not imported.

    Running it raises ``SchemaMismatch`` where they say something that this version has no word for.
    """
    call = Call.read(HOME, b"GET", keys.key(HOME, "settings"))

    def read(answers: list[StoreAnswer]) -> Settings | None:
        octets = first(answers)
        try:
            return _decode_settings(octets[4:]).with_own_waits(waits) if octets else None
        except msgspec.DecodeError as error:
            version = int.from_bytes(octets[:4])
            raise SchemaMismatch(
                f"the published settings (version {version}) cannot be read by this softbounce: {error}; let the "
                "softbounce that published them publish others"
            ) from error

    return Operation((call,), read)


def publish_settings(settings: Settings, *, over: int) -> Operation[bool]:
    """Replace the published settings of version *over*. False: another publication came first."""
    call = Call(
        HOME,
        script("publish"),
        keys.of(HOME, "settings", "news"),
        (over, settings.version.to_bytes(4) + _encode(settings)),
    )
    return Operation((call,), lambda answers: first(answers) == 1)
