"""Writes the blocking twin of each client module for asyncio, ``NAME.py`` beside ``async_NAME.py``: word for word.

    script/twin.py            writes those that differ
    script/twin.py --check    fails when one differs, and writes none

``script/docs`` runs it, and with ``--check`` so does lint. A word for asyncio alone is replaced by what :data:`WORDS`
says; imports and lines are then set by ruff. It knows no grammar: what has no twin in words belongs into a flow.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "softbounce" / "client"
PREFIX = "async_"

WORDS = {
    # Names, and the words of the grammar
    "AsyncClient": "Client",
    "LoopShards": "Shards",
    "await_flow": "run_flow",
    "event_loops": "shards",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "import asyncio": "import time",
    "asyncio.sleep": "time.sleep",
    "async def": "def",
    "await ": "",
    "for event in events:\n                yield event": "yield from events",
    "for one in page.suppressions:\n                yield one": "yield from page.suppressions",
    # Prose
    "The client for asyncio, of which ``script/twin.py`` makes the client for threads": "The client for threads",
    "Any number of event loops may use one, one after another (``asyncio.run`` once a mail) or at once; ": (
        "Threads may share one; "
    ),
    "\n    Each has connections of its own, which ``close`` and the loop's end close.": "",
}
ANY_WORD = re.compile("|".join(map(re.escape, WORDS)))
LEFT_OVER = re.compile(r"\w*(?:async|await|event loop)\w*", re.IGNORECASE)


def twin(source: str, name: str) -> str:
    """The blocking twin of *source*, which is in the file *name*.

    :raises ValueError: a word of asyncio is left that :data:`WORDS` does not have.
    """
    body = ANY_WORD.sub(lambda word: WORDS[word[0]], source)
    left = LEFT_OVER.search(body)
    if left is not None:
        raise ValueError(f"{name}: {left[0]!r} has no twin in script/twin.py")
    note = f"# Generated from {name} by script/twin.py. Change that one, and run script/docs.\n"
    return _ruff("format", text=_ruff("check", "--select", "I", "--fix", "--quiet", text=note + body))


def _ruff(*arguments: str, text: str) -> str:
    command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(FOLDER / "twin.py"), "-"]
    done = subprocess.run(command, cwd=ROOT, input=text, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return done.stdout


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write the twins, or with ``--check`` say which are stale; 1 when one is."""
    stale = 0
    for source in sorted(folder.glob(f"{PREFIX}*.py")):
        written = source.with_name(source.name.removeprefix(PREFIX))
        text = twin(source.read_text(encoding="utf-8"), source.name)
        if written.is_file() and written.read_text(encoding="utf-8") == text:
            continue
        if arguments == ["--check"]:
            print(f"{written} is stale: run script/docs", file=sys.stderr)
            stale = 1
        else:
            written.write_text(text, encoding="utf-8")
            print(f"wrote {written}")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
