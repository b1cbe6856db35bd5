"""After a promotion: what the new champion answers differently, and whether the service follows."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.shared import RETRIES, opened
from llm_plugin.stack.canary_report import CanaryComparison, compare_champion, service_view
from llm_plugin.stack.parts import service_url
from llm_plugin.stack.reports import canary_markdown

__all__ = ["canary_report"]


@task(name="ask the canaries", timeout_seconds=1800, **RETRIES)
def ask_canaries(questions: int, service: str | None, config: Path | None, overrides: list[str]) -> CanaryComparison:
    """Let champion and previous version answer the newest questions and leave a report."""
    with opened(config, overrides) as loop:
        report = compare_champion(loop, questions=questions)
        text = canary_markdown(report, service_view(loop, service or service_url()))
    create_markdown_artifact(text, key="canary-report", description=f"{report.champion} in place of {report.previous}")
    return report


@flow(name="canary-report", flow_run_name="report the promotion", timeout_seconds=3600)
def canary_report(
    questions: int = 32, service: str | None = None, config: Path | None = None, overrides: list[str] | None = None
) -> State[str]:
    """Show what a promotion changed: verdicts, approval rate, health, the answers recorded in training.

    Args:
        questions: How many of the newest questions both versions are asked.
        service: Address of the validator service; None = LEAN_LLM_SERVICE_URL, else this home's own.
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    report = ask_canaries(questions, service, config, overrides or [])
    return Completed(message=f"{report.champion} serves, {report.questions} questions asked", data=report.champion)


if __name__ == "__main__":
    canary_report()
