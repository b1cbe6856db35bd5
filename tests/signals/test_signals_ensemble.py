"""Training, the model folder, and the source that an algorithm asks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from signal_bars import market, small

from llm_plugin.domain import Action, MarketContext
from llm_plugin.errors import ConfigError, DataError, LookaheadError, ModelError
from llm_plugin.features import MARKET_FEATURES
from llm_plugin.features.reference import market_features
from llm_plugin.signals import (
    DEFAULT_FEATURES,
    MEMBERS,
    OOF_NAME,
    Ensemble,
    EnsembleConfig,
    EnsembleManifest,
    EnsembleSignalSource,
    model_folder,
    require_cutoff,
    train_ensemble,
)

NAMES = list(MARKET_FEATURES)


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of the model folder to damage."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def ensemble(folder):
    return Ensemble.load(folder)


@pytest.fixture(scope="module")
def matrix(bars):
    return market_features(bars)


def context(vector: np.ndarray, **changes: object) -> MarketContext:
    features = {name: float(value) for name, value in zip(NAMES, vector, strict=True) if value == value}
    values = {
        "symbol_id": "EURUSD 8G",
        "ticker": "EURUSD",
        "market": "oanda",
        "security_type": "forex",
        "time_utc": datetime(2014, 7, 1, 12, tzinfo=UTC),
        "resolution": "hour",
        "price": 1.1,
        "bid": 1.1,
        "ask": 1.1,
        "features": features,
    }
    return MarketContext(**{**values, **changes})


def test_the_default_features_are_at_least_fifty_and_need_no_volume_or_spread():
    assert len(DEFAULT_FEATURES) >= 50
    assert set(DEFAULT_FEATURES) <= set(NAMES)
    assert not [n for n in DEFAULT_FEATURES if "volume" in n or "vwap" in n or n.startswith("spread")]


def test_a_planted_rule_is_found_out_of_fold_and_by_every_member(ensemble):
    figures = ensemble.manifest.metrics["out_of_fold"]

    assert min(figures["auc"].values()) > 0.58
    assert all(min(auc.values()) > 0.55 for auc in figures["member_auc"].values())
    assert set(figures["member_auc"]) == set(MEMBERS)
    assert figures["mean_r"] > 0.1


def test_without_the_rule_nothing_is_found(tmp_path):
    manifest = train_ensemble(market(3, 2600, rule=False), small(), tmp_path / "none")
    figures = manifest.metrics["out_of_fold"]

    assert 0.42 < np.mean(list(figures["auc"].values())) < 0.56


def test_training_again_gives_the_same_model_byte_for_byte_on_any_number_of_threads(bars, folder, tmp_path):
    again = train_ensemble(bars, small(name="small", threads=1), tmp_path / "again")
    other = train_ensemble(bars, small(name="small", seed=8), tmp_path / "other")

    assert again.values == EnsembleManifest.read(folder).values
    assert other.version != again.version


def test_nothing_after_the_cutoff_reaches_the_model(bars, tmp_path):
    cutoff = datetime.fromtimestamp(float(bars.end_seconds[2199]), UTC)
    config = small(trees=8, folds=2, data_cutoff_utc=cutoff)
    whole = train_ensemble(bars, config, tmp_path / "whole")
    cut = train_ensemble(bars.head(2200), config, tmp_path / "cut")

    assert whole.values == cut.values
    assert whole.data_cutoff_utc == cutoff


def test_out_of_fold_rows_carry_what_a_stacked_model_needs(folder, bars):
    with np.load(folder / OOF_NAME, allow_pickle=False) as oof:
        rows = {name: oof[name] for name in oof.files}

    ends = np.round(bars.end_seconds * 1e6).astype(np.int64)
    assert set(rows["end_us"]) <= set(ends)
    assert (np.diff(rows["end_us"]) > 0).all()
    assert sorted(set(rows["fold"])) == [1, 2, 3]
    assert np.isfinite(rows["p_long"]).all()
    assert np.isnan(rows["p_long_walk_forward"][rows["fold"] == 1]).all()
    assert np.isfinite(rows["p_long_walk_forward"][rows["fold"] > 1]).all()
    assert (rows["label_end_us"] > rows["end_us"]).all()
    assert ((rows["net_r_short"] > 0) == (rows["label_short"] == 1)).all()


def test_out_of_fold_is_not_what_the_finished_model_says_about_its_training_bars(folder, ensemble, bars, matrix):
    with np.load(folder / OOF_NAME, allow_pickle=False) as oof:
        p_long, label, end_us = oof["p_long"], oof["label_long"], oof["end_us"]
    at = np.searchsorted(np.round(bars.end_seconds * 1e6).astype(np.int64), end_us)
    seen = ensemble.predict_many(matrix[at])[:, 0]

    def gap(p):
        return p[label == 1].mean() - p[label == 0].mean()

    assert gap(seen) > 1.2 * gap(p_long)


def test_one_row_and_many_rows_agree(ensemble, matrix):
    many = ensemble.predict_many(matrix)

    assert np.isnan(many[:256]).all()
    for i in (256, 700, 2599):
        assert ensemble.predict(matrix[i]) == pytest.approx(tuple(many[i]), abs=1e-12)


def test_an_unavailable_feature_takes_its_training_median(ensemble, matrix):
    row = matrix[1000].copy()
    at = NAMES.index("support_distance")
    median = ensemble.manifest.values["medians"][ensemble.manifest.features.index("support_distance")]
    row[at] = np.nan
    filled = row.copy()
    filled[at] = median

    assert ensemble.predict(row) == ensemble.predict(filled)
    assert np.isnan(row[at])


def test_the_folder_holds_no_pickle_and_every_file_is_hashed(folder):
    names = sorted(file.name for file in folder.iterdir())

    assert names == sorted([*(f"{kind}.onnx" for kind in MEMBERS), "manifest.json", OOF_NAME])
    assert set(json.loads((folder / "manifest.json").read_text())["files"]) == set(names) - {"manifest.json"}


@pytest.mark.parametrize("name", ["xgboost.onnx", OOF_NAME])
def test_a_changed_file_is_refused_by_name(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))

    with pytest.raises(ModelError, match=f"{name} has hash"):
        Ensemble.load(copy)


def test_a_missing_file_a_missing_manifest_and_a_changed_manifest_are_refused(copy):
    (copy / "lightgbm.onnx").unlink()
    with pytest.raises(ModelError, match=r"lacks lightgbm\.onnx"):
        Ensemble.load(copy)
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace('"threshold": 0.', '"threshold": 0.9'))
    with pytest.raises(ModelError, match="was changed after training"):
        Ensemble.load(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match="is damaged"):
        Ensemble.load(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"has no manifest\.json"):
        Ensemble.load(copy)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"feature_schema_hash": "0" * 16}, "trained on feature schema 1 \\(0000000000000000\\)"),
        ({"kind": "rl"}, "of kind 'rl'"),
        ({"files": {"../evil.onnx": "0"}}, "lacks ../evil.onnx"),
    ],
    ids=["other features", "other kind", "a path out of the folder"],
)
def test_a_manifest_that_does_not_fit_is_refused(copy, change, complaint):
    values = {k: v for k, v in EnsembleManifest.read(copy).values.items() if k not in ("sha256", "schema", "kind")}
    kind = change.pop("kind", None)
    sealed = EnsembleManifest.seal({**values, **change})
    if kind:
        body = {k: v for k, v in sealed.values.items() if k != "sha256"} | {"kind": kind}
        sealed = replace(sealed, values={**body, "sha256": sealed.values["sha256"]})
    sealed.write(copy)

    with pytest.raises(ModelError, match=complaint):
        Ensemble.load(copy)


def test_a_run_inside_the_training_data_is_refused_unless_told(ensemble):
    manifest = ensemble.manifest
    inside = manifest.data_cutoff_utc - timedelta(days=1)

    assert require_cutoff(manifest, manifest.data_cutoff_utc, False) is False
    assert require_cutoff(manifest, inside, True) is True
    with pytest.raises(LookaheadError, match=r"model small .* the run starts"):
        require_cutoff(manifest, inside, False)


def test_the_source_signals_the_likelier_side_from_the_threshold_on(ensemble, matrix):
    rows = matrix[300:1500:5]
    threshold = float(np.median(ensemble.predict_many(rows).max(axis=1)))
    source = EnsembleSignalSource(ensemble, threshold)
    seen = set()
    for row in rows:
        p_long, p_short = ensemble.predict(row)
        signal = source.signal(context(row))
        expected = Action.HOLD
        if max(p_long, p_short) >= threshold:
            expected = Action.BUY if p_long >= p_short else Action.SELL
        assert (signal.action, signal.confidence) == (expected, max(p_long, p_short))
        seen.add(signal.action)
    assert seen == {Action.HOLD, Action.BUY, Action.SELL}
    assert signal.source == f"ensemble:small:{ensemble.manifest.version}"


def test_the_threshold_of_the_settings_goes_before_the_models_own(ensemble, matrix):
    row = context(matrix[500])

    assert EnsembleSignalSource(ensemble, 0.0).signal(row).action is not Action.HOLD
    assert EnsembleSignalSource(ensemble, 1.0).signal(row).action is Action.HOLD
    with pytest.raises(ConfigError, match=r"signals.threshold is 1\.5"):
        EnsembleSignalSource(ensemble, 1.5)


def test_while_warming_up_the_source_holds(ensemble, matrix):
    signal = EnsembleSignalSource(ensemble, 0.0).signal(context(matrix[500], ready=False))

    assert (signal.action, signal.confidence) == (Action.HOLD, 0.0)


def test_features_of_another_resolution_are_refused(ensemble, matrix):
    with pytest.raises(ConfigError, match="features are daily, model small was trained on hour bars"):
        EnsembleSignalSource(ensemble).signal(context(matrix[500], resolution="daily"))


def test_a_model_name_lives_under_the_home_and_a_path_is_a_path(own_home, tmp_path):
    assert model_folder("eurusd_hour") == own_home / "models" / "ensemble" / "eurusd_hour"
    assert model_folder(str(tmp_path / "m")) == tmp_path / "m"


def test_a_bad_configuration_names_every_problem_at_once():
    with pytest.raises(ConfigError) as caught:
        EnsembleConfig(features=("rsi_41", *DEFAULT_FEATURES[:10]), members=("xgbost",), folds=1, trees=0)

    text = str(caught.value)
    for part in ("'rsi_41'", "11 names", "'xgbost' (did you mean 'xgboost'?)", "folds is 1", "trees is 0"):
        assert part in text


def test_a_configuration_survives_json():
    config = small(data_cutoff_utc=datetime(2012, 12, 31, tzinfo=UTC))

    assert EnsembleConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ConfigError, match=r"'tree' \(did you mean 'trees'\?\)"):
        EnsembleConfig.from_json({"tree": 3})


def test_a_feature_that_the_bars_cannot_have_is_an_error(bars, tmp_path):
    config = small(features=(*DEFAULT_FEATURES, "vwap_distance"))
    with pytest.raises(ConfigError, match="vwap_distance are never available"):
        train_ensemble(bars, config, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_too_short_a_history_and_a_foreign_folder_are_errors(bars, tmp_path):
    with pytest.raises(DataError, match=r"of 200 bars|too few"):
        train_ensemble(bars.head(200), small(), tmp_path / "m")
    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter1.txt").write_text("words")
    with pytest.raises(ConfigError, match="is not a model folder"):
        train_ensemble(bars, small(), foreign)
    assert (foreign / "chapter1.txt").read_text() == "words"


def test_progress_rises_to_one(bars, tmp_path):
    seen: list[float] = []
    train_ensemble(bars, small(trees=4, folds=2), tmp_path / "m", lambda fraction, _text: seen.append(fraction))

    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["m"]
