"""The rules by which replies are read: a pack of data with a version of its own, which a user can replace.

The built-in one is ``rules.toml`` beside this file; how a rule is written is said there. A pack is checked when it is
read: its form, its bounds, and that each rule fits its own example and not the reply that it must be told from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from itertools import chain
from typing import Annotated, Literal

import msgspec

from softbounce.classify.phrase_index import PhraseIndex
from softbounce.classify.reply_text import parse_reply_text
from softbounce.classify.wording import Phrase, Text, Wording, is_word, phrases, read_text
from softbounce.errors import ConfigError
from softbounce.globs import matches
from softbounce.meaning import Meaning
from softbounce.verdict import FineFault, Reason

__all__ = ["PREFIX", "Rules", "active_rules", "built_in_text", "is_disabled", "read_pack"]

PREFIX = "builtin:"
MOST_CHARACTERS = 512 * 1024
MOST_PHRASES = 10_000
LONGEST_PHRASE = 200

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")]
Reply = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Word = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{0,31}$")]


class _Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One rule as it is written."""

    name: Name
    reason: Reason
    fault: FineFault
    example: Reply
    unlike: Reply
    phrases: str = ""
    links: str = ""
    without: str = ""
    dead: bool = False
    retries: bool = False
    digit: Literal[0, 4, 5] = 0
    subject: Literal[0, 1, 2, 3, 4, 5, 6, 7] | None = None
    sites: str | None = None
    weak: bool = False


class _Pack(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A pack as it is written."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    rule: Annotated[list[_Rule], msgspec.Meta(min_length=1, max_length=1000)]
    sites: dict[str, Annotated[list[str], msgspec.Meta(min_length=1, max_length=100)]] = msgspec.field(
        default_factory=dict[str, list[str]]
    )
    words: dict[Word, str] = msgspec.field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A pack, read.

    :ivar version: its own.
    :ivar words: what some are called in other languages; in braces and capitals, as phrases have them.
    :ivar wordings: its rules in their order.
    :ivar by_name: the same by their names.
    """

    version: str
    words: Mapping[str, tuple[Phrase, ...]]
    wordings: tuple[Wording, ...]
    by_name: Mapping[str, Wording]
    _index: PhraseIndex
    """Of the words, and behind them of the rules: their phrases without words."""
    _worded: Mapping[str, list[tuple[int, Phrase]]]
    """The other phrases, each by one of its words, with the position of its rule."""
    _linked: tuple[int, ...]

    @classmethod
    def of(cls, version: str, words: Mapping[str, tuple[Phrase, ...]], wordings: tuple[Wording, ...]) -> Rules:
        """The rules of a pack, or some of them."""
        plain = [[phrase for phrase in one.phrases if not any(map(is_word, phrase))] for one in wordings]
        worded: dict[str, list[tuple[int, Phrase]]] = {}
        for position, wording in enumerate(wordings):
            for phrase in wording.phrases:
                named = [worded.setdefault(term, []) for term in phrase if is_word(term)]
                if named:
                    min(named, key=len).append((position, phrase))
        return cls(
            version=version,
            words=words,
            wordings=wordings,
            by_name={wording.name: wording for wording in wordings},
            _index=PhraseIndex([*words.values(), *plain]),
            _worded=worded,
            _linked=tuple(position for position, wording in enumerate(wordings) if wording.links),
        )

    def read(self, text: str) -> tuple[Text, list[Wording]]:
        """Level a reply's text, with the words that it has, and find the rules that fit it, in order."""
        read = read_text(text)
        found = self._index.fitting(read.words)
        names = [name for position, name in enumerate(self.words) if position in found]
        fitting = {position - len(self.words) for position in found if position >= len(self.words)}
        if names:
            read = replace(read, words=f"{read.words}{' '.join(names)}")
            for position, phrase in chain.from_iterable(self._worded.get(name, ()) for name in names):
                if position not in fitting and all(term in read.words for term in phrase):
                    fitting.add(position)
        if not read.links.isspace():
            fitting.update(position for position in self._linked if self.wordings[position].is_linked(read))
        wordings = (self.wordings[position] for position in sorted(fitting))
        return read, [wording for wording in wordings if not wording.is_barred(read)]


def read_pack(text: str) -> Rules:
    """Read and check a pack.

    :raises ConfigError: it is none; names the rule and what is wrong with it.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(f"a rule pack has at most {MOST_CHARACTERS} characters, this one {len(text)}")
    try:
        pack = msgspec.convert(tomllib.loads(text), _Pack)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise ConfigError(f"no rule pack: {error}") from error
    words = {f"{{{name.upper()}}}": _phrases(f'the word "{name}"', table, ()) for name, table in pack.words.items()}
    wordings = tuple(_wording(rule, pack.sites, words) for rule in pack.rule)
    if len({one.name for one in wordings}) < len(wordings):
        names = [one.name for one in wordings]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f'rule "{twice}" is there twice')
    number = sum(len(one.phrases) + len(one.links) for one in wordings) + sum(map(len, words.values()))
    if number > MOST_PHRASES:
        raise ConfigError(f"a rule pack has at most {MOST_PHRASES} phrases")
    rules = Rules.of(pack.version, words, wordings)
    for rule, wording in zip(pack.rule, wordings, strict=True):
        if not _fits(rules, wording, rule.example):
            raise ConfigError(f'rule "{rule.name}" does not fit its own example: {rule.example}')
        if _fits(rules, wording, rule.unlike):
            raise ConfigError(f'rule "{rule.name}" fits what it must not: {rule.unlike}')
    return rules


def _wording(rule: _Rule, sites: Mapping[str, list[str]], words: Collection[str]) -> Wording:
    if rule.sites is not None and rule.sites not in sites:
        raise ConfigError(f'rule "{rule.name}" is for sites "{rule.sites}", which stand nowhere under [sites]')
    where = f'rule "{rule.name}"'
    said, linked = _phrases(where, rule.phrases, words), _phrases(where, rule.links, ())
    if not said and not linked:
        raise ConfigError(f'rule "{rule.name}" has neither phrases nor links')
    return Wording(
        name=rule.name,
        meaning=Meaning(reason=rule.reason, fault=rule.fault, dead=rule.dead),
        phrases=said,
        links=linked,
        without=_phrases(where, rule.without, words),
        retries=rule.retries,
        digit=rule.digit,
        subject=rule.subject,
        sites=frozenset(name.lower() for name in sites[rule.sites]) if rule.sites else frozenset(),
        is_weak=rule.weak,
    )


def _phrases(where: str, table: str, known: Collection[str]) -> tuple[Phrase, ...]:
    """The phrases of a table. One that says nothing would fit everything, and one with an unknown word nothing."""
    read = phrases(table)
    for phrase in read:
        words = " & ".join(phrase)
        if len(words) > LONGEST_PHRASE or not all(term.strip() for term in phrase):
            raise ConfigError(f'{where} has a phrase that says nothing, or too much: "{words[:60]}"')
        for term in phrase:
            if is_word(term) and term not in known:
                raise ConfigError(f"{where} names {term.lower()[:60]}, which stands nowhere under [words]")
    return read


def _fits(rules: Rules, wording: Wording, written: str) -> bool:
    try:
        reply = parse_reply_text(written)
    except ValueError as error:
        raise ConfigError(f'rule "{wording.name}": {error}') from error
    subject = int(reply.enhanced[2]) if reply.enhanced else None
    return wording.is_for(reply.code // 100, subject) and wording.fits(rules.read(reply.text)[0])


def is_disabled(name: str, disabled: tuple[str, ...]) -> bool:
    """Whether the user switched a built-in rule off: by name, with or without ``builtin:``, or by a glob."""
    return any(matches(glob.removeprefix(PREFIX), name) for glob in disabled)


def built_in_text() -> str:
    """The built-in pack as it is written."""
    return resources.files("softbounce.classify").joinpath("rules.toml").read_text("utf-8")


@lru_cache(maxsize=16)
def active_rules(pack: str = "", disabled: tuple[str, ...] = ()) -> Rules:
    """The rules that are on: of a pack as it is written (empty: the built-in one), less those that are switched off.

    What comes from the store may be nonsense to this version; then the built-in ones count.
    """
    rules = _read(pack)
    if not disabled:
        return rules
    kept = tuple(one for one in rules.wordings if not is_disabled(one.name, disabled))
    return Rules.of(rules.version, rules.words, kept)


@lru_cache(maxsize=4)
def _read(pack: str) -> Rules:
    try:
        return read_pack(pack) if pack else read_pack(built_in_text())
    except ConfigError:
        if not pack:
            raise
        return _read("")
