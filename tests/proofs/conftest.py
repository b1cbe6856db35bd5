"""One small planted market for all tests that need bars."""

from __future__ import annotations

import pytest

from llm_plugin.proofs.planted_config import VARIANTS, ProofConfig
from llm_plugin.proofs.planted_market import PlantedMarket, Question, make_market, questions_on


@pytest.fixture(scope="session")
def small() -> ProofConfig:
    return ProofConfig(bars=5_000, checked_decisions=40, checked_cuts=8)


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory, small: ProofConfig) -> PlantedMarket:
    return make_market(tmp_path_factory.mktemp("planted") / "data", small, VARIANTS["balanced"], 1)


@pytest.fixture(scope="session")
def questions(market: PlantedMarket) -> list[Question]:
    return questions_on(market)
