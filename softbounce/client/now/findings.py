"""What is wrong, by a look at the store: the worst first, each in its scope. Pure.

A trouble that is wider than others explains them: where no worker is there, or names cannot be looked up, the sites
that wait for it are not told beside it. Each fact has one source: lanes say what closed, leases who lives, the event
log what hosts blame us for; envelopes say only how many wait, and since when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from softbounce.client.now.groups import Group, Place, is_closed
from softbounce.client.now.look import Look
from softbounce.client.now.of_sites import closed_senders, closed_sites, slow_sites
from softbounce.client.now.view import Finding, Level, Scope
from softbounce.client.selection import site_of_lane
from softbounce.client.shown import HELD_HOW
from softbounce.duration import MILLISECOND, from_epoch_ms, in_words
from softbounce.envelope import BRAKE, STANDING
from softbounce.store.clock_watch import ClockWatch, steady_seconds
from softbounce.store.webhooks import lag_ms

__all__ = ["MOST", "find"]

MOST = 40
ORDER: Mapping[Level, int] = {"bad": 0, "warn": 1, "note": 2}
WIDTH: Mapping[Scope, int] = {"store": 0, "us": 1, "network": 2, "site": 3, "sender": 4}
NEARLY_FULL = 0.9
LATE_RELEASE_MS = 60_000
WEBHOOK_LATE_MS = 15 * 60_000
MANY = 3
"""So many domains, or sites, with the same trouble and as many without at most: it is no longer theirs."""
LATELY_MS = 15 * 60_000
BLAMES: Mapping[str, tuple[Scope, str]] = {
    "ip_reputation": ("us", "Hosts refuse our address for its reputation"),
    "sender_dns": ("us", "Hosts refuse us for our DNS (PTR, the sender's domain)"),
    "auth": ("sender", "Hosts refuse mail that SPF, DKIM or DMARC does not vouch for"),
    "sender_refused": ("sender", "Hosts refuse a sender"),
}
BLAMED = 3
"""So many refusals of a kind are told of."""
HOLDS = {
    "quarantined": ("warn", "worker processes died while they had it, three times in a row"),
    "uncertain": ("warn", "an attempt ended unanswered, and the policy wants a person to decide"),
    "may_duplicate": ("warn", "the store was restored from a backup, and it may have been delivered since"),
    "restored": ("warn", "the store was restored from a backup"),
    "operator": ("note", "an operator holds it"),
    STANDING: ("note", "it met a hold that stands"),
    "gate": ("note", "the staging gate does not allow its recipient ([gate] allow)"),
}

LETS_GO = "lets them go; with --dry-run it only counts them"


def find(look: Look, groups: Mapping[Place, Group]) -> tuple[list[Finding], int]:
    """The findings, the worst first, and how many more there are beyond :data:`MOST`."""
    wide = [*_store(look), *_parts(look), *_holds(look, groups), *_webhooks(look)]
    names = list(_names(look, groups))
    network = list(_network(look))
    narrow = [*names, *network, *_blames(look)]
    narrow += [] if network else closed_sites(look, groups)
    narrow += [*closed_senders(look, groups), *slow_sites(look, groups)]
    found = sorted([*wide, *narrow], key=lambda one: (ORDER[one.level], WIDTH[one.scope], -(one.waiting or 0)))
    return found[:MOST], max(0, len(found) - MOST)


def _store(look: Look) -> Iterator[Finding]:
    full = [one for one in look.memories if one.is_full]
    share = max((one.share for one in look.memories), default=0.0)
    if full:
        used = next((f": {one.used >> 20} of {one.most >> 20} MiB" for one in full if one.most), "")
        yield Finding(
            kind="store_full",
            scope="store",
            level="bad",
            what="The store is full: no new mail is taken",
            why=f"Its memory is used up{used}. What was accepted goes on.",
            command=("softbounce", "doctor"),
            act="give it more memory (maxmemory, or [store] maxmemory); room comes as mail ends",
            place="/ui/health",
        )
    elif share >= NEARLY_FULL:
        yield Finding(
            kind="store_nearly_full",
            scope="store",
            level="warn",
            what=f"The store's memory is {share:.0%} full",
            why="Full, it takes no new mail.",
            command=("softbounce", "doctor"),
            act="give it more memory (maxmemory, or [store] maxmemory)",
            place="/ui/health",
        )
    if look.unwritten:
        yield Finding(
            kind="disk",
            scope="store",
            level="bad",
            what="The store cannot write to its disk",
            why=f"Its server says: {'; '.join(look.unwritten)}.",
            command=("softbounce", "doctor"),
            act="free space on its disk",
            place="/ui/health",
        )
    if look.unreadable:
        yield Finding(
            kind="unreadable",
            scope="store",
            level="warn",
            what=f"{look.unreadable:,} {'envelope is' if look.unreadable == 1 else 'envelopes are'} set aside",
            why="This version cannot read what is stored of each. It is kept as it is.",
            waiting=look.unreadable,
            command=("softbounce", "queue"),
            act="if a newer version wrote them, update this one",
        )
    yield from _clocks(look)


def _clocks(look: Look) -> Iterator[Finding]:
    for shard, told in enumerate(look.times):
        watch, at = ClockWatch(), steady_seconds()
        watch.look(told, at, at)
        if watch.is_sure:
            continue
        off = in_words(timedelta(seconds=abs(watch.off_seconds)))
        side = "ahead of" if watch.off_seconds > 0 else "behind"
        yield Finding(
            kind="clock",
            about=str(shard),
            scope="store",
            level="warn",
            what="The store's clock was set" + (f" (shard {shard})" if len(look.times) > 1 else ""),
            why=f"It is {off} {side} the time that was believed last. Nothing is ended by it until it is believed.",
            next="It is believed after an hour.",
            command=("softbounce", "clock", "--believe"),
            act="if it is right now; if not, set it right",
            place="/ui/health",
        )


def _parts(look: Look) -> Iterator[Finding]:
    late_ms = 0 if look.due_ms is None else look.now_ms - look.due_ms
    if not look.workers:
        ends = [end for end in look.leases.ends.values() if end]
        yield Finding(
            kind="no_worker",
            scope="us",
            level="bad",
            what="No worker process is alive: nothing is tried",
            why="No lease of a worker stands in the store.",
            since=from_epoch_ms(max(ends)) if ends else None,
            waiting=look.live or None,
            command=("softbounce", "up", "--roles", "worker"),
            act="start one, and look at its log for why it ended",
            place="/ui/health",
        )
    if not look.schedulers:
        yield Finding(
            kind="no_scheduler",
            scope="us",
            level="bad",
            what="No scheduler runs: what becomes due stays where it is",
            why="None listens at the store.",
            since=from_epoch_ms(look.due_ms) if look.due_ms is not None and late_ms > 0 else None,
            waiting=look.live or None,
            command=("softbounce", "up", "--roles", "scheduler"),
            act="start one, and look at its log for why it ended",
            place="/ui/health",
        )
    elif look.due_ms is not None and late_ms > LATE_RELEASE_MS:
        yield Finding(
            kind="scheduler_late",
            scope="us",
            level="bad",
            what="What is due is not released",
            why=f"Something has been due for {in_words(look.now - from_epoch_ms(look.due_ms))}: "
            "the scheduler hangs, is too slow, or waits for the store.",
            since=from_epoch_ms(look.due_ms),
            command=("softbounce", "doctor"),
            act="look at the scheduler's log",
            place="/ui/health",
        )


def _holds(look: Look, groups: Mapping[Place, Group]) -> Iterator[Finding]:
    behind: dict[str, int] = {}
    for place, one in groups.items():
        if place.waits == "held" and place.name == BRAKE:
            behind = {stream: round(weight) for stream, weight in one.streams.items()}
        elif place.waits == "held":
            level, why = HOLDS.get(place.name, ("note", f"it is held: {place.name}"))
            yield Finding(
                kind=f"held_{place.name}" if place.name in HOLDS else "held",
                about=place.name,
                scope="us",
                level="warn" if level == "warn" else "note",
                what=f"{one.about:,} held {HELD_HOW.get(place.name, 'for no reason that is known')}",
                why=_sentence(why),
                since=from_epoch_ms(one.since_ms),
                waiting=one.about,
                command=_command(place.name),
                act="names the holds; holds release ends one" if place.name == STANDING else LETS_GO,
                place=f"/ui/search?state=held&held_for={place.name}",
            )
    for stream, hold in look.holds.items():
        name = stream or "mail without a stream"
        yield Finding(
            kind="stream_held",
            about=stream,
            scope="us",
            level="bad",
            what=f"The brake holds {f'the stream {name}' if stream else name}",
            why=_sentence(hold.why),
            since=from_epoch_ms(hold.held_ms),
            waiting=behind.get(stream),
            command=("softbounce", "release", "--stream", stream or "''"),
            act="lets the whole stream go, when its list or its signature is mended",
            place=f"/ui/search?state=held&stream={stream}",
        )


def _command(held_for: str) -> tuple[str, ...]:
    """What lets go what is held for a reason."""
    return (
        ("softbounce", "holds", "list") if held_for == STANDING else ("softbounce", "release", "--held-for", held_for)
    )


def _webhooks(look: Look) -> Iterator[Finding]:
    for name, (until_ms, receiver) in sorted(look.receivers.items()):
        late = lag_ms(receiver, until_ms, look.now_ms)
        if not receiver.disabled_ms and late < WEBHOOK_LATE_MS:
            continue
        why = receiver.disabled_why or receiver.last or "no process tells it"
        behind = f"is behind by {in_words(late * MILLISECOND)}"
        how = f"has been told nothing since {_moment(receiver.disabled_ms)}" if receiver.disabled_ms else behind
        yield Finding(
            kind="webhook",
            about=name,
            scope="us",
            level="warn",
            what=f"The webhook {name} {how}",
            why=_sentence(why),
            since=from_epoch_ms(receiver.disabled_ms or receiver.waiting_ms or receiver.noted_ms),
            waiting=None,
            command=("softbounce", "webhooks"),
            act="shows it; `softbounce webhooks enable` tells it again",
            place="/ui/health",
        )


def _names(look: Look, groups: Mapping[Place, Group]) -> Iterator[Finding]:
    """Domains that cannot be looked up: the name servers', where it is many of them, else each its own."""
    failing = {place: one for place, one in groups.items() if place.waits == "resolver"}
    domains = {place.name for place in failing}
    total = _together(failing.values())
    if len(domains) >= MANY and len(domains) >= len(_answered_domains(look) - domains):
        yield Finding(
            kind="resolver",
            scope="network",
            level="bad",
            what=f"Names cannot be looked up: {len(domains):,} domains have mail that waits for that",
            why=_last_words(total) + "That is said of so many that it is the name servers' trouble, not theirs.",
            since=from_epoch_ms(total.since_ms),
            waiting=total.about,
            next="Each is asked again by itself, and none of its mail is charged or bounced meanwhile.",
            command=("softbounce", "doctor"),
            act="asks each name server, and says which does not answer or lies; see [dns] nameservers",
            place="/ui/health",
        )
        return
    for place, one in failing.items():
        yield Finding(
            kind="domain_dns",
            about=place.name,
            scope="site",
            level="warn",
            what=f"The domain {place.name} cannot be looked up",
            why=_last_words(one),
            since=from_epoch_ms(one.since_ms),
            waiting=one.about,
            next="It is asked again by itself.",
            command=("softbounce", "retry", "--domain", place.name),
            act="has its mail tried now",
            place=f"/ui/sites/{place.name}",
        )


def _network(look: Look) -> Iterator[Finding]:
    """Many sites to which no connection can be made, and hardly one to which it can: the way out is shut."""
    shut = {
        lane: one
        for lane, one in look.lanes.items()
        if site_of_lane(lane) is not None and one.failures and one.stage in {"connect", "greeting"} and not one.code
    }
    sites = {site_of_lane(lane) for lane in shut}
    if len(sites) < MANY or len(sites) < len(_answering_sites(look) - sites):
        return
    waiting = [one for one in look.sample if one.record.lane in shut]
    last = max(shut.values(), key=lambda one: one.closed_until_ms)
    yield Finding(
        kind="network",
        scope="network",
        level="bad",
        what=f"No mail host can be reached: {len(sites):,} sites are closed",
        why=f"{_sentence(last.text or last.why)} That happens at so many that it is our way out, not theirs.",
        since=from_epoch_ms(min(one.record.next_ms or one.record.created_ms for one in waiting)) if waiting else None,
        waiting=round(sum(one.weight for one in waiting)) or None,
        next=_probes(look, shut),
        command=("softbounce", "doctor"),
        act="calls mail hosts from here: whether port 25 is shut, and by whom",
        place="/ui/sites",
    )


def _probes(look: Look, shut: Mapping[str, object]) -> str:
    opens = [look.lanes[lane].closed_until_ms for lane in shut if is_closed(look.lanes[lane], look.now_ms)]
    return f"The next is asked {_moment(min(opens))}." if opens else "They are being asked."


def _blames(look: Look) -> Iterator[Finding]:
    """What hosts refused lately and blame us for, mail that bounced for it included.

    A closed site counts once, however often it was probed: that it is closed is told where its mail waits.
    """
    found: dict[tuple[str, str], list[int]] = {}
    words: dict[tuple[str, str], str] = {}
    probed = {one.record.envelope.domain: one.record.lane for one in look.sample if _is_shut(look, one.record.lane)}
    counted: set[tuple[str, str, str]] = set()
    for at_ms, event in look.log:
        reason = event.reason or ""
        if event.kind not in {"deferred", "bounced"} or reason not in BLAMES or look.now_ms - at_ms > LATELY_MS:
            continue
        whose = "" if BLAMES[reason][0] == "us" else event.tenant
        lane = probed.get(event.recipient.rpartition("@")[2].lower())
        if lane is not None and (reason, whose, lane) in counted:
            continue
        if lane is not None:
            counted.add((reason, whose, lane))
        found.setdefault((reason, whose), []).append(at_ms)
        said = " ".join(str(one) for one in (event.code, event.enhanced, event.text) if one)
        words.setdefault((reason, whose), f"{event.host or 'A host'}: {said}")
    closed = {sender for state in look.lanes.values() for sender, one in state.senders.items() if one.failures}
    for (reason, whose), times in found.items():
        if len(times) < BLAMED or whose in closed:  # that is told where its mail waits
            continue
        scope, what = BLAMES[reason]
        domain = ("--domain", whose) if whose and "." in whose else ()
        yield Finding(
            kind=f"blamed_{reason}",
            about=whose,
            scope=scope,
            level="bad" if scope == "us" else "warn",
            what=f"{what}{f', of {whose}' if whose else ''}",
            why=f"{len(times)} refusals of the last minutes. {words[reason, whose]}",
            since=from_epoch_ms(min(times)),
            command=("softbounce", "doctor", *domain),
            act="looks at PTR, SPF, DKIM and DMARC, and says how to mend each",
            place="/ui/bounces",
        )


def _is_shut(look: Look, lane: str) -> bool:
    return lane in look.lanes and look.lanes[lane].failures > 0


def _answered_domains(look: Look) -> set[str]:
    """Domains of which something beyond a name was heard lately."""
    since_ms = look.now_ms - LATELY_MS
    heard = (one for one in look.log if one.at_ms >= since_ms and one.event.stage not in {None, "", "route"})
    return {one.event.recipient.rpartition("@")[2].lower() for one in heard} - {""}


def _answering_sites(look: Look) -> set[str | None]:
    """Sites where a host said something lately."""
    since_ms = look.now_ms - LATELY_MS
    heard: set[str | None] = set()
    for one in look.sample:
        for attempt in one.record.envelope.attempts[-1:]:
            if attempt.code and attempt.ended_ms >= since_ms:
                heard.add(site_of_lane(one.record.lane))
    for logged in look.log:
        if logged.event.kind == "delivered" and logged.at_ms >= since_ms and logged.event.host:
            heard.add(logged.event.host)
    return heard


def _together(groups: Iterable[Group]) -> Group:
    total = Group()
    for one in groups:
        total.weight += one.weight
        total.since_ms = min(total.since_ms or one.since_ms, one.since_ms)
        if one.last is not None and (total.last is None or one.last.ended_ms > total.last.ended_ms):
            total.last = one.last
    return total


def _last_words(group: Group) -> str:
    last = group.last
    if last is None:
        return ""
    return f"{_sentence(last.text or last.why or 'No answer')} "


def _sentence(words: str) -> str:
    """What a host or a machine said, as a sentence of ours."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _moment(at_ms: int) -> str:
    return f"{from_epoch_ms(at_ms):%Y-%m-%d %H:%M:%S} UTC"
