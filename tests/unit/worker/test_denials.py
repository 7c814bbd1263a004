"""When a site is not believed that addresses do not exist, of one domain or all."""

from __future__ import annotations

import pytest
from softbounce_worker.lane import denials
from softbounce_worker.lane.denial_guard import SITE, DenialGuard, as_not_believed
from softbounce_worker.lane.denials import DOMAINS, LONGEST, Denials, DenialTurn

from softbounce.verdict import Fault, FineFault, Reason, Verdict, VerdictWord


class Clock:
    """Seconds that pass when told so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """What it shows."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture
def site(clock: Clock) -> Denials:
    """A domain's addresses, of which nothing is known."""
    return Denials(clock)


def give_past(site: Denials, clock: Clock, *, denied: int = 2, of: int = 100) -> None:
    """A past with so many denials."""
    for number in range(of):
        clock.now += 10
        if number < denied:
            site.denied(-number - 1, was_known=False)
        else:
            site.taken(-number - 1)
    clock.now += 400


def test_issue10_12_a_fresh_list_is_believed_however_bad_it_is(site: Denials) -> None:
    """Without a past, and without one address that took mail, nobody can tell what is unusual."""
    assert [site.denied(number, was_known=False) for number in range(500)] == [None] * 500
    assert not site.is_raging


def test_issue10_12_far_more_than_ever_before_is_not_believed(site: Denials, clock: Clock) -> None:
    """Ten of ten are denied where two of a hundred were; it ends when few are again."""
    give_past(site, clock)
    turns = [site.denied(number, was_known=False) for number in range(12)]
    assert turns == [None] * 9 + [DenialTurn.BEGAN, None, None]
    assert site.is_raging
    ends = [site.taken(number) for number in range(100, 200)]
    assert ends.count(DenialTurn.ENDED) == 1
    assert not site.is_raging


def test_issue10_12_a_bad_past_raises_the_measure(site: Denials, clock: Clock) -> None:
    """Of a site where a fifth is denied as a rule, half is no news."""
    give_past(site, clock, denied=20)
    for number in range(100):
        assert site.denied(2 * number, was_known=False) is None
        assert site.taken(2 * number + 1) is None


def test_issue10_12_addresses_that_took_mail_need_no_past(site: Denials) -> None:
    """Five of them are enough; one address alone, asked again and again, is one."""
    assert [site.denied(number, was_known=True) for number in (1, 2, 3, 4, 5)] == [None] * 4 + [DenialTurn.BEGAN]
    assert site.is_raging


def test_issue10_12_one_address_is_one_however_often_it_is_asked(site: Denials) -> None:
    """A storm is about many."""
    assert [site.denied(1, was_known=True) for _ in range(50)] == [None] * 50


def test_issue10_12_an_hour_later_it_is_believed(site: Denials, clock: Clock) -> None:
    """And no new storm begins in the same weather; after a quiet quarter of an hour one may."""
    for number in range(5):
        site.denied(number, was_known=True)
    for number in range(100):
        clock.now += 40
        turn = site.denied(1000 + number, was_known=False)
        if turn is DenialTurn.WEARY:
            break
    assert not site.is_raging
    assert all(site.denied(5000 + number, was_known=True) is None for number in range(50))
    clock.now += 1000
    assert site.denied(9000, was_known=True) is DenialTurn.ENDED
    turns = [site.denied(9001 + number, was_known=True) for number in range(5)]
    assert DenialTurn.BEGAN in turns


def test_issue10_12_memory_is_bounded(site: Denials, clock: Clock) -> None:
    """Fifty addresses, whatever comes."""
    for number in range(10_000):
        clock.now += 0.01
        site.denied(number, was_known=False)
    assert site.figures == (50, 50)


@pytest.fixture
def guard(clock: Clock) -> DenialGuard:
    """A process that begins."""
    return DenialGuard(clock)


LANE = "mx.shared.test"


def serve(guard: DenialGuard, domains: int, recipients: int = 2, *, word: str = "r") -> None:
    """So many domains of one site took mail for so many recipients each."""
    for number in range(domains):
        for one in range(recipients):
            guard.taken(LANE, f"d{number}.test", f"{word}{one}@d{number}.test")


def believes(guard: DenialGuard, address: str) -> bool:
    """Whether it is, that this does not exist."""
    return not guard.denied(LANE, address.partition("@")[2], address)[0]


def test_issue10_12_an_address_that_took_mail_is_asked_again_before_it_is_given_up(
    guard: DenialGuard, clock: Clock
) -> None:
    """For an hour, less what jitter takes; then it is believed, and an address nobody knows at once."""
    guard.taken("a.test", "a.test", "r@a.test")
    why, turns = guard.denied("a.test", "a.test", "r@a.test")
    assert ("took mail lately" in why, turns) == (True, {})
    assert guard.denied("a.test", "a.test", "other@a.test") == ("", {})
    clock.now += 54 * 60
    assert guard.denied("a.test", "a.test", "r@a.test") == ("", {})


@pytest.mark.parametrize("domain", [SITE, "a.test"])
def test_issue10_12_a_storm_that_another_process_saw_rages_on(guard: DenialGuard, clock: Clock, domain: str) -> None:
    """For as long as it has left, and where it raged."""
    guard.expect("a.test", 600, domain)
    assert guard.denied("a.test", "a.test", "r1@a.test")[0]
    assert bool(guard.denied("a.test", "b.test", "r1@b.test")[0]) == (domain == SITE)
    clock.now += 601
    assert guard.denied("a.test", "a.test", "r2@a.test") == ("", {domain: DenialTurn.WEARY})
    assert LONGEST == 3600


def test_issue10_12_a_guard_forgets_the_oldest(guard: DenialGuard) -> None:
    """Sites, domains and addresses are bounded, and what is forgotten is believed."""
    guard.taken("a.test", "a.test", "first@a.test")
    for number in range(60_000):
        guard.taken(f"{number}.test", f"{number}.test", f"r@{number}.test")
    assert len(guard._sites) <= 2000
    assert len(guard._domains) <= 2000
    assert len(guard._took) <= 50_000
    assert guard.denied("a.test", "a.test", "first@a.test") == ("", {})


@pytest.mark.parametrize("gone", [1, 2])
@pytest.mark.parametrize("was_known", [True, False])
def test_issue10_12_domains_that_are_gone_say_nothing_of_their_neighbours(
    guard: DenialGuard, gone: int, *, was_known: bool
) -> None:
    """Sixty are denied at each, which is doubted where they took mail; of others an unknown one is gone indeed."""
    serve(guard, 10, 60 if was_known else 1)
    turns = [guard.denied(LANE, f"d{n}.test", f"r{one}@d{n}.test")[1] for n in range(gone) for one in range(60)]
    began = [domain for one in turns for domain, turn in one.items() if turn is DenialTurn.BEGAN]
    assert began == ([f"d{number}.test" for number in range(gone)] if was_known else [])
    assert believes(guard, "typo@d9.test")
    assert believes(guard, "typo@d0.test") == (not was_known)


def test_issue10_12_a_domain_gone_for_long_and_asked_again_and_again_hides_no_storm_of_the_site(
    guard: DenialGuard, clock: Clock
) -> None:
    """However many addresses of it are denied, it counts once, in what is heard now and in what was before."""
    for number in range(600):
        clock.now += 7
        guard.denied(LANE, "gone.test", f"r{number}@gone.test")
        guard.taken(LANE, f"d{number % 20}.test", f"new{number}@d{number % 20}.test")
    turns = [guard.denied(LANE, f"d{number}.test", f"fresh@d{number}.test")[1] for number in range(20)]
    assert turns.count({SITE: DenialTurn.BEGAN}) == 1
    assert not believes(guard, "typo@d30.test")


@pytest.mark.parametrize(("domains", "recipients"), [(3, 1), (3, 4), (30, 2), (300, 1)])
def test_issue10_12_A25_a_site_of_many_small_domains_is_disbelieved_by_what_shows_at_several(
    guard: DenialGuard, domains: int, recipients: int
) -> None:
    """No domain has enough for a storm of its own: three are enough; afterwards strangers are not given up either."""
    serve(guard, domains, recipients)
    for number in range(domains):
        for one in range(recipients):
            assert not believes(guard, f"r{one}@d{number}.test")
    assert not believes(guard, f"stranger@d{domains - 1}.test")
    assert not believes(guard, "stranger@d9999.test")


def test_issue10_12_a_site_of_small_domains_knows_its_past_and_needs_no_known_address(
    guard: DenialGuard, clock: Clock
) -> None:
    """Mail to new addresses of eight domains, all the time; then six of them deny what they are asked about."""
    for number in range(800):
        clock.now += 2
        guard.taken(LANE, f"d{number % 8}.test", f"new{number}@d{number % 8}.test")
    turns = [guard.denied(LANE, f"d{number}.test", f"fresh@d{number}.test") for number in range(6)]
    assert [why for why, _ in turns[:5]] == [""] * 5
    assert turns[5][1] == {SITE: DenialTurn.BEGAN}
    assert "6 of the last 8 domains" in turns[5][0]


def test_issue10_12_a_storm_of_a_site_ends_by_what_a_few_domains_take(guard: DenialGuard, clock: Clock) -> None:
    """The site knows its users again, and is believed."""
    serve(guard, 3)
    for number in range(3):
        guard.denied(LANE, f"d{number}.test", f"r0@d{number}.test")
    assert not believes(guard, "stranger@d0.test")
    clock.now += 400
    turns = [guard.taken(LANE, f"d{number}.test", f"r0@d{number}.test") for number in range(3)]
    assert turns[2] == {SITE: DenialTurn.ENDED}
    assert believes(guard, "stranger@d0.test")


def test_issue10_12_what_is_heard_of_a_site_s_domains_is_bounded(clock: Clock) -> None:
    """Fifty, whatever comes."""
    site = Denials(clock, measure=DOMAINS)
    for number in range(10_000):
        clock.now += 0.01
        site.denied(number, was_known=False)
    assert site.figures == (50, 50)


def test_issue10_12_what_stands_in_for_a_denial_is_soft_and_suppresses_nobody() -> None:
    """It waits an hour, under a name of its own."""
    denial = Verdict(
        word=VerdictWord.HARD,
        suppress=True,
        fault=Fault.RECIPIENT,
        fine_fault=FineFault.RECIPIENT,
        reason=Reason.BAD_MAILBOX,
        rule="builtin:bad-mailbox",
    )
    verdict = as_not_believed(denial)
    assert (verdict.retry, verdict.suppress, verdict.reason) == (True, False, Reason.BAD_MAILBOX)
    assert [delay.total_seconds() for delay in verdict.delays] == [3600]


def test_the_figures_that_the_documents_name() -> None:
    """Five minutes, a quarter, four times, ten or six by weight: whoever changes one changes what people were told."""
    assert (denials.WINDOW, denials.LATEST, denials.SHARE, denials.FAR_ABOVE) == (300, 50, 0.25, 4)
    assert (denials.KNOWN_WEIGHS, denials.PAST, denials.LONGEST, denials.QUIET) == (2, 50, 3600, 900)
    assert (denials.ADDRESSES.least, denials.ADDRESSES.least_known) == (10, 5)
    assert (denials.DOMAINS.least, denials.DOMAINS.least_known, denials.DOMAINS.sample) == (6, 3, 60)


def test_a_storm_that_another_process_saw_long_ago_is_over(clock: Clock) -> None:
    """With half a second left it rages still; with none it does not, and nothing was kept from being believed by it."""
    assert Denials(clock, 0.5).is_raging
    assert not Denials(clock, 0.0).is_raging
    assert (Denials(clock).disbelieved, Denials(clock).past_share) == (0, 0.0)
