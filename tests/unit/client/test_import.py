from __future__ import annotations

import subprocess
import sys

import pytest

import softbounce


@pytest.mark.parametrize("name", softbounce.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Imported when it is first used."""
    assert getattr(softbounce, name).__name__ == name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="Postman"):
        _ = softbounce.Postman  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        pytest.param("import softbounce", ("redis", "msgspec", "asyncio", "zstandard"), id="package"),
        pytest.param("from softbounce import StoreUncertain", ("redis", "msgspec", "asyncio"), id="errors"),
        pytest.param("from softbounce import Client", ("dns", "dramatiq", "typer", "rich", "pydantic"), id="client"),
    ],
)
def test_an_app_pays_only_for_what_it_uses(statement: str, without: tuple[str, ...]) -> None:
    """Importing the package is light, and the client needs nothing of the service."""
    program = f"import sys; {statement}; print([name for name in {without} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_the_command_without_the_service_says_how_to_get_it() -> None:
    """`pip install softbounce` alone is the client."""
    program = "import sys; sys.modules['typer'] = None; from softbounce.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'softbounce[service]'" in done.stderr
