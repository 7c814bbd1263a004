"""The store and its clock against a model: whatever is done in whatever order, no mail is lost, doubled or late."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
from conftest import SteppedStore
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from hypothesis.stateful import (
    run_state_machine_as_test as run_machine,
)
from mailbag import Mailbag, new_message, open_bag, token
from softbounce_scheduler.expiry import WHILE_ATTEMPTED_MS, Expiry
from softbounce_scheduler.store_view import StoreView

from softbounce import transitions
from softbounce.envelope import Flag, Record, State
from softbounce.events import decode_events
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.settings import Policy, Settings
from softbounce.stage import Stage
from softbounce.store import claiming, membership, moving, releasing
from softbounce.store.claiming import Batch
from softbounce.store.clock import note_time
from softbounce.store.moving import Move, MoveResult
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change, Seen
from softbounce.verdict import Verdict, VerdictWord

SHARDS = 2
SITE = "mx.example"
DOMAIN = "?example.net"
WINDOW_MS = 120_000
LAST_CALL_MS = WINDOW_MS // 20
DAY_S = 86_400
LONGEST_WAIT_MS = 5 * 60_000 + 40_000
POLICY = Policy(
    name="default",
    window=timedelta(milliseconds=WINDOW_MS),
    delays=(timedelta(milliseconds=1), timedelta(seconds=10), timedelta(seconds=40)),
    jitter=0,
    max_attempts=6,
)
SETTINGS = Settings(policies={"default": POLICY})
VERDICTS = {
    "delivered": (250, Verdict(word=VerdictWord.DELIVERED, rule="r")),
    "deferred": (450, Verdict(word=VerdictWord.SOFT, rule="r")),
    "bounced": (550, Verdict(word=VerdictWord.HARD, rule="r")),
}
LOST = Trouble(kind=TroubleKind.WORKER_LOST, text="lost")
_processes = itertools.count()


@dataclass(slots=True)
class Claim:
    """What a worker has in hand, as it read it."""

    process: str
    token: bytes
    record: Record


class StoreModel(RuleBasedStateMachine):
    """Apps, workers, schedulers and operators on one store, each by the operations it really uses; and time passes.

    The model knows of each envelope its state, its end, when its window closes, and how many live ones its message has;
    the audit of :class:`mailbag.Mailbag` compares records, queues, counts and bodies after every step.
    """

    store: SteppedStore
    claims = Bundle("claims")
    looks = Bundle("looks")

    @initialize(target=claims)
    def begin(self) -> object:
        """A store with some mail, and one worker process."""
        self.stack = ExitStack()
        self.bag: Mailbag = self.stack.enter_context(open_bag(self.store.server.url, SHARDS))
        self.bag.settings = SETTINGS
        self.states: dict[bytes, State] = {}
        self.ends: dict[bytes, list[State]] = {}
        self.expires: dict[bytes, int] = {}
        self.held_since: dict[bytes, int] = {}
        self.looked: dict[bytes, int] = {}
        self.dead: set[str] = set()
        self.unreported: list[Claim] = []  # a process that dies without a word
        self.new_process()
        for shard in range(SHARDS):
            self.accept(shard, 3)
        self.release_all()
        return multiple(*self.claimed(2, 0, (DOMAIN,)))

    def new_process(self) -> None:
        """A worker process under a new name."""
        self.process = f"w{next(_processes)}"
        self.bag.enlist(self.process)

    def teardown(self) -> None:
        """Let everything run to its end: nothing may be left."""
        if not hasattr(self, "stack"):
            return
        try:
            self.drain()
        finally:
            self.bag.raw.flushall()
            self.stack.close()

    # -- steps ------------------------------------------------------------------------------------------------------

    @rule(shard=st.integers(0, SHARDS - 1), recipients=st.integers(1, 4))
    def accept(self, shard: int, recipients: int) -> None:
        """An app sends, and sends again as if it had heard nothing."""
        new = new_message(shard, recipients=recipients, window_ms=WINDOW_MS)
        before_ms = self.now_ms()
        assert self.bag.accept(new).outcome == "stored"
        again = new_message(shard, recipients=recipients, key=new.key)
        assert self.bag.accept(again) == ("known", new.message, recipients)
        for record in self.bag.records([one.id for one in new.records]):
            assert before_ms <= record.created_ms <= self.now_ms()
            self.states[record.id] = State.SCHEDULED
            self.expires[record.id] = record.created_ms + WINDOW_MS

    @rule(seconds=st.sampled_from([1, 9, 50, 130]))
    def time_passes(self, seconds: int) -> None:
        """The store's clock goes on; all who watched it saw it do so."""
        self.store.pass_time(seconds)
        self.note_time()

    def note_time(self) -> None:
        """Somebody believes the clock."""
        for shard in range(SHARDS):
            self.bag.store.run(note_time(shard, self.now_ms()))

    @rule(shard=st.integers(0, SHARDS - 1), days=st.sampled_from([-5, 5]))
    def clock_steps(self, shard: int, days: int) -> None:
        """The clock is set wrong, an app sends, a scheduler looks and mends; set right, all is as it was, or of now."""

        async def look_and_mend(expiry: Expiry) -> None:
            await expiry.step()
            await expiry.mend()

        self.note_time()
        self.store.pass_time(days * DAY_S)
        before = {one.id: one.state for one in self.bag.records(list(self.states))}
        new = new_message(shard, window_ms=WINDOW_MS)
        assert self.bag.accept(new).outcome == "stored"
        self.by_scheduler(shard, look_and_mend)
        assert {one.id: one.state for one in self.bag.records(list(before))} == before
        self.store.pass_time(-days * DAY_S)
        self.expire(shard)
        self.by_scheduler(shard, look_and_mend)
        now_ms = self.now_ms()
        for record in self.bag.records([one for one in self.states if one[1] == shard]):
            assert record.created_ms <= now_ms
            assert record.state is not State.SCHEDULED or record.next_ms <= now_ms + LONGEST_WAIT_MS
        (record,) = self.bag.records([one.id for one in new.records])
        assert now_ms - WINDOW_MS < record.created_ms <= now_ms
        self.states[record.id] = record.state
        self.expires[record.id] = record.created_ms + WINDOW_MS
        for one in self.bag.records([one for one, state in self.states.items() if state is State.READY]):
            self.states[one.id] = one.state  # what was dated in the future is planned anew

    def by_scheduler(self, shard: int, act: Callable[[Expiry], Coroutine[object, object, None]]) -> None:
        """Let a scheduler act that has seen nothing yet."""

        async def run() -> None:
            store = AsyncShards(self.store.server.url)
            view = StoreView(store, SHARDS)
            view.settings = SETTINGS
            await act(Expiry(view, shard))
            await store.close()

        asyncio.run(run())

    @rule(shard=st.integers(0, SHARDS - 1))
    def expire(self, shard: int) -> None:
        """A scheduler looks at expiries: it ends what outlived its window, and nothing else."""
        before_ms = self.now_ms()
        self.by_scheduler(shard, Expiry.step)
        after_ms = self.now_ms()
        for record in self.bag.records([one for one in self.states if one[1] == shard]):
            was, expires_ms = self.states[record.id], self.expires[record.id]
            looked_ms = self.looked.get(record.id, 0)
            if was is State.ATTEMPTING:  # it has until its attempt is over, and is then looked at again
                self.looked[record.id] = after_ms
            if was in {State.SCHEDULED, State.READY} and max(expires_ms, looked_ms + WHILE_ATTEMPTED_MS) <= before_ms:
                assert record.state is State.BOUNCED
            if record.state is not was:
                assert was in {State.SCHEDULED, State.READY}
                assert record.state is State.BOUNCED
                assert record.envelope.final is not None
                assert record.envelope.final.cause == "promoted"
                assert expires_ms <= after_ms
                self.note(record, MoveResult.MOVED)

    @rule(target=looks, shard=st.integers(0, SHARDS - 1))
    def look(self, shard: int) -> tuple[int, list[tuple[bytes, bytes]]]:
        """A scheduler sees what is due; whatever happens meanwhile, it releases that later."""
        due = self.bag.store.run(releasing.due(shard))
        headers = due.headers
        assert all(self.states[identity] is State.SCHEDULED for identity, _ in headers)
        assert all(Record.unpack(*header).next_ms <= due.now_ms for header in headers)
        return shard, headers

    @rule(look=looks, is_known=st.booleans(), meanwhile=st.sampled_from(["nothing", "a retry", "a hold"]))
    def release(self, look: tuple[int, list[tuple[bytes, bytes]]], is_known: bool, meanwhile: str = "nothing") -> None:
        """It releases what is as it was seen, by the domain's lane or the site's; a second time that is nothing."""
        shard, headers = look
        for identity, _ in headers[:1]:
            current = self.bag.record(identity)
            if current.state is State.SCHEDULED and meanwhile == "a retry":
                self.move_by_version(current, transitions.retry_now(current, SETTINGS, self.now_ms()))
            elif current.state is State.SCHEDULED and meanwhile == "a hold":
                self.move_by_version(current, transitions.hold(current, self.now_ms()))
        lists: dict[tuple[str, str], list[tuple[bytes, int]]] = {}
        expected = 0
        for identity, header in headers:
            seen, current = Record.unpack(identity, header), self.bag.record(identity)
            lists.setdefault((SITE if is_known else seen.lane, ""), []).append((identity, seen.version))
            if (current.state, current.version) == (State.SCHEDULED, seen.version):
                expected += 1
                self.states[identity] = State.READY
        if lists:
            assert self.bag.store.run(releasing.release(shard, lists)) == expected
            self.the_books_agree()
            assert self.bag.store.run(releasing.release(shard, lists)) == 0

    def release_all(self) -> None:
        """A scheduler at work."""
        for shard in range(SHARDS):
            self.release(self.look(shard), is_known=False)

    @rule(
        target=claims,
        number=st.integers(1, 5),
        shard=st.integers(0, SHARDS - 1),
        lanes=st.sampled_from([(SITE,), (DOMAIN,), (SITE, DOMAIN)]),
        is_cut=st.booleans(),
    )
    def claim(self, number: int, shard: int, lanes: tuple[str, ...], is_cut: bool) -> object:
        """A worker claims; when the answer is cut it repeats, and gets the same."""
        return multiple(*self.claimed(number, shard, lanes, is_cut=is_cut))

    def claimed(self, number: int, shard: int, lanes: tuple[str, ...], *, is_cut: bool = False) -> list[Claim]:
        """What the living process gets."""
        by = token()
        batches = [Batch(shard, [(lane, "", number) for lane in lanes])]
        (taken,) = self.bag.store.run(claiming.claim(self.process, by, batches))
        if is_cut:
            first = {record.id for record in taken.records}
            (taken,) = self.bag.store.run(claiming.claim(self.process, by, batches, repeats=True))
            assert first <= {record.id for record in taken.records}
        for record in taken.records:
            assert self.states[record.id] is State.READY
            assert (record.state, record.token) == (State.ATTEMPTING, by)
            assert record.lane in lanes
            self.states[record.id] = State.ATTEMPTING
        return [Claim(self.process, by, record) for record in taken.records]

    @rule(claim=claims)
    def mark(self, claim: Claim) -> None:
        """A worker stores the marker before the dot; only the owner of the claim gets a go."""
        (answer,) = self.bag.store.run(claiming.mark(claim.process, [(claim.record.id, claim.token)]))
        current = self.bag.record(claim.record.id)
        if claim.process in self.dead:
            assert answer == 0
        elif not self.is_held_by(claim, current):
            assert answer == 3
        else:
            assert answer == (2 if current.flags & Flag.CANCEL_ASKED else 1)

    @rule(claim=consumes(claims), outcome=st.sampled_from(sorted(VERDICTS)), times=st.integers(1, 2))
    def conclude(self, claim: Claim, outcome: str, times: int) -> None:
        """A worker attempts it, unless its window has closed, and commits what the host said, maybe twice.

        A 250 that comes too late wins all the same.
        """
        code, verdict = VERDICTS[outcome]
        current, now_ms = self.bag.record(claim.record.id), self.now_ms()
        is_owner = self.is_held_by(claim, current)
        claim.record.flags = current.flags if is_owner else claim.record.flags
        if is_owner:
            is_over = transitions.expiry_ms(claim.record, SETTINGS, now_ms) <= now_ms
            assert is_over == (self.expires[current.id] <= now_ms)
            if is_over:
                assert self.commit(transitions.promote(claim.record, SETTINGS, now_ms), claim) == MoveResult.MOVED
                return
        seen = Seen(what=Reply(code=code), stage=Stage.END_OF_DATA, started_ms=now_ms, ended_ms=now_ms)
        change = transitions.conclude(claim.record, seen, verdict, SETTINGS, now_ms)
        if is_owner and change.record.state is State.SCHEDULED and change.record.next_ms:
            assert now_ms < change.record.next_ms < self.expires[current.id]
        elif is_owner and change.record.state is State.SCHEDULED:  # none fits any more: it waits for its end
            assert self.expires[current.id] - LAST_CALL_MS - 1 <= now_ms < self.expires[current.id]
        results = [self.commit(change, claim) for _ in range(times)]
        assert results[0] == (MoveResult.MOVED if is_owner else MoveResult.STALE)
        assert results[1:] == [MoveResult.STALE] * (times - 1)
        if not is_owner and outcome == "delivered" and current.state is not State.DELIVERED:
            self.move_by_version(current, transitions.deliver_late(current, seen, self.now_ms()))

    @rule(claim=consumes(claims), is_charged=st.booleans())
    def give_back(self, claim: Claim, is_charged: bool) -> None:
        """A worker puts an envelope back into its lane; what was asked meanwhile it is told, and obeys."""
        current = self.bag.record(claim.record.id)
        seen = Seen(what=Reply(code=421), stage=Stage.GREETING, started_ms=1, ended_ms=2)
        if is_charged:
            change = transitions.return_to_lane(claim.record, seen, VERDICTS["deferred"][1])
        else:
            change = transitions.give_back(claim.record)
        result = self.commit(change, claim)
        if not self.is_held_by(claim, current):
            assert result == MoveResult.STALE
        elif current.flags & ~claim.record.flags & transitions.ASKED:
            assert result == MoveResult.ASKED
            obey = transitions.cancel if current.flags & Flag.CANCEL_ASKED else transitions.hold
            assert self.commit(obey(current, self.now_ms()), claim) == MoveResult.MOVED
        else:
            assert result == MoveResult.MOVED

    @rule(settle=st.booleans())
    def lapse(self, settle: bool) -> None:
        """The worker process dies; the sweep returns its claims, and closes marked ones once it may."""
        name = self.process
        self.dead.add(name)
        self.new_process()
        self.sweep(name, settle=settle)

    @rule(
        claim=claims,
        fate=st.sampled_from(["waits", "ends", "is claimed anew"]),
        settle=st.booleans(),
        late=st.booleans(),
    )
    def lose(self, claim: Claim, fate: str, settle: bool, late: bool) -> None:
        """A worker is taken for dead while it goes on; its envelope has another life when it reports."""
        if claim.process == self.process:
            self.lapse(settle=settle)
        current = self.bag.record(claim.record.id)
        if current.state is not State.SCHEDULED:
            return
        if fate == "ends":
            self.move_by_version(current, transitions.cancel(current, self.now_ms()))
        elif fate == "is claimed anew":
            self.move_by_version(current, transitions.retry_now(current, SETTINGS, self.now_ms()))
            self.release_all()
            self.unreported += self.claimed(9, claim.record.id[1], (DOMAIN, SITE))
        if late:
            self.conclude(claim, "delivered", 1)

    @rule(data=st.data(), act=st.sampled_from(["cancel", "hold", "release", "retry"]))
    def operate(self, data: st.DataObject, act: str) -> None:
        """An operator cancels, holds, releases or retries an envelope, or asks its worker to."""
        record = self.pick(data)
        if record is None or record.state.is_final:
            return
        now_ms = self.now_ms()
        if record.state is State.ATTEMPTING:
            if act in {"cancel", "hold"}:
                flag = Flag.CANCEL_ASKED if act == "cancel" else Flag.HOLD_ASKED
                assert self.bag.store.run(moving.ask(flag, record)) == 1
        elif act == "cancel":
            self.move_by_version(record, transitions.cancel(record, now_ms))
        elif act == "hold" and record.state is not State.HELD:
            self.move_by_version(record, transitions.hold(record, now_ms))
        elif act == "release" and record.state is State.HELD:
            self.release_held(record)
        elif act == "retry" and record.state is State.SCHEDULED:
            self.move_by_version(record, transitions.retry_now(record, SETTINGS, now_ms))

    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        """Two saw the same version: exactly one of them changes the envelope."""
        record = self.pick(data)
        if record is None or record.state is not State.SCHEDULED:
            return
        other = self.bag.record(record.id)
        self.move_by_version(record, transitions.hold(record, self.now_ms()))
        change = transitions.cancel(other, self.now_ms())
        version = other.version
        assert self.bag.move(Move(record=change.record, version=version, event=change.event)) == [MoveResult.STALE]

    # -- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def the_books_agree(self) -> None:
        """States as the model has them; queues, counts and bodies as the states ask for."""
        if not hasattr(self, "states"):
            return
        self.bag.audit()
        for record in self.bag.records(list(self.states)):
            assert record.state is self.states[record.id]
        for shard in range(SHARDS):
            for _, fields in self.bag.raw.xrange(self.bag.key("events", shard), "-", "+"):
                decode_events(fields[b"b"])

    # -- helpers ----------------------------------------------------------------------------------------------------

    def release_held(self, record: Record) -> None:
        """An operator lifts a hold: its window closes later, by as long as it was held."""
        now_ms = self.now_ms()
        self.expires[record.id] += now_ms - self.held_since[record.id]
        self.move_by_version(record, transitions.release(record, SETTINGS, now_ms))

    def now_ms(self) -> int:
        """The store's clock."""
        seconds, micros = self.bag.raw.time()
        return seconds * 1000 + micros // 1000

    def pick(self, data: st.DataObject) -> Record | None:
        """Any envelope."""
        if not self.states:
            return None
        return self.bag.record(data.draw(st.sampled_from(sorted(self.states))))

    @staticmethod
    def is_held_by(claim: Claim, current: Record) -> bool:
        """Whether an envelope is still under a claim."""
        return current.state is State.ATTEMPTING and current.token == claim.token

    def note(self, record: Record, result: int) -> None:
        """Write down where an envelope went, and that ends come once, but for a late 250."""
        if result != MoveResult.MOVED:
            return
        self.states[record.id] = record.state
        if record.state is State.HELD:
            self.held_since[record.id] = self.now_ms()
        if record.state.is_final:
            ends = self.ends.setdefault(record.id, [])
            ends.append(record.state)
            assert len(ends) == 1 or (len(ends) == 2 and ends[1] is State.DELIVERED and ends[0] is not ends[1])

    def commit(self, change: Change, claim: Claim) -> int:
        """Commit a worker's result."""
        move = Move(record=change.record, token=claim.token, look_ms=change.look_ms, event=change.event)
        result = self.bag.move(move, process=claim.process)[0]
        self.note(change.record, result)
        return result

    def move_by_version(self, record: Record, change: Change) -> None:
        """Change an envelope that is as it was read."""
        move = Move(record=change.record, version=record.version, look_ms=change.look_ms, event=change.event)
        assert self.bag.move(move, process=self.owner(record.id)) == [MoveResult.MOVED]
        self.note(change.record, MoveResult.MOVED)

    def owner(self, identity: bytes) -> str:
        """The process that holds an envelope; any name when none does."""
        shard = int.from_bytes(identity[:2])
        for key in self.bag.raw.keys(self.bag.key("claims:*", shard)):
            if self.bag.raw.hexists(key, identity):
                return key.decode().rpartition(":")[2]
        return "-"

    def sweep(self, process: str, *, settle: bool) -> None:
        """Return what a dead process holds."""
        for shard in range(SHARDS):
            now_ms, _, held = self.bag.store.run(membership.lapse(process, shard))
            for _, record in held:
                claim = Claim(process, record.token, record)
                if not record.flags & Flag.MARKED:
                    change = transitions.reschedule(record, claim_wait=False, now_ms=now_ms)
                elif settle:
                    seen = Seen(what=LOST, stage=Stage.END_OF_DATA, started_ms=now_ms, ended_ms=now_ms, uncertain=True)
                    change = transitions.close_uncertain(record, seen, VERDICTS["deferred"][1], SETTINGS, now_ms)
                else:
                    continue
                assert self.commit(change, claim) == MoveResult.MOVED

    def drain(self) -> None:
        """All dead processes settle, what is held is released, time passes, and every envelope comes to its end."""
        for process in (*self.dead, self.process):
            self.sweep(process, settle=True)
        for record in self.bag.records(list(self.states)):
            if record.state is State.HELD:
                self.release_held(record)
        self.time_passes(2 * WINDOW_MS // 1000)
        for shard in range(SHARDS):
            self.expire(shard)
        self.the_books_agree()
        assert all(state.is_final for state in self.states.values())
        for shard in range(SHARDS):
            assert not self.bag.raw.keys(self.bag.key("b:*", shard))
            assert not self.bag.raw.exists(self.bag.key("m", shard), self.bag.key("exp", shard))


@pytest.fixture
def machine(stepped_store: SteppedStore) -> type[StoreModel]:
    """The model on a store of its own."""
    return type("StoreModelHere", (StoreModel,), {"store": stepped_store, "TestCase": None})


def test_I1_nothing_is_lost_or_doubled(machine: type[StoreModel]) -> None:
    """Nothing is lost, claimed twice at once, or attempted after its window; each ends once, its body with the last."""
    run_machine(
        machine,
        settings=settings(
            max_examples=70,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
