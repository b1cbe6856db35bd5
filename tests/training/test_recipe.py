"""What the settings mean for a base and a number of rows."""

from __future__ import annotations

import pytest

from llm_plugin.settings import TrainingSettings
from llm_plugin.training.recipe import LARGE_PARAMETERS, choose_method, make_recipe

LAYERS = ["model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj", "model.layers.0.mlp.up_proj"]


def test_small_base_trains_all_layers_fast_and_a_large_one_its_attention_slowly() -> None:
    small = make_recipe(TrainingSettings(), method="dpo", rows=800, parameters=400_000, layers=LAYERS)
    large = make_recipe(TrainingSettings(), method="dpo", rows=800, parameters=LARGE_PARAMETERS, layers=LAYERS)
    assert small.targets == "all-linear"
    assert large.targets == ("q_proj", "v_proj")
    assert (large.learning_rate, large.dropout) == (5e-5, 0.1)
    assert small.learning_rate > 10 * large.learning_rate
    assert small.dropout == 0


def test_architecture_without_known_attention_layers_trains_all_of_them() -> None:
    recipe = make_recipe(TrainingSettings(), method="dpo", rows=9, parameters=LARGE_PARAMETERS, layers=["h.0.mix"])
    assert recipe.targets == "all-linear"


@pytest.mark.parametrize(
    ("rows", "steps"), [(50, 72), (160, 72), (800, 150), (100_000, 400)], ids=["few", "enough", "more", "many"]
)
def test_steps_follow_the_rows_between_their_bounds(rows: int, steps: int) -> None:
    settings = TrainingSettings(epochs=3, min_steps=72, max_steps=400, batch_size=16, micro_batch=16)
    assert make_recipe(settings, method="dpo", rows=rows, parameters=1).steps == steps


def test_batch_is_spread_over_processes_and_forward_passes() -> None:
    settings = TrainingSettings(batch_size=32, micro_batch=4, processes=2)
    recipe = make_recipe(settings, method="dpo", rows=100, parameters=1)
    assert (recipe.micro_batch, recipe.accumulation, recipe.batch) == (4, 4, 32)


def test_kto_never_gets_a_batch_of_one() -> None:
    settings = TrainingSettings(batch_size=4, micro_batch=1)
    assert make_recipe(settings, method="kto", rows=100, parameters=1).micro_batch == 2


@pytest.mark.parametrize(
    ("pairs", "labels", "method"), [(374, 60, "dpo"), (20, 400, "kto"), (40, 0, "dpo"), (0, 30, "kto")]
)
def test_labels_train_where_pairs_are_too_few(pairs: int, labels: int, method: str) -> None:
    assert choose_method(pairs, labels) == method
