"""The delivery side on a real store, made for each test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from certificates import Authority
from delivery import PATIENT, SETTINGS, Begin, Delivery
from servers import Valkey
from softbounce_worker.dkim.rules import SigningRule
from softbounce_worker.session.dialling import Timeouts

from softbounce.settings import Settings


@pytest.fixture
def begin(store_server: Valkey, tmp_path: Path) -> Begin:
    """Make a delivery side on an empty store."""

    def make(
        *,
        settings: Settings = SETTINGS,
        timeouts: Timeouts = PATIENT,
        body_octets: int = 1_000_000,
        signing: Sequence[SigningRule] = (),
        policy_port: int = 1,
        tlsrpt: Path | None = None,
    ) -> Delivery:
        return Delivery(
            store_server.url,
            tmp_path,
            settings=settings,
            timeouts=timeouts,
            body_octets=body_octets,
            signing=signing,
            policy_port=policy_port,
            tlsrpt=tlsrpt,
        )

    return make


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of a file's tests."""
    return Authority(tmp_path_factory.mktemp("certificates"))
