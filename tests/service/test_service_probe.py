"""`lean-llm doctor` and the service that a project's configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_plugin.errors import ConfigError
from llm_plugin.runs.doctor import examine
from llm_plugin.service.probe import probe
from llm_plugin.settings import Settings, resolve


def settings_of(*overrides: str) -> Settings:
    return resolve(overrides=["validator.mode=service", *overrides], env={}).settings


def test_it_says_who_serves(service: Any, serve: Any) -> None:
    url = serve(service)
    assert probe(settings_of(f"validator.url={url}")) == f"{url} serves base"


def test_the_name_for_containers_is_looked_at_through_the_bridge(make_service: Any, serve: Any) -> None:
    port = serve(make_service("service.api_key=k")).rsplit(":", 1)[1]
    named = f"validator.url=http://host.docker.internal:{port}"
    told = probe(settings_of(named, "validator.api_key=k"), bridge=lambda: "127.0.0.1")
    assert told.endswith(f"(asked at http://127.0.0.1:{port})")
    with pytest.raises(ConfigError, match="there is no Docker bridge here"):
        probe(settings_of(named), bridge=lambda: None)
    with pytest.raises(ConfigError, match=r"validator\.api_key: .*no key was sent"):
        probe(settings_of(named), bridge=lambda: "127.0.0.1")


def test_nobody_there_is_told_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9 did not answer .*start `lean-llm serve`"):
        probe(settings_of("validator.url=http://127.0.0.1:9"))


def test_doctor_reports_the_service_of_a_project(service: Any, serve: Any, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from AlgorithmImports import *\n")
    url = serve(service)
    (tmp_path / "llm_config.yaml").write_text(f"validator:\n  mode: service\n  url: {url}\n")
    found = {finding.what: finding for finding in examine(tmp_path)}
    assert (found["service"].state, found["service"].found) == ("ok", f"{url} serves base")
    (tmp_path / "llm_config.yaml").write_text("validator:\n  mode: service\n  url: http://127.0.0.1:9\n")
    broken = [finding for finding in examine(tmp_path) if "did not answer" in finding.found]
    assert [finding.state for finding in broken] == ["broken"]
