"""Domains never seen before, many at once: what is asked and told of them goes together, and nobody waits in line."""

from __future__ import annotations

import asyncio

import pytest
from delivery import Begin, in_loop
from softbounce_worker.route import known_domains

from softbounce.envelope import Record
from softbounce.store import claiming
from softbounce.store.call import Operation, StoreAnswer
from softbounce.store.claiming import Batch, Claimed
from softbounce.store.sites import Site, read_sites


@in_loop
async def test_issue11_nobody_waits_for_all_who_told_before(begin: Begin) -> None:
    """Three thousand new domains are told of in a few turns of the loop, not each in its own."""
    async with begin() as mail:
        known = known_domains.KnownDomains(mail.store, 1)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def tell(number: int) -> int:
            await known.learn(f"d{number}.test", Site(lane=f"d{number}.test~0000000000000000", learnt_ms=1))
            return turns

        first = asyncio.gather(*(tell(number) for number in range(3000)))
        await mail.wait(2 * known_domains.GATHERS)  # the first call is under way, or was
        counting = asyncio.create_task(count())
        ends = await asyncio.gather(*(tell(number) for number in range(3000, 6000)))
        counting.cancel()
        await first
        assert max(ends) - min(ends) < 100
        assert None not in await mail.store.run(read_sites(0, [f"d{number}.test" for number in range(0, 6000, 7)]))


@in_loop
async def test_issue11_what_waits_for_one_new_domain_is_not_claimed_for_finding_its_site(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six hundred letters to a domain never seen: the store moves most, and those messages are read but once."""
    read: list[int] = []
    bodies = claiming.bodies

    def counted(records: list[Record]) -> Operation[list[bytes | None]]:
        read.append(len(records))
        return bodies(records)

    monkeypatch.setattr(claiming, "bodies", counted)
    async with begin() as mail:
        mail.release_no_more()
        sent = [await mail.send(f"x{number}@d.test") for number in range(600)]
        mail.release_again()
        shown = await mail.settled(*(one for ids in sent for one in ids), seconds=60)
        assert {one.state for one in shown} == {"delivered"}
        assert sum(read) < 900


@in_loop
async def test_issue11_lists_with_few_entries_are_claimed_many_at_a_time(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two letters to each of a hundred new domains: both are claimed at once, those of many domains together."""
    claims: list[int] = []
    claim = claiming.claim

    def counted(process: str, token: bytes, batches: list[Batch], *, repeats: bool = False) -> Operation[list[Claimed]]:
        operation = claim(process, token, batches, repeats=repeats)

        def read(answers: list[StoreAnswer]) -> list[Claimed]:
            claimed = operation.read(answers)
            claims.append(len({record.envelope.domain for one in claimed for record in one.records}))
            return claimed

        return Operation(operation.calls, read)

    async with begin() as mail:
        letters = [f"x{number % 2}@d{number // 2}.test" for number in range(200)]
        mail.release_no_more()
        sent = [await mail.send(to) for to in letters]
        monkeypatch.setattr(claiming, "claim", counted)
        mail.release_again()
        shown = await mail.settled(*(one for ids in sent for one in ids), seconds=60)
        assert {one.state for one in shown} == {"delivered"}
        assert 100 <= sum(claims) <= 105  # where a claim ends between two letters, that domain is in two
        assert len(claims) <= 10  # those of lists that were told of twice, and are empty, included
        assert max(claims) >= 26  # a domain may be sent 20 at a time: counted so, 13 domains would fill a claim
