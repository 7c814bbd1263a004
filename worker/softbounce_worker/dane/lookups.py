"""What DNS says of a host's certificate now: only what is authentic, by the word of a name server that is trusted.

The host's addresses have to be authentic first: where they are not, nobody is asked for TLSA records, which name
servers of such zones often fail to answer (RFC 7672 §2.2.2). Where they are, a question without an answer is no "there
are none": an attacker could see to it. That the host's *name* is authentic is its domain's to prove, and asked for
elsewhere (:class:`softbounce_worker.posture.Posture`).
"""

from __future__ import annotations

from softbounce_worker.dane.records import NO_DANE, HostDane, Told, usable
from softbounce_worker.route import Router
from softbounce_worker.route.resolver import DnsAnswer, Found
from softbounce_worker.route.wire import Tlsa

__all__ = ["DaneLookups"]

UNTOLD = frozenset({Found.NOTHING, Found.TOO_MUCH})


class DaneLookups:
    """Asks DNS of hosts.

    :param port: where they are called.
    """

    def __init__(self, router: Router, port: int) -> None:
        self._router = router
        self._port = port

    async def of(self, host: str) -> HostDane:
        """What is told of a host (lower case, no final dot)."""
        if host.startswith("["):
            return NO_DANE
        names = await self._router.authentic_names_of(host)
        for name in names:
            answer = await self._router.tlsa_of(f"_{self._port}._tcp.{name}")
            if answer.found in UNTOLD:
                return HostDane(told=Told.UNKNOWN, detail=f"the TLSA records of {name}: {answer.detail}")
            if answer.found is Found.RECORDS and answer.is_secure:
                return _judge(answer, tuple(dict.fromkeys((name, *names))))
        return NO_DANE


def _judge(answer: DnsAnswer, names: tuple[str, ...]) -> HostDane:
    records = usable(record for record in answer.records if isinstance(record, Tlsa))
    return HostDane(told=Told.RECORDS if records else Told.UNUSABLE, records=records, names=names)
