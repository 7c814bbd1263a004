"""Which of the configured signatures a message gets: chosen by the domain of its author.

The first rule whose glob the domain fits decides, and every rule with that same glob signs. A rule signs as the
author's own domain, or as one above it that it names: nothing else counts for DMARC (RFC 7489 §3.1.1). Where a rule
names a domain that is not above the author's, it does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from softbounce_config.process_settings import DkimSettings

from softbounce.errors import ConfigError
from softbounce.globs import matches
from softbounce_worker.dkim.signature import Identity
from softbounce_worker.dkim.signing_key import SigningKey

__all__ = ["SigningRule", "identities_for", "load_rules", "rules_for"]


@dataclass(frozen=True, slots=True)
class SigningRule:
    """One ``[[dkim]]`` table with its key.

    :ivar warnings: what speaks against the key, in words.
    """

    told: DkimSettings
    key: SigningKey
    warnings: tuple[str, ...] = ()

    def fits(self, author: str) -> bool:
        """Whether mail from this domain is signed by it."""
        signer = self.told.d
        is_within = signer is None or author == signer or author.endswith(f".{signer}")
        return is_within and matches(self.told.domain, author)

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


def rules_for(author: str | None, rules: Sequence[SigningRule]) -> list[SigningRule]:
    """Those that sign for an author's domain; of a domain and selector the first one."""
    fitting = [rule for rule in rules if author is not None and rule.fits(author)]
    return [rule for rule in fitting if rule.told.domain == fitting[0].told.domain]


def identities_for(author: str | None, rules: Sequence[SigningRule]) -> list[Identity]:
    """With what mail from that domain is signed; none: nobody signs it."""
    return [rule.identity(author) for rule in rules_for(author, rules)] if author is not None else []


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
