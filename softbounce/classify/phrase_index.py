"""Finds which of thousands of phrases are in a text, by the few pieces that the text and a phrase have in common.

To look for each phrase took a millisecond a reply, and more with each language; this takes a tenth, and hardly more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from softbounce.classify.wording import Phrase

__all__ = ["PhraseIndex"]

PIECE = 4
"""So many letters of a phrase are looked up; shorter ones, as some scripts have them, whole."""


class PhraseIndex:
    """Tables of phrases by the pieces of these."""

    def __init__(self, tables: Iterable[Iterable[Phrase]]) -> None:
        self._pieces: dict[str, list[tuple[int, Phrase]]] = {}
        for position, table in enumerate(tables):
            for phrase in table:
                longest = max(phrase, key=len)
                rarest = min(_pieces(longest, min(PIECE, len(longest))), key=self._number_at)
                self._pieces.setdefault(rarest, []).append((position, phrase))
        self._sizes = sorted({len(piece) for piece in self._pieces})
        self._ascii_sizes = sorted({len(piece) for piece in self._pieces if piece.isascii()})

    def _number_at(self, piece: str) -> int:
        return len(self._pieces.get(piece, ()))

    def fitting(self, words: str) -> set[int]:
        """The positions of the tables of which a phrase is in a levelled text."""
        found: set[int] = set()
        for size in self._ascii_sizes if words.isascii() else self._sizes:
            for piece in set(_pieces(words, size)) & self._pieces.keys():
                for position, phrase in self._pieces[piece]:
                    if position not in found and all(term in words for term in phrase):
                        found.add(position)
        return found


def _pieces(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))
