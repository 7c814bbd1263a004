from __future__ import annotations

from pathlib import Path

from softbounce_config import load
from softbounce_config.own_waits import OwnWaits


def test_issue10_F_the_file_says_which_waits_are_ours(tmp_path: Path) -> None:
    """Those that it names now, without a restart; a file that is wrong or gone adds none, and takes none away."""
    file = tmp_path / "softbounce.toml"
    file.write_text('[policy.p]\nwait = "a.b:c"\n')
    environ = {"SOFTBOUNCE__POLICY__Q__WAIT": "e:f"}
    waits = OwnWaits(file, environ, load(file, environ=environ).settings().waits)
    assert "a.b:c" in waits
    assert "e:f" in waits
    assert "os:system" not in waits
    file.write_text('[policy.p]\nwait = "new:one"\n[policy.x]\nwait = "new:two"\n')
    assert "new:one" in waits
    assert "new:two" in waits
    assert "os:system" not in waits
    file.write_text("[policy")
    assert "os:system" not in waits
    file.unlink()
    assert "os:system" not in waits
    assert "new:one" in waits
