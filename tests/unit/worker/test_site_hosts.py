"""Which hosts the next try had better not go to."""

from __future__ import annotations

import pytest
from softbounce_worker.lane.site_hosts import SiteHosts
from softbounce_worker.route import Host, Route
from softbounce_worker.session.host_health import HostHealth

from softbounce.envelope import Attempt, Body, Envelope, Record

BODY = Body(octets=2)
PLACES = {"1": ("mx1", "10.0.0.1"), "2": ("mx2", "10.0.0.2"), "3": ("mx3", "10.0.0.3"), "1b": ("mx1", "10.0.0.11")}


@pytest.fixture
def site() -> SiteHosts:
    """Three hosts, the first with two addresses."""
    hosts = SiteHosts(HostHealth())
    listed = [("mx1", ("10.0.0.1", "10.0.0.11")), ("mx2", ("10.0.0.2",)), ("mx3", ("10.0.0.3",))]
    hosts.learn(
        Route(
            site="s",
            shown="s",
            listed=(),
            hosts=tuple(Host(name=name, preference=10, addresses=addresses) for name, addresses in listed),
            ttl=60.0,
        )
    )
    return hosts


def try_at(place: str, stage: str = "rcpt", code: int | None = 450, enhanced: str = "4.7.1") -> Attempt:
    """One that was deferred; by default with words that may be greylisting."""
    host, address = PLACES.get(place, ("mx1", place))
    return Attempt(
        number=1,
        started_ms=0,
        ended_ms=0,
        host=host,
        address=address,
        stage=stage,
        code=code,
        enhanced=enhanced,
        verdict="soft",
        reason="system" if enhanced.startswith("4.3") else "policy",
    )


def left(site: SiteHosts, *tries: Attempt) -> set[str]:
    """The addresses where the next one may go."""
    record = Record(id=b"", lane="a.test")
    record.envelope = Envelope(
        sender="s@app.test", recipient="r@a.test", domain="a.test", key="k", body=BODY, attempts=list(tries)
    )
    shunned = site.deferred_by(record)
    return {address for host, address in PLACES.values() if shunned.isdisjoint((host, address))}


def all_at(*places: str) -> list[Attempt]:
    """Tries there, in this order."""
    return [try_at(place) for place in places]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ("", {"1", "1b", "2", "3"}),
        ("1", {"2", "3"}),
        ("1 2", {"1"}),
        ("1 2 1", {"3"}),
        ("1 2 1 3", {"1"}),
        ("1 2 1 3 1", {"2"}),
        ("1 1b", {"1"}),
        ("2 1b", {"2"}),
    ],
)
def test_issue11_44_every_other_try_goes_to_the_address_that_may_have_greylisted_it_first(
    site: SiteHosts, places: str, expected: set[str]
) -> None:
    """Between two such, the host whose reply is the oldest has its turn, so that each is asked some day."""
    assert left(site, *all_at(*places.split())) == {PLACES[place][1] for place in expected}


def test_issue11_44_a_host_whose_address_changed_is_known_by_its_name(site: SiteHosts) -> None:
    """Large providers give other addresses at every look."""
    assert left(site, try_at("10.9.9.9"), try_at("2")) == {"10.0.0.1", "10.0.0.11"}
    assert left(site, try_at("10.9.9.9"), try_at("2"), try_at("1b")) == {"10.0.0.3"}


@pytest.mark.parametrize(
    "attempt",
    [try_at("1", stage="mail"), try_at("1", code=None), try_at("1", enhanced="4.3.2"), try_at("1", stage="connect")],
    ids=["before the recipient", "silence", "its own trouble", "no session"],
)
def test_issue11_44_what_cannot_be_greylisting_draws_no_try_back(site: SiteHosts, attempt: Attempt) -> None:
    """Then all hosts have their turns."""
    assert left(site, attempt, attempt, try_at("2", stage="mail")) == {PLACES["3"][1]}


def test_issue11_44_the_history_that_is_looked_at_is_bounded(site: SiteHosts) -> None:
    """However many attempts there were."""
    assert left(site, *all_at("3", *["2", "1"] * 40)) == {PLACES["2"][1]}
