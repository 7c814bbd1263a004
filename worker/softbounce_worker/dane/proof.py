"""Whether the certificates that a host shows are what DNS says of it.

Python's TLS knows no DANE, so the handshake asks for no authority, and this is asked before a word is said over it. A
chain to a DANE-TA is checked by ``cryptography``'s verifier, with the one anchor that DNS means and nothing else. What
that wants of public authorities beyond RFC 5280 is not asked of private ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from softbounce_worker.dane.records import DANE_EE, DANE_TA, DIGESTS, FULL, KEY, HostDane, NotProven
from softbounce_worker.route.wire import Tlsa

__all__ = ["is_matched", "prove"]

MOST_CERTIFICATES = 10
ExtensionT = TypeVar("ExtensionT", bound=x509.ExtensionType)
SERVER = frozenset({ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


def prove(chain: Sequence[bytes], told: HostDane) -> str:
    """How the host proved what it is: ``DANE-EE`` or ``DANE-TA``.

    :param chain: what it showed, in DER, its own certificate first.
    :raises NotProven: it did not.
    """
    try:
        certificates = [x509.load_der_x509_certificate(one) for one in chain[:MOST_CERTIFICATES]]
        if not certificates:
            raise NotProven("the host shows no certificate")
        if is_matched(certificates[0], told.records, DANE_EE):
            return "DANE-EE"
        anchors = _anchors(certificates, told.records)
        if not anchors:
            raise NotProven("its certificate is not the one that its TLSA records mean")
        _check_chain(certificates, anchors)
        _check_leaf(certificates[0], told.names)
    except VerificationError as error:
        raise NotProven(f"its certificate does not lead to what its TLSA records mean: {_safe(error)}") from error
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType) as error:
        raise NotProven(f"its certificate cannot be read: {_safe(error)}") from error
    return "DANE-TA"


def is_matched(certificate: x509.Certificate, records: Sequence[Tlsa], usage: int) -> bool:
    """Whether one of the records of a usage means this certificate.

    :raises ValueError: its key is of no kind that is known.
    """
    return any(_is_meant(certificate, one) for one in records if one.usage == usage)


def _is_meant(certificate: x509.Certificate, record: Tlsa) -> bool:
    if record.selector == KEY:
        octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        octets = certificate.public_bytes(Encoding.DER)
    return (octets if record.matching == FULL else DIGESTS[record.matching](octets).digest()) == record.octets


def _anchors(shown: Sequence[x509.Certificate], records: Sequence[Tlsa]) -> list[x509.Certificate]:
    """Those above its own that DNS means; and such as DNS holds as a whole, which need not be shown."""
    anchors = [one for one in shown[1:] if one != shown[0] and is_matched(one, records, DANE_TA)]
    for record in records:
        if (record.usage, record.selector, record.matching) == (DANE_TA, 0, FULL):
            with suppress(ValueError):
                anchors.append(x509.load_der_x509_certificate(record.octets))
    return anchors


def _check_chain(certificates: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> None:
    """:raises VerificationError: it leads to none of them, or not by now."""
    signer = ExtensionPolicy.permit_all().require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(datetime.now(UTC))
        .extension_policies(ca_policy=signer, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    verifier.verify(certificates[0], list(certificates[1:]))


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
