"""The store: whether it answers, is of a version that we know, writes to its disk as is claimed, and has room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from softbounce.errors import StoreError
from softbounce.store.call import Call, StoreAnswer
from softbounce.store.keys import HOME
from softbounce.store.shards import Shards, redact
from softbounce_gateway.doctor.finding import Finding, fail, good, unknown, warn
from softbounce_gateway.doctor.patient import PATIENCE, Patient
from softbounce_gateway.store_checks.durability_shortfall import MEANING, QUESTIONS, find_shortfalls

__all__ = ["REACHED", "check"]

REACHED = "store"
"""What the line is about that says whether the store answers: the command's exit code goes by it."""
NEARLY_FULL = 0.9
OLDEST: Mapping[str, tuple[int, int]] = {"redis": (7, 2), "valkey": (8, 0)}
MORE = (b"INFO", b"server"), (b"INFO", b"replication")
MOST_SHARDS = 16
DISK_MENDS = {
    "aof_last_write_status": "what is accepted from now on may be lost",
    "aof_last_bgrewrite_status": "what is accepted from now on may be lost",
    "rdb_last_bgsave_status": "until a snapshot succeeds it may refuse every write (stop-writes-on-bgsave-error); one "
    'that keeps an append-only file needs none: CONFIG SET save ""',
}
"""What INFO says of writing to the disk, and what follows where that is not ok."""


def check(patient: Patient) -> Iterator[Finding]:
    """Every server that has a shard."""
    config = patient.config
    store = Shards(config.store_url, patience=PATIENCE)
    try:
        (pong,) = store.call([Call.read(HOME, b"PING")])
        if isinstance(pong, StoreError):
            mend = "start it: softbounce up; or correct [store] url"
            if not config.is_embedded:
                mend = "start it, open the way to it (firewall, ACL, password), or correct [store] url"
            yield fail(REACHED, str(pong), mend)
            return
        yield good(REACHED, f"{redact(config.store_url)} answers")
        told: list[tuple[StoreAnswer, ...]] = []
        for shard in range(min(config.store.shards, MOST_SHARDS)):
            answers = tuple(store.call([Call.read(shard, *question) for question in (*QUESTIONS, *MORE)]))
            if any(_run_id(answers) == _run_id(others) for others in told):
                continue
            told.append(answers)
            yield from _server(patient, answers)
    finally:
        store.close()


def _run_id(answers: tuple[StoreAnswer, ...]) -> str:
    return _facts(answers[-2]).get("run_id", "")


def _server(patient: Patient, answers: tuple[StoreAnswer, ...]) -> Iterator[Finding]:
    yield _version(_facts(answers[-2]))
    yield from _durability(patient, answers)
    yield _memory(_facts(answers[1]))
    yield from _disk(_facts(answers[0]))
    yield _replicas(_facts(answers[-1]))


def _version(facts: Mapping[str, str]) -> Finding:
    name = "valkey" if "valkey_version" in facts else "redis"
    version = facts.get("valkey_version") or facts.get("redis_version") or ""
    numbers = re.match(r"(\d{1,4})\.(\d{1,4})", version)
    if numbers is None:
        return unknown("store's version", "its server does not tell", "Redis 7.2 or Valkey 8.0 at least")
    oldest = OLDEST[name]
    if (int(numbers[1]), int(numbers[2])) < oldest:
        return fail("store's version", f"{name} {version}", f"update it: {name} {oldest[0]}.{oldest[1]} at least")
    return good("store's version", f"{name} {version}")


def _durability(patient: Patient, answers: tuple[StoreAnswer, ...]) -> Iterator[Finding]:
    claimed = patient.config.store.durability
    wrong, unsure = find_shortfalls(claimed, *answers[: len(QUESTIONS)])
    for one in wrong:
        cures = ", ".join(f"CONFIG SET {cure}" for cure in one.cures)
        claim = f'; or claim [store] durability = "{one.holds}"' if one.holds else ""
        mend = f"{cures}, and the same in its configuration file{claim}"
        yield fail("store's durability", f'it {one.what}, and [store] durability = "{claimed}"', mend)
    for what in sorted(unsure):
        mend = f'make sure by yourself that what [store] durability = "{claimed}" claims holds'
        yield unknown("store's durability", f"it does not tell {what}", mend)
    if not wrong and not unsure:
        found = f"{claimed}: {MEANING[claimed]}"
        if claimed == "always":
            yield good("store's durability", found)
        else:
            yield warn("store's durability", found, 'where mail matters: [store] durability = "always"')


def _memory(facts: Mapping[str, str]) -> Finding:
    used, most = (_number(facts.get(name)) for name in ("used_memory", "maxmemory"))
    if used is None or most is None:
        return unknown("store's memory", "its server does not tell", "watch it by its own means")
    mebibytes = used // 2**20
    if not most:
        mend = "set maxmemory on the server, or [store] maxmemory for the embedded one: else the kernel kills it"
        return warn("store's memory", f"{mebibytes} MiB are used, and nothing limits it", mend)
    found = f"{mebibytes} of {most // 2**20} MiB are used"
    if used >= most * NEARLY_FULL:
        return fail("store's memory", found, "give it more (maxmemory), or let mail out: a full store refuses new mail")
    return good("store's memory", found)


def _disk(facts: Mapping[str, str]) -> Iterator[Finding]:
    """Whether what it wrote last could be written."""
    for name, follows in DISK_MENDS.items():
        if facts.get(name, "ok") != "ok":
            mend = f"look at its log and the space on its disk: {follows}"
            yield fail("store's disk", f"{name} is {facts[name]}", mend)


def _replicas(facts: Mapping[str, str]) -> Finding:
    what = "store's replicas"
    if facts.get("role") not in {"master", None}:
        return fail(
            what, "this server is a replica, which takes no mail", "point [store] url to the primary, or to Sentinel"
        )
    number = _number(facts.get("connected_slaves"))
    if number is None:
        return unknown(what, "its server does not tell", "watch it by its own means")
    if not number:
        found = "none: while its machine is down mail waits, and if its disk is lost so is the mail"
        return good(what, found)
    states = [value for name, value in facts.items() if re.fullmatch(r"slave\d+", name)]
    offline = [state for state in states if "state=online" not in state]
    if offline:
        return warn(
            what,
            f"{len(offline)} of {number} {'is' if len(offline) == 1 else 'are'} not in step",
            "look at them: a failover would lose mail",
        )
    return good(what, f"{number}, in step")


def _facts(told: StoreAnswer) -> dict[str, str]:
    if not isinstance(told, bytes):
        return {}
    lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, sign, value in lines if sign}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
