"""The command around the arms: what is run, what is used again, what the page says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from walk_samples import FakeHandle, write_arm, write_timeline

from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.runs.backtest import ArmFailed
from llm_plugin.runs.prepare import Prepared
from llm_plugin.runs.worker import WorkerSpec
from llm_plugin.walkforward import claims
from llm_plugin.walkforward import run as module
from llm_plugin.walkforward.finish import finish
from llm_plugin.walkforward.plan import ARMS, WalkForwardOptions
from llm_plugin.walkforward.run import arm_folder, run_walkforward

MODELS = [{"kind": "language model", "version": "bootstrap 1", "data_cutoff": "2012-12-31T00:00:00Z", "note": "small"}]


class Workers:
    """Writes what arms would have left; the learning arm knows the outcome half of the time."""

    def __init__(self) -> None:
        self.specs: list[WorkerSpec] = []
        self.fails: str = ""

    def __call__(self, spec: WorkerSpec, on_event: Any, *, threads: int) -> FakeHandle:
        self.specs.append(spec)
        folder = Path(spec.run_folder)
        if spec.arm == self.fails:
            return FakeHandle(spec, {"event": "error", "kind": "ModelError", "message": "no", "exit_code": 4})
        skill = {"learning": 0.9, "frozen": 0.5, "none": 1.0, "random": 0.5, "tabular": 0.7}[spec.arm]

        def takes(index: int, r: float) -> bool:
            if spec.arm == "none":
                return True
            guess = (index * 7919) % 100 < 100 * (2 * skill - 1)
            return r > 0 if guess else (index * 31) % 2 == 0

        if spec.arm == "learning":
            write_timeline(folder)
        return FakeHandle(spec, write_arm(folder, takes))

    @property
    def arms(self) -> list[str]:
        """Which were started, in order."""
        return [spec.arm for spec in self.specs]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    made = Workers()
    monkeypatch.setattr(claims, "REPETITIONS", 200)
    monkeypatch.setattr(module, "start_worker", made)
    monkeypatch.setattr("llm_plugin.walkforward.tabular.first_meta_label", lambda settings: None)
    return made


@pytest.fixture
def options(tmp_path: Path) -> WalkForwardOptions:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text("# an algorithm\n")
    (project / "llm_config.yaml").write_text("fusion:\n  query_interval: 5\n")
    data = tmp_path / "data"
    data.mkdir()
    (data / "bars.csv").write_text("1,2,3\n")
    return WalkForwardOptions(project, data, tmp_path / "out", retrain_every=50, seed=3)


def prepared(backtest: Any, resolved: Any) -> Prepared:
    return Prepared(models=MODELS)


def run(options: WalkForwardOptions) -> Any:
    return run_walkforward(options, lambda arm, event: None, prepared)


def test_all_arms_run_and_what_depends_on_the_learning_one_comes_after_it(
    workers: Workers, options: WalkForwardOptions
) -> None:
    done = run(options)
    assert workers.arms == [arm.name for arm in ARMS]
    assert set(done.records) == set(workers.arms)
    configs = {spec.arm: json.loads(Path(spec.config).read_text())["values"] for spec in workers.specs}
    learning = done.records["learning"].entries
    rate = sum(not d.approved for d in learning) / len(learning)
    assert configs["random"]["validator"]["random_veto_rate"] == pytest.approx(rate, abs=1e-6)
    assert configs["learning"]["learning"]["min_outcomes"] == 50
    assert {values["learning"]["training"]["seed"] for values in configs.values()} == {3}
    assert {values["reasoning"]["reasons"] for values in configs.values()} == {"never"}
    with_spec = [spec.arm for spec in workers.specs if "llm-walkforward" in spec.parameters]
    assert with_spec == ["learning", "tabular"]


def test_a_finished_walk_forward_is_not_run_again(workers: Workers, options: WalkForwardOptions) -> None:
    first = finish(run(options))
    workers.specs.clear()
    again = run(options)
    assert workers.arms == []
    assert set(again.reused) == {arm.name for arm in ARMS}
    second = finish(again)
    ignored = ("reused_arms",)
    assert {k: v for k, v in first.items() if k not in ignored} == {k: v for k, v in second.items() if k not in ignored}


@pytest.mark.parametrize(
    "change",
    [
        lambda o: replace(o, retrain_every=60),
        lambda o: replace(o, seed=4),
        lambda o: replace(o, end="2014-01-01"),
        lambda o: replace(o, overrides=("fusion.llm_weight=0.5",)),
        lambda o: ((o.project / "main.py").write_text("# changed\n"), o)[1],
        lambda o: ((o.data_folder / "bars.csv").write_text("1,2,3,4\n"), o)[1],
    ],
    ids=["retrain-every", "seed", "end", "setting", "algorithm", "data"],
)
def test_whatever_can_change_an_answer_runs_again(workers: Workers, options: WalkForwardOptions, change: Any) -> None:
    run(options)
    workers.specs.clear()
    run(change(options))
    assert workers.arms == [arm.name for arm in ARMS]


def test_only_the_missing_arm_runs_after_a_failure(workers: Workers, options: WalkForwardOptions) -> None:
    workers.fails = "tabular"
    with pytest.raises(ArmFailed, match="arm 'tabular'"):
        run(options)
    workers.specs.clear()
    workers.fails = ""
    run(options)
    assert workers.arms == ["tabular"]


def test_an_arm_that_was_killed_begins_with_an_empty_folder(workers: Workers, options: WalkForwardOptions) -> None:
    run(options)
    folder = arm_folder(options.output, "frozen")
    (folder / "done.json").unlink()
    (folder / "store.sqlite").write_text("half of a run")
    workers.specs.clear()
    run(options)
    assert workers.arms == ["frozen"]
    assert not (folder / "store.sqlite").exists()


def test_without_a_tabular_model_the_arm_is_left_out_and_said(
    workers: Workers, options: WalkForwardOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(settings: Any) -> None:
        raise ModelError("model 'x' has no tabular model beside it")

    monkeypatch.setattr("llm_plugin.walkforward.tabular.first_meta_label", missing)
    done = run(options)
    assert "tabular" not in done.records
    assert any("The tabular arm was left out: model 'x'" in note for note in done.notes)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("validator.mode=none", "validator.mode is 'none'"),
        ("validator.arm=tabular", "validator.arm 'tabular'"),
        ("llm_model.adapter=/somewhere", "llm_model.adapter is '/somewhere': a walk-forward starts from the base"),
    ],
)
def test_what_cannot_be_retrained_is_refused(options: WalkForwardOptions, setting: str, told: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        run(replace(options, overrides=(setting,)))


def test_impossible_options_are_all_named() -> None:
    with pytest.raises(ConfigError) as caught:
        WalkForwardOptions(Path(), Path(), Path(), retrain_every=0, seed=-1, parallel=0)
    assert [text.split(" is ")[0] for text in caught.value.problems] == ["--retrain-every", "--seed", "--parallel"]


@pytest.fixture
def summary(workers: Workers, options: WalkForwardOptions) -> tuple[dict[str, Any], str]:
    made = finish(run(options))
    return made, (options.output / "walkforward.html").read_text(encoding="utf-8")


def test_the_summary_says_what_the_record_says(
    summary: tuple[dict[str, Any], str], options: WalkForwardOptions
) -> None:
    made, _ = summary
    assert made == json.loads((options.output / "summary.json").read_text(encoding="utf-8"))
    assert {claim["control"]: claim["verdict"] for claim in made["claims"]}["frozen"] == "gained"
    assert [cycle["status"] for cycle in made["cycles"]] == ["insufficient_data", "refused", "promoted"]
    assert [row["version"] for row in made["segments"]] == ["base", "v0002-abc", "base"]
    asked = sum(row["arms"]["learning"]["judged"] for row in made["segments"])
    assert asked == made["arms"]["learning"]["judged"] == 600
    assert made["arms"]["learning"]["accuracy"] > 0.85
    assert made["arms"]["learning"]["selectivity_p"] == pytest.approx(1 / 2000)
    assert made["arms"]["none"]["selectivity_r"] is None
    assert made["deflated_sharpe"]["trials"] == 5
    assert made["words"][0] == "3 cycles ran (1 insufficient data, 1 promoted, 1 refused); 1 roll-back."


def test_words_claim_nothing_that_the_interval_does_not_show(workers: Workers, options: WalkForwardOptions) -> None:
    from llm_plugin.walkforward.summary import gain_words, words

    interval = {"mean": 0.001, "low": -0.0001, "high": 0.002, "n": 300, "reason": ""}
    claim = {"control": "frozen", "net_return": interval, "sharpe": interval, "verdict": "no difference shown"}
    text = gain_words(claim, {})
    assert text.endswith("no difference is shown")
    unknown = {**interval, "mean": None, "low": None, "high": None, "reason": "10 days are too few"}
    assert "cannot be judged (10 days are too few)" in gain_words({**claim, "net_return": unknown}, {})
    made = finish(run(options))
    quiet = {**made, "cycles": [], "changes": [], "claims": []}
    assert words(quiet)[0] == "no cycle ran: too few decisions matured; nothing was rolled back."


def test_the_page_stands_alone_and_cannot_be_broken_out_of(summary: tuple[dict[str, Any], str]) -> None:
    _, html = summary
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="http', html)
    assert html.count("</script>") == html.count("<script")
    assert "<b>worse</b>" not in html
    for name in ("curves", "gates", "approval", "accuracy"):
        assert f'<div class="plot" id="{name}"></div>' in html


def test_every_cycle_and_swap_is_on_the_picture(summary: tuple[dict[str, Any], str]) -> None:
    _, html = summary
    found = re.search(r"const figures = (\{.*?\});\n", html, re.DOTALL)
    assert found is not None
    curves = json.loads(found[1])["curves"]
    marks = {trace["name"]: len(trace["x"]) for trace in curves["data"] if trace.get("mode") == "markers"}
    assert marks == {
        "promoted": 1,
        "refused by the gate": 1,
        "too few outcomes yet": 1,
        "rolled back": 1,
    }
    lines = [shape for shape in curves["layout"]["shapes"] if shape["type"] == "line"]
    assert len({shape["x0"] for shape in lines}) == 2
    texts = [text for trace in curves["data"] for text in trace.get("text") or []]
    assert any("gain +0.200 R [+0.050, +0.350], p = 0.0040 at level 0.0250" in text for text in texts)
