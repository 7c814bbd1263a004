"""Whether the certificates that a host shows are what DNS says of it.

Python's TLS knows no DANE, so the handshake asks for no authority, and this is asked before a word is said over it. A
chain to a DANE-TA is checked by ``cryptography``'s verifier, with the one anchor that DNS means and nothing else. What
that wants of public authorities beyond RFC 5280 is not asked of private ones. A DANE-EE is compared and not read: what
is odd about it does not matter, and what is odd about one that is only shown beside it matters to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from softbounce_worker.dane.key_octets import key_octets
from softbounce_worker.dane.records import DANE_EE, DANE_TA, DIGESTS, FULL, KEY, WHOLE, HostDane, NotProven
from softbounce_worker.route.wire import Tlsa

__all__ = ["prove"]

MOST_CERTIFICATES = 10
ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)
SERVER = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


def prove(chain: Sequence[bytes], told: HostDane) -> str:
    """How the host proved what it is: ``DANE-EE`` or ``DANE-TA``.

    :param chain: what it showed, in DER, its own certificate first.
    :raises NotProven: it did not.
    """
    shown = chain[:MOST_CERTIFICATES]
    if not shown:
        raise NotProven("the host shows no certificate")
    try:
        if _is_matched(shown[0], told.records, DANE_EE):
            return "DANE-EE"
        anchors = _anchors(shown, told.records)
        certificate = x509.load_der_x509_certificate(shown[0])
        _check_chain(certificate, [one for one in map(_read, shown[1:]) if one is not None], anchors)
        _check_leaf(certificate, told.names)
    except NotProven:
        raise
    except VerificationError as error:
        raise NotProven(f"its certificate does not lead to what its TLSA records mean: {_safe(error)}") from error
    except Exception as error:  # a stranger's octets: the library has an exception for each oddity
        raise NotProven(f"its certificate cannot be read: {type(error).__name__} {_safe(error)}") from error
    return "DANE-TA"


def _read(octets: bytes) -> x509.Certificate | None:
    """A certificate; ``None``: it is none that can be read."""
    try:
        certificate = x509.load_der_x509_certificate(octets)
        certificate.public_key()
        certificate.extensions  # noqa: B018 - reads them
    except Exception:  # noqa: BLE001 - as above
        return None
    return certificate


def _is_matched(certificate: bytes, records: Sequence[Tlsa], usage: int) -> bool:
    """Whether one of the records of a usage means this certificate."""
    return any(_is_meant(certificate, one) for one in records if one.usage == usage)


def _is_meant(certificate: bytes, record: Tlsa) -> bool:
    try:
        octets = key_octets(certificate) if record.selector == KEY else certificate
    except ValueError:  # it is none
        return False
    return (octets if record.matching == FULL else DIGESTS[record.matching](octets).digest()) == record.octets


def _anchors(shown: Sequence[bytes], records: Sequence[Tlsa]) -> list[x509.Certificate]:
    """Those above its own that DNS means; and such as DNS holds as a whole, which need not be shown.

    :raises NotProven: there is none.
    """
    meant = [one for one in shown[1:] if one != shown[0] and _is_matched(one, records, DANE_TA)]
    meant += [one.octets for one in records if (one.usage, one.selector, one.matching) == (DANE_TA, WHOLE, FULL)]
    anchors = [one for one in map(_read, meant) if one is not None]
    if not anchors:
        raise NotProven("its certificate is not the one that its TLSA records mean")
    return anchors


def _check_chain(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]
) -> None:
    """:raises VerificationError: it leads to none of them, or not by now."""
    signer = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(datetime.now(UTC))
        .extension_policies(ca_policy=signer, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    verifier.verify(certificate, list(others))


def _is_authority(_policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("who signed it may not")


def _check_leaf(certificate: x509.Certificate, names: Sequence[str]) -> None:
    """:raises NotProven: it is for another host, or another purpose (RFC 7672 §3.2.3)."""
    usage = _extension(certificate, x509.ExtendedKeyUsage)
    if usage is not None and SERVER.isdisjoint(usage):
        raise NotProven("its certificate is for no server")
    if not any(_fits(pattern.lower(), name) for pattern in _names_in(certificate) for name in names):
        raise NotProven("its certificate is for another name")


def _names_in(certificate: x509.Certificate) -> list[str]:
    """Its names; the common one where it has no other."""
    alternatives = _extension(certificate, x509.SubjectAlternativeName)
    found = alternatives.get_values_for_type(x509.DNSName) if alternatives is not None else []
    if found:
        return found
    return [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _extension(certificate: x509.Certificate, kind: type[ExtensionT]) -> ExtensionT | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _fits(pattern: str, name: str) -> bool:
    """A ``*`` is one label, the first (RFC 9525 §6.3)."""
    if pattern.startswith("*."):
        return pattern[2:] == name.partition(".")[2] and "." in pattern[2:]
    return pattern == name


def _safe(error: Exception) -> str:
    return ascii(str(error))[1:-1][:200]
