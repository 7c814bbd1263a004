"""Which roles an `up` runs."""

from __future__ import annotations

import pytest
from softbounce_gateway.errors import StartFailed
from softbounce_gateway.store_checks.readiness import loaded_share
from softbounce_gateway.up.roles import choose_roles


@pytest.mark.parametrize(
    ("roles", "is_embedded", "has_way_in", "chosen"),
    [
        (None, True, True, {"store", "scheduler", "worker", "gateway"}),
        (None, False, False, {"scheduler", "worker"}),
        (["worker"], True, True, {"worker"}),
        (["store", "worker"], False, True, {"worker"}),
        (["gateway"], False, True, {"gateway"}),
        (["worker", "gateway"], False, False, {"worker", "gateway"}),
    ],
    ids=[
        "all",
        "all but what is not there",
        "one",
        "a store that is not ours is nobody's role",
        "the gateway alone",
        "a gateway that listens nowhere, among others",
    ],
)
def test_roles(roles: list[str] | None, is_embedded: bool, has_way_in: bool, chosen: set[str]) -> None:
    """Without a wish all roles run; the store only where it is embedded, the gateway where it listens."""
    assert choose_roles(roles, is_embedded=is_embedded, has_way_in=has_way_in) == chosen


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (["gateway"], "names no place to listen at"),
        (["postman"], "no role 'postman'"),
        (["store"], "nothing to run"),
        ([], "nothing to run"),
    ],
    ids=["a gateway that listens nowhere", "misspelt", "a store that is not ours", "none"],
)
def test_roles_that_cannot_be(roles: list[str], words: str) -> None:
    """A role that is not there is wrong usage."""
    with pytest.raises(StartFailed, match=words) as refused:
        choose_roles(roles, is_embedded=False, has_way_in=False)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        (b"# Persistence\r\nloading:0\r\n", ""),
        (b"loading:1\r\nloading_loaded_perc:42.17\r\nloading_eta_seconds:7\r\n", "42.17 %, about 7 s to go"),
        (b"loading:1\r\n", "0 %"),
        (None, ""),
        (b"\xff\xfe", ""),
    ],
    ids=["not loading", "loading", "loading, no figures", "no answer", "noise"],
)
def test_loading_in_words(answer: bytes | None, share: str) -> None:
    """While a store reads its log, it is said how far it is."""
    assert loaded_share(answer) == share
