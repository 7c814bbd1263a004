"""The store's disk is full: the first look says so, whatever the store still answers. Issue 15."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Service
from torture.volumes import Volume

MEBIBYTES = 48


@pytest.fixture
def disk() -> Iterator[Volume]:
    """A small file system; a short path, as the store's socket lies there."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir="/tmp") as folder:
        volume = Volume(Path(folder) / "disk", MEBIBYTES)
        if not volume.mount():
            if os.environ.get("CI") and os.geteuid() == 0:
                pytest.fail("no file system could be mounted")
            pytest.skip("only root can mount a small file system")
        try:
            yield volume
        finally:
            volume.unmount()


def test_issue15_a_full_disk_is_told_first(disk: Volume, store_binary: object) -> None:
    """Before anything else that is wrong for it; with room again it is gone."""
    del store_binary
    service = Service(f'[store]\ndata_dir = "{disk.folder}"\n')
    try:
        service.start("--roles", "store")
        disk.fill()
        told = service.json("top")
        assert (told["flows"], told["findings"][0]["kind"], told["findings"][0]["scope"]) == ("no", "disk", "store")
        assert told["sentence"].startswith("No. The store's disk is full")
        assert told["findings"][0]["command"][0] == "df"
        disk.empty()
        assert "disk" not in {one["kind"] for one in json.loads(service.cli("top", "--json").stdout)["findings"]}
    finally:
        service.clean()
