"""The resolved configuration as the LEAN side reads it."""

from __future__ import annotations

import hashlib
import json

import lean_fakes as fakes
import pytest

from llm_plugin.errors import ConfigError, StaleConfig
from llm_plugin.lean.config import LEAN_DEFAULTS, LeanConfig, calling_folder, load_config


def write(folder, values, name="llm_config", yaml_text="fusion: {}\n", digest=None):
    (folder / f"{name}.yaml").write_text(yaml_text)
    digest = digest or hashlib.sha256(yaml_text.encode()).hexdigest()
    document = {"schema": "1", "source": f"{name}.yaml", "source_sha256": digest, "values": values, "origins": {}}
    path = folder / f"{name}.resolved.json"
    path.write_text(json.dumps(document))
    return path


def test_defaults_of_the_lean_side_are_those_of_the_settings():
    from llm_plugin.settings import Settings

    settings = Settings().model_dump(mode="json")
    compared = 0

    def compare(mine, theirs, path):
        nonlocal compared
        for key, value in mine.items():
            if isinstance(value, dict):
                compare(value, theirs[key], f"{path}.{key}")
            else:
                compared += 1
                assert theirs[key] == value, f"{path}.{key}"

    compare(LEAN_DEFAULTS, settings, "")
    assert compared >= 15


def test_every_section_of_the_settings_is_known():
    from llm_plugin.settings import Settings

    assert LeanConfig(Settings().model_dump(mode="json")).get("memory.k") == 3


def test_yaml_name_means_the_resolved_json_beside_it(tmp_path):
    write(tmp_path, {"fusion": {"query_interval": 7}})
    assert load_config("llm_config.yaml", tmp_path).get("fusion.query_interval") == 7


def test_a_resolved_file_of_another_yaml_is_refused_as_stale(tmp_path):
    path = write(tmp_path, {}, digest="0" * 64)
    with pytest.raises(StaleConfig, match="000000000000"):
        load_config("llm_config.yaml", tmp_path)
    with pytest.raises(StaleConfig, match="config resolve"):
        load_config(path.name, tmp_path)


def test_an_unresolved_yaml_says_what_to_run(tmp_path):
    (tmp_path / "llm_config.yaml").write_text("fusion: {}\n")
    with pytest.raises(StaleConfig, match=r"lean-llm config resolve"):
        load_config("llm_config.yaml", tmp_path)


def test_the_parameter_llm_config_comes_first(tmp_path):
    write(tmp_path, {"fusion": {"query_interval": 7}})
    override = write(tmp_path, {"fusion": {"query_interval": 9}}, name="other")
    algorithm = fakes.FakeAlgorithm({"llm-config": str(override)})
    assert load_config("llm_config.yaml", tmp_path, algorithm).get("fusion.query_interval") == 9


def test_a_dict_is_taken_with_the_defaults_below_it():
    config = load_config({"outcomes": {"match_bars": 4}}, None)
    assert config.get("outcomes.match_bars") == 4
    assert config.get("outcomes.exit.stop_atr") == 2.0


def test_an_object_store_key_is_read(tmp_path):
    algorithm = fakes.FakeAlgorithm()
    document = {"schema": "1", "values": {"outcomes": {"match_bars": 3}}}
    algorithm.object_store.save("my-config", json.dumps(document))
    assert load_config("my-config", tmp_path, algorithm).get("outcomes.match_bars") == 3


def test_what_is_nowhere_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_config("nowhere.yaml", tmp_path, fakes.FakeAlgorithm())


def test_an_unknown_section_has_a_suggestion():
    with pytest.raises(ConfigError, match=r"'fuson' \(did you mean 'fusion'\?\)"):
        LeanConfig({"fuson": {}})


def test_impossible_values_are_all_named():
    with pytest.raises(ConfigError) as caught:
        LeanConfig({"validator": {"mode": "cloud"}, "fusion": {"query_interval": 0}, "outcomes": {"match_bars": 1.5}})
    text = str(caught.value)
    assert "'cloud'" in text
    assert "query_interval is 0" in text
    assert "match_bars is 1.5" in text


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "9", "values": {}}', '{"schema": "1"}'])
def test_a_damaged_document_is_refused(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.json"):
        load_config("c.json", tmp_path)


def test_relative_means_relative_to_the_calling_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert calling_folder().name == "lean"
    assert (calling_folder() / "test_lean_config.py").is_file()


def test_a_key_that_does_not_exist_is_an_error():
    with pytest.raises(ConfigError, match=r"outcomes\.exit\.stop_atrr"):
        LeanConfig({}).get("outcomes.exit.stop_atrr")


def test_ids_do_not_depend_on_where_the_memory_lives():
    def fingerprint(**memory):
        return LeanConfig({"memory": {"backend": "weaviate", "k": 3, **memory}}).fingerprint

    assert fingerprint() == fingerprint(backend="local") == fingerprint(url="http://elsewhere:8080")
    assert len({fingerprint(), fingerprint(k=5), fingerprint(backend="none")}) == 3


def test_where_the_validator_runs_makes_no_other_run():
    inside = LeanConfig({"validator": {"mode": "in_process"}}).fingerprint
    outside = LeanConfig({"validator": {"mode": "service", "url": "http://127.0.0.1:8900"}}).fingerprint
    assert outside == inside
    assert LeanConfig({"validator": {"mode": "none"}}).fingerprint != inside
