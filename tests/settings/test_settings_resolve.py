"""Configuration: precedence, origins, all problems at once, secrets, and the JSON that the LEAN side reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from llm_plugin.errors import ConfigError, TemplateError
from llm_plugin.settings import Resolved, Settings, default_yaml, load_settings, render_reference, resolve
from llm_plugin.settings._schema import leaves

ROOT = Path(__file__).resolve().parents[2]

# Key -> default, as the requirements name them.
REQUIRED = {
    "llm_model.name": "bootstrap",
    "llm_model.quantization": "none",
    "llm_model.device": "auto",
    "llm_model.max_memory": None,
    "llm_model.max_new_tokens": 50,
    "llm_model.temperature": 0.1,
    "llm_model.top_p": 0.9,
    "fusion.llm_weight": 0.3,
    "fusion.confidence_threshold": 0.7,
    "fusion.use_selective_querying": True,
    "fusion.query_interval": 5,
    "fusion.cache_decay_rate": 0.5,
    "risk.max_consecutive_losses": 3,
    "risk.min_win_rate_threshold": 0.4,
    "risk.dd_buffer_threshold": 0.2,
    "risk.enable_risk_veto": True,
    "prompts.system": None,
    "prompts.context_template": None,
    "logging.log_llm_queries": False,
    "logging.log_decision_fusion": False,
    "logging.log_risk_veto": True,
    "logging.log_latency": False,
    "development.verbose_logging": False,
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "llm_config.yaml"
    path.write_text("fusion:\n  llm_weight: 0.4\nmemory: {k: 5}\n", encoding="utf-8")
    return path


def test_every_required_key_exists_with_its_default() -> None:
    rows = {key: value for key, value, _ in resolve(env={}).rows()}
    assert {key: rows[key] for key in REQUIRED} == REQUIRED


def test_later_layers_win_and_the_origin_says_which(config: Path) -> None:
    env = {"LEAN_LLM__MEMORY__K": "7", "LEAN_LLM__RISK__RULES": "[vix]", "LEAN_LLM_HOME": "elsewhere"}
    resolved = resolve(config, ["memory.k=9", "fusion.regime_weights.trend=0.1"], env)
    found = {key: (value, origin) for key, value, origin in resolved.rows()}
    assert found["fusion.llm_weight"] == (0.4, "file")
    assert found["risk.rules"] == (["vix"], "env")
    assert found["memory.k"] == (9, "cli")
    assert found["fusion.regime_weights.trend"] == (0.1, "cli")
    assert found["fusion.query_interval"] == (5, "default")


def test_all_problems_are_reported_at_once_with_value_range_and_suggestion() -> None:
    wrong = {
        "fusion": {"llm_wieght": 0.4, "llm_weight": 3, "query_interval": True, "adx_range": 60.0},
        "llm_weight": 0.5,
        "reasoning": "entry",
        "validator": {"mode": "service"},
        "risk": {"rules": "vix", "blackout_timezone": "Mars/Olympus"},
    }
    with pytest.raises(ConfigError) as caught:
        resolve(wrong, ["memory.k=0", "memory", "risk.cooldwn_bars=3"], {"LEAN_LLM__FUSION__BREAK_EVEN": "7"})
    text = "\n".join(caught.value.problems)
    expected = [
        "fusion.llm_wieght (file): unknown key (did you mean 'llm_weight'?)",
        "fusion.llm_weight = 3 (file): must be a number from 0 up to 1",
        "fusion.query_interval = True (file): must be a whole number from 1 up to 10000",
        "fusion.adx_range = 60.0: must not lie above fusion.adx_trend = 25.0",
        "llm_weight (file): unknown key (did you mean 'fusion.llm_weight'?)",
        "reasoning = 'entry' (file): is a section",
        "validator.url = None: mode service needs the address",
        "risk.rules = 'vix' (file): must be a list of names",
        "risk.blackout_timezone = 'Mars/Olympus': must be an IANA zone",
        "memory.k = 0 (cli): must be a whole number from 1 up to 100",
        "--set 'memory': write section.key=value",
        "risk.cooldwn_bars (cli): unknown key (did you mean 'risk.cooldown_bars'?)",
        "fusion.break_even = 7 (env): must be true | false",
    ]
    assert [line for line in expected if line not in text] == []
    assert len(caught.value.problems) == len(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fusion: {llm_weight: 0.4}\nfusion: {}\n", "key 'fusion' stands twice"),
        ("fusion: [unclosed\n", "line 2, column 1: is not YAML"),
        ("- a\n- b\n", "holds list, not sections"),
    ],
    ids=["key-twice", "broken", "list"],
)
def test_a_damaged_file_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "llm_config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        resolve(path, env={})


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: No such file"):
        resolve("nowhere.yaml", env={})


def test_numbers_that_yaml_reads_as_text_are_numbers() -> None:
    assert resolve(overrides=["reasoning.tie_tolerance=1e-5"], env={}).settings.reasoning.tie_tolerance == 1e-5


def test_only_template_problems_are_a_template_error() -> None:
    with pytest.raises(TemplateError, match=r"\{adxx\}: unknown field \(did you mean 'adx'\?\)"):
        resolve({"prompts": {"context_template": "{adxx} {rsi}"}}, env={})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("reasoning.mode=always", "not available in this version"),
        ("risk.min_trades_for_win_rate=60", "must not lie above session.recent_trades = 50"),
        ("sizing.three_quarters_from=0.9", "must not lie above sizing.full_from"),
        ("risk.blackout_end='12:00'", "must differ from blackout_start"),
    ],
)
def test_contradictions_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(overrides=[override], env={})


def test_every_n_needs_selective_querying() -> None:
    assert resolve(overrides=["reasoning.mode=every_n"], env={}).settings.reasoning.mode == "every_n"
    with pytest.raises(ConfigError, match=r"needs fusion\.use_selective_querying: true"):
        resolve(overrides=["reasoning.mode=every_n", "fusion.use_selective_querying=false"], env={})


def test_settings_are_frozen() -> None:
    settings = resolve(env={}).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.fusion.llm_weight = 1.0  # type: ignore[misc]


def test_secrets_are_masked_everywhere_and_come_back_from_the_environment(tmp_path: Path) -> None:
    env = {"LEAN_LLM__VALIDATOR__API_KEY": "12345"}
    resolved = resolve(env=env)
    key = resolved.settings.validator.api_key
    assert key is not None
    assert key.get_secret_value() == "12345"
    path = resolved.write_json(tmp_path / "config.json")
    assert "12345" not in path.read_text() + repr(resolved) + str(resolved.rows())
    again = Resolved.from_json(path, env=env).settings.validator.api_key
    assert again == key
    assert Resolved.from_json(path, env={}).settings.validator.api_key is None
    with pytest.raises(ConfigError) as caught:
        resolve({"validator": {"api_key": ["12345"]}}, env={})
    assert "12345" not in str(caught.value)


def test_the_resolved_json_names_its_source_and_reads_back_equal(config: Path, tmp_path: Path) -> None:
    resolved = resolve(config, ["memory.k=9"], {})
    data = json.loads(resolved.write_json(tmp_path / "llm_config.resolved.json").read_text())
    assert data["schema"] == "1"
    assert data["source"] == "llm_config.yaml"
    assert data["source_sha256"] == hashlib.sha256(config.read_bytes()).hexdigest()
    assert data["values"]["outcomes"]["exit"]["stop_atr"] == 2.0
    assert data["origins"]["memory.k"] == "cli"
    again = Resolved.from_json(data, env={})
    assert again.settings == resolved.settings
    assert again.origins == resolved.origins
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".part")] == []


@pytest.mark.parametrize("data", [{"schema": "9", "values": {}}, {"values": {}}, {"schema": "1"}])
def test_another_schema_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="not a resolved configuration of schema 1"):
        Resolved.from_json(data, env={})


def test_settings_load_from_every_form(config: Path, tmp_path: Path) -> None:
    resolved = resolve(config, env={})
    path = resolved.write_json(tmp_path / "config.json")
    for source in (resolved.settings, resolved, config, path, json.loads(path.read_text()), resolved.values):
        assert load_settings(source).fusion.llm_weight == 0.4


def test_the_rendered_yaml_holds_every_key_and_gives_the_defaults(tmp_path: Path) -> None:
    data = yaml.safe_load(default_yaml())
    assert data == Settings().model_dump()
    path = tmp_path / "llm_config.yaml"
    path.write_text(default_yaml(), encoding="utf-8")
    resolved = resolve(path, env={})
    assert resolved.settings == Settings()
    assert set(resolved.origins.values()) == {"file"}


def test_every_key_has_a_description_and_stands_in_yaml_and_page() -> None:
    page, text = render_reference(), default_yaml()
    keys = list(leaves(Settings))
    assert len(keys) > 80
    for dotted, field in keys:
        assert field.description, dotted
        assert f"`{dotted.rpartition('.')[2]}`" in page
        assert f"{dotted.rpartition('.')[2]}: " in text


@pytest.mark.parametrize(
    ("path", "render"),
    [("docs/reference/configuration.md", render_reference), ("llm_plugin/llm_config.yaml", default_yaml)],
)
def test_generated_files_are_up_to_date(path: str, render: object) -> None:
    assert callable(render)
    assert (ROOT / path).read_text(encoding="utf-8") == render()
