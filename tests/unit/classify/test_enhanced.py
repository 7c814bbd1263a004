"""The table of enhanced status codes."""

from __future__ import annotations

import pytest

from softbounce.enhanced_status import ENHANCED, enhanced_status
from softbounce.verdict import Reason


def test_the_whole_registry_is_known() -> None:
    """All 81 codes of the registry have words and a meaning."""
    counts = {"0": 1, "1": 11, "2": 5, "3": 7, "4": 8, "5": 7, "6": 11, "7": 31}
    assert len(ENHANCED) == 81
    for subject, count in counts.items():
        assert sum(code.startswith(f"{subject}.") for code in ENHANCED) == count


def test_few_codes_kill_an_address() -> None:
    """Only what says that mailbox or domain are gone kills an address."""
    assert {code for code, status in ENHANCED.items() if status.meaning.dead} == {
        "1.1", "1.2", "1.3", "1.6", "1.10", "2.1", "7.17", "7.18",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param("5.2.2", Reason.MAILBOX_FULL, id="registered"),
        pytest.param("4.7.650", Reason.RATE_LIMIT, id="Exchange"),
        pytest.param("5.7.999", Reason.POLICY, id="unknown detail: the subject"),
        pytest.param("5.9.1", None, id="unknown subject"),
        pytest.param("5.7.1000", None, id="too long"),
        pytest.param("", None, id="empty"),
        pytest.param("5.x.y", None, id="letters"),
    ],
)
def test_lookup(code: str, reason: Reason | None) -> None:
    """A code is looked up by subject and detail; an unknown detail by its subject; else nobody knows."""
    status = enhanced_status(code)
    assert (status.meaning.reason if status else None) == reason
