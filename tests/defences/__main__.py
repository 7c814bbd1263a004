"""Sees every defence's test fail without it. Ends with ``N defences, N caught``; exit code 1: they are not all caught.

Each defence is taken away in a copy of the tree of its own, which comes first on the path of the test and of all its
child processes. First all the tests run in an untouched copy, unless they just did: a test that fails anyhow proves
nothing.
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from defences.catalogue import PACKAGES, Defence, Stale, copy_tree, read_list, take_away
from defences.forked import run_forked

ROOT = Path(__file__).parents[2]
WITHIN = 120
JOBS = 4 * (os.cpu_count() or 1)
"""Most tests wait for what no longer comes, now that it was taken away."""
FAILED = 1
"""pytest's exit code when tests ran and some failed; any other tells that the test is not there or could not run."""


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m defences", description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at a time")
    parser.add_argument("--proven", action="store_true", help="the tests are known to pass with all defences in place")
    parser.add_argument("--third", metavar="COMMIT", help="only a third: which one goes by this hexadecimal number")
    parser.add_argument("word", nargs="*", help="only defences with one of these in their name")
    options = parser.parse_args()
    try:
        defences = [one for one in read_list() if not options.word or any(word in one.name for word in options.word)]
    except Stale as error:
        print(error)
        return 1
    if options.third is not None:
        turn = int(options.third, 16) % 3
        defences = [one for one in defences if zlib.crc32(one.name.encode()) % 3 == turn]
    with tempfile.TemporaryDirectory(prefix="sb-defences-") as name:
        folder = Path(name)
        tests = list(dict.fromkeys(one.test for one in defences))
        whole = folder / "whole"
        copy_tree(ROOT, whole)
        compileall.compile_dir(whole, quiet=1)  # once for all copies
        code, output = (0, "") if options.proven else run_tests(whole, tests)
        if code != 0:
            print(f"{output}\nwith all defences in place these tests must pass")
            return 1
        # Tests that failed for the way in which they are run would all be counted as caught.
        code, output = run_forked(whole, defences[0].test, within=WITHIN) if defences else (0, "")
        if code != 0:
            print(f"{output}\n{defences[0].test} must pass with all defences in place")
            return 1
        with ThreadPoolExecutor(options.jobs) as pool:
            caught = sum(pool.map(lambda each: is_caught(each[1], whole, folder / str(each[0])), enumerate(defences)))
    print(f"{len(defences)} defences, {caught} caught")
    return 0 if caught == len(defences) else 1


def is_caught(defence: Defence, whole: Path, tree: Path) -> bool:
    """Whether its test fails without it."""
    began = time.monotonic()
    # The same files: whoever writes one makes it anew. What is compiled is known to be theirs by their times.
    shutil.copytree(whole, tree, copy_function=os.link)
    try:
        take_away([defence], tree)
    except Stale as error:
        print(f"STALE   {error}", flush=True)
        return False
    code, output = run_forked(tree, defence.test, within=WITHIN)
    seconds = time.monotonic() - began
    if code == FAILED:
        print(f"caught  {defence.name} ({seconds:.1f} s)", flush=True)
        return True
    why = "its test passes without it" if code == 0 else f"its test could not run\n{output}"
    print(f"MISSED  {defence.name}: {defence.test}: {why}", flush=True)
    return False


def run_tests(tree: Path, tests: list[str]) -> tuple[int, str]:
    """Run many tests of a tree on the code of that tree, child processes included; exit code, and what pytest said."""
    environ = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": os.pathsep.join(str(tree / package) for package in PACKAGES),
        "PYTEST_ADDOPTS": "",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", str(JOBS // 2), *tests]
    done = subprocess.run(  # noqa: S603 - our own tests
        command, cwd=tree, env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, f"{done.stdout[-3000:]}{done.stderr[-1000:]}"


if __name__ == "__main__":
    sys.exit(main())
