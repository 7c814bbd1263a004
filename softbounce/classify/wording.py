"""How wordings are written down and found: plain words in a bounded, levelled text. No regular expressions.

A text is hostile input. It is cut at 1 KiB, freed of addresses (their local parts would be read as words), folded to
lower case without accents, and every run of other characters becomes one space. Then a phrase is a substring; the work
is linear in the text for each phrase.

In a table phrases are parted by ``|`` or line ends. ``a & b`` needs both, in any order; ``=word`` is a whole word, and
``{sender}`` any of those by which a pack knows that word in other languages. The words that a text has stand behind it,
in braces and capitals: a levelled text has none of its own.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from softbounce.meaning import Meaning

__all__ = ["TEXT_LIMIT", "Phrase", "Text", "Wording", "is_word", "level", "phrases", "read_text", "without_accents"]

TEXT_LIMIT = 1024
AROUND_ADDRESS = re.compile(r"[<>()\[\]:;,\"']|\.\.+")
NO_WORD = re.compile(r"[\W_]+")
STRUCK = str.maketrans("\u0131\u0142\u00f8\u0111", "ilod")
"""Letters with a mark that Unicode does not take apart: Turkish, Polish, Danish, Norwegian, Croatian, Vietnamese."""

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A reply's text, levelled.

    :ivar words: without web addresses, whose paths would be read as words; behind them what they are called elsewhere.
    :ivar links: the web addresses.
    """

    words: str
    links: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A named group of phrases that point to one meaning.

    :ivar name: the rule's name, without ``builtin:``.
    :ivar phrases: any of them is enough.
    :ivar links: the same, looked for in web addresses.
    :ivar without: with one of these in the text it does not fit.
    :ivar retries: a 5xx so worded may be accepted later, and becomes soft.
    :ivar digit: only for codes that begin so; 0: all.
    :ivar subject: only beside an enhanced status code of this subject; ``None``: always.
    :ivar sites: only for these sites; empty: all. What one provider means must not be read into another's text.
    :ivar is_weak: too general to outrank an exact enhanced status code.
    """

    name: str
    meaning: Meaning
    phrases: tuple[Phrase, ...]
    links: tuple[Phrase, ...] = ()
    without: tuple[Phrase, ...] = ()
    retries: bool = False
    digit: int = 0
    subject: int | None = None
    sites: frozenset[str] = field(default_factory=frozenset[str])
    is_weak: bool = False

    def is_for(self, digit: int, subject: int | None) -> bool:
        """Whether it speaks of replies whose code begins so, with an enhanced status code of this subject."""
        return self.digit in (0, digit) and self.subject in (None, subject)

    def fits(self, text: Text) -> bool:
        """Whether the text holds one of the phrases, and none that bars it."""
        return (_holds(self.phrases, text.words) or self.is_linked(text)) and not self.is_barred(text)

    def is_barred(self, text: Text) -> bool:
        """Whether the text holds a phrase with which it does not fit."""
        return bool(self.without) and _holds(self.without, text.words)

    def is_linked(self, text: Text) -> bool:
        """Whether a web address in the text holds one of the phrases for those."""
        return bool(self.links) and _holds(self.links, text.links)


def _holds(table: tuple[Phrase, ...], words: str) -> bool:
    for phrase in table:
        for term in phrase:
            if term not in words:
                break
        else:
            return True
    return False


def level(text: str) -> str:
    """Lower case, no accents, single spaces between words and around the whole."""
    return f" {NO_WORD.sub(' ', without_accents(text.casefold())).strip()} "


def without_accents(text: str) -> str:
    """The same letters without what stands above or below them."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text.translate(STRUCK))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def read_text(text: str) -> Text:
    """Level a reply's text. Total, and bounded whatever the length."""
    kept: list[str] = []
    links: list[str] = []
    for token in text[:TEXT_LIMIT].split():
        if "://" in token or token.startswith("www."):
            links.append(token)
        elif "@" in token:
            kept.extend(part for part in AROUND_ADDRESS.split(token) if "@" not in part)
        else:
            kept.append(token)
    return Text(words=level(" ".join(kept)), links=level(" ".join(links)))


def phrases(table: str) -> tuple[Phrase, ...]:
    """Read a table of phrases; lines that begin with ``#`` are comments."""
    lines = (line.strip() for line in table.splitlines())
    entries = (entry.strip() for line in lines if not line.startswith("#") for entry in line.split("|"))
    return tuple(tuple(_term(term.strip()) for term in entry.split("&")) for entry in entries if entry)


def is_word(term: str) -> bool:
    """Whether a term stands for a word in all languages."""
    return term.startswith("{")


def _term(term: str) -> str:
    if is_word(term):
        return term.upper()
    if term.startswith("="):
        return level(term[1:])
    return level(term).strip()
