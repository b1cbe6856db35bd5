"""The four kinds of models, each fitted in one thread so that the result does not depend on the machine's cores."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_plugin.signals.config import EnsembleConfig

__all__ = ["fit_member", "predict_member", "to_onnx"]

_OPSET = {"": 15, "ai.onnx.ml": 3}


def fit_member(
    kind: str, x: npt.NDArray[np.float32], y: npt.NDArray[np.int8], config: EnsembleConfig, seed: int
) -> Any:
    """Fit one model.

    Args:
        kind: One of `MEMBERS`.
        x: Features without NaN, (n, features).
        y: 1 where the trade pays.
        config: Sizes.
        seed: Of this model.
    """
    model = _FACTORIES[kind](config, seed)
    return model.fit(x, y)


def predict_member(model: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the probability of 1 for each row."""
    with warnings.catch_warnings():
        # LightGBM fitted on an array warns that an array has no feature names.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        return np.asarray(model.predict_proba(x)[:, 1], dtype=np.float64)


def _random_forest(config: EnsembleConfig, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        n_estimators=config.trees,
        max_depth=config.depth,
        min_samples_leaf=config.min_leaf,
        max_features="sqrt",
        max_samples=0.6,
        n_jobs=1,
        random_state=seed,
    )


def _gradient_boosting(config: EnsembleConfig, seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(
        n_estimators=_rounds(config),
        max_depth=_boost_depth(config),
        learning_rate=0.05,
        subsample=0.5,
        max_features="sqrt",
        min_samples_leaf=config.min_leaf,
        random_state=seed,
    )


def _xgboost(config: EnsembleConfig, seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(
        n_estimators=_rounds(config),
        max_depth=_boost_depth(config),
        learning_rate=0.05,
        subsample=0.6,
        colsample_bytree=0.5,
        min_child_weight=config.min_leaf / 4,
        reg_lambda=5.0,
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )


def _lightgbm(config: EnsembleConfig, seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=_rounds(config),
        max_depth=_boost_depth(config),
        num_leaves=2 ** _boost_depth(config),
        learning_rate=0.05,
        subsample=0.6,
        subsample_freq=1,
        colsample_bytree=0.5,
        min_child_samples=config.min_leaf,
        reg_lambda=5.0,
        n_jobs=1,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
    )


_FACTORIES = {
    "random_forest": _random_forest,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "gradient_boosting": _gradient_boosting,
}


def _rounds(config: EnsembleConfig) -> int:
    return max(1, config.trees // 2)


def _boost_depth(config: EnsembleConfig) -> int:
    return max(1, config.depth - 2)


def to_onnx(kind: str, pair: tuple[Any, Any]) -> bytes:
    """Return one ONNX model with input `features` (n, features) and outputs `long`, `short`, (n, 2) each.

    Args:
        kind: One of `MEMBERS`.
        pair: The fitted models of the long and of the short side.
    """
    import onnx

    converted = [_convert(kind, model) for model in pair]
    nodes, outputs, initializers = [], [], []
    for side, model in zip(("long", "short"), converted, strict=True):
        source = onnx.compose.add_prefix(model, f"{side}_").graph
        initializers += list(source.initializer)
        entry = source.input[0].name
        probabilities = source.output[1]
        for node in source.node:
            node.input[:] = ["features" if name == entry else name for name in node.input]
            node.output[:] = [side if name == probabilities.name else name for name in node.output]
            nodes.append(node)
        probabilities.name = side
        outputs.append(probabilities)
    width = converted[0].graph.input[0].type.tensor_type.shape.dim[1].dim_value
    entry_info = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, [None, width])
    graph = onnx.helper.make_graph(nodes, kind, [entry_info], outputs, initializers)
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in _OPSET.items()]
    merged = onnx.helper.make_model(graph, opset_imports=imports, producer_name="lean-llm-plugin")
    merged.ir_version = min(item.ir_version for item in converted)
    onnx.checker.check_model(merged)
    buffer = io.BytesIO()
    onnx.save(merged, buffer)
    return buffer.getvalue()


def _convert(kind: str, model: Any) -> Any:
    width = int(model.n_features_in_)
    if kind in ("random_forest", "gradient_boosting"):
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType

        types = [("features", FloatTensorType([None, width]))]
        return convert_sklearn(model, initial_types=types, target_opset=_OPSET, options={"zipmap": False})
    from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloat

    types = [("features", ToolsFloat([None, width]))]
    if kind == "xgboost":
        from onnxmltools import convert_xgboost

        return convert_xgboost(model, initial_types=types, target_opset=15)
    from onnxmltools import convert_lightgbm

    return convert_lightgbm(_single_precision(model), initial_types=types, target_opset=15, zipmap=False)


def _single_precision(model: Any) -> Any:
    """Return a LightGBM model whose thresholds are single-precision numbers, each rounded down.

    ONNX holds thresholds in single precision. For a single-precision input `x <= t` and `x <= t rounded down` are the
    same question; rounded to the nearest, a value that lies on the threshold would change its side.
    """
    import lightgbm

    lines = []
    for line in model.booster_.model_to_string().splitlines():
        key, _, values = line.partition("=")
        if key == "threshold":
            line = "threshold=" + " ".join(repr(_floor_single(float(value))) for value in values.split())
        # Sizes in bytes of the trees below, which may have changed; without them the trees are read one by one.
        if key != "tree_sizes":
            lines.append(line)
    return lightgbm.Booster(model_str="\n".join(lines))


def _floor_single(value: float) -> float:
    nearest = np.float32(value)
    return float(nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-np.inf)))
