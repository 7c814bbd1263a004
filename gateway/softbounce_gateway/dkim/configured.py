"""The keys that a configuration names, looked at before anything depends on them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from softbounce_config import Config

from softbounce_gateway.terminal import complain

if TYPE_CHECKING:
    from softbounce_worker.dkim.rules import SigningRule

__all__ = ["check_keys", "configured_rules"]


def configured_rules(config: Config) -> tuple[SigningRule, ...]:
    """The ``[[dkim]]`` tables with their keys.

    :raises ConfigError: some key cannot be used.
    """
    if not config.dkim:
        return ()
    from softbounce_worker.dkim.rules import load_rules  # noqa: PLC0415 - cryptography takes its time

    return load_rules([table.told() for table in config.dkim], os.environ)


def check_keys(config: Config) -> None:
    """See that all can be used, and say what speaks against some.

    :raises ConfigError: one cannot be used.
    """
    rules = configured_rules(config)
    for rule in rules:
        for warning in rule.warnings:
            complain(f"dkim ({rule.told.selector}, {rule.told.domain}): {warning}")
    with_rsa = {rule.told.domain for rule in rules if rule.key.type == "rsa"}
    for domain in dict.fromkeys(rule.told.domain for rule in rules if rule.told.domain not in with_rsa):
        complain(f"dkim ({domain}): signs by Ed25519 alone, which many hosts do not know: add an RSA key beside it")
