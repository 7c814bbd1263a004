"""What is read in the TXT records at a key's name, as people publish them."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from signing import ED25519, ED25519_PEM, RSA, RSA_PEM
from softbounce_gateway.dkim.published import Published, judge

P = RSA.public
HALF = len(P) // 2
PKCS1 = b64encode(load_pem_private_key(RSA_PEM, None).public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))
WRAPPED = b64encode(
    load_pem_private_key(ED25519_PEM, None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
)

GOOD = {
    "as it is": f"v=DKIM1; k=rsa; p={P}",
    "with an end": f"v=DKIM1; k=rsa; p={P};",
    "with two ends": f"v=DKIM1; k=rsa; p={P}; ;",
    "folded": f"v=DKIM1;\tk=rsa;\r\n p={P[:HALF]}\r\n\t{P[HALF:]}",
    "blanks everywhere": f" v = DKIM1 ; k = rsa ; p = {P} ",
    "without v and k": f"p={P}",
    "all that may be": f"v=DKIM1; g=*; h=sha1:sha256; k=rsa; n=a=b c; s=email; t=s; x_1=y; p={P}",
}
BAD = {
    "an empty tag": (f"v=DKIM1;; k=rsa; p={P}", "no DKIM key record"),
    "escaped": (f"v=DKIM1\\; k=rsa\\; p={P}", "v=DKIM1"),
    "quoted twice": (f'"v=DKIM1; k=rsa; p={P}"', "no DKIM key record"),
    "quotes within": (f'v=DKIM1; k=rsa; p={P[:HALF]}" "{P[HALF:]}', "not base64"),
    "v at the end": (f"k=rsa; p={P}; v=DKIM1", "v=DKIM1"),
    "v in small letters": (f"v=dkim1; k=rsa; p={P}", "v=DKIM1"),
    "tags in capitals": (f"V=DKIM1; K=RSA; P={P}", "no DKIM key record"),
    "the whole line of a zone": (f"r._domainkey.app.test. IN TXT v=DKIM1; k=rsa; p={P}", "no DKIM key record"),
    "with its armor": (f"v=DKIM1; p=-----BEGIN PUBLIC KEY-----{P}-----END PUBLIC KEY-----", "not base64"),
    "typographic quotes": (f"v=DKIM1; p=\u201c{P}\u201d", "not base64"),
    "for URLs": (f"v=DKIM1; p={P.replace('+', '%2B').replace('M', '-')}", "not base64"),
    "the bare RSA key": (f"v=DKIM1; k=rsa; p={PKCS1.decode()}", "another form"),
    "the second half": (P[HALF:], "no DKIM key record"),
    "for something else": (f"v=DKIM1; s=tlsrpt; p={P}", "not for mail"),
    "by SHA-1": (f"v=DKIM1; h=sha1; p={P}", "sha256"),
}


@pytest.mark.parametrize("record", [pytest.param(text, id=name) for name, text in GOOD.items()])
def test_issue12_a_record_that_hosts_read_is_ours(record: str) -> None:
    """White space, the order of tags behind v=, and tags that nobody knows change nothing."""
    assert judge([record], RSA).state is Published.OK


@pytest.mark.parametrize(("record", "why"), [pytest.param(*case, id=name) for name, case in BAD.items()])
def test_issue12_a_record_that_hosts_do_not_read_is_broken(record: str, why: str) -> None:
    """And why is said: what a form of a registrar, or a zone file, made of it."""
    found = judge([record], RSA)
    assert found.state is Published.BROKEN
    assert why in found.detail


def test_issue12_an_ed25519_key_is_published_bare() -> None:
    """Wrapped as other keys are, no host reads it; without k= it is taken for RSA."""
    assert judge([ED25519.record], ED25519).state is Published.OK
    wrapped = judge([f"v=DKIM1; k=ed25519; p={WRAPPED.decode()}"], ED25519)
    assert (wrapped.state, "another form" in wrapped.detail) == (Published.BROKEN, True)
    assert judge([f"v=DKIM1; p={ED25519.public}"], ED25519).state is Published.DIFFERS
