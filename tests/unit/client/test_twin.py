"""``script/twin.py``, which makes the client for threads of the one for asyncio."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SOURCE = "async_client.py"
WRITTEN = "client.py"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("twin", ROOT / "script" / "twin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(maker: ModuleType, tmp_path: Path) -> Path:
    """A copy of the clients."""
    for name in (SOURCE, WRITTEN):
        shutil.copy(maker.FOLDER / name, tmp_path / name)
    return tmp_path


def test_the_client_for_threads_is_fresh(maker: ModuleType) -> None:
    """It is what its twin makes of it, and says by what; ``script/docs`` writes a new one."""
    text = (maker.FOLDER / WRITTEN).read_text(encoding="utf-8")
    assert text == maker.twin((maker.FOLDER / SOURCE).read_text(encoding="utf-8"), SOURCE)
    assert text.startswith("# Generated from async_client.py by script/twin.py.")
    assert maker.main(["--check"]) == 0


@pytest.mark.parametrize("drifted", [SOURCE, WRITTEN])
def test_drift_fails_and_is_mended(
    maker: ModuleType, folder: Path, drifted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change of the one or of the other fails the check, which changes nothing; the script takes it along."""
    changed = folder / drifted
    changed.write_text(changed.read_text(encoding="utf-8").replace("limit: int = 100", "limit: int = 101"))
    before = (folder / WRITTEN).read_text(encoding="utf-8")
    assert maker.main(["--check"], folder) == 1
    assert "client.py is stale: run script/docs" in capsys.readouterr().err
    assert (folder / WRITTEN).read_text(encoding="utf-8") == before
    assert maker.main([], folder) == 0
    assert maker.main(["--check"], folder) == 0
    assert ("101" in (folder / WRITTEN).read_text(encoding="utf-8")) is (drifted == SOURCE)


def test_a_twin_that_is_missing_fails_the_check(maker: ModuleType, folder: Path) -> None:
    """The pair is found by its name: an ``async_NAME.py`` without its ``NAME.py`` is stale too."""
    (folder / WRITTEN).unlink()
    assert maker.main(["--check"], folder) == 1
    assert maker.main([], folder) == 0
    assert (folder / WRITTEN).is_file()


@pytest.mark.parametrize(
    "line", ["await asyncio.gather(one, two)", "async with lock:", "loop = asyncio.get_running_loop()"]
)
def test_a_word_without_a_twin_is_an_error(maker: ModuleType, line: str) -> None:
    """What asyncio alone can do makes no half-translated client, but an error that names the word."""
    with pytest.raises(ValueError, match=r"^async_new\.py: '.*' has no twin in script/twin\.py$"):
        maker.twin(f"async def new() -> None:\n    {line}\n", "async_new.py")


def test_each_replacement_is_used(maker: ModuleType) -> None:
    """A replacement that no client needs any more is gone from the script."""
    sources = "".join(path.read_text(encoding="utf-8") for path in maker.FOLDER.glob("async_*.py"))
    assert [word for word in maker.WORDS if word not in sources] == []
