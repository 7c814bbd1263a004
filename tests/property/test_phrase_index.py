"""A pack finds the rules that looking for each phrase finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from softbounce.classify import active_rules
from softbounce.classify.wording import read_text

RULES = active_rules()
TABLES = [*RULES.words.values(), *(table for one in RULES.wordings for table in (one.phrases, one.without))]
TERMS = sorted({term for table in TABLES for phrase in table for term in phrase})
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
    text, fitting = RULES.read(written)
    words = read_text(written).words
    named = [word for word, table in RULES.words.items() if any(all(term in words for term in one) for one in table)]
    assert text.words == words + " ".join(named)
    assert fitting == [one for one in RULES.wordings if one.fits(text)]
