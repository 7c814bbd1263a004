"""Signatures as OpenDKIM verifies them: the filter of Debian, run on files, with its DNS in a file.

Needs the package ``opendkim``; without it these tests are skipped. ``script/test receivers`` runs them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from signing import ED25519, MESSAGES, OPENDKIM, RSA, opendkim_verdicts
from softbounce_config.process_settings import Canonicalization
from softbounce_worker.dkim.canonical import FIELD_BREAK
from softbounce_worker.dkim.signature import Identity, signatures

pytestmark = pytest.mark.skipif(OPENDKIM is None, reason="opendkim is not installed")
WAYS: tuple[Canonicalization, ...] = ("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple")
FIELD_OCTETS = 65_536
OBSOLETE = {"a blank before the colon": MESSAGES["plain"].replace(b"To:", b"To :")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("message", [pytest.param(one, id=name) for name, one in {**MESSAGES, **OBSOLETE}.items()])
def test_issue12_opendkim_verifies_both_signatures(tmp_path: Path, message: bytes, way: Canonicalization) -> None:
    """RSA and Ed25519, over whatever may be in a message, in each canonical form."""
    if message.startswith(b"DKIM-Signature"):
        pytest.skip("it is signed by another too, whose key nobody has")
    if not message.endswith(b"\r\n"):
        pytest.skip("nothing arrives without its last line end")
    if max(map(len, FIELD_BREAK.split(message.partition(b"\r\n\r\n")[0]))) > FIELD_OCTETS:
        pytest.skip("on files it takes no field that is so long")
    if way.startswith("simple") and (b":\r\n" in message or b": \r\n" in message):
        pytest.skip("on files it reads the blank behind a colon away")
    identities = [
        Identity(domain="app.test", selector="r", key=RSA, canonicalization=way),
        Identity(domain="app.test", selector="e", key=ED25519, canonicalization=way),
    ]
    above = signatures(message, identities, accepted=1_700_000_000)
    assert opendkim_verdicts(tmp_path, above + message) == ["pass", "pass"]


def test_issue12_opendkim_refuses_what_was_changed(tmp_path: Path) -> None:
    """A body, and a From field that was added: neither passes, so that the test above means something."""
    identity = Identity(domain="app.test", selector="r", key=RSA, canonicalization="relaxed/relaxed")
    message = MESSAGES["plain"]
    above = signatures(message, [identity], accepted=1_700_000_000)
    assert opendkim_verdicts(tmp_path, above + message.replace(b"Hello", b"Hallo")) == ["fail"]
    assert opendkim_verdicts(tmp_path, b"Reply-To: x@evil.test\r\n" + above + message) == ["fail"]
