"""What a seed decides: letters and faults; and the app's own journal."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

from torture.app import Log
from torture.letters import letter
from torture.schedule import Fault, Kind, schedule
from torture.ways import FIRST, ids_of

from softbounce.client.send.arguments import check
from softbounce.client.send.packing import receipt
from softbounce.ids import new_message_id
from softbounce.settings import BUILT_IN


def test_a_letter_is_always_the_same() -> None:
    """An app that was killed repeats its letters to the octet; another number is another letter to other recipients."""
    assert letter(1, 5) == letter(1, 5)
    recipients = [recipient for number in range(500) for recipient in letter(1, number).recipients]
    assert len(set(recipients)) == len(recipients)
    assert {letter(1, number).stream for number in range(500)} == {"", "brief", "once"}


def test_faults_are_dealt_from_a_deck() -> None:
    """The seed decides; times grow and end with the run; each kind comes before any comes again out of its turn."""
    faults = schedule(3, 600, 12, list(Kind))
    assert faults == schedule(3, 600, 12, list(Kind)) != schedule(4, 600, 12, list(Kind))
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(0 < fault.at < 600 and 0 <= fault.pick < 1 and 0 <= fault.size < 1 for fault in faults)
    assert 90 < len(faults) < 150
    assert set(Counter(fault.kind for fault in faults)) == set(Kind)
    assert {fault.kind for fault in schedule(3, 60, 30, [Kind.CUT])} == {Kind.CUT}
    assert isinstance(faults[0], Fault)


def test_the_apps_journal_is_read_up_to_a_torn_line(tmp_path: Path) -> None:
    """Asked and not answered stays open; a torn last line counts as never written, and does not spoil what follows."""
    path = tmp_path / "app.log"
    path.write_bytes(b"asked 0\nasked 1\nasked 2\ntaken 0 a b\nrefused 1\nasked 2")
    log = Log(path)
    assert (log.taken, log.refused, list(log.open), log.next) == ({0: ("a", "b")}, {1}, [2], 3)
    log.attach(path)
    log.write(["taken 2 c"])
    again = Log(path)
    assert (again.taken, list(again.open), again.next) == ({0: ("a", "b"), 2: ("c",)}, [], 3)


def test_no_two_ways_send_the_same_letter(tmp_path: Path) -> None:
    """Each has numbers of its own, further apart than any run gets; its journal begins with the first of them."""
    firsts = sorted(FIRST.values())
    assert min(after - before for before, after in itertools.pairwise(firsts)) > 10_000_000
    assert Log(tmp_path / "none", FIRST["smtp"]).next == FIRST["smtp"]
    assert not set(letter(1, 5).recipients) & set(letter(1, FIRST["http"] + 5).recipients)


def test_the_ids_of_a_250_are_those_of_a_receipt() -> None:
    """Whatever order its recipients were named in."""
    recipients = ("z@a.test", "B@a.test", "a@z.test")
    checked = check({"sender": "", "recipients": recipients, "message": b"A: b\r\n\r\n"}, max_octets=1000)
    message = new_message_id(0)
    told = receipt(checked, message, BUILT_IN, known=False).envelopes
    assert ids_of(recipients, message) == tuple(told[one] for one in recipients)
