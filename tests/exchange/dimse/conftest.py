"""Peers of these tests accept only what they list, whatever the intake set for the process."""

import pytest
from pynetdicom import _config


@pytest.fixture(autouse=True)
def restricted_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)
