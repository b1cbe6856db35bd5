"""Watch the champion against the previous version's shadow answers, and roll back where it is credibly worse."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.shared import RETRIES, opened
from llm_plugin.stack.reports import facts_markdown
from llm_plugin.stack.watching import WatchLook, look, watch_facts

__all__ = ["watch_and_roll_back"]


@task(name="look", timeout_seconds=900, **RETRIES)
def look_once(config: Path | None, overrides: list[str]) -> WatchLook:
    """Count what has matured since the last look; go back to the previous version where the watch says so."""
    with opened(config, overrides) as loop:
        seen = look(loop)
        missed = loop.tell_mirror()
    if missed is not None:
        get_run_logger().warning("MLflow is told by the next look: %s", missed)
    title = f"Rolled back to {seen.rolled_back_to}" if seen.rolled_back_to else f"{seen.champion} serves on"
    create_markdown_artifact(facts_markdown(title, watch_facts(seen)), key="watch", description=title)
    return seen


@flow(name="watch-and-roll-back", flow_run_name="watch the champion", timeout_seconds=1800)
def watch_and_roll_back(config: Path | None = None, overrides: list[str] | None = None) -> State[str | None]:
    """Compare the champion with the version before it on the same matured outcomes, by an e-process.

    Args:
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    seen = look_once(config, overrides or [])
    if seen.rolled_back_to is not None:
        reason = seen.verdict.reason if seen.verdict is not None else ""
        return Completed(
            name="Rolled back", message=f"{seen.rolled_back_to} serves: {reason}", data=seen.rolled_back_to
        )
    told = seen.verdict.reason if seen.verdict is not None else seen.why_not
    return Completed(message=told or f"{seen.champion} serves on", data=None)


if __name__ == "__main__":
    watch_and_roll_back()
