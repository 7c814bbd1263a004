"""The command line: what people and scripts do with softbounce. Each command stands in ``commands/`` by its name.

Every command says what it found as text for a person, or with ``--json`` as JSON for a program. Exit codes: 0 done,
1 it failed or was not found, 2 wrong usage, config or input, 3 the store cannot be reached or refuses.
"""

from __future__ import annotations

from softbounce_gateway.cli.app import app, main

__all__ = ["app", "main"]
