"""A lane's trouble, step by step: what closes a domain or the site, for whom, who goes first, and what opens it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from softbounce_worker.lane.evidence import Evidence, Scope
from softbounce_worker.lane.signs import Closed, Reaction, Sign, Told
from softbounce_worker.lane.trouble import TroubleMachine

from softbounce.settings import LaneRule

FIRST, GREYLIST = 30.0, 1800.0
RULE = LaneRule(
    close_first=timedelta(seconds=FIRST), close_cap=timedelta(minutes=5), greylist=timedelta(seconds=GREYLIST)
)
ONE, TWO = "one.test", "two.test"
SICK = ("a.test", "b.test", "c.test")
TOLD = Told(text="421 4.3.2 not now")


def machine(*senders: str) -> TroubleMachine:
    """A lane that carries these senders' mail."""
    trouble = TroubleMachine("site.test", RULE)
    trouble.carries(senders or (ONE,))
    return trouble


def sign(
    number: int,
    evidence: Evidence = Evidence.SYSTEM,
    *,
    domain: str = "a.test",
    sender: str = ONE,
    refused_for: float | None = None,
    is_named: bool = True,
) -> Sign:
    """What came back for one envelope, to a recipient of its own."""
    return Sign(
        evidence=evidence,
        identity=b"%d" % number,
        recipient=f"r{number}@{domain}",
        domain=domain,
        sender=sender,
        refused_for=refused_for,
        is_named=is_named,
        told=TOLD,
    )


def close(trouble: TroubleMachine, domain: str, now: float, *senders: str) -> Reaction:
    """Five of its recipients say so, by these senders in turn; the last answer."""
    those = senders or (ONE,)
    for number in range(4):
        trouble.meet(sign(number, domain=domain, sender=those[number % len(those)]), now)
    return trouble.meet(sign(4, domain=domain, sender=those[4 % len(those)]), now)


def is_held(trouble: TroubleMachine, now: float, *, domain: str = "a.test", sender: str = ONE) -> bool:
    """Whether one that comes now waits for its domain."""
    return trouble.wait_for(domain, sender, b"new", now, was_refused=True) > 0


# -- one domain --------------------------------------------------------------------------------------------------------


def test_five_recipients_close_a_domain_and_four_do_not() -> None:
    """The fifth waits with it, uncharged, and nobody else's domain does."""
    trouble = machine()
    for number in range(4):
        assert trouble.meet(sign(number), 1000.0) == Reaction(is_noted=True)
    assert not is_held(trouble, 1000.0)
    reaction = trouble.meet(sign(4), 1000.0)
    assert reaction.waits is Scope.DOMAIN
    (closed,) = reaction.closed
    assert (closed.domain, closed.sender) == ("a.test", None)
    assert 24 <= closed.seconds <= FIRST
    assert is_held(trouble, 1000.0)
    assert not is_held(trouble, 1000.0, domain="b.test")
    assert trouble.domains["a.test"].told is TOLD
    assert not trouble.domains["a.test"].recipients


def test_one_recipient_is_one_however_often_it_says_so() -> None:
    """What is known already is not noted again."""
    trouble = machine()
    assert trouble.meet(sign(0), 1000.0).is_noted
    for _ in range(20):
        assert trouble.meet(sign(0), 1000.0) == Reaction()
    assert not is_held(trouble, 1000.0)


@pytest.mark.parametrize(
    ("evidence", "refused_for", "counts"),
    [
        (Evidence.SYSTEM, None, True),
        (Evidence.NOT_NOW, None, False),
        (Evidence.NOT_NOW, GREYLIST - 1, False),
        (Evidence.NOT_NOW, GREYLIST, True),
        (Evidence.OWN, GREYLIST, False),
        (Evidence.CAPS, GREYLIST, False),
    ],
)
def test_what_adds_up(evidence: Evidence, refused_for: float | None, counts: bool) -> None:
    """A further try longer after the first than greylisting waits; a first one where the host blames itself."""
    trouble = machine()
    for number in range(5):
        trouble.meet(sign(number, evidence, refused_for=refused_for), 1000.0)
    assert is_held(trouble, 1000.0) is counts


def test_where_further_tries_get_through_first_ones_are_not_believed() -> None:
    """A host that greylists may blame itself; one that takes a first try does not greylist."""
    trouble = machine()
    trouble.meet(sign(9, Evidence.TAKEN, refused_for=1.0), 1000.0)
    close(trouble, "a.test", 1001.0)
    assert not is_held(trouble, 1001.0)
    close(trouble, "b.test", 1001.0)
    assert is_held(trouble, 1001.0, domain="b.test")
    trouble.meet(sign(9, Evidence.TAKEN), 1002.0)
    close(trouble, "a.test", 1003.0)
    assert is_held(trouble, 1003.0)


def test_where_two_senders_mail_goes_both_have_to_see_it() -> None:
    """One tenant may be unwelcome where another is not."""
    trouble = machine(ONE, TWO)
    close(trouble, "a.test", 1000.0)
    for number in range(10, 20):
        assert trouble.meet(sign(number), 1000.0) == Reaction()
    assert not is_held(trouble, 1000.0)
    reaction = trouble.meet(sign(20, sender=TWO), 1000.0)
    assert reaction.waits is Scope.DOMAIN
    assert is_held(trouble, 1000.0)
    assert is_held(trouble, 1000.0, sender=TWO)
    assert is_held(trouble, 1000.0, sender="third.test")


def test_of_three_senders_two_are_enough() -> None:
    """That they see the same is no single one's trouble; the third's mail need not meet it as well."""
    trouble = machine(ONE, TWO, "three.test")
    close(trouble, "a.test", 1000.0, ONE, TWO)
    assert is_held(trouble, 1000.0, sender="three.test")


@pytest.mark.parametrize("failures", range(1, 8))
def test_every_other_canary_is_one_that_was_refused_before(failures: int) -> None:
    """The others wait a moment longer, that time."""
    trouble = machine()
    close(trouble, "a.test", 1000.0)
    gate = trouble.domains["a.test"].gate
    gate.failures, gate.opens_at = failures, 1030.0
    refused = trouble.left_of("a.test", b"r", 1030.0, was_refused=True)
    fresh = trouble.left_of("a.test", b"f", 1030.0, was_refused=False)
    assert (refused < fresh) is (failures in {1, 3, 5, 7})


def test_where_one_sender_s_goes_it_closes_for_that_one_until_others_saw_the_same() -> None:
    """Five recipients of theirs, with nothing taken between; what is taken is forgotten by then."""
    trouble = machine()
    close(trouble, "a.test", 1000.0)
    trouble.carries([TWO])
    assert is_held(trouble, 1000.0)
    assert not is_held(trouble, 1000.0, sender=TWO)
    for number in range(10, 14):
        assert trouble.meet(sign(number, sender=TWO), 1001.0) == Reaction()
    assert trouble.meet(sign(5), 1001.0) == Reaction(Scope.DOMAIN)
    trouble.meet(sign(14, Evidence.TAKEN, sender=TWO), 1001.0)
    for number in range(20, 24):
        assert trouble.meet(sign(number, sender=TWO), 1002.0) == Reaction()
    assert trouble.meet(sign(24, sender=TWO), 1002.0) == Reaction(Scope.DOMAIN)
    assert is_held(trouble, 1002.0, sender=TWO)


@pytest.mark.parametrize("evidence", [Evidence.OWN, Evidence.CAPS, Evidence.SENDER])
def test_a_reply_that_is_no_evidence_opens_a_closed_domain_and_takes_nothing_from_what_adds_up(
    evidence: Evidence,
) -> None:
    """Of what only adds up so far, nothing but a success does."""
    trouble = machine()
    close(trouble, "a.test", 1000.0)
    assert trouble.meet(sign(9, evidence), 1001.0).opened is Scope.DOMAIN
    assert not is_held(trouble, 1001.0)
    for number in range(4):
        trouble.meet(sign(number), 1002.0)
    assert trouble.meet(sign(9, evidence), 1002.0).opened is None
    assert trouble.meet(sign(4), 1002.0).waits is Scope.DOMAIN


def test_a_success_forgets_what_added_up() -> None:
    """Four before it and four behind it are not five."""
    trouble = machine()
    for number in range(4):
        trouble.meet(sign(number), 1000.0)
    trouble.meet(sign(9, Evidence.TAKEN), 1000.0)
    assert "a.test" not in trouble.domains
    for number in range(4, 8):
        trouble.meet(sign(number), 1000.0)
    assert not is_held(trouble, 1000.0)


# -- who goes first ----------------------------------------------------------------------------------------------------


def test_a_domain_s_canary_is_one_that_was_refused_before_every_other_time() -> None:
    """The others come a moment later, and whoever failed the last time half a moment behind its kind."""
    trouble = machine()
    close(trouble, "a.test", 1000.0)
    gate = trouble.domains["a.test"].gate
    opens, moment = gate.opens_at, gate.moment
    assert moment > 0.5
    assert trouble.left_of("a.test", b"x", 1000.0, was_refused=True) == pytest.approx(opens - 1000.0)
    assert trouble.left_of("a.test", b"x", 1000.0, was_refused=False) == pytest.approx(opens + moment - 1000.0)
    assert trouble.left_of("b.test", b"x", 1000.0, was_refused=True) == 0.0
    assert trouble.left_of("a.test", b"x", opens + 9, was_refused=True) == 0.0
    assert trouble.wait_for("a.test", ONE, b"canary", opens, was_refused=True) == 0.0
    assert trouble.is_canary(b"canary", "a.test")
    assert not trouble.is_canary(b"other", "a.test")
    assert not trouble.is_canary(b"canary", "b.test")
    assert trouble.wait_for("a.test", ONE, b"canary", opens, was_refused=True) == 0.0, "it goes, however often it asks"
    assert trouble.wait_for("a.test", ONE, b"other", opens, was_refused=True) > 0.0
    failed = trouble.meet(Sign(**_of(sign(7)), identity=b"canary"), opens + 1)
    assert failed.closed[0].seconds > 1.2 * FIRST * 0.8
    opens, moment = gate.opens_at, gate.moment
    assert trouble.left_of("a.test", b"x", opens, was_refused=False) == 0.0
    assert trouble.left_of("a.test", b"x", opens, was_refused=True) == pytest.approx(moment)
    assert trouble.left_of("a.test", b"canary", opens, was_refused=False) == pytest.approx(moment / 2)


def _of(one: Sign) -> dict[str, object]:
    """Its fields but its identity."""
    return {name: getattr(one, name) for name in Sign.__struct_fields__ if name != "identity"}


def test_a_domain_s_canary_that_comes_back_makes_room_for_another() -> None:
    """It was not tried; one that is no canary, or of another domain, does not."""
    trouble = machine()
    close(trouble, "a.test", 1000.0)
    opens = trouble.domains["a.test"].gate.opens_at
    assert trouble.wait_for("a.test", ONE, b"canary", opens, was_refused=True) == 0.0
    trouble.came_back(b"other", "a.test", opens)
    trouble.came_back(b"canary", "b.test", opens)
    assert trouble.is_canary(b"canary", "a.test")
    trouble.came_back(b"canary", "a.test", opens)
    assert not trouble.is_canary(b"canary", "a.test")
    assert trouble.wait_for("a.test", ONE, b"other", opens, was_refused=True) == 0.0


def test_silence_is_evidence_of_nothing_unless_a_canary_meets_it() -> None:
    """Then its domain closes for longer, and it waits with it."""
    trouble = machine()
    for number in range(20):
        assert trouble.meet(sign(number, Evidence.SILENCE), 1000.0) == Reaction()
    close(trouble, "a.test", 1000.0)
    gate = trouble.domains["a.test"].gate
    opens = gate.opens_at
    assert trouble.wait_for("a.test", ONE, b"7", opens, was_refused=True) == 0.0
    assert trouble.meet(sign(8, Evidence.SILENCE), opens) == Reaction()
    reaction = trouble.meet(sign(7, Evidence.SILENCE), opens)
    assert reaction == Reaction(Scope.DOMAIN, (Closed(gate.length, "a.test"),))
    assert gate.failures == 2


# -- the site ----------------------------------------------------------------------------------------------------------


def test_the_site_closes_when_no_session_could_be_had_and_for_longer_when_that_goes_on() -> None:
    """While it is closed nothing closes it again; who wants to go then goes alone."""
    trouble = machine()
    assert not trouble.is_probing
    closed = trouble.no_session(TOLD, 1000.0)
    assert closed is not None
    assert closed == Closed(trouble.site.length)
    assert (trouble.told, trouble.has_no_session, trouble.is_probing) == (TOLD, True, True)
    assert trouble.is_closed(1000.0)
    assert trouble.no_session(Told(text="late news"), 1001.0) is None
    assert trouble.told is TOLD
    opens = trouble.site.opens_at
    assert not trouble.is_closed(opens)
    assert not trouble.waits_for_canary(opens)
    assert trouble.send_canary(b"canary", opens) == 5.0
    assert trouble.waits_for_canary(opens)
    again = trouble.no_session(TOLD, opens + 1)
    assert again is not None
    assert again.seconds > closed.seconds


def test_a_site_s_canary_that_comes_back_makes_room_for_another() -> None:
    """One that is none does not."""
    trouble = machine()
    trouble.no_session(TOLD, 1000.0)
    opens = trouble.site.opens_at
    trouble.send_canary(b"canary", opens)
    trouble.came_back(b"other", "a.test", opens)
    assert trouble.waits_for_canary(opens)
    trouble.came_back(b"canary", "a.test", opens)
    assert not trouble.waits_for_canary(opens)


def test_a_site_that_had_no_session_opens_by_any_reply_to_a_recipient() -> None:
    """One that blames itself at MAIL is no session yet."""
    trouble = machine()
    trouble.no_session(TOLD, 1000.0)
    opens = trouble.site.opens_at
    trouble.send_canary(b"0", opens)
    reaction = trouble.meet(sign(0, is_named=False), opens)
    assert reaction.waits is Scope.SITE
    assert reaction.closed == (Closed(trouble.site.length),)
    later = trouble.site.opens_at
    trouble.send_canary(b"1", later)
    assert trouble.meet(sign(1), later).opened is Scope.SITE
    assert not trouble.is_probing
    assert trouble.open(later) is False


def sick_site(*senders: str, since: float = 1000.0) -> tuple[TroubleMachine, float, Reaction]:
    """Three domains close, and their canaries fail; the time, and what the last of them brought about."""
    trouble = machine(*(senders or (ONE,)))
    for domain in SICK:
        close(trouble, domain, since, *senders)
    now = max(trouble.domains[domain].gate.opens_at for domain in SICK)
    reaction = Reaction()
    for number, domain in enumerate(SICK, 50):
        sender = (senders or (ONE,))[number % max(1, len(senders))]
        trouble.wait_for(domain, sender, b"%d" % number, now, was_refused=True)
        reaction = trouble.meet(sign(number, domain=domain, sender=sender), now)
    return trouble, now, reaction


def test_three_sick_domains_close_the_site_and_two_do_not() -> None:
    """It closes for what they said; what is known of them is the site's trouble now."""
    trouble = machine()
    for domain in SICK[:2]:
        close(trouble, domain, 1000.0)
    now = max(trouble.domains[domain].gate.opens_at for domain in SICK[:2])
    for number, domain in enumerate(SICK[:2], 50):
        trouble.wait_for(domain, ONE, b"%d" % number, now, was_refused=True)
        assert len(trouble.meet(sign(number, domain=domain), now).closed) == 1
    assert not trouble.is_probing
    trouble, now, reaction = sick_site()
    assert trouble.is_closed(now)
    assert (reaction.waits, len(reaction.closed)) == (Scope.SITE, 2)
    assert reaction.closed[1] == Closed(trouble.site.length)
    assert not trouble.has_no_session
    assert trouble.told is TOLD
    assert not trouble.domains


def test_domains_that_are_sick_for_a_moment_close_no_site() -> None:
    """What hangs closes for two seconds at first: three such say nothing of what is wrong with their site."""
    trouble = machine()
    for domain in SICK:
        trouble.hangs(domain, TOLD, 1000.0)
    now = max(trouble.domains[domain].gate.opens_at for domain in SICK)
    for number, domain in enumerate(SICK, 50):
        assert not trouble.wait_for(domain, ONE, b"%d" % number, now, was_refused=True)
        assert len(trouble.meet(sign(number, domain=domain), now).closed) == 1
    assert [trouble.domains[domain].has_failed for domain in SICK] == [True] * 3
    assert not trouble.is_probing


def test_nothing_taken_since_they_began_is_part_of_it() -> None:
    """Some sick domains stop no healthy neighbour."""
    trouble = machine()
    for domain in SICK:
        close(trouble, domain, 1000.0)
    trouble.meet(sign(90, Evidence.TAKEN, domain="well.test"), 1001.0)
    now = max(trouble.domains[domain].gate.opens_at for domain in SICK)
    for number, domain in enumerate(SICK, 50):
        trouble.wait_for(domain, ONE, b"%d" % number, now, was_refused=True)
        trouble.meet(sign(number, domain=domain), now)
    assert not trouble.is_probing


def test_one_of_two_senders_alone_does_not_close_the_site() -> None:
    """Their domains closed for one tenant only; where both saw it, the site closes."""
    trouble = machine()
    for domain in SICK:
        close(trouble, domain, 1000.0)
    trouble.carries([TWO])
    now = max(trouble.domains[domain].gate.opens_at for domain in SICK)
    for number, domain in enumerate(SICK, 50):
        trouble.wait_for(domain, ONE, b"%d" % number, now, was_refused=True)
        trouble.meet(sign(number, domain=domain), now)
    assert not trouble.is_probing
    trouble, now, _ = sick_site(ONE, TWO)
    assert trouble.is_closed(now)


def test_a_site_closed_for_its_domains_closes_again_by_what_it_closed_for_and_by_silence() -> None:
    """Only its canary says so; a first refusal of its own is charged all the same."""
    for evidence in (Evidence.SYSTEM, Evidence.SILENCE):
        trouble, _, _ = sick_site()
        opens = trouble.site.opens_at
        trouble.send_canary(b"60", opens)
        assert trouble.meet(sign(61, evidence), opens) == Reaction(Scope.SITE)
        assert not trouble.is_closed(opens)
        assert trouble.meet(sign(60, evidence), opens) == Reaction(Scope.SITE, (Closed(trouble.site.length),))
        assert trouble.is_closed(opens)
    trouble, _, _ = sick_site()
    opens = trouble.site.opens_at
    trouble.send_canary(b"60", opens)
    assert trouble.meet(sign(60, Evidence.NOT_NOW), opens).waits is Scope.ENVELOPE
    assert trouble.is_closed(opens)


def test_the_site_s_canary_is_not_of_the_sender_that_failed_the_last_time() -> None:
    """As far as another's waits; and, every other time, it is one that was refused before."""
    trouble, _, _ = sick_site(ONE, TWO)
    assert trouble.wants_telling_canary
    assert trouble.canary_rank(ONE, was_refused=True) < trouble.canary_rank(ONE, was_refused=False)
    assert trouble.canary_rank(ONE, was_refused=True) == trouble.canary_rank(TWO, was_refused=True)
    opens = trouble.site.opens_at
    trouble.send_canary(b"60", opens)
    trouble.meet(sign(60, sender=ONE), opens)
    assert trouble.failed_sender == ONE
    assert not trouble.wants_telling_canary
    assert trouble.canary_rank(TWO, was_refused=False) < trouble.canary_rank(ONE, was_refused=True)
    assert trouble.canary_rank(TWO, was_refused=False) == trouble.canary_rank(TWO, was_refused=True)
    opens = trouble.site.opens_at
    trouble.send_canary(b"61", opens)
    trouble.meet(sign(61, sender=TWO), opens)
    assert trouble.canary_rank(ONE, was_refused=True) < trouble.canary_rank(TWO, was_refused=True)


def test_where_no_session_was_had_any_canary_tells_as_much() -> None:
    """And where nothing is closed there is none."""
    trouble = machine()
    assert not trouble.wants_telling_canary
    trouble.no_session(TOLD, 1000.0)
    assert not trouble.wants_telling_canary


# -- what hangs, and what lacks TLS ------------------------------------------------------------------------------------


def test_what_hangs_closes_for_two_seconds_at_first_and_for_all() -> None:
    """It is a host that pauses as often as not; it goes on, and so does the closing."""
    trouble = machine(ONE, TWO)
    closed = trouble.hangs("a.test", TOLD, 1000.0)
    assert closed is not None
    assert closed.domain == "a.test"
    assert 1.6 <= closed.seconds <= 2.0
    assert is_held(trouble, 1000.0)
    assert is_held(trouble, 1000.0, sender=TWO)
    assert trouble.hangs("a.test", TOLD, 1000.5) is None
    assert (trouble.domains["a.test"].told, trouble.domains["a.test"].noted_at) == (TOLD, 1000.0)
    again = trouble.hangs("a.test", TOLD, 1003.0)
    assert again is not None
    assert again.seconds > closed.seconds


def test_what_lacks_tls_closes_for_as_long_as_anything() -> None:
    """For all senders."""
    trouble = machine(ONE, TWO)
    closed = trouble.lacks_tls("a.test", TOLD, 1000.0)
    assert closed is not None
    assert 24 <= closed.seconds <= FIRST
    assert is_held(trouble, 1000.0, sender=TWO)


def test_of_domains_in_trouble_a_thousand_are_known() -> None:
    """Whoever has more knows the latest."""
    trouble = machine()
    for number in range(1000):
        trouble.meet(sign(0, domain=f"d{number}.test"), 1000.0)
    assert "d0.test" in trouble.domains
    trouble.meet(sign(0, domain="one-more.test"), 1000.0)
    assert len(trouble.domains) == 1000
    assert "d0.test" not in trouble.domains
    assert "one-more.test" in trouble.domains


def test_issue15_an_operator_has_all_that_is_closed_asked_now_and_it_opens_nothing() -> None:
    """Domain and site: one may try each, by the next that asks; a canary that is out stays the only one."""
    trouble = machine()
    close(trouble, "a.test", 1000.0)
    trouble.no_session(TOLD, 1000.0)
    assert trouble.is_closed(1001.0)
    assert is_held(trouble, 1001.0)
    assert trouble.urge(1001.0) == []
    assert not trouble.is_closed(1001.0)
    assert trouble.is_probing
    trouble.send_canary(b"first", 1001.0)
    trouble.urge(1001.5)
    assert trouble.waits_for_canary(1001.5)
    assert not is_held(trouble, 1002.1)
    assert trouble.wait_for("a.test", ONE, b"other", 1002.1, was_refused=True) > 0
    assert trouble.no_session(TOLD, 1002.2) is not None
    assert trouble.is_closed(1003.0)
    assert trouble.site.failures == 2
