"""Which MTA-STS policy binds mail for a domain now (RFC 8461): by its TXT record, what is kept, or what is fetched.

* A policy that is kept and has not expired binds whatever else fails: DNS, HTTPS, its certificate, its form (§3.3).
* The TXT record names another policy than the one that is kept, or none is kept: it is fetched. Where that fails the
  domain counts as one without, and is asked again after five minutes at the earliest (§3.3).
* One that is older than a day, or than half of its time, is fetched again beside, so that it does not expire in the
  hour of an attack (§3.3). One that forbids hosts that the domain has is before: some change it, and forget the id.

Nobody waits long for an answer: who asks is told that there is none yet, and asks again later, while the fetch goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

import structlog

from softbounce.reply import Trouble, TroubleKind
from softbounce.store.keys import HOME
from softbounce.store.sts_policies import StsPolicy
from softbounce_worker.mta_sts.fetching import FetchFailed, PolicyFetcher, policy_host
from softbounce_worker.mta_sts.kept import KeptPolicies
from softbounce_worker.mta_sts.policy_text import read_policy, read_record
from softbounce_worker.process import WorkerProcess
from softbounce_worker.route import Router
from softbounce_worker.tls_results.kinds import PolicyKind, Seen, TlsResult
from softbounce_worker.tls_results.tally import TlsTally

__all__ = ["StsPolicies"]

WAITS = 6.0
"""Seconds that mail is held for an answer; a lookup in DNS takes five at most by default."""
ASKED_AGAIN, KNOWN_LONGEST = 60.0, 3600.0
"""Seconds after which DNS is asked anew at the earliest, and at the latest."""
FETCHED_AGAIN = 300.0
RENEWED_AFTER_MS = 86_400_000
MOST_KNOWN = 50_000
V = TypeVar("V")
log = structlog.get_logger("softbounce.worker")


@dataclass(frozen=True, slots=True)
class _Known:
    """What binds, and until when that is not asked again (monotonic)."""

    policy: StsPolicy | None
    until: float


class StsPolicies:
    """The policies of the domains that mail goes to.

    :param roots_for: authorities that are trusted for a domain beside the system's, as PEM.
    """

    def __init__(
        self, process: WorkerProcess, router: Router, tally: TlsTally, roots_for: Callable[[str], str | None]
    ) -> None:
        self._tally = tally
        self._process = process
        self._router = router
        self._roots_for = roots_for
        self._fetcher = PolicyFetcher(router.addresses_of, router.policy_port)
        self._kept = KeptPolicies(process.store)
        self._known: dict[str, _Known] = {}
        self._failed: dict[str, float] = {}
        self._under_way: dict[str, asyncio.Task[_Known]] = {}

    def known(self, domain: str) -> StsPolicy | None:
        """What bound mail for a domain last."""
        known = self._known.get(domain)
        return None if known is None else known.policy

    async def of(self, domain: str) -> StsPolicy | Trouble | None:
        """What binds mail for a domain (A-labels, lower case); none: nothing does. Trouble: it is not known yet."""
        known = self._known.get(domain)
        if known is not None and known.until > time.monotonic():
            return known.policy
        task = self._under_way.get(domain) or self._begin(domain, self._look_up(domain))
        return await self._answer_of(domain, task)

    async def of_again(self, domain: str, policy: StsPolicy) -> StsPolicy | Trouble | None:
        """The same, where what is known forbids hosts that the domain has: the domain may have another by now."""
        if not self._may_fetch(domain) or self._age_ms(policy) < FETCHED_AGAIN * 1000:
            return policy
        self._known.pop(domain, None)
        task = self._under_way.get(domain) or self._begin(domain, self._renew(domain, policy))
        return await self._answer_of(domain, task)

    async def _answer_of(self, domain: str, task: asyncio.Task[_Known]) -> StsPolicy | Trouble | None:
        await asyncio.wait([task], timeout=WAITS)
        if not task.done():
            text = f"the MTA-STS policy of {domain} is not known yet: it is being fetched"
            return Trouble(kind=TroubleKind.DNS_TEMPORARY, text=text, enhanced="4.7.0")
        return task.result().policy

    def _begin(self, domain: str, looking: Coroutine[None, None, _Known]) -> asyncio.Task[_Known]:
        task = self._process.loop.create_task(self._note(domain, looking))
        self._under_way[domain] = task
        return task

    async def _note(self, domain: str, looking: Coroutine[None, None, _Known]) -> _Known:
        try:
            known = await looking
        except Exception:  # a fault of ours: mail goes as if there were no policy, which is said loudly
            log.exception("task_failed", domain=domain)
            known = _Known(None, time.monotonic() + ASKED_AGAIN)
        finally:
            self._under_way.pop(domain, None)
        _put(self._known, domain, known)
        return known

    async def _look_up(self, domain: str) -> _Known:
        """By the record, and what is kept."""
        answer, kept = await asyncio.gather(self._router.texts_of(f"_mta-sts.{domain}"), self._kept.of(domain))
        identity = read_record(answer.texts)
        live = kept if kept is not None and kept.expires_ms > self._now_ms else None
        if identity is not None and (live is None or live.id != identity):
            if not self._may_fetch(domain):
                return self._until_fetched(domain, live)
            return await self._fetch(domain, identity, live)
        if live is not None and self._is_ripe(live) and self._may_fetch(domain):
            self._process.spawn(self._renew_beside(domain, live))
        return self._binds(live, min(max(answer.expires - time.monotonic(), ASKED_AGAIN), KNOWN_LONGEST))

    async def _renew(self, domain: str, policy: StsPolicy) -> _Known:
        """Fetch it though its id may be the same."""
        identity = read_record((await self._router.texts_of(f"_mta-sts.{domain}")).texts)
        return await self._fetch(domain, identity or policy.id, policy)

    async def _renew_beside(self, domain: str, policy: StsPolicy) -> None:
        _put(self._known, domain, await self._fetch(domain, policy.id, policy))

    async def _fetch(self, domain: str, identity: str, live: StsPolicy | None) -> _Known:
        """The policy from its host; where that fails, what is kept still binds."""
        try:
            octets = await self._fetcher.fetch(domain, self._roots_for(domain))
            told = read_policy(octets)
        except (FetchFailed, ValueError) as error:
            log.warning("sts_policy_failed", domain=domain, why=str(error), keeps=live is not None)
            result = error.result if isinstance(error, FetchFailed) else TlsResult.STS_POLICY_INVALID
            self._tally.note(Seen(domain, PolicyKind.STS, result, policy_host(domain)))
            _put(self._failed, domain, time.monotonic())
            return self._until_fetched(domain, live)
        policy = StsPolicy(id=identity, mode=told.mode, mx=told.mx, max_age=told.max_age, fetched_ms=self._now_ms)
        await self._kept.keep(domain, policy)
        log.info("sts_policy_fetched", domain=domain, mode=policy.mode, hosts=len(policy.mx), max_age=policy.max_age)
        return self._binds(policy, FETCHED_AGAIN)

    def _binds(self, policy: StsPolicy | None, seconds: float) -> _Known:
        """Let it do for so long, or until it expires."""
        if policy is not None:
            seconds = min(seconds, max(0.0, (policy.expires_ms - self._now_ms) / 1000))
        return _Known(policy, time.monotonic() + seconds)

    def _until_fetched(self, domain: str, live: StsPolicy | None) -> _Known:
        """Let it do until it may be fetched again."""
        now = time.monotonic()
        return self._binds(live, max(0.0, self._failed.get(domain, now) + FETCHED_AGAIN - now))

    def _may_fetch(self, domain: str) -> bool:
        return time.monotonic() - self._failed.get(domain, -FETCHED_AGAIN) >= FETCHED_AGAIN

    def _is_ripe(self, policy: StsPolicy) -> bool:
        """Whether it is time to fetch it anew, well before it expires."""
        return self._age_ms(policy) > min(RENEWED_AFTER_MS, (policy.expires_ms - policy.fetched_ms) // 2)

    def _age_ms(self, policy: StsPolicy) -> int:
        return abs(self._now_ms - policy.fetched_ms)

    @property
    def _now_ms(self) -> int:
        return self._process.clock.now_ms(HOME)


def _put(memory: dict[str, V], domain: str, value: V) -> None:
    memory.pop(domain, None)
    if len(memory) >= MOST_KNOWN:
        del memory[next(iter(memory))]
    memory[domain] = value
