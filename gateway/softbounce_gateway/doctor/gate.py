"""Whether a staging gate keeps mail from most people: on a production service by mistake it holds everything."""

from __future__ import annotations

from collections.abc import Iterator

from softbounce.client import Client
from softbounce.errors import StoreError
from softbounce_gateway.doctor.finding import Finding, good, unknown, warn
from softbounce_gateway.doctor.patient import PATIENCE, Patient

__all__ = ["check"]

WHAT = "staging gate"


def check(patient: Patient) -> Iterator[Finding]:
    """The published gate, and whether this file has the same."""
    own = patient.config.gate.rules()
    try:
        with Client(patient.config.store_url, patience=PATIENCE) as mail:
            published = mail.settings().gate
    except StoreError:
        yield unknown(WHAT, "the store does not tell", "mend the store first")
        return
    gate = published or own
    if gate is None:
        yield good(WHAT, "there is none: mail goes to everybody")
        return
    mend = "right on a staging service; to lift it take [gate] out of the file and restart all of the service"
    yield warn(WHAT, f"mail goes to nobody but: {gate.in_words}; {gate.others_in_words}", mend)
    if own != published:
        theirs = "know no gate" if published is None else f"let mail out to {published.in_words}"
        found = f"the published settings {theirs}; this file {own.in_words if own else 'knows no gate'}"
        yield warn(WHAT, found, "softbounce config reload publishes this file's")
