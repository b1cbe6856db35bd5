"""One Prefect server for all tests of flows: a database of its own, nothing told to anybody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patched.setenv("DO_NOT_TRACK", "1")
        with prefect_test_harness(server_startup_timeout=180):
            yield
