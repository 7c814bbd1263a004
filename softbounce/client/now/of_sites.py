"""What is wrong at single sites: closed, for all or a domain or a sender of it; or open, and slow. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from softbounce.client.now.groups import Group, Place, is_closed, trouble_words
from softbounce.client.now.look import Look
from softbounce.client.now.view import Finding
from softbounce.client.selection import site_of_lane
from softbounce.duration import from_epoch_ms, in_words
from softbounce.store.lanes import LaneState, SeenState

BLAMES_US = frozenset({"ip_reputation", "sender_dns"})
FLOODS = 0.7
"""Of what waits for its turn, where one sender domain has more than that and others wait behind it."""
LATE_MS = 60_000
"""So long a ready envelope of an open lane may wait, or have to, before that is told."""
__all__ = ["closed_senders", "closed_sites", "page_of", "slow_sites"]


def page_of(site: str) -> str:
    """The page of a site."""
    return f"/ui/sites/{site}"


def closed_sites(look: Look, groups: Mapping[Place, Group]) -> Iterator[Finding]:
    """Sites that are closed as a whole, and recipient domains that are at theirs."""
    for lane, state in look.lanes.items():
        site = site_of_lane(lane)
        if site is None:
            continue
        waiting = groups.get(Place("lane", lane))
        if state.failures and (waiting is not None or is_closed(state, look.now_ms)):
            yield _closed_site(look, site, state, waiting)
        for domain, trouble in state.domains.items():
            behind = groups.get(Place("domain", lane, domain))
            if trouble.failures and (behind is not None or is_closed(trouble, look.now_ms)):
                yield Finding(
                    kind="domain_closed",
                    about=f"{domain} {site}",
                    scope="site",
                    level="warn",
                    what=f"The domain {domain} is closed at {site}",
                    why=f"{trouble_words(trouble)} Others' mail to that site goes on.",
                    since=_since(behind),
                    waiting=_about(behind),
                    next=_next(look, trouble),
                    command=("softbounce", "retry", "--domain", domain),
                    act="has its mail tried now, beside that",
                    place=page_of(site),
                )


def _closed_site(look: Look, site: str, state: LaneState, waiting: Group | None) -> Finding:
    command: tuple[str, ...] = ("softbounce", "top", site)
    act = "shows all that is known of it"
    is_login = state.stage == "auth"
    if is_login:
        command = ("softbounce", "probe", site)
        act = "has it asked now, once its route's password is mended: that is read anew at each login"
    elif state.reason in BLAMES_US:
        command, act = ("softbounce", "doctor"), "looks at our name, PTR and records: it blames us"
    return Finding(
        kind="site_closed",
        about=site,
        scope="site",
        level="warn" if waiting is None else "bad",
        what=f"{site} {'does not let us log in' if is_login else 'is closed'}: mail to it waits",
        why=trouble_words(state),
        since=_since(waiting),
        waiting=_about(waiting),
        next=_next(look, state),
        command=command,
        act=act,
        place=page_of(site),
    )


def closed_senders(look: Look, groups: Mapping[Place, Group]) -> Iterator[Finding]:
    """Sender domains whose mail a site does not take, or that are about to be tried again."""
    found: dict[str, list[tuple[str, SeenState, Group | None]]] = {}
    for lane, state in look.lanes.items():
        for sender, its in state.senders.items():
            waiting_there = groups.get(Place("sender", lane, sender))
            if its.failures and (waiting_there is not None or is_closed(its, look.now_ms)):
                found.setdefault(sender, []).append((site_of_lane(lane) or lane, its, waiting_there))
    for sender, places in found.items():
        sites = sorted({site for site, _, _ in places})
        site, trouble, behind = max(places, key=lambda one: 0.0 if one[2] is None else one[2].weight)
        others = f" and {len(sites) - 1} more sites" if len(sites) > 1 else ""
        name = sender or "<> (the null sender)"
        since = [one.since_ms for _, _, one in places if one is not None]
        waiting = round(sum(one.weight for _, _, one in places if one is not None))
        yield Finding(
            kind="sender_closed",
            about=sender,
            scope="sender",
            level="bad" if waiting else "warn",
            what=f"{site}{others} take{'' if others else 's'} no mail from {name}",
            why=f"{trouble_words(trouble)}{_streams(behind)} Mail of other senders goes on.",
            since=from_epoch_ms(min(since)) if since else None,
            waiting=waiting or None,
            next=_next(look, trouble),
            command=("softbounce", "doctor", "--domain", sender) if sender else ("softbounce", "doctor"),
            act="looks at its SPF, DKIM and DMARC, and says how to mend each",
            place=page_of(site),
        )


def slow_sites(look: Look, groups: Mapping[Place, Group]) -> Iterator[Finding]:
    """Open sites where mail waits for its turn: who is before whom, and what binds."""
    for place, waiting in groups.items():
        site = site_of_lane(place.lane)
        if place.waits != "turn" or site is None or not look.workers:
            continue
        rate, whose = look.binding_rate(place.lane)
        takes = waiting.weight / rate if rate else 0.0
        if takes * 1000 < LATE_MS and (rate or look.now_ms - waiting.since_ms < LATE_MS):
            continue
        binds = f"It takes {rate * 3600:,.0f} messages an hour, {whose}." if rate else "Its connections are all in use."
        most, _ = max(waiting.streams.items(), key=lambda one: one[1])
        others = [stream for stream in waiting.streams if stream != most]
        behind = f": {_stream(others[0])} behind {_stream(most)}" if others else ""
        if others:
            command: tuple[str, ...] = ("softbounce", "hold", "--site", site, "--stream", most or "''")
            act = f"keeps {_stream(most)} back, so that {_stream(others[0])} goes; or give that a weight ([[stream]])"
        elif flood := _flood(waiting):
            behind = f": others behind {flood}"
            command = ("softbounce", "hold", "--site", site, "--sender", f"*@{flood}")
            act = f"keeps {flood} back, so that the others go"
        else:
            command, act = ("softbounce", "top", site), "shows what binds there, and by which rule"
        yield Finding(
            kind="slow",
            about=site,
            scope="site",
            level="warn",
            what=f"Mail to {site} waits for its turn{behind}",
            why=f"{binds}{_streams(waiting)}{_senders(waiting)}",
            since=from_epoch_ms(waiting.since_ms),
            waiting=waiting.about,
            next=f"At that pace it is out in {in_words(timedelta(seconds=takes))}." if takes else "",
            command=command,
            act=act,
            place=page_of(site),
        )


def _streams(group: Group | None) -> str:
    """Which streams wait, where it is not one alone."""
    if group is None or not group.streams:
        return ""
    told = ", ".join(f"{_stream(name)} {max(1, round(weight)):,}" for name, weight in group.streams.most_common(4))
    return f" Of these wait: {told}."


def _flood(group: Group) -> str:
    """The domain whose mail is most of what waits, and not all of it; empty: there is none."""
    (most, weight), *others = group.senders.most_common(2)
    return most if others and weight > FLOODS * group.weight else ""


def _senders(group: Group) -> str:
    """Whose mail waits, where one has most of it."""
    if not _flood(group):
        return ""
    told = ", ".join(f"{name or '<>'} {max(1, round(weight)):,}" for name, weight in group.senders.most_common(3))
    return f" By sender: {told}."


def _stream(name: str) -> str:
    return name or "mail without a stream"


def _next(look: Look, seen: SeenState) -> str:
    """When something that closed is asked again."""
    if not is_closed(seen, look.now_ms):
        return "One envelope goes ahead now; on any answer that does not blame it for the same all follow."
    opens = from_epoch_ms(seen.closed_until_ms)
    at = f"{opens:%Y-%m-%d %H:%M:%S} UTC"
    return (
        f"One envelope goes ahead in {in_words(opens - look.now)} ({at}), after {_times(seen.failures)}"
        "; on any answer that does not blame it for the same all follow."
    )


def _times(failures: int) -> str:
    return f"{failures} failure{'' if failures == 1 else 's'} in a row"


def _since(group: Group | None) -> datetime | None:
    return None if group is None else from_epoch_ms(group.since_ms)


def _about(group: Group | None) -> int | None:
    return None if group is None else group.about
