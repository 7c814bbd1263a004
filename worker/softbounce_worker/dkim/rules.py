"""Which of the configured signatures a message gets: chosen by the domain of its author.

The first rule whose glob the domain fits decides, and every rule with that same glob signs. A rule signs as the
author's own domain, or as one above it that it names: nothing else counts for DMARC (RFC 7489 §3.1.1). Where a rule
names a domain that is not above the author's, it does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from softbounce_config.process_settings import DkimSettings

from softbounce.errors import ConfigError
from softbounce.globs import Globs
from softbounce_worker.dkim.signature import Identity
from softbounce_worker.dkim.signing_key import SigningKey

__all__ = ["SigningRule", "SigningRules", "load_rules"]


@dataclass(frozen=True, slots=True)
class SigningRule:
    """One ``[[dkim]]`` table with its key.

    :ivar warnings: what speaks against the key, in words.
    """

    told: DkimSettings
    key: SigningKey
    warnings: tuple[str, ...] = ()

    def is_within(self, author: str) -> bool:
        """Whether it may sign for that domain: what it signs as is that one, or above it."""
        signer = self.told.d
        return signer is None or author == signer or author.endswith(f".{signer}")

    def identity(self, author: str) -> Identity:
        """With what it signs that."""
        told = self.told
        seconds = None if told.expire is None else int(told.expire.total_seconds())
        return Identity(
            domain=told.d or author,
            selector=told.selector,
            key=self.key,
            canonicalization=told.canonicalization,
            expires_seconds=seconds,
        )


class SigningRules:
    """All of them, found by an author's domain: one of thousands of customers' costs as little as the only one."""

    def __init__(self, rules: Iterable[SigningRule]) -> None:
        self.all = tuple(rules)
        self._globs = Globs((rule.told.domain,) for rule in self.all)

    def for_author(self, author: str | None) -> list[SigningRule]:
        """Those that sign for a domain; ``None``: it is not known, and nobody signs."""
        if author is None:
            return []
        near = (self.all[position] for position in self._globs.fitting(author))
        fitting = [rule for rule in near if rule.is_within(author)]
        return [rule for rule in fitting if rule.told.domain == fitting[0].told.domain]

    def identities(self, author: str | None) -> list[Identity]:
        """With what mail from that domain is signed; none: nobody signs it."""
        return [] if author is None else [rule.identity(author) for rule in self.for_author(author)]


def load_rules(tables: Sequence[DkimSettings], environ: Mapping[str, str]) -> tuple[SigningRule, ...]:
    """The tables with their keys, read now.

    :raises ConfigError: some key cannot be used; one line for each, with its table counted from 0. No key is quoted.
    """
    rules: list[SigningRule] = []
    faults: list[str] = []
    for number, told in enumerate(tables):
        try:
            rules.append(_loaded(told, environ))
        except ValueError as error:
            faults.append(f"dkim[{number}] ({told.selector}, {told.domain}): {error}")
    if faults:
        raise ConfigError("\n".join(faults))
    return tuple(rules)


def _loaded(told: DkimSettings, environ: Mapping[str, str]) -> SigningRule:
    from softbounce_worker.dkim.keys import parse_key, read_key_file  # noqa: PLC0415 - cryptography takes 8 MB

    if told.key_file is not None:
        where, open_file = f"key_file {told.key_file}", None
        try:
            key, open_file = read_key_file(told.key_file)
        except ValueError as error:
            raise ValueError(f"{where} {error}") from None
    else:
        where, open_file = f"key_env: the variable {told.key_env}", None
        text = environ.get(told.key_env or "")
        if text is None:
            raise ValueError(f"{where} is not set")
        try:
            key = parse_key(text.encode(errors="replace"))
        except ValueError as error:
            raise ValueError(f"{where} {error}") from None
    warnings = tuple(f"{where} {words}" for words in (key.warning, open_file) if words is not None)
    return SigningRule(told, key, warnings)
