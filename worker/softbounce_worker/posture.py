"""What is asked of TLS for a domain's mail: how strong it has to be, and by which rule. Pure.

A session is opened with a posture, and carries what asks for no more. RFC 3207; RFC 7435 (opportunistic security); RFC
8996 (nothing older than TLS 1.2).

Mail that may go in clear and was lost over TLS, in its middle and twice running, goes in clear the next time: there are
hosts, and things before hosts, where TLS begins well and breaks as soon as a message is on its way. What is lost in
clear too was not TLS's fault, and goes by TLS again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from softbounce.envelope import Attempt
from softbounce.settings import Settings, TlsMode, TlsRule, TlsVersion

__all__ = ["OPPORTUNISTIC", "Posture", "after_losses", "posture_for"]

BUILT_IN = TlsRule()
AS_ASKED = "as asked"
LOSSES = 2
LOST = frozenset({"builtin:connection-lost", "builtin:timeout"})
"""The rules by which a session that ended without a word is judged."""
BROKE = "TLS broke off in the middle of this mail before"
STRENGTH: dict[TlsMode, int] = {"none": 0, "opportunistic": 1, "required": 2, "verified": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Posture:
    """What is asked of TLS.

    :ivar rule: what asks for it, as it is shown.
    :ivar roots: authorities that are trusted beside the system's, as PEM.
    :ivar why_clear: of mode ``none``: why.
    """

    mode: TlsMode = BUILT_IN.mode
    minimum_version: TlsVersion = BUILT_IN.minimum_version
    roots: str | None = None
    rule: str = "default"
    why_clear: str = AS_ASKED

    @property
    def may_be_clear(self) -> bool:
        """Whether mail goes in clear where TLS cannot be had."""
        return STRENGTH[self.mode] < STRENGTH["required"]

    @property
    def is_clear_as_asked(self) -> bool:
        """Whether TLS is not wanted, for whatever reason that is."""
        return self.mode == "none" and self.why_clear == AS_ASKED

    @property
    def verifies(self) -> bool:
        """Whether the host has to prove its name."""
        return self.mode == "verified"

    def covers(self, other: Posture) -> bool:
        """Whether a session that was opened with this one may carry what asks for the other."""
        if self is other:
            return True
        if other.mode == "none":
            return self.mode == "none" or other.is_clear_as_asked
        if STRENGTH[self.mode] < STRENGTH[other.mode] or self.minimum_version < other.minimum_version:
            return False
        return not other.verifies or self.roots == other.roots


OPPORTUNISTIC = Posture()
"""What is asked for where no rule says otherwise."""


def posture_for(settings: Settings, *, domain: str, site: str | None) -> Posture:
    """What is asked of TLS for a domain's mail at a site, whichever of its hosts it is.

    The one place that says so. What else may ask for it comes in here, strongest last: a policy of the domain (RFC
    8461); what DNS says of a host (RFC 7672) is added where that host is called, and never takes anything away.

    :param site: as it is shown.
    """
    rule, tls = settings.tls_rule_for(domain=domain, site=site)
    return _posture(rule, tls)


@lru_cache(maxsize=1000)
def _posture(rule: str, tls: TlsRule) -> Posture:
    """One object each, so that comparing them costs nothing."""
    return Posture(mode=tls.mode, minimum_version=tls.minimum_version, roots=tls.roots, rule=rule)


def after_losses(posture: Posture, attempts: Sequence[Attempt]) -> Posture:
    """What is asked for, in view of what became of the envelope's latest tries: those that its host had part in."""
    if posture.mode != "opportunistic" or len(attempts) < LOSSES:
        return posture
    tries = [one for one in attempts if one.charged][-LOSSES:]
    return _last_resort(posture.rule) if len(tries) == LOSSES and all(map(_was_lost_over_tls, tries)) else posture


def _was_lost_over_tls(attempt: Attempt) -> bool:
    return attempt.tls is not None and attempt.tls.version is not None and attempt.rule in LOST


@lru_cache(maxsize=1000)
def _last_resort(rule: str) -> Posture:
    return Posture(mode="none", rule=rule, why_clear=BROKE)
