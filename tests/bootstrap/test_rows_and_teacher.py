"""Slices in time, leaks, soft labels, tabular inputs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from llm_plugin.bootstrap.config import BootstrapConfig
from llm_plugin.bootstrap.context import attach_context, render_variants
from llm_plugin.bootstrap.market_rows import memory_lookup
from llm_plugin.bootstrap.metalabel import MetaLabel, save_meta_label
from llm_plugin.bootstrap.rows import DecisionRow, rows_sha256, slice_rows
from llm_plugin.bootstrap.tabular import TabularEncoder
from llm_plugin.bootstrap.teacher import teach, time_folds
from llm_plugin.domain import Action
from llm_plugin.errors import ConfigError, DataError, ModelError
from llm_plugin.prompts import PromptRenderer
from llm_plugin.session import SessionTracker
from llm_plugin.settings import Settings

from .synthetic import planted_rows, rule_holds

CONFIG = BootstrapConfig(min_signals=100)


def cutoff(rows: list[DecisionRow]):  # type: ignore[no-untyped-def]
    return max(row.closed_utc for row in rows)


def table_of(rows: list[DecisionRow], fields: tuple[str, ...]) -> tuple[TabularEncoder, np.ndarray]:
    encoder = TabularEncoder.fit(fields, [row.request for row in rows])
    return encoder, np.array([encoder.encode(row.request) for row in rows])


@pytest.fixture(scope="module")
def fields() -> tuple[str, ...]:
    return PromptRenderer(Settings().prompts).template.fields


def test_slices_follow_time_with_an_embargo() -> None:
    rows = planted_rows(600, context_rows=300)
    slices = slice_rows(rows, cutoff(rows), CONFIG)
    assert max(row.closed_utc for row in slices.train) < slices.calibration_start_utc
    assert min(row.time_utc for row in slices.calibration) >= slices.calibration_start_utc
    assert max(row.closed_utc for row in slices.calibration) <= slices.cutoff_utc
    assert slices.cutoff_utc - slices.calibration_end_utc >= CONFIG.embargo
    assert all(row.is_signal for row in slices.calibration)
    assert not {id(row) for row in slices.train} & {id(row) for row in slices.calibration}


def test_row_that_closes_after_the_cutoff_is_a_leak() -> None:
    rows = planted_rows(600)
    end = cutoff(rows)
    slice_rows(rows, end, CONFIG)
    offender = replace(rows[10], closed_utc=end + timedelta(minutes=1))
    with pytest.raises(DataError, match=r"d10 closed at .*after the cutoff.*leak the future"):
        slice_rows([*rows[:10], offender, *rows[11:]], end, CONFIG)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: replace(row, net_r=float("nan")), "net R of nan"),
        (lambda row: replace(row, closed_utc=row.time_utc - timedelta(hours=1)), "before it was asked"),
        (
            lambda row: replace(
                row, request=replace(row.request, signal=replace(row.request.signal, action=Action.HOLD))
            ),
            "asks about HOLD",
        ),
    ],
    ids=["nan", "time", "hold"],
)
def test_impossible_rows_are_named(change, message: str) -> None:  # type: ignore[no-untyped-def]
    rows = planted_rows(300)
    with pytest.raises(DataError, match=message):
        slice_rows([change(rows[0]), *rows[1:]], cutoff(rows), CONFIG)


def test_too_few_signals_are_counted() -> None:
    rows = planted_rows(40, context_rows=500)
    with pytest.raises(DataError, match=r"40 signals before .*100 are needed"):
        slice_rows(rows, cutoff(rows), CONFIG)


def test_wrong_configuration_lists_every_problem() -> None:
    with pytest.raises(ConfigError) as found:
        BootstrapConfig(hidden=97, folds=1, calibration_fraction=1.5, batch=0)
    assert len(found.value.problems) == 4
    assert "97" in str(found.value)


def test_folds_are_purged() -> None:
    rows = sorted(planted_rows(400, context_rows=800), key=lambda row: row.time_utc)
    folds = time_folds(rows, 5)
    assert sum(held.sum() for _, held in folds) == len(rows)
    for trained, held in folds:
        first = min(row.time_utc for row, flag in zip(rows, held, strict=True) if flag)
        last = max(row.closed_utc for row, flag in zip(rows, held, strict=True) if flag)
        overlapping = [
            row
            for row, flag in zip(rows, trained, strict=True)
            if flag and row.closed_utc >= first and row.time_utc <= last
        ]
        assert not overlapping
        assert trained.sum() > 0.7 * len(rows)


def test_teacher_never_sees_the_row_it_labels(fields: tuple[str, ...]) -> None:
    """Rows that betray their own outcome to a model that has seen them: out of fold nothing is learned."""
    rows = planted_rows(600, "none", win_good=0.5, reward_risk=1.0)
    teaching = teach(rows, np.arange(600.0)[:, None], CONFIG)
    net = np.array([row.net_r for row in rows])
    assert abs(np.corrcoef(teaching.edge, net)[0, 1]) < 0.15


def test_teacher_finds_the_planted_rule(fields: tuple[str, ...]) -> None:
    rows = planted_rows(1500, context_rows=1500)
    _, table = table_of(rows, fields)
    teaching = teach(rows, table, CONFIG)
    good = np.array([rule_holds(row, "volatility") for row in rows])
    assert ((teaching.targets > 0.5) == good).mean() > 0.9
    assert teaching.loss < teaching.base_loss
    assert teaching.shift == 0


def test_without_a_rule_labels_stay_near_the_base_rate(fields: tuple[str, ...]) -> None:
    rows = planted_rows(1500, "none", win_good=0.46)
    _, table = table_of(rows, fields)
    teaching = teach(rows, table, CONFIG)
    assert teaching.slope <= 0.5
    assert teaching.edge.std() < 0.06


def test_expectation_decides_and_not_the_frequency_of_winning(fields: tuple[str, ...]) -> None:
    """40 % wins at 2 R pay, 75 % wins at 0.3 R cost; labels of winning frequency would say the opposite."""
    pays = planted_rows(1200, "none", win_good=0.4, reward_risk=2.0)
    costs = planted_rows(1200, "none", win_good=0.75, reward_risk=0.3)
    config = replace(CONFIG, min_approval_fraction=0.0)
    approved = [float((teach(rows, table_of(rows, fields)[1], config).targets > 0.5).mean()) for rows in (pays, costs)]
    assert approved[0] > 0.8
    assert approved[1] < 0.3


def test_losing_signals_keep_their_best_contexts(fields: tuple[str, ...]) -> None:
    rows = planted_rows(1200, "volatility", win_good=0.36, win_bad=0.2)
    _, table = table_of(rows, fields)
    strict = teach(rows, table, replace(CONFIG, min_approval_fraction=0.0))
    floor = teach(rows, table, CONFIG)
    assert (strict.targets > 0.5).mean() < 0.1
    assert floor.shift > 0
    assert (floor.targets > 0.5).mean() == pytest.approx(0.2, abs=0.02)
    good = np.array([rule_holds(row, "volatility") for row in rows])
    assert good[floor.targets > 0.5].mean() > good.mean() + 0.2


def test_context_of_a_row_holds_only_what_closed_before() -> None:
    rows = planted_rows(300)
    half = rows[:150]
    full_contexts = attach_context(rows, SessionTracker(), memory_lookup(rows, 3))
    half_contexts = attach_context(half, SessionTracker(), memory_lookup(half, 3))
    for row, a, b in zip(half, full_contexts, half_contexts, strict=False):
        assert a.statistics == b.statistics
        assert [hit.record.decision_id for hit in a.hits] == [hit.record.decision_id for hit in b.hits]
        assert all(hit.record.closed_utc < row.time_utc for hit in a.hits)
    assert any(context.hits for context in full_contexts)


def test_every_arm_of_an_ablation_is_rendered() -> None:
    rows = planted_rows(300)
    contexts = attach_context(rows, SessionTracker(), memory_lookup(rows, 3))
    renderer = PromptRenderer(Settings().prompts)
    texts = [prompt.suffix for prompt in render_variants(renderer, rows[-1], contexts[-1])]
    assert len(texts) == 4
    assert sum("MEM=none" in text for text in texts) == 2
    assert sum("SES=none" in text for text in texts) == 2


def test_hash_of_the_rows_sees_every_outcome() -> None:
    rows = planted_rows(50)
    assert rows_sha256(rows) == rows_sha256(planted_rows(50))
    assert rows_sha256([replace(rows[0], net_r=9.0), *rows[1:]]) != rows_sha256(rows)


def test_tabular_columns_and_numbers_agree(fields: tuple[str, ...]) -> None:
    rows = planted_rows(60)
    encoder, table = table_of(rows, (*fields, "session", "rsi"))
    assert table.shape[1] == len(encoder.columns)
    column = encoder.columns.index("side*rsi")
    side, rsi = table[:, 0], table[:, encoder.columns.index("rsi")]
    assert table[:, column] == pytest.approx(side * (rsi - 50))
    again = TabularEncoder.from_json(encoder.to_json())
    np.testing.assert_array_equal(again.encode(rows[3].request), table[3])


@pytest.fixture(scope="module")
def meta(tmp_path_factory: pytest.TempPathFactory, fields: tuple[str, ...]) -> MetaLabel:
    rows = planted_rows(1500)
    encoder, table = table_of(rows, fields)
    net = np.array([row.net_r for row in rows])
    folder = tmp_path_factory.mktemp("meta") / "meta_label"
    return save_meta_label(
        folder, table, net, np.ones(1500), encoder, threshold=0.5, clip_r=3, seed=0, facts={"a": folder.name}
    )


def test_meta_label_selects_what_pays(meta: MetaLabel) -> None:
    rows = planted_rows(600, seed=9)
    taken = np.array([meta.approve(row.request) for row in rows])
    net = np.array([row.net_r for row in rows])
    assert net[taken].mean() > 0.2 > 0 > net[~taken].mean()
    wins = np.array([meta.probability(row.request) for row in rows])
    assert abs(wins.mean() - (net > 0).mean()) < 0.05
    assert meta.version.startswith("meta-label@")


def test_damaged_meta_label_is_refused(meta: MetaLabel, tmp_path, fields: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    rows = planted_rows(300)
    encoder, table = table_of(rows, fields)
    net = np.array([row.net_r for row in rows])
    folder = tmp_path / "meta_label"
    save_meta_label(folder, table, net, np.ones(300), encoder, threshold=0.5, clip_r=3, seed=0, facts={})
    MetaLabel.load(folder)
    path = folder / "edge.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"edge\.onnx has hash"):
        MetaLabel.load(folder)
    path.unlink()
    with pytest.raises(ModelError, match=r"edge\.onnx is missing"):
        MetaLabel.load(folder)
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(ModelError, match="is damaged"):
        MetaLabel.load(folder)
