"""What came back in the shapes of many mail systems: each is read right, and judged right."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from returned import SAMPLES, TO, Sample
from returned_faults import ALL
from softbounce_gateway.returns.judging import event_of
from softbounce_gateway.returns.reading.reading import read_report

from softbounce.envelope import Body, Envelope, Record, State
from softbounce.ids import envelope_id, new_message_id
from softbounce.return_path import ReturnKeys, ReturnPath, make_return_path, read_return_path
from softbounce.settings import BUILT_IN

KEY = bytes(range(32))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
IDENTITY = envelope_id(new_message_id(0), 0)
LOCAL = make_return_path(IDENTITY, TO, KEY, NOW)
PATH = f"{LOCAL}@bounce.example.com"


def known() -> tuple[ReturnPath, Record]:
    """The return path as it is read, and the record of its envelope."""
    path = read_return_path(LOCAL, ReturnKeys(current=KEY), NOW)
    assert path is not None
    record = Record(id=IDENTITY, state=State.DELIVERED, lane="example.net", stream="news")
    record.envelope = Envelope(
        sender="shop@example.com", recipient=TO, domain="example.net", key="k", body=Body(octets=1)
    )
    return path, record


def test_there_are_as_many_as_were_asked_for() -> None:
    """Sixty and more, no two of one name, and of each family that was named."""
    names = {sample.name for sample in SAMPLES}
    assert len(names) == len(SAMPLES) >= 60
    assert {name.partition("-")[0] for name in names} >= {
        *(
            "postfix",
            "exim",
            "exchange",
            "office365",
            "gmail",
            "qmail",
            "yahoo",
            "sendmail",
            "gateway",
            "arf",
            "outlook",
        )
    }


@pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)
def test_issue14_a_sample_is_read_and_judged(sample: Sample) -> None:
    """Its kind, the event that is told, the reply in it, its reason, and whether the address is dead."""
    report = read_report(sample.octets(PATH))
    assert report.kind == sample.kind, report
    path, record = known()
    event = event_of(report, path, record, BUILT_IN)
    assert (event.kind if event else None) == sample.event, report
    if event is None:
        return
    assert (event.recipient, event.stream, event.tenant) == (TO, "news", "example.com")
    assert event.suppress is sample.suppress, event
    assert sample.says in event.why
    if sample.code is not None:
        assert event.code == sample.code, event
    if sample.enhanced is not None:
        assert event.enhanced == sample.enhanced, event
    if sample.reason is not None:
        assert event.reason == sample.reason, event
