"""Says before a retry what of it waits all the same: a retry plans attempts for now, and opens no site that is closed.

It costs the same whatever waits: what is remembered of the lanes is read, and no mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from softbounce.client.flow import Flow
from softbounce.client.knowledge import Knowledge
from softbounce.client.now.sites import SiteView, read_site_list
from softbounce.client.probing import ProbedLane, probe
from softbounce.client.selection import site_of_lane
from softbounce.errors import InvalidArgument, NotFound

__all__ = ["ClosedSite", "closed_for", "closed_words"]

MOST_SITES = 500
TOLD = 3
GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSite:
    """A site with something closed.

    :ivar whole: all of it is; else only for
    :ivar domains: these recipients' domains, and
    :ivar senders: mail from these senders' domains.
    """

    site: str
    whole: bool
    domains: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()

    def binds(self, *, domain: str, sender: str) -> bool:
        """Whether mail to this domain, from that one, waits for it."""
        return self.whole or domain in self.domains or sender in self.senders


def closed_for(knowledge: Knowledge, name: str | None) -> Flow[list[ClosedSite]]:
    """What is closed where mail goes.

    :param name: of a site, or of a domain whose mail goes there; ``None``, or a glob: anywhere.
    """
    if name and not GLOB & set(name):
        try:
            lanes = yield from probe(knowledge, name, dry_run=True)
        except (NotFound, InvalidArgument):
            return []
        return [_of_lane(one) for one in lanes]
    views, _ = yield from read_site_list(knowledge, MOST_SITES)
    return [_of_view(one) for one in views if one.worst is not None]


def closed_words(closed: Sequence[ClosedSite]) -> str:
    """What a retry has to wait for, in words; empty: nothing."""
    names = list(dict.fromkeys(one.site for one in closed))
    if not names:
        return ""
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    them = f"{', '.join(names[:TOLD])}{more}"
    if any(one.whole for one in closed):
        waits = f"What goes to {them} waits until that opens"
    else:
        waits = f"Some of what goes to {them} waits for what is closed there"
    return f"{waits}: a retry opens nothing, `softbounce probe {names[0]}` has it asked at once."


def _of_lane(one: ProbedLane) -> ClosedSite:
    name = site_of_lane(one.lane) or one.lane
    return ClosedSite(site=name, whole=one.site, domains=one.domains, senders=one.senders)


def _of_view(one: SiteView) -> ClosedSite:
    return ClosedSite(
        site=one.site,
        whole=one.trouble is not None,
        domains=tuple(closed.name for closed in one.domains),
        senders=tuple(closed.name for closed in one.senders),
    )
