"""TLSA records: which count, and which certificates they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import Authority, load, tlsa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.dane.proof import prove
from softbounce_worker.dane.records import HostDane, NotProven, Told, usable
from softbounce_worker.route.wire import Tlsa

NAME = "mx.a.test"
numbers = st.integers(0, 255)


def record(text: str) -> Tlsa:
    """A record as zone files write it."""
    usage, selector, matching, octets = text.split()
    return Tlsa(usage=int(usage), selector=int(selector), matching=int(matching), octets=bytes.fromhex(octets))


def told(*texts: str) -> HostDane:
    """What DNS tells."""
    return HostDane(told=Told.RECORDS, records=tuple(map(record, texts)), names=(NAME,))


@given(st.lists(st.builds(Tlsa, usage=numbers, selector=numbers, matching=numbers, octets=st.binary(max_size=70))))
def test_L11_what_counts_has_a_known_usage_selector_and_length(records: list[Tlsa]) -> None:
    """Of any records: never more than there are, and nothing that nobody could match."""
    for one in usable(records):
        assert (one.usage in {2, 3}, one.selector in {0, 1}) == (True, True)
        assert one.matching == 0 or len(one.octets) == {1: 32, 2: 64}[one.matching]


def test_L11_a_digest_of_the_wrong_length_counts_not() -> None:
    """It can match nothing."""
    assert usable([record("3 1 1 0011")]) == ()
    assert usable([record(f"3 1 2 {'00' * 32}")]) == ()


def test_L11_of_several_digests_the_strongest_counts() -> None:
    """Of each usage and selector by itself; what is there as a whole counts always (RFC 7671 §9)."""
    weak, strong, whole = (record(f"3 1 {kind} {'00' * size}") for kind, size in ((1, 32), (2, 64), (0, 9)))
    other = record(f"3 0 1 {'00' * 32}")
    assert usable([weak, strong, whole, other]) == (strong, whole, other)


@pytest.fixture
def below(tmp_path: Path) -> Authority:
    """An authority below another."""
    return Authority(tmp_path).under()


Leaf = Callable[[Authority], Path]
LEAVES: dict[str, tuple[Leaf, str]] = {
    "good": (lambda it: it.sign(NAME), ""),
    "a wildcard": (lambda it: it.sign("*.a.test"), ""),
    "upper case": (lambda it: it.sign(NAME.upper()), ""),
    "another name": (lambda it: it.sign("mx.b.test"), "its certificate is for another name"),
    "a wildcard of all": (lambda it: it.sign("*.test"), "its certificate is for another name"),
    "expired": (lambda it: it.sign(NAME, days=-1), "does not lead to what its TLSA records mean"),
    "self-signed": (lambda it: it.sign(NAME, signs_itself=True), "does not lead to what its TLSA records mean"),
}


@pytest.mark.parametrize("name", LEAVES)
def test_L11_a_chain_to_whom_the_records_mean(below: Authority, name: str) -> None:
    """Signed by that one, for one of the host's names, and valid now."""
    leaf, why = LEAVES[name]
    chain = [one.public_bytes(Encoding.DER) for one in (load(leaf(below)), *below.shows)]
    if why:
        with pytest.raises(NotProven, match=why):
            prove(chain, told(tlsa(below.certificate, 2)))
    else:
        assert prove(chain, told(tlsa(below.certificate, 2))) == "DANE-TA"


def test_L11_who_may_not_sign_signs_for_nobody(below: Authority) -> None:
    """A host's certificate is no authority, whoever signed that, nor for itself."""
    host = below.under(may_sign=False)
    chain = [one.public_bytes(Encoding.DER) for one in (load(host.sign(NAME)), *host.shows)]
    for meant in (host.certificate, below.certificate, below.shows[1]):
        with pytest.raises(NotProven, match="does not lead to"):
            prove(chain, told(tlsa(meant, 2)))
    with pytest.raises(NotProven, match="is not the one"):
        prove([chain[0]] * 2, told(tlsa(x509.load_der_x509_certificate(chain[0]), 2)))


def test_L11_an_authority_that_DNS_holds_as_a_whole_need_not_be_shown(tmp_path: Path) -> None:
    """RFC 7671 §5.2.2."""
    authority = Authority(tmp_path)
    leaf = load(authority.sign(NAME)).public_bytes(Encoding.DER)
    assert prove([leaf], told(tlsa(authority.certificate, 2, 0, 0))) == "DANE-TA"
    with pytest.raises(NotProven, match="is not the one"):
        prove([leaf], told(tlsa(authority.certificate, 2, 0, 1)))


@pytest.mark.parametrize("chain", [[], [b""], [b"\x30\x03\x02\x01\x00"], [b"x" * 1000]], ids=len)
def test_L11_what_is_no_certificate_proves_nothing(chain: list[bytes]) -> None:
    """And breaks nothing."""
    with pytest.raises(NotProven):
        prove(chain, told(f"3 1 1 {'00' * 32}"))


@given(st.lists(st.binary(max_size=200), max_size=4), st.binary(min_size=1, max_size=80))
def test_L11_any_octets_prove_nothing(chain: list[bytes], octets: bytes) -> None:
    """Whatever a host shows, and whatever DNS holds."""
    record_ = Tlsa(usage=2, selector=0, matching=0, octets=octets)
    with pytest.raises(NotProven):
        prove(chain, HostDane(told=Told.RECORDS, records=(record_,), names=(NAME,)))


def test_L11_a_certificate_that_is_meant_itself_needs_no_dates_and_no_names(tmp_path: Path) -> None:
    """RFC 7672 §3.1.1."""
    leaf: x509.Certificate = load(Authority(tmp_path).sign("whoever.test", days=-1, bits=1024))
    assert prove([leaf.public_bytes(Encoding.DER)], told(tlsa(leaf))) == "DANE-EE"
