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

import msgspec
from msgspec.structs import replace

from softbounce.envelope import Attempt, TlsAsked
from softbounce.road import MX, Road
from softbounce.settings import Settings, TlsMode, TlsRule, TlsVersion

__all__ = ["OPPORTUNISTIC", "Posture", "Sts", "after_losses", "posture_for"]

BUILT_IN = TlsRule()
DEFAULT, ROUTE = "default", "route"
AS_ASKED = "as asked"
LOSSES = 2
LOST = frozenset({"builtin:connection-lost", "builtin:timeout"})
"""The rules by which a session that ended without a word is judged."""
BROKE = "TLS broke off in the middle of this mail before"
STRENGTH: dict[TlsMode, int] = {"none": 0, "opportunistic": 1, "required": 2, "verified": 3}
NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sts:
    """What a domain's own policy asks for at one site (RFC 8461).

    Domains that ask for the same there have equal ones, whatever else their policies say: their mail shares sessions.

    :ivar forbids: those of the site's hosts that it does not name.
    :ivar is_testing: nothing is asked; what is missing is reported.
    """

    forbids: frozenset[str] = frozenset()
    is_testing: bool = False


class Posture(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """What is asked of TLS. Each message's is looked up a few times, so it remembers its hash.

    :ivar rule: what asks for it, as it is shown.
    :ivar roots: authorities that are trusted beside the system's, as PEM.
    :ivar sts: what the domain's policy asks for; none: it has none.
    :ivar is_required: the sender wants it proven, by whichever means (REQUIRETLS, RFC 8689).
    :ivar dane: DNSSEC proves which hosts are the domain's: what it says of their certificates binds (RFC 7672).
    :ivar is_of_relay: the host is a smarthost: its operator's word says which it is, and nothing else has to.
    :ivar is_of_road: the road asks for no less, for all mail that takes it.
    :ivar why_clear: of mode ``none``: why.
    """

    mode: TlsMode = BUILT_IN.mode
    minimum_version: TlsVersion = BUILT_IN.minimum_version
    roots: str | None = None
    rule: str = DEFAULT
    sts: Sts | None = None
    dane: bool = False
    is_required: bool = False
    is_of_relay: bool = False
    is_of_road: bool = False
    why_clear: str = AS_ASKED

    @property
    def may_be_clear(self) -> bool:
        """Whether mail goes in clear where TLS cannot be had."""
        return self.strength < STRENGTH["required"]

    @property
    def is_clear_as_asked(self) -> bool:
        """Whether TLS is not wanted, for whatever reason that is."""
        return self.mode == "none" and self.why_clear == AS_ASKED and not self.is_required

    @property
    def verifies(self) -> bool:
        """Whether the host has to prove its name."""
        return self.strength == STRENGTH["verified"]

    @property
    def is_opportunistic(self) -> bool:
        """Whether TLS is wanted, and nothing asks for more; DNS may, of a host."""
        return self.strength == STRENGTH["opportunistic"]

    @property
    def forbids(self) -> frozenset[str]:
        """Hosts that may not have it, whatever they prove."""
        return NOBODY if self.sts is None or self.sts.is_testing else self.sts.forbids

    @property
    def strength(self) -> int:
        """How much is asked, as a number: that of ``verified`` under a policy that binds."""
        is_enforced = self.sts is not None and not self.sts.is_testing
        return STRENGTH["verified"] if is_enforced or self.is_required else STRENGTH[self.mode]

    @property
    def enforced(self) -> Posture:
        """What would be asked if the domain's policy were no test."""
        return replace(self, sts=Sts())

    @property
    def without_sts(self) -> Posture:
        """What is asked beside the domain's policy."""
        return replace(self, sts=None)

    @property
    def beside_dane(self) -> Posture:
        """What is asked of a host that DANE proves: encryption, and what the operator asks; no policy (RFC 8461 §2)."""
        mode: TlsMode = "required" if STRENGTH[self.mode] < STRENGTH["required"] else self.mode
        return replace(self, mode=mode, sts=None, is_required=False)

    @property
    def is_unprovable(self) -> bool:
        """Whether it has to reach the domain's own hosts, and nothing proves which these are (RFC 8689 §4.2.1)."""
        is_proven = self.is_of_relay or self.dane or (self.sts is not None and not self.sts.is_testing)
        return self.is_required and not is_proven

    def for_sender(self, asks: TlsAsked) -> Posture:
        """The same, for mail whose sender asks for more, or for no policy of the domain to stop it.

        What the operator asks stands: he knows what his mail is. What stays on this machine needs no TLS.
        """
        return self if not asks or self is LOCAL else _for_sender(self, asks)

    @property
    def encrypted(self) -> Posture:
        """The same, and never in clear: DANE asks for TLS, and says nothing that could be checked (RFC 7672 §2.2)."""
        return self if not self.may_be_clear else replace(self, mode="required")

    def covers(self, other: Posture, host: str, *, by_dane: bool = False) -> bool:
        """Whether a session with a host that was opened with this one may carry what asks for the other.

        :param by_dane: the host was proven by DANE, and by nothing else unless the operator asks for it.
        """
        if self is other:
            return True
        if other.dane and not self.dane:
            return False
        if other.mode == "none" and not other.is_required:
            return other.is_clear_as_asked or (self.mode == "none" and not self.is_required)
        has = self.beside_dane if by_dane else self
        asks = other.beside_dane if by_dane and other.dane else other
        if has.strength < asks.strength or has.minimum_version < asks.minimum_version:
            return False
        return host not in asks.forbids and (not asks.verifies or has.roots == asks.roots)


OPPORTUNISTIC = Posture()
"""What is asked for where no rule says otherwise."""


LOCAL = Posture(mode="none", rule=ROUTE, is_of_relay=True)
"""What is asked for at a unix socket, which nobody else can listen to, whoever asks."""


def posture_for(  # noqa: PLR0913 - all that may ask for something
    settings: Settings, *, domain: str, site: str | None, sts: Sts | None = None, dane: bool = False, road: Road = MX
) -> Posture:
    """What is asked of TLS for a domain's mail at a site, whichever of its hosts it is.

    The one place that says so. What else may ask for it comes in here, strongest last: a policy of the domain (RFC
    8461); what DNS says of a host (RFC 7672) is added where that host is called, and never takes anything away. Where
    the operator wants no TLS at all, neither does.

    At a smarthost it is no matter what the domain asks of its own hosts. There a rule and the road may both ask for
    something: the stronger counts. Where no rule fits, the road alone does.

    :param site: as it is shown.
    :param sts: what the domain's policy asks for there.
    :param dane: DNSSEC proves that its hosts are the domain's.
    """
    if road.socket is not None:
        return LOCAL
    rule, tls = settings.tls_rule_for(domain=domain, site=site)
    if road.is_relay:
        sts, dane = None, False
    return _posture(rule, tls, sts, dane, road)


@lru_cache(maxsize=1000)
def _posture(rule: str, tls: TlsRule, sts: Sts | None, dane: bool, road: Road) -> Posture:  # noqa: FBT001 - a key
    """One object each, so that comparing them costs nothing."""
    asked = road.tls
    is_of_road = asked is not None and STRENGTH[asked] >= STRENGTH[tls.mode]
    if asked is not None and (rule == DEFAULT or STRENGTH[asked] > STRENGTH[tls.mode]):
        mode, rule = asked, ROUTE
    else:
        mode = tls.mode
    if not tls.mta_sts or mode == "none":
        sts = None
    if sts is not None:
        rule = f"{rule} + {'MTA-STS testing' if sts.is_testing else 'MTA-STS'}"
    return Posture(
        mode=mode,
        minimum_version=tls.minimum_version,
        roots=tls.roots,
        rule=rule,
        sts=sts,
        dane=dane and tls.dane and mode != "none",
        is_of_relay=road.is_relay,
        is_of_road=is_of_road,
    )


@lru_cache(maxsize=1000)
def _for_sender(posture: Posture, asks: TlsAsked) -> Posture:
    """One object each here too."""
    if asks == "require":
        is_of_road = posture.is_of_road and posture.verifies
        rule = f"{posture.rule} + REQUIRETLS"
        return replace(posture, is_required=True, rule=rule, is_of_road=is_of_road)
    return replace(posture, sts=None, dane=False, rule=f"{posture.rule.partition(' + ')[0]} + TLS-Required: No")


def after_losses(posture: Posture, attempts: Sequence[Attempt]) -> Posture:
    """What is asked for, in view of what became of the envelope's latest tries: those that its host had part in."""
    if not posture.is_opportunistic or len(attempts) < LOSSES:
        return posture
    tries = [one for one in attempts if one.charged][-LOSSES:]
    is_lost = len(tries) == LOSSES and all(map(_was_lost_over_tls, tries))
    return _last_resort(posture.rule, posture.dane) if is_lost else posture


def _was_lost_over_tls(attempt: Attempt) -> bool:
    return attempt.tls is not None and attempt.tls.version is not None and attempt.rule in LOST


@lru_cache(maxsize=1000)
def _last_resort(rule: str, dane: bool) -> Posture:  # noqa: FBT001 - a key of the cache
    """In clear; but what DNS says of a host binds still, or an attacker would break two sessions and read the third."""
    return Posture(mode="none", rule=rule, why_clear=BROKE, dane=dane)
