"""What is asked of TLS for a domain's mail: how strong it has to be, and by which rule. Pure.

A session is opened with a posture, and carries what asks for no more. RFC 3207; RFC 7435 (opportunistic security); RFC
8996 (nothing older than TLS 1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from softbounce.road import MX, Road
from softbounce.settings import Settings, TlsMode, TlsRule, TlsVersion

__all__ = ["OPPORTUNISTIC", "Posture", "posture_for"]

BUILT_IN = TlsRule()
DEFAULT, ROUTE = "default", "route"
STRENGTH: dict[TlsMode, int] = {"none": 0, "opportunistic": 1, "required": 2, "verified": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """What is asked of TLS.

    :ivar rule: what asks for it, as it is shown.
    :ivar roots: authorities that are trusted beside the system's, as PEM.
    :ivar is_of_road: the road asks for no less, for all mail that takes it.
    """

    mode: TlsMode = BUILT_IN.mode
    minimum_version: TlsVersion = BUILT_IN.minimum_version
    roots: str | None = None
    rule: str = DEFAULT
    is_of_road: bool = False

    @property
    def may_be_clear(self) -> bool:
        """Whether mail goes in clear where TLS cannot be had."""
        return STRENGTH[self.mode] < STRENGTH["required"]

    @property
    def verifies(self) -> bool:
        """Whether the host has to prove its name."""
        return self.mode == "verified"

    def covers(self, other: Posture) -> bool:
        """Whether a session that was opened with this one may carry what asks for the other."""
        if self is other or other.mode == "none":
            return True
        if STRENGTH[self.mode] < STRENGTH[other.mode] or self.minimum_version < other.minimum_version:
            return False
        return not other.verifies or self.roots == other.roots


OPPORTUNISTIC = Posture()
"""What is asked for where no rule says otherwise."""


LOCAL = Posture(mode="none", rule=ROUTE)
"""What is asked for at a unix socket, which nobody else can listen to."""


def posture_for(settings: Settings, *, domain: str, site: str | None, road: Road = MX) -> Posture:
    """What is asked of TLS for a domain's mail at a site, whichever of its hosts it is.

    The one place that says so. What else may ask for it comes in here, strongest last: a policy of the domain (RFC
    8461); what DNS says of a host (RFC 7672) is added where that host is called, and never takes anything away.

    At a smarthost a rule and the road may both ask for something: the stronger counts. Where no rule fits, the road
    alone does.

    :param site: as it is shown.
    """
    if road.socket is not None:
        return LOCAL
    rule, tls = settings.tls_rule_for(domain=domain, site=site)
    return _posture(rule, tls, road.tls)


@lru_cache(maxsize=1000)
def _posture(rule: str, tls: TlsRule, asked: TlsMode | None) -> Posture:
    """One object each, so that comparing them costs nothing."""
    is_of_road = asked is not None and STRENGTH[asked] >= STRENGTH[tls.mode]
    if asked is not None and (rule == DEFAULT or STRENGTH[asked] > STRENGTH[tls.mode]):
        mode, rule = asked, ROUTE
    else:
        mode = tls.mode
    return Posture(mode=mode, minimum_version=tls.minimum_version, roots=tls.roots, rule=rule, is_of_road=is_of_road)
