"""Try several training recipes on one dataset, one training per Dask task, and compare them on the same holdout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.shared import RETRIES, Progress, spread, table_rows
from llm_plugin.stack.loop import open_loop
from llm_plugin.stack.sweep import Recipe, SweepPlan, check_values, make_recipes, prepare_sweep
from llm_plugin.stack.sweep_trial import RecipeSummary, Trial, run_trial, summarise

__all__ = ["sweep_training"]


@task(name="dataset", timeout_seconds=4 * 3600, **RETRIES)
def dataset(recipes: list[Recipe], config: Path | None, overrides: list[str]) -> SweepPlan:
    """Make the dataset of all trials, and the answers that they are compared with."""
    check_values(config, overrides, recipes)
    with open_loop(config, overrides) as loop:
        return prepare_sweep(loop, recipes, on_progress=Progress("sweep-dataset", "Making the dataset"))


@task(name="trial", task_run_name="{recipe.name}, seed {seed}", **RETRIES)
def trial(plan: SweepPlan, recipe: Recipe, seed: int, config: Path | None, overrides: list[str]) -> Trial:
    """Train one recipe with one seed and let it answer; runs wherever the cluster puts it."""
    return run_trial(config, overrides, plan, recipe, seed, Progress())


@flow(name="sweep-training", flow_run_name="sweep of training recipes", timeout_seconds=24 * 3600)
def sweep_training(
    grid: dict[str, list[Any]] | None = None,
    recipes: list[dict[str, Any]] | None = None,
    seeds: list[int] | None = None,
    configured: bool = True,
    scheduler: str | None = None,
    workers: int = 2,
    config: Path | None = None,
    overrides: list[str] | None = None,
) -> State[Any]:
    """Compare training recipes on decisions before the newest gate's holdout; nothing is registered or judged.

    What was trained before, by the same recipe on the same dataset, is not trained again.

    Args:
        grid: Values by setting of `learning.training`, such as `{"learning_rate": [0.001, 0.002]}`; all combinations.
        recipes: Single recipes, such as `[{"learning_rate": 0.001, "min_steps": 80}]`.
        seeds: Each recipe is trained once with each; None = 0, 1 and 2.
        configured: Try the configuration as it is, too.
        scheduler: Address of a Dask scheduler whose workers reach the database, the plugin's home and the model; None =
            the setting LEAN_LLM_DASK_ADDRESS, else a local cluster.
        workers: Processes of the local cluster; each trains one recipe at a time.
        config: `llm_config.yaml`; None = the one of LEAN_LLM_CONFIG, else the defaults and the environment.
        overrides: `section.key=value`.
    """
    given, chosen = overrides or [], list(dict.fromkeys(seeds or [0, 1, 2]))
    tried = make_recipes(grid, recipes or [], configured=configured)
    plan = dataset(tried, config, given)
    words = "%d recipes x %d seeds on %d pairs; %s against %d decisions"
    get_run_logger().info(words, len(tried), len(chosen), plan.pairs, plan.parent, plan.holdout)
    common = {"plan": plan, "config": config, "overrides": given}
    calls = [{"recipe": recipe, "seed": seed, **common} for recipe in tried for seed in chosen]
    trials: list[Trial] = spread(trial, calls, scheduler=scheduler, workers=workers)
    return _ended(plan, trials, summarise(trials))


def _ended(plan: SweepPlan, trials: list[Trial], rows: list[RecipeSummary]) -> State[Any]:
    """Show tables; the best of many flatters, and the words say of how many."""
    span = f"{plan.holdout} decisions of {plan.from_utc:%Y-%m-%d} to {plan.to_utc:%Y-%m-%d}"
    create_table_artifact(
        table_rows([_trial_row(item) for item in trials]),
        key="sweep-trials",
        description=f"Each training against {plan.parent} on {span}, none of which a gate will use again",
    )
    create_table_artifact(
        table_rows([_recipe_row(item) for item in rows]),
        key="sweep-summary",
        description=f"Means over seeds, best first. The best of {len(rows)} flatters: `p of the best` counts them all",
    )
    best = rows[0]
    if best.gain_r is None or best.p_of_best is None:
        return Failed(message=f"every training broke: {trials[0].failed}", data=rows)
    other = "" if plan.parent == plan.champion else f" (the champion {plan.champion} has learned from these decisions)"
    return Completed(
        message=f"best of {len(rows)} recipes tried: {best.recipe}, {best.gain_r:+.4f} R a decision against "
        f"{plan.parent}{other}, p {best.p_of_best:.2g} counting all {len(rows)}; nothing was registered",
        data=rows,
    )


def _trial_row(item: Trial) -> dict[str, Any]:
    return {
        "recipe": item.recipe,
        "seed": item.seed,
        "gain R": item.gain_r,
        "utility R": item.candidate_r,
        "parent R": item.parent_r,
        "approval": item.approval,
        "parse rate": item.parse_rate,
        "legal action": item.action_mass,
        "steps": item.steps,
        "first loss": item.first_loss,
        "last loss": item.last_loss,
        "last margin": item.last_margin,
        "seconds": item.seconds,
        "was known": "yes" if item.known else "",
        "failed": item.failed,
    }


def _recipe_row(item: RecipeSummary) -> dict[str, Any]:
    return {
        "recipe": item.recipe,
        "seeds": item.seeds,
        "failed": item.failed or "",
        "gain R": item.gain_r,
        "worst seed": item.worst_r,
        "best seed": item.best_r,
        "p alone": item.p_value,
        "p of the best": item.p_of_best,
        "approval": item.approval,
        "parse rate": item.parse_rate,
        "legal action": item.action_mass,
        "last loss": item.last_loss,
        "last margin": item.last_margin,
        "seconds": item.seconds,
    }


if __name__ == "__main__":
    sweep_training()
