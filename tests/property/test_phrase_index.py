"""The index of phrases finds what looking for each phrase finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from softbounce.classify import active_rules
from softbounce.classify.wording import read_text

RULES = active_rules()
TERMS = sorted({term for one in RULES.wordings for phrase in one.phrases for term in phrase})
LINKS = sorted({term.strip() for one in RULES.wordings for phrase in one.links for term in phrase})
PIECES = st.one_of(
    st.sampled_from(TERMS),
    st.sampled_from(TERMS).map(lambda term: term[1:]),
    st.sampled_from(LINKS).map(lambda link: f"https://{link}.example/"),
    st.text(max_size=6),
)


@settings(max_examples=600)
@given(st.lists(PIECES, max_size=8).map(" ".join))
def test_it_finds_what_looking_for_each_finds(written: str) -> None:
    """In any text, the terms of any phrases in any order included."""
    text = read_text(written)
    assert RULES.index.fitting(text) == [at for at, one in enumerate(RULES.wordings) if one.fits(text)]
