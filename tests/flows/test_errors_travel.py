"""An error raised on a worker of a cluster reaches the flow as it was, with its words and facts."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from llm_plugin.errors import (
    ConfigError,
    DataError,
    InsufficientData,
    LeanLlmError,
    LeaseHeld,
    StaleConfig,
    UnsupportedLeanApi,
)


@pytest.mark.parametrize(
    "error",
    [
        InsufficientData(3, 20, "pairs"),
        ConfigError(["one", "two"]),
        StaleConfig("old"),
        LeaseHeld("cycle", "cli", datetime(2014, 3, 3, tzinfo=UTC)),
        UnsupportedLeanApi("add_thing", "use another"),
        DataError("row 3"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_the_same_in_another_process(error: LeanLlmError) -> None:
    found = pickle.loads(pickle.dumps(error))
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert vars(found) == vars(error)
