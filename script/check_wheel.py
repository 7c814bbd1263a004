"""Compares a built wheel with the tree: every file of a package that git does not ignore is in the wheel, and no other.

Scripts for the store, defaults and presets are files beside the code; one that stays behind is missed only where the
wheel is installed.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent


def expected_files() -> set[str]:
    """What the wheel must hold, by its path inside the wheel."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        packages = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    listed = subprocess.run(  # noqa: S603 - the arguments are our own
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *packages],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    outer = {PurePosixPath(package).parent for package in packages}
    return {_inside(PurePosixPath(name), outer) for name in listed.split("\0") if name}


def _inside(path: PurePosixPath, outer: set[PurePosixPath]) -> str:
    top = PurePosixPath(path.parts[0])
    return str(path.relative_to(top) if top in outer else path)


def main(wheel: str) -> int:
    """Print what differs; 0 when nothing does."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = expected_files()
    for name in sorted(expected - held):
        print(f"not in the wheel: {name}")
    for name in sorted(held - expected):
        print(f"in the wheel, but not in the tree: {name}")
    return 0 if expected == held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
