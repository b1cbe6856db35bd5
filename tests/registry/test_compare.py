"""Distance of adapters: of what they add to the weights, not of how they write it down."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from llm_plugin.errors import ModelError
from llm_plugin.registry.compare import weights_distance

MODULE = "base_model.model.layers.0.q_proj"


def adapter(folder: Path, b: np.ndarray, a: np.ndarray, alpha: float = 1.0, rslora: bool = False) -> Path:
    folder.mkdir()
    save_file({f"{MODULE}.lora_A.weight": a, f"{MODULE}.lora_B.weight": b}, folder / "adapter_model.safetensors")
    config = {"r": a.shape[0], "lora_alpha": alpha, "use_rslora": rslora}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def dense(b: np.ndarray, a: np.ndarray, scale: float) -> np.ndarray:
    return scale * b @ a


def test_it_is_the_distance_of_the_full_matrices(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    factors = [(draw.normal(size=(6, rank)), draw.normal(size=(rank, 5))) for rank in (2, 3)]
    first = adapter(tmp_path / "a", *factors[0], alpha=4.0)
    second = adapter(tmp_path / "b", *factors[1], alpha=9.0, rslora=True)
    full = [dense(*factors[0], 4.0 / 2), dense(*factors[1], 9.0 / np.sqrt(3))]
    distance, relative, largest = weights_distance(first, second)
    assert distance == pytest.approx(float(np.linalg.norm(full[0] - full[1])))
    assert relative == pytest.approx(distance / max(float(np.linalg.norm(matrix)) for matrix in full))
    assert largest == {"layers.0.q_proj": pytest.approx(1.0)}


def test_the_same_product_written_otherwise_is_the_same(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    b, a = draw.normal(size=(6, 2)), draw.normal(size=(2, 5))
    turn = np.array([[2.0, 1.0], [0.5, 3.0]])
    first = adapter(tmp_path / "a", b, a)
    second = adapter(tmp_path / "b", b @ turn, np.linalg.inv(turn) @ a)
    assert weights_distance(first, second)[1] == pytest.approx(0.0, abs=1e-7)


def test_against_the_base_it_is_what_the_adapter_adds(tmp_path: Path) -> None:
    first = adapter(tmp_path / "a", np.ones((3, 1)), np.ones((1, 4)))
    assert weights_distance(first, None)[:2] == (pytest.approx(np.sqrt(12)), pytest.approx(1.0))
    assert weights_distance(None, None) == (0.0, 0.0, {})


def test_other_shapes_are_named(tmp_path: Path) -> None:
    first = adapter(tmp_path / "a", np.ones((3, 1)), np.ones((1, 4)))
    second = adapter(tmp_path / "b", np.ones((3, 1)), np.ones((1, 5)))
    with pytest.raises(ModelError, match=r"q_proj has shapes 3 x 4 and 3 x 5"):
        weights_distance(first, second)
