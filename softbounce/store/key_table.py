"""Every key that the store can have, and what bounds it: nothing in it may grow for ever.

Every key of shard s is ``sb:{s}:NAME``: one slot a shard on a cluster. A key that is not here, or has no bound, fails
a test.

Channels hold nothing: ``wake`` (something is due sooner than the scheduler knew), ``news`` (new settings, a
stream held or released; home shard) and ``to:{process}`` (wakes a lane's owner; home shard).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KEYS", "KeyKind", "kind_of"]


class KeyKind(NamedTuple):
    """One kind of key.

    :ivar name: what stands behind the shard; what follows a ``{`` is different for each of them.
    :ivar bound: what there can be at most, and who sees to it.
    :ivar is_home: it is in the home shard only.
    """

    name: str
    type: str
    meaning: str
    bound: str
    is_home: bool = False


LIVE = "one entry for each live envelope"
PROCESSES = "the processes with a lease; the sweep forgets who lost it"

KEYS = (
    KeyKind("schema", "hash", "version of this table, number of shards; at home also where its mail goes", "3 fields"),
    KeyKind(
        "e",
        "hash",
        "envelope id -> record (:mod:`softbounce.envelope`)",
        "live envelopes (each ends with its window; a store without memory takes no more), and those that ended, for "
        "`keep_finished` and up to `keep_finished_max`; fewer when memory is short",
    ),
    KeyKind(
        "b:{message}",
        "string, or list of chunks",
        "the body",
        "freed with the last live envelope, or where one of them ended undelivered as `kept` says",
    ),
    KeyKind(
        "kept",
        "zset",
        "message id -> when an envelope of it last ended undelivered, ms: its body is kept for a while",
        "messages for `keep_bodies` and up to `keep_bodies_max`, and what a sweep brings; none where no scheduler said "
        "within ten minutes that it frees them; all go first when memory is short",
    ),
    KeyKind("kept_octets", "hash", "message id -> octets of its body", "as `kept`"),
    KeyKind("m", "hash", "message id -> envelopes that are still live", "one field for each message with a live one"),
    KeyKind(
        "k",
        "hash",
        "idempotency key -> message id, content digests, recipients, `m` where we made the key",
        "for `keep_keys`, keys that we made for a quarter of an hour, both as long as their envelopes live; those of "
        "ended ones for less when memory is short",
    ),
    KeyKind("kage", "zset", "idempotency key -> when it may be forgotten, ms", "as `k`"),
    KeyKind("due", "zset", "scheduled envelopes by next attempt, ms", LIVE),
    KeyKind("exp", "zset", "live envelopes by when to look at their expiry, ms", LIVE),
    KeyKind(
        "ready:{lane, share, stream}",
        "list",
        "released, waiting for a slot; entries may be stale",
        "live envelopes, and stale entries behind one of them: a claim and the scheduler's walk drop those at the head",
    ),
    KeyKind(
        "line:{digest}",
        "list",
        "scheduled envelopes that wait for the same closed sender or the same address, each with its time; entries may "
        "be stale",
        "an entry each time that one is put there; gone two days after the last, when all of them are stale",
    ),
    KeyKind(
        "lanes",
        "set",
        "names of the ready lists that may have work",
        "lists with entries: the claim or the walk that empties one takes it off",
    ),
    KeyKind("held", "zset", "held envelopes by since when", LIVE),
    KeyKind(
        "claims:{process}",
        "hash",
        "envelope id -> claim token: what a process holds",
        "the envelopes that it is trying; the sweep returns those of who lost its lease",
    ),
    KeyKind("live", "set", "processes that may claim", PROCESSES),
    KeyKind(
        "aside",
        "zset",
        "envelopes whose record nobody here can read, in no other queue, by since when",
        "what is found in `e` and no script of this version wrote; the slow walk puts back what can be read",
    ),
    KeyKind("done", "zset", "finished envelopes by when", "one entry for each ended envelope in `e`"),
    KeyKind(
        "late",
        "zset",
        "forgotten envelopes that ended otherwise after an uncertain attempt, by when they were forgotten: a late 250 "
        "is still told",
        "20,000, for 7 days",
    ),
    KeyKind(
        "reported",
        "zset",
        "envelope id and what was reported of it after it had left -> when, ms: a repeat is told once",
        "100,000, for 31 days",
    ),
    KeyKind(
        "came_back",
        "hash",
        "envelope id and what was reported of it -> how, for `show` and `explain`",
        "as `reported`, 1 KiB each",
    ),
    KeyKind(
        "health",
        "hash",
        "machine -> revision, and what its last look at what mail depends on found (:mod:`softbounce.store.health`)",
        "64 machines of at most 200 findings; a look forgets the machines that had none for a day",
        is_home=True,
    ),
    KeyKind(
        "alerts",
        "hash",
        "`[[alert]]` table -> revision, and what it has standing (:mod:`softbounce.store.alerts`)",
        "64 tables of at most 200 troubles, each of 6 KiB at most",
        is_home=True,
    ),
    KeyKind(
        "totals",
        "hash",
        "`done_octets`: octets of the finished records; `events`: how many there ever were; `kept_octets`: octets of "
        "the bodies that are kept; `keep_until`: such are kept until then without a further word of a scheduler, ms",
        "4 fields",
    ),
    KeyKind(
        "metrics",
        "hash",
        "counters of what happened (:mod:`softbounce.counting`); `finished|STATE`: ended envelopes that are there, of "
        "those that ended since `finished|since`; `oldest|STATE`: when the oldest of a state was accepted, ms",
        "the names of counters, 1,100 of closed sets of words, and 8 more",
    ),
    KeyKind(
        "events",
        "stream",
        "one entry a batch of transitions: `b` the events, `n` the number of the last of them",
        "for `keep_events`, at most `keep_events_max` events and a batch; fewer when memory is short",
    ),
    KeyKind(
        "site",
        "hash",
        "domain -> lane, and when it was last used",
        "domains that mail went to within 30 days, beyond 200,000 within the last hour: the scheduler walks them",
    ),
    KeyKind(
        "clock",
        "hash",
        "`seen`: the time of the server's clock that was believed last, ms; `by`: by which steady clock",
        "2 fields",
    ),
    KeyKind(
        "quota:{bucket}",
        "string",
        "the time, ms, up to which is paid for what a value of a quota took of it",
        "values that took of a quota lately: it lives until that time, which a refusing quota keeps within its period "
        "and any other within a year",
    ),
    KeyKind(
        "counted",
        "hash",
        "message id -> its unfinished envelopes, and for which quotas' `waiting` they are counted",
        "one field for each message with a live envelope, and what was reserved a minute ago: the scheduler walks them",
    ),
    KeyKind(
        "waiting",
        "hash",
        "value of a quota -> unfinished envelopes",
        "values with an unfinished envelope",
    ),
    KeyKind(
        "suppressed",
        "hash",
        "address in lower case, or @domain -> why it gets no mail, since when, until when (each in its own shard)",
        "`[suppress] most` in all, 34 entries of half a KiB each; the scheduler forgets what has expired",
    ),
    KeyKind(
        "streak",
        "hash",
        "address in lower case -> when its mail was promoted for its own sake, 100 times at most",
        "a million in all; a delivery forgets it, and the scheduler, when `[suppress] streak_within` is over",
    ),
    KeyKind("fence", "string", "empty; written before a wait for replicas, where there are any", "empty"),
    KeyKind(
        "witness",
        "hash",
        "the store's id; how far its history was seen, and whether its mail is being held",
        "5 fields",
    ),
    KeyKind(
        "sts",
        "hash",
        "domain -> its MTA-STS policy, a hundred names of hosts at most",
        "policies that have not expired, beyond 50,000 those that were fetched within two days: the scheduler walks "
        "them",
        is_home=True,
    ),
    KeyKind(
        "tls",
        "hash",
        "day, policy and result of TLS with hosts -> how many",
        "some 40 for each of the last 30 days: the scheduler walks them",
        is_home=True,
    ),
    KeyKind(
        "brake",
        "hash",
        "stream -> whether it is held as a whole, why, and when it was released last",
        "streams that are held, 1,000 at most, or were released within two days: the scheduler forgets the others",
        is_home=True,
    ),
    KeyKind(
        "standing",
        "hash",
        "what is held, as `site:google.com` -> since when, until when, why and by whom",
        "standing holds, 1,000 at most; one that has ended goes when what it held is released",
        is_home=True,
    ),
    KeyKind(
        "followed",
        "hash",
        "shard -> up to which entry its event log was followed for suppressions",
        "one field for each shard",
        is_home=True,
    ),
    KeyKind(
        "noticed",
        "hash",
        "shard -> up to which entry its event log was followed for notices, and the number of its last event; "
        "`hourly`: how many each address got in the hour that is counted",
        "one field for each shard, and one for 1,000 addresses",
        is_home=True,
    ),
    KeyKind(
        "unbelieved",
        "hash",
        "lane and domain whose denials turned out not to be believed -> between which times they had been",
        "2,000; the scheduler forgets each when it has seen to it, within seconds",
        is_home=True,
    ),
    KeyKind("leases", "zset", "process -> lease end", PROCESSES, is_home=True),
    KeyKind("process", "hash", "process -> what it is", PROCESSES, is_home=True),
    KeyKind("owner", "hash", "lane -> process", "lanes of living processes: the scheduler walks them", is_home=True),
    KeyKind(
        "lane",
        "hash",
        "lane -> its state",
        "lanes that were closed within a day: the scheduler walks them",
        is_home=True,
    ),
    KeyKind(
        "hint",
        "hash",
        "lane -> when a job was sent, ms",
        "jobs of the last ten minutes: the scheduler walks them",
        is_home=True,
    ),
    KeyKind(
        "told",
        "hash",
        "lane -> when it last got work while nobody had it, ms, and the ready lists that did, a line each",
        "lanes that did so within ten minutes, 8 KiB each: whoever hands one back forgets it, and the scheduler",
        is_home=True,
    ),
    KeyKind(
        "replayed",
        "hash",
        "dead process -> its journal was replayed",
        "processes that the sweep has not forgotten yet: the scheduler walks them",
        is_home=True,
    ),
    KeyKind(
        "copies",
        "stream",
        "what is known of the messages of which a playground's store keeps copies",
        "1,000, of `copies_octets` together, which only a playground's settings have: the oldest go first",
        is_home=True,
    ),
    KeyKind("copied", "hash", "message id -> the copy; `octets`: how much they are", "as `copies`", is_home=True),
    KeyKind(
        "actions",
        "hash",
        "id -> an act on all envelopes that fit, under way",
        "50: no more are begun; each ends by itself",
        is_home=True,
    ),
    KeyKind("acted", "list", "such acts that are over, the latest first", "1,000; the oldest go", is_home=True),
    KeyKind(
        "acted_one",
        "list",
        "what people did to one envelope, address or site, the latest first",
        "1,000; the oldest go",
        is_home=True,
    ),
    KeyKind(
        "webhook",
        "hash",
        "receiver -> whose it is, until when, how far it was told",
        "1,000 receivers; one of which nobody noted anything for 30 days is forgotten when a process begins to tell",
        is_home=True,
    ),
    KeyKind(
        "webhook_orders",
        "hash",
        "receiver and what is wanted of it (enable, replay, ...) -> how",
        "1,000; its owner takes each off when it is done",
        is_home=True,
    ),
    KeyKind(
        "untold:{webhook}",
        "hash",
        "place in the event log -> an event that its receiver did not take, or that waits behind such a one",
        "10,000 for each receiver, and what was read by then; beyond that its events wait in the log",
        is_home=True,
    ),
    KeyKind(
        "dead:{webhook}",
        "stream",
        "the events that were given up for a receiver: `d` what and why",
        "1,000 for each receiver; the oldest go first",
        is_home=True,
    ),
    KeyKind(
        "returns",
        "hash",
        "`current`, `before`: the keys that sign return paths, each with since when, ms",
        "2 fields",
        is_home=True,
    ),
    KeyKind("reports", "hash", "what came back -> how many", "15 fields or so", is_home=True),
    KeyKind(
        "unread", "list", "reports that nobody understood, their first 16 KiB, the newest first", "100", is_home=True
    ),
    KeyKind(
        "closed",
        "zset",
        "lanes that closed, by until when, ms",
        "lanes that closed within a week: who forgets a lane's state forgets it here, who saves one the older ones",
        is_home=True,
    ),
    KeyKind(
        "traffic",
        "hash",
        "minute of the day -> when it began, and how far the counters were then",
        "1,440 fields: a day later they are written over",
        is_home=True,
    ),
    KeyKind("sessions", "hash", "process -> how many SMTP sessions it has", PROCESSES, is_home=True),
    KeyKind("tokens", "hash", "name -> hash of a token, what it is for", "1,000 tokens", is_home=True),
    KeyKind(
        "settings", "string", "the published settings and their version", "the size of a configuration", is_home=True
    ),
)


def kind_of(key: bytes) -> KeyKind | None:
    """Which kind a key of the store is; ``None``: of none, or in a shard where it does not belong."""
    prefix, _, name = key.decode(errors="replace").partition("}:")
    for kind in KEYS:
        fixed, brace, _ = kind.name.partition("{")
        fits = name.startswith(fixed) and len(name) > len(fixed) if brace else name == fixed
        if fits and prefix.startswith("sb:{") and (not kind.is_home or prefix == "sb:{0"):
            return kind
    return None
