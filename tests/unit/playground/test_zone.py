from __future__ import annotations

import pytest
from softbounce_playground.zone import Directory, Zone


@pytest.fixture
def directory() -> Directory:
    """Host names stand for their addresses here."""
    return Directory(lambda host: f"up:{host}", lambda host: f"down:{host}")


def values(directory: Directory, name: str, type_: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, type and values of each set of records in an answer."""
    return [(record.name, record.type, record.values) for record in directory.answer(name, type_).records]


CASES = [
    ("plain", "a.test", "MX", ("10 mx1.a.test.", "20 mx2.a.test.")),
    ("plain host", "mx1.a.test", "A", ("up:mx1.a.test",)),
    ("null MX", "nullmx.test", "MX", ("0 .",)),
    ("null MX has an address", "nullmx.test", "A", ("up:nullmx.test",)),
    ("no MX, but an address", "nomx.test", "A", ("up:nomx.test",)),
    ("first two dead", "deadmx.test", "MX", ("10 mx1.deadmx.test.", "20 mx2.deadmx.test.", "30 mx3.deadmx.test.")),
    ("dead host", "mx2.deadmx.test", "A", ("down:mx2.deadmx.test",)),
    ("live third host", "mx3.deadmx.test", "A", ("up:mx3.deadmx.test",)),
    ("all dead", "mx1.alldead.test", "A", ("down:mx1.alldead.test",)),
    ("private", "mx1.private.test", "A", ("10.0.0.1",)),
    ("shared", "x.shared.test", "MX", ("10 mx1.bighost.test.", "20 mx2.bighost.test.")),
    ("shared by number", "shared7.y.test", "MX", ("10 mx1.bighost7.test.", "20 mx2.bighost7.test.")),
]


@pytest.mark.parametrize(("name", "type_", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_name_exists_and_labels_shape_it(
    directory: Directory, name: str, type_: str, expected: tuple[str, ...]
) -> None:
    """A name has two MX hosts and an address, unless its labels say otherwise."""
    assert values(directory, name, type_) == [(name, type_, expected)]


@pytest.mark.parametrize(("name", "type_"), [("nomx.test", "MX"), ("a.test", "AAAA"), ("a.test", "TXT")])
def test_a_type_that_a_name_lacks_is_no_error(directory: Directory, name: str, type_: str) -> None:
    """An existing name without such records gives an empty answer."""
    answer = directory.answer(name, type_)
    assert (answer.records, answer.error) == ((), None)


def test_D10_an_alias_comes_with_the_records_of_its_target(directory: Directory) -> None:
    """A CNAME is followed and both are in the answer."""
    assert values(directory, "cname.a.test", "MX") == [
        ("cname.a.test", "CNAME", ("canonical.a.test.",)),
        ("canonical.a.test", "MX", ("10 mx1.canonical.a.test.", "20 mx2.canonical.a.test.")),
    ]


def test_D11_a_loop_of_aliases_is_finite(directory: Directory) -> None:
    """A loop answers each alias once and nothing else."""
    assert values(directory, "loop.a.test", "MX") == [
        ("loop.a.test", "CNAME", ("looped.a.test.",)),
        ("looped.a.test", "CNAME", ("loop.a.test.",)),
    ]


def test_manymx_has_sixty(directory: Directory) -> None:
    """One label gives an answer that no plain datagram holds."""
    assert len(directory.answer("manymx.test", "MX").records[0].values) == 60


def test_a_zone_replaces_the_labels_of_its_name(directory: Directory) -> None:
    """The longest zone that fits decides, and hosts that it does not describe stay as they were."""
    directory.zones["nxdomain.test"] = Zone(
        mx=[(5, "mx.nxdomain.test"), (6, "other.test")],
        a={"mx.nxdomain.test": ["127.0.0.9", "127.0.0.8"], "nxdomain.test": "127.0.0.7"},
        ttl_seconds=3,
    )
    directory.zones["dead.nxdomain.test"] = Zone(error="servfail")
    answer = directory.answer("nxdomain.test", "MX")
    assert (answer.records[0].values, answer.records[0].ttl_seconds) == (("5 mx.nxdomain.test.", "6 other.test."), 3)
    assert values(directory, "mx.nxdomain.test", "A")[0][2] == ("127.0.0.9", "127.0.0.8")
    assert values(directory, "nxdomain.test", "A")[0][2] == ("127.0.0.7",)
    assert values(directory, "mx1.x.test", "A")[0][2] == ("up:mx1.x.test",)
    assert directory.answer("a.dead.nxdomain.test", "A").error == "servfail"
    assert directory.mx_hosts("nxdomain.test") == ("mx.nxdomain.test", "other.test")
    del directory.zones["nxdomain.test"]
    assert directory.answer("nxdomain.test", "MX").error == "nxdomain"


def test_a_zone_may_be_an_alias_or_empty(directory: Directory) -> None:
    """An alias has no other records, and a zone without records has none."""
    directory.zones["alias.test"] = Zone(cname="Target.test.")
    directory.zones["empty.test"] = Zone()
    assert values(directory, "alias.test", "MX")[1][0] == "target.test"
    assert values(directory, "alias.test", "CNAME") == [("alias.test", "CNAME", ("target.test.",))]
    assert values(directory, "empty.test", "MX") == values(directory, "empty.test", "A") == []
