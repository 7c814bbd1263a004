"""Sites: one id for one set of MX names, and what is shown of it."""

from __future__ import annotations

import pytest
from softbounce_worker.route.site import site_of

from softbounce.site import shown_of

GOOGLE = ["aspmx.l.google.com", "alt1.aspmx.l.google.com", "alt2.aspmx.l.google.com"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        pytest.param(GOOGLE, "google.com", id="one_organisation"),
        pytest.param(["mx1.mail.bbc.co.uk", "mx2.bbc.co.uk"], "bbc.co.uk", id="suffix_of_two_labels"),
        pytest.param(["mx1.provider.test", "mx2.provider.test"], "provider.test", id="unknown_suffix"),
        pytest.param(["mx.one.example", "mx.two.example", "a.three.example"], "a.three.example+2", id="several"),
        pytest.param(["localhost"], "localhost", id="single_label"),
        pytest.param(["co.uk"], "co.uk", id="a_suffix_itself"),
        pytest.param(["[192.0.2.1]"], "[192.0.2.1]", id="address_literal"),
    ],
)
def test_site_is_shown_as_its_organisation(names: list[str], shown: str) -> None:
    """The organisational domain where all hosts share it, else the first host and how many others there are."""
    assert shown_of(site_of([names])) == shown


def test_order_within_a_preference_makes_no_other_site() -> None:
    """Nor does repetition: equal preferences are one group."""
    assert site_of([GOOGLE]) == site_of([[*reversed(GOOGLE), GOOGLE[0]]])


def test_issue11_43_each_other_s_backup_is_two_sites() -> None:
    """The same names in another order of preference are dialled otherwise."""
    one, other = ["mx.one.example"], ["mx.other.example"]
    assert len({site_of([one, other]), site_of([other, one]), site_of([one + other])}) == 3
    assert shown_of(site_of([other, one])) == "mx.other.example+1"


def test_stranger_who_lists_a_host_of_a_provider_gets_a_site_of_his_own() -> None:
    """A part of a provider's set, or a made-up host below its name, is never the provider's site."""
    ids = {site_of([GOOGLE]), site_of([GOOGLE[:1]]), site_of([[*GOOGLE, "nope.google.com"]])}
    assert len(ids) == 3
    assert {shown_of(site) for site in ids} == {"google.com"}


def test_site_without_a_hash_is_shown_as_it_is() -> None:
    """What was no id to begin with is left alone."""
    assert shown_of("?example.com") == "?example.com"
