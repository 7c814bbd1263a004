"""Copies of the code with a defence taken away, to measure what it costs. The product itself has no switch for that.

The lines and what stands in their place are those of ``tests/defences/defences.toml``, whose tests see that each is
really gone. Where they fit the code no more nothing is measured.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from borrowed import PACKAGES, ROOT, Defence, Stale, copy_tree, read_list, take_away

__all__ = ["AS_SHIPPED", "VARIANTS", "variants"]

MARKER = "the marker before the dot"
JOURNAL = "the journal before the commit"
AS_SHIPPED = "as shipped"
VARIANTS = {
    AS_SHIPPED: (),
    "marker off": (MARKER,),
    "journal off": (JOURNAL,),
    "both off": (MARKER, JOURNAL),
}
"""The defences that each goes without. What is shipped is measured in a copy too, so that all differ in this only."""
WITNESS = "softbounce_worker.session.sending"


@contextmanager
def variants() -> Iterator[dict[str, str]]:
    """What to put on ``PYTHONPATH`` for each.

    :raises SystemExit: a defence is not in the list, its lines are not in the code, or a copy would not be used.
    """
    with tempfile.TemporaryDirectory(prefix="sb-safety-") as name:
        paths = {}
        for number, (variant, without) in enumerate(VARIANTS.items()):
            tree = Path(name) / str(number)
            copy_tree(ROOT, tree)
            try:
                take_away([_defence(one) for one in without], tree)
            except Stale as error:
                raise SystemExit(f"stale: {error}; mend tests/defences/defences.toml") from None
            compileall.compile_dir(tree, quiet=2)
            paths[variant] = os.pathsep.join(str(tree / package) for package in PACKAGES)
            _see_that_it_is_used(tree, paths[variant])
        yield paths


def _defence(name: str) -> Defence:
    found = [one for one in read_list() if one.name == name]
    if not found:
        raise Stale(f"no defence is called {name!r}")
    return found[0]


def _see_that_it_is_used(tree: Path, path: str) -> None:
    """An installed package that came before the copy's would make every variant the same."""
    program = f"import {WITNESS} as witness; print(witness.__file__)"
    environ = {**os.environ, "PYTHONPATH": path}
    told = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", program], cwd=tree.parent, env=environ, capture_output=True, text=True, check=True
    )
    if not Path(told.stdout.strip()).is_relative_to(tree):
        raise SystemExit(f"{WITNESS} would be imported from {told.stdout.strip()}, not from {tree}")
