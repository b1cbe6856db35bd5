"""Every test runs in a home of its own, offline, with pinned threads."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it puts into the background ignore Ctrl-C, and so would every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On several cores begin with the files that hold slow tests, so that none of them runs alone at the end."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Redirect the plugin's home; what a test needs to share it asks for by `shared_home`."""
    home = tmp_path / "home"
    monkeypatch.setenv("LEAN_LLM_HOME", str(home))
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "LEAN_LLM_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The project's own small sample of real market data, in LEAN's format."""
    return ROOT / "datasets" / "market"


@pytest.fixture(scope="session")
def large_data() -> Path:
    """A larger LEAN `Data` folder, named by the setting LEAN_DATA_FOLDER; without it the test says what it left out."""
    folder = os.environ.get("LEAN_DATA_FOLDER")
    if not folder:
        pytest.skip("left out: needs a larger LEAN Data folder; set LEAN_DATA_FOLDER")
    return Path(folder)
