"""The id of a site, as far as everyone must read it. The worker makes it, in ``softbounce_worker.route.site``.

An id is ``shown~hash``: the name that people see, and a digest of all MX names in their groups, so that no one who
lists a provider's host among his own gets into the provider's lane.
"""

from __future__ import annotations

from sys import intern

__all__ = ["organisation_of", "shown_of"]

MARK = "~"


def shown_of(site: str) -> str:
    """The site as it is shown and as config globs match it: its id without the hash."""
    shown, mark, _ = site.rpartition(MARK)
    return intern(shown) if mark else site


def organisation_of(site: str) -> str:
    """Whose limits bind a site: the organisational domain that all of its hosts share, or else the site alone."""
    shown = shown_of(site)
    return site if "+" in shown else shown
