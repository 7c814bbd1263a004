"""When the certificate ends that clients are shown who hand mail over by TLS, or one of those above it in its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509

from softbounce.duration import in_words
from softbounce_gateway.doctor.finding import Finding, fail, good, warn
from softbounce_gateway.doctor.patient import Patient

__all__ = ["check"]

WHAT = "certificate of [gateway]"
SOON, AT_ONCE = timedelta(days=14), timedelta(days=3)
MOST_OCTETS = 1024 * 1024


def check(patient: Patient) -> Iterator[Finding]:
    """Of the file that is configured; nothing where there is none."""
    path = patient.config.gateway.tls_certificate
    if path is None:
        return
    try:
        with path.open("rb") as file:
            shown = _path(x509.load_pem_x509_certificates(file.read(MOST_OCTETS)))
        first = min(shown, key=lambda one: one.not_valid_after_utc)
        ends_at, begins_at = first.not_valid_after_utc, shown[0].not_valid_before_utc
    except (OSError, ValueError, IndexError, x509.InvalidVersion) as error:
        yield fail(WHAT, f"{path} cannot be read: {error}", "put the certificate there, in PEM, with those above it")
        return
    now = datetime.now(UTC)
    it = "it" if first is shown[0] else f"one above it ({first.subject.rfc4514_string()[:80]})"
    mend = f"renew {path}: it is read again by itself when the file changes; look why what renews it did not"
    if now < begins_at:
        yield fail(WHAT, f"it counts only from {begins_at:%Y-%m-%d %H:%M} UTC on", "look at this machine's clock")
    elif ends_at <= now:
        yield fail(WHAT, f"{it} ended {in_words(now - ends_at)} ago", mend)
    elif ends_at - now < SOON:
        yield (fail if ends_at - now < AT_ONCE else warn)(WHAT, f"{it} ends in {in_words(ends_at - now)}", mend)
    else:
        yield good(WHAT, f"{it} ends in {in_words(ends_at - now)} ({ends_at:%Y-%m-%d})")


def _path(found: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The certificate, and those above it that a client is shown too: each that ends breaks it for some clients.

    Without the root, which clients have by themselves, and whatever else lies in the file.
    """
    path = [found[0]]
    for _ in found:
        above = next((one for one in found if one.subject == path[-1].issuer and one not in path), None)
        if above is None or above.subject == above.issuer:
            break
        path.append(above)
    return path
