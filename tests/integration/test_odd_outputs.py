"""Where a command's output goes: consoles of other encodings, and what is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest
from servers import Valkey

from softbounce import Client

CHINESE = "请先核实\U0001f600é"
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def run(
    *words: str,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    stdout: IO[bytes] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command by its name, with its output where that is wanted."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUTF8")}
    return subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-m", "softbounce", *words],
        env={**kept, **(environ or {})},
        cwd=folder,
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        pytest.param({"PYTHONIOENCODING": "latin-1"}, r"\u8bf7\u5148\u6838\u5b9e\ud83d\ude00é", id="latin_1"),
        pytest.param(C_LOCALE, r"\u8bf7\u5148\u6838\u5b9e\ud83d\ude00\u00e9", id="c_locale"),
        pytest.param({"PYTHONIOENCODING": "latin-1:replace"}, "?????é", id="as_asked"),
    ],
)
def test_issue15_an_encoding_without_a_letter_ends_no_command(
    store_server: Valkey, tmp_path: Path, encoding: dict[str, str], shown: str
) -> None:
    """What a console cannot show is written as JSON's escapes, unless it was told otherwise, and nothing ends."""
    with Client(store_server.url) as mail:
        mail.suppress("a@b.test", reason=CHINESE)
    done = run("suppress", "list", folder=tmp_path, environ={"SOFTBOUNCE__STORE__URL": store_server.url, **encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown in done.stdout.decode("latin-1")


def test_issue15_json_stays_json_in_any_encoding(tmp_path: Path) -> None:
    """Whoever reads it has every letter, also those that the encoding has not."""
    row = json.dumps({"id": CHINESE, "reply": "550 5.1.1 User unknown"})
    for encoding in ({"PYTHONIOENCODING": "latin-1"}, C_LOCALE):
        done = run("classify", folder=tmp_path, environ=encoding, stdin=row.encode())
        assert (done.returncode, done.stderr) == (0, b"")
        assert json.loads(done.stdout.decode("latin-1"))["id"] == CHINESE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize("words", [["codes"], ["--version"], ["codes", "--json"]], ids=" ".join)
def test_issue15_a_full_disk_is_one_line(tmp_path: Path, words: list[str]) -> None:
    """A command whose output has no room says that in one line, without a traceback, and ends with 1."""
    with Path("/dev/full").open("wb") as full:
        done = run(*words, folder=tmp_path, stdout=full)
    assert (done.returncode, done.stderr) == (1, b"softbounce: the output cannot be written: No space left on device\n")
