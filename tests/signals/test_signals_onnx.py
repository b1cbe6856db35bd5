"""The ONNX files say what the models say, also where a value lies on the edge of a split."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from signal_bars import small

from llm_plugin.signals import MEMBERS
from llm_plugin.signals.members import fit_member, predict_member, to_onnx

EDGE = np.float32(1 / 6)


@pytest.fixture(scope="module")
def neighbours():
    """Features among whose values are neighbouring single-precision numbers, and a label that follows the first."""
    rng = np.random.default_rng(0)
    values = np.array([0.1, EDGE, np.nextafter(EDGE, np.float32(1)), 0.3], dtype=np.float32)
    x = rng.choice(values, (4000, 4)).astype(np.float32)
    y = ((x[:, 0] <= EDGE) ^ (rng.random(4000) < 0.1)).astype(np.int8)
    return x, y


def largest_gap(data: bytes, output: str, model, x) -> float:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return float(np.abs(session.run([output], {"features": x})[0][:, 1] - predict_member(model, x)).max())


@pytest.mark.parametrize("kind", MEMBERS)
def test_the_file_equals_both_models_on_the_edges_of_their_splits(kind, neighbours):
    x, y = neighbours
    pair = tuple(fit_member(kind, x, labels, small(), seed) for seed, labels in enumerate((y, 1 - y)))
    data = to_onnx(kind, pair)

    assert predict_member(pair[0], x).std() > 0.05
    assert largest_gap(data, "long", pair[0], x) < 1e-5
    assert largest_gap(data, "short", pair[1], x) < 1e-5


def test_thresholds_rounded_to_the_nearest_would_be_noticed(neighbours):
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, y = neighbours
    model = fit_member("lightgbm", x, y, small(), 0)
    types = [("features", FloatTensorType([None, 4]))]
    plain = convert_lightgbm(model, initial_types=types, target_opset=15, zipmap=False).SerializeToString()

    assert largest_gap(plain, "probabilities", model, x) > 0.05
