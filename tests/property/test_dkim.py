"""Any message that is accepted verifies when it was signed, and no change that a reader would see passes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from signing import ED25519, RSA, verify
from softbounce_config.process_settings import Canonicalization
from softbounce_worker.dkim.author import author_domain
from softbounce_worker.dkim.canonical import body_hash
from softbounce_worker.dkim.signature import Identity, signatures

from softbounce.errors import InvalidMessage
from softbounce.message import prepare

RECORDS = {"r._domainkey.app.test": RSA.record, "e._domainkey.app.test": ED25519.record}
WAYS: tuple[Canonicalization, ...] = ("relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple")
NAMES = st.sampled_from(["To", "CC", "subject", "References", "List-Unsubscribe", "X-Any", "Content-Type", "From"])
VALUES = st.lists(
    st.sampled_from(list('ab,;=@<>"():. \t\\ü\u4f60')) | st.sampled_from(["\r\n ", "\r\n\t"]), max_size=40
).map("".join)
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)
LINES = st.lists(
    st.binary(max_size=20).map(lambda octets: octets.translate(None, b"\r\n\0"))
    | st.sampled_from([b"", b" ", b".", b"..", b"\t ", b"a  b", b"a\tb ", b"-" * 998]),
    max_size=12,
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """What an app may hand over."""
    fields = [b"From: a@app.test"]
    fields += [f"{name}:{value}".encode() for name, value in draw(FIELDS)]
    body = b"\r\n".join(draw(LINES)) + draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n\r\n"]))
    return b"\r\n".join(draw(st.permutations(fields))) + b"\r\n\r\n" + body


@settings(max_examples=300, deadline=None)
@given(octets=messages(), way=st.sampled_from(WAYS))
def test_issue12_whatever_is_accepted_verifies(octets: bytes, way: Canonicalization) -> None:
    """By dkimpy, for both kinds of key, in each canonical form."""
    try:
        message = prepare(octets, max_octets=1_000_000).octets
    except InvalidMessage:
        return
    identities = [
        Identity(domain="app.test", selector="r", key=RSA, canonicalization=way),
        Identity(domain="app.test", selector="e", key=ED25519, canonicalization=way),
    ]
    above = signatures(message, identities, accepted=1_700_000_000)
    assert verify(above + message, RECORDS) == [True, True]
    assert max(len(line) for line in above.split(b"\r\n")) <= 78


@settings(max_examples=200, deadline=None)
@given(lines=LINES, end=st.integers(0, 4))
def test_issue12_a_body_in_pieces_is_a_body(lines: list[bytes], end: int) -> None:
    """Empty lines at its end, and blanks at those of its lines, change nothing in relaxed form."""
    body = b"".join(line + b"\r\n" for line in lines)
    hashed = body_hash(body, relaxed=True)
    padded = b"".join(line + b" \t\r\n" for line in lines)
    assert body_hash(padded + b"\r\n" * end, relaxed=True) == hashed
    assert body_hash(body + b" \r\n" * end, relaxed=True) == hashed
    assert body_hash(b"x" * 7 + body, 7, relaxed=True) == hashed
    simple = body_hash(body.rstrip(b"\r\n") + b"\r\n" if body.strip(b"\r\n") else b"", relaxed=False)
    assert body_hash(body + b"\r\n" * end, relaxed=False) == simple


@settings(max_examples=500, deadline=None)
@given(value=st.binary(max_size=200) | VALUES.map(str.encode))
def test_issue12_any_from_field_has_a_domain_or_none(value: bytes) -> None:
    """Whatever stands there: no error, and what comes back is a domain in A-labels."""
    domain = author_domain([b"From:" + value])
    assert domain is None or (domain.isascii() and domain == domain.lower() and "@" not in domain)
