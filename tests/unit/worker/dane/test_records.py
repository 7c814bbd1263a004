"""TLSA records: which count, and which certificates they mean."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from certificates import Authority, load, tlsa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from softbounce_worker.dane.key_octets import key_octets
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


# -- what is odd about certificates -----------------------------------------------------------------------------------


def of_version(number: int, certificate: x509.Certificate) -> bytes:
    """The same certificate, of another version by its own word; 2 is that of today."""
    octets = certificate.public_bytes(Encoding.DER)
    assert octets.count(bytes.fromhex("a003020102")) == 1
    return octets.replace(bytes.fromhex("a003020102"), bytes.fromhex(f"a0030201{number:02x}"))


def key_record(octets: bytes, usage: int = 3) -> str:
    """The record that means a key by its own octets."""
    return f"{usage} 1 1 {sha256(octets).hexdigest()}"


def of_unknown_key(certificate: x509.Certificate) -> tuple[bytes, bytes]:
    """The same certificate with a key of a curve that nobody knows; and the key."""
    known, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    octets = certificate.public_bytes(Encoding.DER).replace(known, unknown)
    return octets, key_octets(octets)


@pytest.mark.parametrize("version", [0, 1, 3, 9])
def test_L11_a_certificate_of_an_odd_version_is_the_one_that_is_meant(tmp_path: Path, version: int) -> None:
    """Real mail hosts show such; of a DANE-EE the octets count alone (RFC 7671 §5.1)."""
    leaf = load(Authority(tmp_path).sign(NAME))
    odd = of_version(version, leaf)
    assert prove([odd], told(tlsa(leaf))) == "DANE-EE"
    assert prove([odd], told(f"3 0 1 {sha256(odd).hexdigest()}")) == "DANE-EE"
    with pytest.raises(NotProven, match="is not the one"):
        prove([odd], told(f"3 1 1 {'00' * 32}"))


def test_L11_a_key_of_an_unknown_kind_is_compared_as_any(tmp_path: Path) -> None:
    """What no library reads proves itself; another's record is not met by it, and says so."""
    odd, key = of_unknown_key(load(Authority(tmp_path).sign(NAME)))
    assert prove([odd], told(key_record(key))) == "DANE-EE"
    with pytest.raises(NotProven, match="is not the one"):
        prove([odd], told(f"3 1 1 {'00' * 32}"))


def test_L11_a_key_counts_as_it_stands_not_as_a_library_writes_it(tmp_path: Path) -> None:
    """RSASSA-PSS (RFC 4055 §3.1): read and written again it is another one."""
    octets = load(Authority(tmp_path).sign(NAME, bits=2048)).public_bytes(Encoding.DER)
    plain, pss = (bytes.fromhex(f"300d06092a864886f70d0101{kind}0500") for kind in ("01", "0a"))
    odd = octets.replace(plain, pss, 1)
    assert odd != octets
    assert pss in key_octets(odd)
    assert prove([odd], told(key_record(key_octets(odd)))) == "DANE-EE"


@pytest.mark.parametrize("how", ["of an odd version", "with an unknown key", "of no form"])
def test_L11_what_is_only_shown_beside_is_in_nobodys_way(below: Authority, how: str) -> None:
    """An oddity among the certificates above takes nothing from the chain that leads where the records mean."""
    leaf = load(below.sign(NAME))
    stranger = load(Authority(below.folder).sign("whoever.test"))
    junk = {
        "of an odd version": of_version(3, stranger),
        "with an unknown key": of_unknown_key(stranger)[0],
        "of no form": b"\x30\x03\x02\x01\x00",
    }[how]
    above = [one.public_bytes(Encoding.DER) for one in below.shows]
    chain = [leaf.public_bytes(Encoding.DER), junk, *above]
    assert prove(chain, told(tlsa(below.certificate, 2))) == "DANE-TA"
    with pytest.raises(NotProven, match="cannot be read"):
        prove([of_version(3, leaf), *above], told(tlsa(below.certificate, 2)))


@given(st.binary(max_size=300))
def test_L11_any_octets_have_a_key_or_none(octets: bytes) -> None:
    """Nothing but a ValueError, whatever they are."""
    with suppress(ValueError):
        assert key_octets(octets) in octets


def test_L11_a_torn_certificate_has_no_key(tmp_path: Path) -> None:
    """Cut anywhere; whole it has the one that a library finds."""
    certificate = load(Authority(tmp_path).sign(NAME))
    whole = certificate.public_bytes(Encoding.DER)
    form = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_octets(whole) == form
    for cut in range(len(whole)):
        with pytest.raises(ValueError, match="no certificate"):
            key_octets(whole[:cut])
