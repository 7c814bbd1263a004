"""The rules by which replies are read: a pack of data with a version of its own, which a user can replace.

The built-in one is ``rules.toml`` beside this file; how a rule is written is said there. A pack is checked when it is
read: its form, its bounds, and that each rule fits its own example and not the reply that it must be told from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

import msgspec

from softbounce.classify.phrase_index import PhraseIndex
from softbounce.classify.reply_text import parse_reply_text
from softbounce.classify.wording import Phrase, Wording, phrases, read_text
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
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class _Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One rule as it is written."""

    name: Name
    reason: Reason
    fault: FineFault
    example: Text
    unlike: Text
    phrases: str = ""
    links: str = ""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A pack, read.

    :ivar version: its own.
    :ivar wordings: its rules in their order.
    :ivar by_name: the same by their names.
    :ivar index: by which those are found that fit a text.
    """

    version: str
    wordings: tuple[Wording, ...]
    by_name: Mapping[str, Wording]
    index: PhraseIndex

    @classmethod
    def of(cls, version: str, wordings: tuple[Wording, ...]) -> Rules:
        """The rules of a pack, or some of them."""
        by_name = {wording.name: wording for wording in wordings}
        return cls(version=version, wordings=wordings, by_name=by_name, index=PhraseIndex(wordings))


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
    wordings = tuple(_wording(rule, pack.sites) for rule in pack.rule)
    if len({one.name for one in wordings}) < len(wordings):
        names = [one.name for one in wordings]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f'rule "{twice}" is there twice')
    if sum(len(one.phrases) + len(one.links) for one in wordings) > MOST_PHRASES:
        raise ConfigError(f"a rule pack has at most {MOST_PHRASES} phrases")
    for rule, wording in zip(pack.rule, wordings, strict=True):
        if not _fits(wording, rule.example):
            raise ConfigError(f'rule "{rule.name}" does not fit its own example: {rule.example}')
        if _fits(wording, rule.unlike):
            raise ConfigError(f'rule "{rule.name}" fits what it must not: {rule.unlike}')
    return Rules.of(pack.version, wordings)


def _wording(rule: _Rule, sites: Mapping[str, list[str]]) -> Wording:
    if rule.sites is not None and rule.sites not in sites:
        raise ConfigError(f'rule "{rule.name}" is for sites "{rule.sites}", which stand nowhere under [sites]')
    said, linked = _phrases(rule, rule.phrases), _phrases(rule, rule.links)
    if not said and not linked:
        raise ConfigError(f'rule "{rule.name}" has neither phrases nor links')
    return Wording(
        name=rule.name,
        meaning=Meaning(reason=rule.reason, fault=rule.fault, dead=rule.dead),
        phrases=said,
        links=linked,
        retries=rule.retries,
        digit=rule.digit,
        subject=rule.subject,
        sites=frozenset(name.lower() for name in sites[rule.sites]) if rule.sites else frozenset(),
        is_weak=rule.weak,
    )


def _phrases(rule: _Rule, table: str) -> tuple[Phrase, ...]:
    """The phrases of a table. One that says nothing would fit everything."""
    read = phrases(table)
    for phrase in read:
        words = " & ".join(phrase)
        if len(words) > LONGEST_PHRASE or not all(term.strip() for term in phrase):
            raise ConfigError(f'rule "{rule.name}" has a phrase that says nothing, or too much: "{words[:60]}"')
    return read


def _fits(wording: Wording, written: str) -> bool:
    try:
        reply = parse_reply_text(written)
    except ValueError as error:
        raise ConfigError(f'rule "{wording.name}": {error}') from error
    subject = int(reply.enhanced[2]) if reply.enhanced else None
    return wording.is_for(reply.code // 100, subject) and wording.fits(read_text(reply.text))


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
    return Rules.of(rules.version, tuple(one for one in rules.wordings if not is_disabled(one.name, disabled)))


@lru_cache(maxsize=4)
def _read(pack: str) -> Rules:
    try:
        return read_pack(pack) if pack else read_pack(built_in_text())
    except ConfigError:
        if not pack:
            raise
        return _read("")
