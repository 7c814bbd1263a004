"""The journal: what stands in it, whose may be replayed, and that a replay forgets no 250 and repeats none."""

from __future__ import annotations

import asyncio
import fcntl
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from mailbag import PROCESS, TOKEN, Mailbag, open_bag
from servers import Valkey
from softbounce_worker.results.journal import Journal, dead_journals, read_entries, take_up_again
from softbounce_worker.results.replay import replay_dead

from softbounce import transitions
from softbounce.classify import classify
from softbounce.envelope import Flag, Record, State
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.settings import Settings
from softbounce.stage import Stage
from softbounce.store import claiming, membership
from softbounce.store.moving import Move
from softbounce.store.shards import AsyncShards
from softbounce.transitions import Change, Seen

SETTINGS = Settings()
REPLY_250 = Reply(code=250, enhanced="2.0.0", lines=("taken",))
LOST = Trouble(kind=TroubleKind.WORKER_LOST, text="the worker was lost", enhanced="4.4.2")


@pytest.fixture
def bag(store_server: Valkey) -> Iterator[Mailbag]:
    """An empty store, whose books are audited afterwards."""
    with open_bag(store_server.url) as bag:
        yield bag
        bag.audit()


def seen(what: Reply | Trouble, at_ms: int, *, uncertain: bool = False) -> Seen:
    """An attempt that got as far as the dot."""
    stage = Stage.END_OF_DATA
    return Seen(what=what, stage=stage, started_ms=at_ms, ended_ms=at_ms, host="mx.test", uncertain=uncertain)


def delivered(record: Record) -> Move:
    """The result that a 250 makes of a claim."""
    attempt = seen(REPLY_250, record.created_ms)
    verdict = classify(REPLY_250, stage=Stage.END_OF_DATA, site=None, settings=SETTINGS)
    change = transitions.conclude(record, attempt, verdict, SETTINGS, record.created_ms)
    return Move(record=change.record, token=TOKEN, look_ms=change.look_ms, event=change.event)


def close_uncertain(bag: Mailbag, record: Record) -> None:
    """What the sweep makes of a marked claim whose journal nobody has."""
    at_ms = record.created_ms + 1000
    verdict = classify(LOST, stage=Stage.END_OF_DATA, site=None, settings=SETTINGS)
    change: Change = transitions.close_uncertain(record, seen(LOST, at_ms, uncertain=True), verdict, SETTINGS, at_ms)
    assert bag.move(Move(record=change.record, token=TOKEN, look_ms=change.look_ms, event=change.event)) == [1]


def marked(bag: Mailbag) -> Record:
    """A claimed envelope whose dot may have left."""
    (record,) = bag.claimed()
    assert bag.store.run(claiming.mark(PROCESS, [(record.id, TOKEN)])) == [1]
    return bag.record(record.id)


def die(folder: Path, *moves: Move, process: str = PROCESS) -> Path:
    """Write results down as a process does, and end without committing any."""
    journal = Journal(folder, process)
    journal.append(moves)
    journal.close(forget=False)
    return journal.path


def entries_of(path: Path) -> list[list[object]]:
    """The fields of a journal's entries; the file is gone."""
    with path.open("rb") as file:
        entries = [msgspec.msgpack.decode(msgspec.msgpack.encode(one)) for one in read_entries(file.fileno())]
    path.unlink()
    return entries


def write_entries(folder: Path, *entries: Sequence[object]) -> Path:
    """A journal of these entries, as a version may write it that has other ones."""
    path = folder / f"{PROCESS}.journal"
    parts = [msgspec.msgpack.encode(one) for one in entries]
    path.write_bytes(b"".join(len(one).to_bytes(4) + crc32(one).to_bytes(4) + one for one in parts))
    return path


@contextmanager
def file_size_limit(octets: int) -> Iterator[None]:
    """No file of this process can grow beyond so much meanwhile: the last write that fits in part is carried out so."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_replay(bag: Mailbag, folder: Path) -> int:
    """Replay what dead processes left."""

    async def run() -> int:
        store = AsyncShards(bag.store.url)
        try:
            return await replay_dead(store, folder, SETTINGS, 0)
        finally:
            await store.close()

    return asyncio.run(run())


def test_F05_a_250_in_a_dead_process_s_journal_is_committed(bag: Mailbag, tmp_path: Path) -> None:
    """It is delivered without another attempt; the file is gone, and a second replay changes nothing."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    for missing in (1, 0):
        path = die(tmp_path, result)
        assert run_replay(bag, tmp_path) == missing
        after = bag.record(record.id)
        assert (after.state, after.charged, len(after.envelope.attempts)) == (State.DELIVERED, 1, 1)
        assert not path.exists()
    assert [event.kind for event in bag.events()] == ["accepted", "delivered"]
    assert bag.store.run(membership.replayed([PROCESS])) == [True]


def test_F06_a_250_that_comes_late_wins_and_is_flagged(bag: Mailbag, tmp_path: Path) -> None:
    """Its attempt was closed as uncertain meanwhile: that attempt gets its answer, and stays uncertain."""
    record = marked(bag)
    result = delivered(bag.record(record.id))
    close_uncertain(bag, record)
    die(tmp_path, result)
    assert run_replay(bag, tmp_path) == 1
    after = bag.record(record.id)
    assert after.state is State.DELIVERED
    assert after.flags & Flag.OVERLAPPED
    assert [(one.code, one.uncertain) for one in after.envelope.attempts] == [(250, True)]
    assert [event.kind for event in bag.events()][-1] == "delivered_late"


def test_F06_a_late_deferral_changes_nothing(bag: Mailbag, tmp_path: Path) -> None:
    """Whatever is no 250 and came under a token that is not the envelope's any more is dropped."""
    record = marked(bag)
    what = Reply(code=451, enhanced="4.3.0", lines=("later",))
    verdict = classify(what, stage=Stage.END_OF_DATA, site=None, settings=SETTINGS)
    late = bag.record(record.id)
    change = transitions.conclude(late, seen(what, late.created_ms), verdict, SETTINGS, late.created_ms)
    close_uncertain(bag, record)
    before = bag.record(record.id)
    die(tmp_path, Move(record=change.record, token=TOKEN, look_ms=change.look_ms, event=change.event))
    assert run_replay(bag, tmp_path) == 0
    assert bag.record(record.id) == before


def test_a_living_process_s_journal_is_left_alone(bag: Mailbag, tmp_path: Path) -> None:
    """It is locked while its process lives: nobody commits for it, says that it was replayed, or removes it."""
    record = marked(bag)
    journal = Journal(tmp_path, PROCESS)
    journal.append([delivered(record)])
    assert list(dead_journals(tmp_path)) == []
    assert run_replay(bag, tmp_path) == 0
    assert bag.record(record.id).state is State.ATTEMPTING
    assert bag.store.run(membership.replayed([PROCESS])) == [False]
    assert journal.path.exists()
    journal.close(forget=False)
    assert run_replay(bag, tmp_path) == 1


def test_a_torn_or_broken_entry_ends_the_journal(bag: Mailbag, tmp_path: Path) -> None:
    """What stands before it is replayed; of a torn or changed entry nothing is believed."""
    first, second = bag.claimed(recipients=2)
    journal = Journal(tmp_path, PROCESS)
    path = journal.path
    journal.append([delivered(first)])
    whole = path.stat().st_size
    journal.append([delivered(second)])
    journal.close(forget=False)
    octets = path.read_bytes()
    for broken in (
        octets[:-1],
        octets[: whole + 5],
        octets[:-1] + bytes([octets[-1] ^ 1]),
        octets[:whole] + b"\xff" * 9,
    ):
        path.write_bytes(broken)
        with path.open("rb") as file:
            assert [entry.id for entry in read_entries(file.fileno())] == [first.id]
    assert run_replay(bag, tmp_path) == 1
    assert bag.record(second.id).state is State.ATTEMPTING


def test_issue10_what_was_written_in_part_is_cut_off_again(bag: Mailbag, tmp_path: Path) -> None:
    """The disk had room for half an entry: what is written when it has room again can be read."""
    first, second, third = bag.claimed(recipients=3)
    journal = Journal(tmp_path, PROCESS)
    journal.append([delivered(first)])
    with file_size_limit(journal.path.stat().st_size + 20), pytest.raises(OSError, match="only 20 of"):
        journal.append([delivered(second)])
    journal.append([delivered(third)])
    assert [entry.id for entry in journal.recent()] == [first.id, third.id]
    journal.close(forget=False)
    assert run_replay(bag, tmp_path) == 2


def test_issue10_a_process_counts_as_replayed_only_with_its_last_file(
    bag: Mailbag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is still in the other one would be sent again: marked claims wait until that is replayed as well."""
    first, second = bag.claimed(recipients=2)
    journal = Journal(tmp_path, PROCESS)
    journal.append([delivered(first)])
    monkeypatch.setattr("softbounce_worker.results.journal.KEPT", -1.0)
    assert journal.turn()
    monkeypatch.undo()
    journal.append([delivered(second)])
    journal.close(forget=False)
    with journal.path.open("rb") as last:
        fcntl.flock(last, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a sibling is just replaying it
        assert run_replay(bag, tmp_path) == 1
        assert bag.store.run(membership.replayed([PROCESS])) == [False]
    assert run_replay(bag, tmp_path) == 1
    assert bag.store.run(membership.replayed([PROCESS])) == [True]


def test_F28_a_newer_version_s_journal_is_replayed_without_what_it_added(bag: Mailbag, tmp_path: Path) -> None:
    """Fields behind the known ones are passed over: the 250 counts."""
    record = marked(bag)
    (entry,) = entries_of(die(tmp_path, delivered(record)))
    write_entries(tmp_path, [*entry, {"new": "field"}])
    assert run_replay(bag, tmp_path) == 1
    assert bag.record(record.id).state is State.DELIVERED


def test_F28_a_journal_with_entries_that_nobody_here_understands_is_set_aside(bag: Mailbag, tmp_path: Path) -> None:
    """What is understood counts, the rest is kept, unsaid, for a worker of a version that does."""
    first, second, third = bag.claimed(recipients=3)
    (known,), (strange,), (last,) = (entries_of(die(tmp_path, delivered(one))) for one in (first, second, third))
    path = write_entries(tmp_path, known, ["result", *strange], last)
    whole = path.read_bytes()
    assert run_replay(bag, tmp_path) == 2
    assert bag.record(second.id).state is State.ATTEMPTING
    assert not path.exists()
    assert bag.store.run(membership.replayed([PROCESS])) == [False]
    assert run_replay(bag, tmp_path) == 0
    take_up_again(tmp_path)
    assert path.read_bytes() == whole
    write_entries(tmp_path, strange)
    assert run_replay(bag, tmp_path) == 1
    assert bag.record(second.id).state is State.DELIVERED
    assert not list(tmp_path.iterdir())


def test_entries_stay_for_a_minute_after_their_commit(
    bag: Mailbag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that turns out to be another one can be told them; a generation goes when it is older than that."""
    first, second = bag.claimed(recipients=2)
    journal = Journal(tmp_path, PROCESS)
    journal.append([delivered(first)])
    journal.turn()
    assert [entry.id for entry in journal.recent()] == [first.id]
    monkeypatch.setattr("softbounce_worker.results.journal.KEPT", -1.0)
    journal.turn()
    monkeypatch.undo()
    journal.append([delivered(second)])
    assert [entry.id for entry in journal.recent()] == [first.id, second.id]
    assert len(list(tmp_path.iterdir())) == 2
    journal.close(forget=True)
    assert not list(tmp_path.iterdir())


def test_F30_the_last_minute_is_the_one_before_the_newest_result(
    bag: Mailbag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the store was away: what was read just before that is told to whatever takes its place."""
    old, first, second = bag.claimed(recipients=3)
    journal = Journal(tmp_path, PROCESS)
    for record, at in ((old, 0.0), (first, 1000.0), (second, 1001.0)):
        monkeypatch.setattr("softbounce_worker.results.journal.time.time", lambda at=at: at)
        journal.append([delivered(record)])
    monkeypatch.setattr("softbounce_worker.results.journal.time.time", lambda: 9999.0)
    assert [entry.id for entry in journal.recent()] == [first.id, second.id]
    monkeypatch.undo()
    journal.close(forget=True)
