"""What came back is told once, remembered for a while, and within bounds."""

from __future__ import annotations

import msgspec
import pytest
from mailbag import Mailbag

from softbounce.events import StoredEvent
from softbounce.ids import envelope_id, new_message_id
from softbounce.store import returns

REPORTED = StoredEvent(
    kind="returned", id=envelope_id(new_message_id(0), 0), recipient="a@b.test", code=550, enhanced="5.1.1",
    text="No such user. " * 100, reason="bad_mailbox", host="mx.b.test", suppress=True, why="It came back.",
)  # fmt: skip


def test_issue14_a_report_is_told_once_and_shown(one: Mailbag) -> None:
    """Twice asked it is one event; a complaint is another; both are known of the envelope, the first first."""
    complaint = msgspec.structs.replace(REPORTED, kind="complained", code=None, text="abuse", suppress=False)
    told = [
        one.store.run(returns.report(event, keep_events=1_000)) for event in (REPORTED, REPORTED, complaint, complaint)
    ]
    assert told == [True, False, True, False]
    came, complained = one.store.run(returns.came_back(REPORTED.id))
    assert (came.kind, came.code, came.enhanced, came.host, came.suppress) == (
        "returned",
        550,
        "5.1.1",
        "mx.b.test",
        True,
    )
    assert (complained.kind, complained.text) == ("complained", "abuse")
    assert 0 < came.at_ms <= complained.at_ms
    assert len(came.text) <= 200
    assert one.store.run(returns.came_back(envelope_id(new_message_id(0), 0))) == ()


def test_issue14_of_reports_the_latest_are_remembered(one: Mailbag, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what was told nor how grows without end, and each goes with the other."""
    monkeypatch.setattr(returns, "MOST_REPORTED", 10)
    for _ in range(30):
        event = msgspec.structs.replace(REPORTED, id=envelope_id(new_message_id(0), 0))
        assert one.store.run(returns.report(event, keep_events=1_000))
    members, fields = one.raw.zrange("sb:{0}:reported", 0, -1), one.raw.hkeys("sb:{0}:came_back")
    assert len(members) == 10
    assert sorted(members) == sorted(fields)
    assert len(one.store.run(returns.came_back(event.id))) == 1


def test_what_nobody_wrote_there_is_no_error(one: Mailbag) -> None:
    """A record of it that cannot be read leaves the kind and the time; another kind of key is put aside."""
    one.store.run(returns.report(REPORTED, keep_events=1_000))
    one.raw.hset("sb:{0}:came_back", REPORTED.id + b"returned", b"\xc1")
    (came,) = one.store.run(returns.came_back(REPORTED.id))
    assert (came.kind, came.text, came.code) == ("returned", "", None)
    one.raw.delete("sb:{0}:came_back")
    one.raw.set("sb:{0}:came_back", b"junk")
    complaint = msgspec.structs.replace(REPORTED, kind="complained")
    assert one.store.run(returns.report(complaint, keep_events=1_000))
