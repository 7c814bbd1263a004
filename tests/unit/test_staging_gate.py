"""The staging gate's patterns: whom they let have mail, and which are refused before they let out too much."""

from __future__ import annotations

from glob import escape
from pathlib import Path

import pytest
from softbounce_config import load
from softbounce_config.own_roads import OwnRoads
from transit import DAY, NOW, claimed, settings

from softbounce import transitions
from softbounce.client.actions import ReleaseAnswer, decide_release
from softbounce.envelope import Flag, State
from softbounce.errors import ConfigError
from softbounce.gate import GateRules, closes_to, read_pattern
from softbounce.road import RouteRule
from softbounce.routing import name_of, road_by_header, road_for

GATE = GateRules(allow=("*@example.com", "qa@*.test.example"))


def test_issue15_6_a_sign_of_the_name_itself_stands_in_brackets() -> None:
    """An address with a sign in it that globs know is let through alone, as every table of globs has it."""
    gate = GateRules(allow=(read_pattern(f"{escape('what?*')}@example.com"),))
    assert gate.allows("what?*@example.com")
    assert not gate.allows("what!x@example.com")


@pytest.mark.parametrize(
    ("recipient", "is_allowed"),
    [
        ("ann@example.com", True),
        ("ANN@EXAMPLE.COM", True),
        ("qa@eu.test.example", True),
        ("qa@test.example", False),
        ("ann@sub.example.com", False),
        ("ann@notexample.com", False),
        ("ann@example.com.evil.test", False),
        ('"ann@example.com"@evil.test', False),
        ("evil%evil.test@example.org", False),
        ("ann@xn--example-9d0b.com", False),
        ("bob@eu.test.example", False),
    ],
)
def test_issue15_6_whom_a_pattern_lets_have_mail(recipient: str, is_allowed: bool) -> None:
    """Local part and domain are compared apart, so that no local part looks like a domain that is allowed."""
    assert GATE.allows(recipient) is is_allowed
    assert closes_to(GATE, recipient, past_gate=False) is not is_allowed
    assert not closes_to(GATE, recipient, past_gate=True)
    assert not closes_to(None, recipient, past_gate=False)


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("*@Example.COM", "*@example.com"),
        ("*@bücher.example", "*@xn--bcher-kva.example"),
        ("*@*.bücher.example", "*@*.xn--bcher-kva.example"),
        ("qa+*@example.com.", "qa+*@example.com"),
        ("*@*.example.com.", "*@*.example.com"),
        ("*@mail[12].example.com", "*@mail[12].example.com"),
        ("*@*.test", "*@*.test"),
        ("*@qa-*.bücher.example", "*@qa-*.xn--bcher-kva.example"),
    ],
)
def test_issue15_6_how_a_pattern_is_compared(written: str, compared: str) -> None:
    """In lower case, its domain in A-labels, as recipients are."""
    assert read_pattern(written) == compared


@pytest.mark.parametrize(
    ("allow", "words"),
    [
        ('["example.com"]', "should be an address or a pattern of addresses"),
        ('["@example.com"]', "should be an address or a pattern of addresses"),
        ('["*"]', "should be an address or a pattern of addresses"),
        ('["*@*"]', "lets mail out to any domain"),
        ('["*@*example.com"]', "fits other people's notexample.com too"),
        ('["*@qa?example.com"]', "fits other people's notexample.com too"),
        ('["*@?*"]', "lets mail out to any domain"),
        ('["*@*.*"]', "lets mail out to any domain"),
        ('["*@example.*"]', "lets mail out to domains of other people"),
        ('["*@[a-z]*"]', "lets mail out to domains of other people"),
        ('["*@*.com"]', "lets mail out to every domain that ends with .com"),
        ('["*@*.exa mple.com"]', "gate.allow[0]"),
        ('["*@bü*.example"]', "has letters beyond ASCII in a pattern"),
        ('["*@exa mple.com"]', "gate.allow[0]"),
        ('"*@example.com"', "should be a list of patterns"),
        ("[7]", "should be a pattern of addresses in quotes"),
    ],
)
def test_issue15_6_a_pattern_that_lets_out_too_much_is_refused(tmp_path: Path, allow: str, words: str) -> None:
    """Before anything starts, with its key and what to write instead."""
    file = tmp_path / "softbounce.toml"
    file.write_text(f"[gate]\nallow = {allow}\n")
    with pytest.raises(ConfigError, match=r"gate\.allow") as error:
        load(file, environ={})
    assert words in str(error.value)


@pytest.mark.parametrize("place", ["127.0.0.1:1025", "[::1]:2500", "127.9.8.7:8025"])
def test_issue15_6_all_other_mail_may_go_to_what_shows_it_here(tmp_path: Path, place: str) -> None:
    """It is the first of the roads, and each process's own; in the words of the gate, and of no route."""
    file = tmp_path / "softbounce.toml"
    routes = '[[route]]\ndomain = "a.test"\nhost = "relay.test"\n[[route]]\nhost = "other.test"\n'
    file.write_text(f'[gate]\nallow = ["*@example.com"]\nothers_to = "{place}"\n{routes}')
    config = load(file, environ={})
    made = config.settings()
    assert made.gate is not None
    assert made.gate.others_to is not None
    assert made.gate.others_to.is_local
    assert made.route[0] == RouteRule(road=made.gate.others_to, is_gated=True)
    assert [name_of(made.route, number) for number in range(3)] == ["gate", "route[0]", "route[1]"]
    assert made.gate.others_to in OwnRoads(file, {}, config)
    assert made.gate.catches(made.gate.others_to.lane_of("", 3))
    assert not made.gate.catches(made.route[2].road.lane_of(""))
    assert f"all else goes to {made.gate.others_to.place} port" in made.gate.others_in_words
    for recipient, past_gate, rule in (
        ("x@a.test", False, "gate"),
        ("x@example.com", False, "route[1]"),
        ("x@a.test", True, "route[0]"),
    ):
        record = claimed(past_gate=past_gate)
        record.envelope.recipient, record.envelope.domain = recipient, recipient.partition("@")[2]
        choice = road_for(made, record, None)
        assert choice is not None
        assert choice.rule == rule
    assert road_by_header(made, domain="example.com", stream="") is None


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ('"mailpit:1025"', "may be another machine"),
        ('"localhost:1025"', "may be another machine"),
        ('"192.168.0.7:1025"', "may be another machine"),
        ('"0.0.0.0:1025"', "may be another machine"),
        ('"[2001:db8::1]:1025"', "may be another machine"),
        ('"127.0.0.1:25"', "would send it on to the world"),
        ('"[::1]:587"', "would send it on to the world"),
        ('"127.0.0.1"', "should be host:port"),
        ("1025", "should be host:port"),
    ],
)
def test_issue15_6_other_mail_goes_to_nothing_that_may_send_it_on(tmp_path: Path, place: str, words: str) -> None:
    """To no other machine, and to no port of a mail server's."""
    file = tmp_path / "softbounce.toml"
    file.write_text(f"[gate]\nallow = []\nothers_to = {place}\n")
    with pytest.raises(ConfigError, match=r"gate\.others_to") as error:
        load(file, environ={})
    assert words in str(error.value)


def test_issue15_6_a_gate_is_closed_where_nobody_is_named(tmp_path: Path) -> None:
    """A table without its key is an error, an empty list lets out nobody, and no table at all is no gate."""
    file = tmp_path / "softbounce.toml"
    file.write_text("[gate]\n")
    with pytest.raises(ConfigError, match="needs allow: without it mail goes to everybody"):
        load(file, environ={})
    file.write_text("[gate]\nallow = []\n")
    gate = load(file, environ={}).settings().gate
    assert gate is not None
    assert (gate.allows("ann@example.com"), gate.in_words) == (False, "nobody")
    file.write_text("")
    assert load(file, environ={}).settings().gate is None
    told = load(file, environ={"SOFTBOUNCE__GATE__ALLOW": "*@example.com, qa@example.org"}).settings().gate
    assert told == GateRules(allow=("*@example.com", "qa@example.org"))


def test_issue15_6_what_is_held_there_does_not_grow_older() -> None:
    """Its window stands still, also where holds do not stop windows; released it has what was left of it."""
    runs_on = settings(hold_pauses_window=False, gate=GATE)
    record = transitions.hold_at_gate(claimed(), GATE, NOW).record
    before = transitions.expiry_ms(record, runs_on, NOW)
    assert (record.state, record.envelope.held_why) == (State.HELD, "gate")
    assert transitions.expiry_ms(record, runs_on, NOW + 9 * DAY) == before + 9 * DAY
    after = transitions.release(record, runs_on, NOW + 9 * DAY, past_gate=True).record
    assert (after.state, after.envelope.past_gate, after.expires_ms) == (State.SCHEDULED, True, before + 9 * DAY)


def test_issue15_6_what_was_cancelled_meanwhile_ends() -> None:
    """What an app asked of it while it was claimed goes before the gate."""
    assert transitions.hold_at_gate(claimed(Flag.CANCEL_ASKED), GATE, NOW).record.state is State.CANCELLED


def test_issue15_6_what_passed_the_gate_once_does_not_when_it_is_sent_again() -> None:
    """The act was for that one envelope: the one that sends it again meets the gate anew."""
    record = claimed(past_gate=True)
    record.state = State.BOUNCED
    twice = transitions.send_again(record, settings(gate=GATE))
    assert twice is not None
    assert (record.envelope.past_gate, twice.new.envelope.past_gate) == (True, False)


def test_issue15_6_a_release_passes_the_gate_by_a_clear_act_only() -> None:
    """Else nothing changes; where the gate was opened for the recipient since, a plain one does."""
    closed = settings(gate=GATE)

    def released(past_gate: bool = False, opened: bool = False) -> ReleaseAnswer:  # noqa: FBT002 - a table
        record = transitions.hold_at_gate(claimed(), GATE, NOW).record
        answer, _ = decide_release(record, settings() if opened else closed, NOW, past_gate=past_gate)
        return answer

    assert released() == "gated"
    assert released(past_gate=True) == "released"
    assert released(opened=True) == "released"
