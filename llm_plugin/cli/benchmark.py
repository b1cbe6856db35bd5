"""`lean-llm benchmark`: how good a model is at writing strategies, and how good the judge is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, table

__all__ = ["register"]

benchmark_app = typer.Typer(
    no_args_is_help=True, help="How good models are at writing strategies; the judge's own test."
)
_TASKS = typer.Option(None, "--tasks", help="Tasks (.jsonl, .jsonl.gz, or a folder); default: the shipped ones.")
_DATA = typer.Option(None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample.")
_JOBS = typer.Option(2, "-j", "--jobs", min=1, help="Judges beside each other.")
_DASK = typer.Option("", help="Address of a Dask scheduler, or 'local' for a cluster on this machine.")
_JSON = typer.Option(False, "--json", help="Print the results as JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(benchmark_app, name="benchmark")


@benchmark_app.command("strategies")
def strategies(
    model: str = typer.Option(..., help="Whose answers: standin, path:BASE+ADAPTER, openai:MODEL@URL, references, …"),
    tasks: Path | None = _TASKS,
    samples: int = typer.Option(1, min=1, help="Answers for each task; pass@k is told for 1 and this many."),
    temperature: float | None = typer.Option(None, help="Default: 0 for one answer, 0.8 for several."),
    max_new_tokens: int = typer.Option(2048, min=1, help="Limit of an answer."),
    seed: int = typer.Option(0, min=0, help="Of the first answer; the others follow."),
    gates: int = typer.Option(5, min=1, max=5, help="How far answers are judged."),
    family: list[str] = typer.Option([], help="Only tasks of this family; may be repeated."),
    part: str = typer.Option("", help="Only tasks whose id begins so."),
    usd_in: float | None = typer.Option(None, help="Price of a million tokens of questions, for hosted models."),
    usd_out: float | None = typer.Option(None, help="Price of a million tokens of answers."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Folder of the run; default: below benchmarks/."),
    leaderboard: Path = typer.Option(
        Path("benchmarks") / "leaderboard.jsonl", help="The run is added here; a .md is written beside it."
    ),
    jobs: int = _JOBS,
    dask: str = _DASK,
    data: Path | None = _DATA,
    as_json: bool = _JSON,
) -> None:
    """Ask a model for strategies, judge them through five gates, and say how good it is.

    The same command goes on where a stopped one was; answers and verdicts are kept.
    """
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.strategies.benchmark.evaluate import evaluate
    from llm_plugin.strategies.benchmark.runner import BenchmarkOptions
    from llm_plugin.strategies.models import ModelOptions, Price

    heat = temperature if temperature is not None else (0.0 if samples == 1 else 0.8)
    options = BenchmarkOptions(samples, heat, max_new_tokens, seed, gates)
    price = Price(usd_in or 0.0, usd_out or 0.0) if usd_in is not None or usd_out is not None else None

    def on_sample(sample: Any, done: int, total: int) -> None:
        failure = sample.verdict.failure if sample.verdict is not None else None
        said = sample.problem or (failure.name if failure is not None else ", ".join(sample.unsupported) or "passed")
        err.print(f"{done}/{total} {sample.id}: {said}", markup=False)

    found = evaluate(
        model,
        find_data_folder(Path.cwd(), data),
        options,
        tasks_file=tasks,
        chosen=lambda task: task.id.startswith(part) and (not family or task.family in family),
        jobs=jobs,
        dask=dask,
        output=output,
        leaderboard=leaderboard,
        model_options=ModelOptions(price=price),
        on_sample=on_sample,
    )
    emit(found.summary, as_json=as_json, show=lambda summary: _show_summary(summary, found.folder))
    if found.missing:
        err.print(f"{found.missing} answers are missing: the model was unreachable; run the same command again")
        raise typer.Exit(6)


def _share(score: Any) -> str:
    if score["value"] is None:
        return "–"
    return f"{100 * score['value']:.1f} [{100 * score['low']:.0f}, {100 * score['high']:.0f}]"


def _show_summary(summary: Any, folder: Path) -> None:
    scores = summary["scores"]
    names = list(next(iter(scores.values())))
    gates = list(scores)
    table(
        f"{summary['model']}: {summary['answers']} answers to {summary['tasks']} tasks, percent [95 % interval]",
        ("gates, cumulative", *names),
        [(gate, *(_share(scores[gate][name]) for name in names)) for gate in gates],
        right=range(1, len(names) + 1),
    )
    for title, key in (("family", "by_family"), ("difficulty", "by_difficulty"), ("origin", "by_origin")):
        rows = [(name, *(_share(values[gate]["pass@1"]) for gate in gates)) for name, values in summary[key].items()]
        table("", (title, *gates), rows, right=range(1, len(gates) + 1))
    cost = summary["cost_usd"]
    out.print(
        f"tokens {summary['tokens_in']:,} in, {summary['tokens_out']:,} out; "
        f"cost {'not known' if cost is None else f'{cost:.4f} USD'}; model {summary['model_seconds']:.1f} s, "
        f"judge {summary['judge_seconds']:.1f} s; without code {summary['without_code']}"
    )
    for member, count in summary["unsupported"].items():
        out.print(f"not judged, the engine lacks {member}: {count}")
    sharpe = summary["sharpe"]
    if sharpe["strategies"]:
        deflated = "–" if sharpe["deflated"] is None else f"{sharpe['deflated']:.2f}"
        out.print(
            f"Sharpe ratio of {sharpe['strategies']} that traded, costs included: mean {sharpe['mean']:.2f}, median "
            f"{sharpe['median']:.2f}, best {sharpe['best']:.2f} (deflated: {deflated} chance that it is more than luck)"
        )
    out.print(f"run: {folder}")


@benchmark_app.command("compare")
def compare(
    a: Path = typer.Argument(..., help="Folder of the run of the model in use."),
    b: Path = typer.Argument(..., help="Folder of the run of the other one."),
    seed: int = typer.Option(0, min=0, help="Of the resampling."),
    as_json: bool = _JSON,
) -> None:
    """Compare two runs task by task: the difference at each gate with its interval."""
    from llm_plugin.strategies.benchmark.compare import compare_samples
    from llm_plugin.strategies.benchmark.runner import RESULTS
    from llm_plugin.strategies.benchmark.samples import read_samples

    found = compare_samples(list(read_samples(a / RESULTS)), list(read_samples(b / RESULTS)), seed=seed)

    def show(_: Any) -> None:
        rows = [
            (
                one.gate,
                f"{100 * one.a:.1f}",
                f"{100 * one.b:.1f}",
                f"{100 * one.difference:+.1f} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]",
                f"{one.better} / {one.worse}",
                str(one.tasks),
                one.verdict,
            )
            for one in found
        ]
        table("pass@1 in percent", ("gate", "A", "B", "B - A, 95 %", "better / worse", "tasks", ""), rows)

    emit([one.to_json() for one in found], as_json=as_json, show=show)


@benchmark_app.command("ratings")
def ratings(
    run: Path = typer.Argument(..., help="Folder of a run."),
    form: Path | None = typer.Option(None, help="Write a CSV form to fill in, without the judge's verdicts."),
    read: Path | None = typer.Option(None, help="Read a form that was filled in; its figures go into the run."),
    most: int = typer.Option(40, min=1, help="Rows of the form at most."),
    seed: int = typer.Option(0, min=0, help="Of the draw."),
    tasks: Path | None = _TASKS,
    as_json: bool = _JSON,
) -> None:
    """Let people rate what a model wrote: a form, and what came back."""
    import json

    from llm_plugin.errors import ConfigError
    from llm_plugin.files import write_whole
    from llm_plugin.strategies.benchmark.places import shipped_tasks
    from llm_plugin.strategies.benchmark.ratings import read_form, summarise_ratings, write_form
    from llm_plugin.strategies.benchmark.runner import RESULTS
    from llm_plugin.strategies.benchmark.samples import read_samples
    from llm_plugin.strategies.tasks import load_tasks

    if (form is None) == (read is None):
        raise ConfigError("say either --form FILE (write it) or --read FILE (read it back)")
    samples = list(read_samples(run / RESULTS))
    if form is not None:
        prompts = {task.id: task.prompt for task in load_tasks(tasks or shipped_tasks())}
        count = write_form(samples, prompts, form, most=most, seed=seed)
        emit({"rows": count, "form": str(form)}, as_json=as_json, show=lambda _: out.print(f"{count} rows: {form}"))
        return
    found = summarise_ratings(read_form(read or Path(), samples), samples)
    write_whole(run / "ratings.json", json.dumps(found, indent=2, sort_keys=True) + "\n")
    emit(found, as_json=as_json, show=lambda _: out.print_json(data=found))


@benchmark_app.command("calibrate")
def calibrate(
    tasks: Path | None = _TASKS,
    kind: list[str] = typer.Option([], "--kind", help="Only mutants of this kind; may be repeated."),
    part: str = typer.Option("", help="Only tasks whose id begins so."),
    most: int | None = typer.Option(None, min=1, help="Draw so many mutants by chance; default: all."),
    seed: int = typer.Option(0, min=0, help="Of the draw."),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="Folder of the results; default: benchmarks/calibration."
    ),
    figures: Path | None = typer.Option(None, help="JSON file into which the three figures are merged."),
    jobs: int = _JOBS,
    dask: str = _DASK,
    data: Path | None = _DATA,
    as_json: bool = _JSON,
) -> None:
    """Judge references, alternatives and planted wrong solutions, and say what was missed.

    Finished verdicts are kept: the same command goes on where a stopped one was.
    """
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.strategies.benchmark.calibrate import BARS, calibrate, planted, write_calibration
    from llm_plugin.strategies.benchmark.places import shipped_tasks, verdict_cache
    from llm_plugin.strategies.judge import JudgePool
    from llm_plugin.strategies.tasks import load_tasks

    folder = find_data_folder(Path.cwd(), data)
    given = [task for task in load_tasks(tasks or shipped_tasks()) if task.id.startswith(part)]
    mutants = planted(given, folder, kind, most=most, seed=seed)
    target = output or Path("benchmarks") / "calibration"
    total = len(mutants) + sum(1 + len(task.alternatives) for task in given if task.reference)
    done = {"count": 0}

    def on_row(row: Any) -> None:
        done["count"] += 1
        if row["outcome"] == "wrong":
            said = f"{row['gate'] or 'passed'} {row['note']} {row['reason']}".rstrip()
            err.print(f"{done['count']}/{total} {row['id']}: {said}", markup=False)

    with JudgePool(folder, jobs, verdict_cache(), dask=dask) as pool:
        found = calibrate(pool, given, mutants, on_row=on_row)
    write_calibration(found, target)
    if figures is not None:
        from llm_plugin.proofs.loop_report import figure, write_figures

        write_figures(figures, {name: figure(v, "%", BARS[name], "higher") for name, v in found.figures.items()})

    def show(_: Any) -> None:
        rows = [(name, *counts.values()) for name, counts in sorted(found.by_kind().items())]
        table(
            "Planted wrong solutions",
            ("kind", "planted", "equivalent", "unjudged", "caught", "elsewhere", "missed"),
            rows,
        )
        for name, value in found.figures.items():
            out.print(f"{name}: {value:.2f} % (bar {BARS[name]:g} %)")
        out.print(f"results: {target / 'calibration.json'}")

    emit(found.to_json(), as_json=as_json, show=show)
