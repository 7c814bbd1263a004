"""The packages that are installed are those that somebody looked at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("lock", ["service", "dev"])
def test_A33_every_package_is_pinned_with_its_hashes(lock: str) -> None:
    """A version and hashes for each, and every program that installs them asks for the hashes."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    packages = re.split(r"\n(?=[a-z0-9])", "\n" + re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))[1:]
    assert len(packages) > 20
    assert not [one for one in packages if not re.match(r"[a-z0-9._-]+==[^ \\]+[^\n]*\\\n.*--hash=sha256:", one)]
    for program in ("script/bootstrap", "Dockerfile"):
        installs = re.findall(r"pip[^\n]*install[^\n]*(?:\\\n[^\n]*)*-r[^\n]*", (ROOT / program).read_text())
        assert installs
        assert all("--require-hashes" in one for one in installs)
