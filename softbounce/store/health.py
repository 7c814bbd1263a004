"""What each machine's last look at all that mail depends on found: kept for whoever asks, with since when it is so.

One entry for each machine that runs ``up``: its clock and its disk are its own. Who looks holds the entry for a while,
so that of several on a machine one does, and it is compared before it is replaced.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from softbounce.events import StoredEvent, encode_event
from softbounce.store import keys
from softbounce.store.call import Call, Operation, StoreAnswer, first
from softbounce.store.keys import HOME
from softbounce.store.nonsense import ignore, of_type
from softbounce.store.scripts import script

__all__ = ["CHECKS", "MOST_FINDINGS", "MOST_MACHINES", "Checkup", "KeptFinding", "keep_checkup", "read_checkups"]

CHECKS = (
    "dns", "look-ups", "name", "senders", "lists", "gate", "certificates", "clock", "store", "files", "disk", "alerts"
)  # fmt: skip
"""Those that are looked at time and again."""
MOST_MACHINES = 64
MOST_FINDINGS = 200
"""Of one machine, each of at most some hundred characters: a tenth of a MiB."""
MACHINE_CHARACTERS = 128
REVISION_OCTETS = 4


class KeptFinding(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One thing that was looked at.

    :ivar state: ``ok``, ``warn``, ``fail``, or ``unknown``: it could not be looked at.
    :ivar known: the latest state that is not unknown; empty: there was none yet.
    :ivar since_ms: since when :attr:`known` is so.
    :ivar missed: so many looks in a row did not get to it.
    """

    check: str
    what: str
    state: str
    found: str = ""
    mend: str = ""
    known: str = ""
    since_ms: int = 0
    missed: int = 0


class Checkup(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A machine's last look.

    :ivar revision: grows by one with each change; 0: nothing is known of it.
    :ivar at_ms: when it ended, by the store's clock; 0: there was none.
    :ivar looking_until_ms: somebody looks now, at the longest until then; 0: nobody.
    """

    revision: int = 0
    at_ms: int = 0
    looking_until_ms: int = 0
    findings: tuple[KeptFinding, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Checkup).decode


def read_checkups() -> Operation[dict[str, Checkup]]:
    """Those of all machines, by their names. One that nobody can read is as if it was never looked at."""
    call = Call.read(HOME, b"HGETALL", keys.key(HOME, "health"))

    def read(answers: list[StoreAnswer]) -> dict[str, Checkup]:
        flat = of_type(answers[0], "health", [])
        found = ((name, _checkup(name, octets)) for name, octets in zip(flat[::2], flat[1::2], strict=True))
        return {name.decode(): one for name, one in found if one is not None}

    return Operation((call,), read)


def _checkup(name: bytes, octets: bytes) -> Checkup | None:
    try:
        is_machine = len(name.decode()) <= MACHINE_CHARACTERS
    except UnicodeDecodeError:
        is_machine = False
    if not is_machine:
        ignore("checkup", name)
        return None
    revision = int.from_bytes(octets[:4]) if len(octets) >= REVISION_OCTETS else 0
    try:
        return msgspec.structs.replace(_decode(octets[REVISION_OCTETS:]), revision=revision)
    except (msgspec.DecodeError, ValueError):
        ignore("checkup", name)
        return Checkup(revision=revision)


def keep_checkup(
    machine: str,
    seen: Checkup,
    new: Checkup | None,
    *,
    events: Sequence[StoredEvent] = (),
    keep_events: int = 0,
) -> Operation[bool]:
    """Put a machine's look in place of what was seen there. False: another change came first, or there are too many.

    :param new: ``None``: forget the machine.
    """
    revision = seen.revision % 0xFFFFFFFF + 1  # 0 is for what is not there
    entry = b"" if new is None else revision.to_bytes(REVISION_OCTETS) + _encode(new)
    told = b"".join(encode_event(event) for event in events)
    arguments = (machine[:MACHINE_CHARACTERS], seen.revision, entry, MOST_MACHINES, keep_events, len(events), told)
    call = Call(HOME, script("health"), keys.of(HOME, "health", "events", "totals"), arguments)
    return Operation((call,), lambda answers: first(answers) == 1)
