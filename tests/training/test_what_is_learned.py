"""What training makes of outcomes: expectation, not frequency; labels where nothing can be replayed; 4 and 8 bits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from training_world import QUICK, decisions, make_base, make_dataset, make_job

from llm_plugin.domain import Action
from llm_plugin.errors import ModelError
from llm_plugin.reasoning.transformers_model import TransformersModel
from llm_plugin.settings import TrainingSettings
from llm_plugin.training.finish import finish
from llm_plugin.training.fit import fit

pytestmark = pytest.mark.slow
LONGER = TrainingSettings(
    min_steps=60, max_steps=60, batch_size=16, micro_batch=16, rank=4, alpha=8, save_steps=100, learning_rate=5e-3
)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("taught") / "base", taught=True)


def silent(**facts: Any) -> None:
    """Tell nobody."""


def scattered(place: int) -> int:
    """Return a figure that tells nothing about the result."""
    return 10 + (place * 7 + place // 11) % 50


def margins(base: Path, adapter: Path | None, seen: Sequence[int], **options: Any) -> list[float]:
    """Return log p(BUY) - log p(HOLD) at prompts that show these figures."""
    rows = decisions([1.0] * len(seen), lambda place: seen[place])
    model = TransformersModel.load(base, adapter=adapter, device="cpu", **options)
    scores = model.score([row.prompt for row in rows if row.prompt], [(Action.BUY, Action.HOLD)] * len(rows))
    return [score.margin for score in scores]


def learned(base: Path, folder: Path, results: Sequence[float | None], **options: Any) -> float:
    """Return how far training on these results moves the mean margin."""
    data = make_dataset(folder / "set", results, seen=scattered, **options)
    fitted = fit(make_job(base, data, folder / "adapter", LONGER), silent)
    places = range(12, 60, 3)
    before, after = margins(base, None, places), margins(base, fitted.draft, places)
    return sum(a - b for a, b in zip(after, before, strict=True)) / len(after)


def mixed(block: Sequence[float], count: int = 240) -> list[float]:
    """Return results in exact proportion, in an order that tells nothing."""
    generator = random.Random(7)
    results: list[float] = []
    while len(results) < count:
        results += generator.sample(block, len(block))
    return results[:count]


SELDOM_BUT_MUCH = (2.0, 2.0, -1.0, -1.0, -1.0)  # 40 % wins, +0.2 R each time
OFTEN_BUT_LITTLE = (0.3, 0.3, 0.3, -1.2)  # 75 % wins, -0.075 R each time


@pytest.mark.parametrize(
    ("block", "weighted", "takes"),
    [
        pytest.param(SELDOM_BUT_MUCH, True, True, id="40 % wins at 2 R are taken"),
        pytest.param(SELDOM_BUT_MUCH, False, False, id="unweighted they are vetoed"),
        pytest.param(OFTEN_BUT_LITTLE, True, False, id="75 % wins at 0.3 R are vetoed"),
        pytest.param(OFTEN_BUT_LITTLE, False, True, id="unweighted they are taken"),
    ],
)
def test_weights_teach_the_expectation_and_not_the_frequency(
    taught: Path, tmp_path: Path, block: Sequence[float], weighted: bool, takes: bool
) -> None:
    moved = learned(taught, tmp_path, mixed(block), weighted=weighted)
    assert (moved > 0) == takes, moved
    assert abs(moved) > 0.05


@pytest.mark.parametrize(("paid", "takes"), [(4, True), (1, False)], ids=["four of five paid", "one of five paid"])
def test_labels_train_where_nothing_could_be_replayed(taught: Path, tmp_path: Path, paid: int, takes: bool) -> None:
    results: list[float | None] = [*[None] * 240, *[1.0, -1.0] * 64]
    data = make_dataset(tmp_path / "set", results, seen=lambda i: 45 if (i * 3) % 5 < paid else 20)
    fitted = fit(make_job(taught, data, tmp_path / "adapter", LONGER), silent)
    assert fitted.recipe.method == "kto"
    assert fitted.facts["first_margin"] == 0.0
    places = range(12, 60, 3)
    moved = sum(margins(taught, fitted.draft, places)) - sum(margins(taught, None, places))
    assert (moved > 0) == takes, moved
    assert abs(moved) > 0.05 * len(places)


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_quantised_base_trains_and_serves_its_adapter(dataset: Path, tmp_path: Path, quantization: str) -> None:
    pytest.importorskip("bitsandbytes")
    wide = make_base(tmp_path / "wide", hidden=64)
    job = make_job(wide, dataset, tmp_path / "adapter", QUICK, quantization=quantization)
    fitted = fit(job, silent)
    manifest = finish(job, fitted)
    assert manifest.quantization == quantization
    assert abs(manifest.training["first_margin"]) < 0.05
    served = TransformersModel.load(wide, adapter=job.out, quantization=quantization, device="cpu")
    assert served.manifest == manifest
    with pytest.raises(ModelError, match=f"trained on a base with quantization {quantization}"):
        TransformersModel.load(wide, adapter=job.out, device="cpu")
