"""Choose the grammar-made tasks of the benchmark: draw, judge every reference through all gates, keep a balanced set.

`python datasets/strategy_tasks/make.py` rewrites the rows of origin "grammar" in tasks.jsonl; rows written by hand stay
as they are. The same seed and the same grammar give the same rows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError, LeanLlmError
from llm_plugin.files import write_whole
from llm_plugin.strategies.curate.duplicates import Index
from llm_plugin.strategies.curate.normalise import shingles
from llm_plugin.strategies.grammar import grammar_tasks
from llm_plugin.strategies.judge import JudgePool
from llm_plugin.strategies.judge.verdict import GATES, Candidate
from llm_plugin.strategies.tasks import DIFFICULTIES, Task, load_tasks

FOLDER = Path(__file__).resolve().parent
TASKS = FOLDER / "tasks.jsonl"
CARD = FOLDER / "README.md"
MARKET = FOLDER.parent / "market"


def by_hand() -> list[dict[str, Any]]:
    """Return the rows of tasks.jsonl that were written by hand."""
    rows = [json.loads(row) for row in TASKS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["origin"] == "hand"]


def balanced(tasks: Sequence[Task], count: int) -> list[Task]:
    """Return `count` tasks, taken from each family in turn, in the order in which they were drawn.

    Raises:
        DataError: There are not so many.
    """
    if len(tasks) < count:
        raise DataError(f"only {len(tasks)} references pass, {count} are wanted: draw more (--draw)")
    families: dict[str, list[Task]] = {}
    for task in tasks:
        families.setdefault(task.family, []).append(task)
    rounds = zip_longest(*(families[name] for name in sorted(families)))
    chosen = [task for one in rounds for task in one if task is not None][:count]
    return sorted(chosen, key=lambda task: (task.family, task.difficulty, task.id))


def distinct(tasks: Sequence[Task]) -> list[Task]:
    """Return the tasks without those whose reference is a near-duplicate of an earlier one's."""
    index, kept = Index(), []
    for task in tasks:
        items = shingles(task.reference or "")
        if index.nearest(items) is None:
            index.add(task.id, items)
            kept.append(task)
    return kept


def judged(tasks: Sequence[Task], jobs: int | None, cache: Path | None) -> list[Task]:
    """Return the tasks whose reference passes all gates; the reasons of the others are printed."""
    passed: list[Task] = []
    with JudgePool(MARKET, jobs, cache) as pool:
        verdicts = pool.judge_many(Candidate(task.reference or "", task, id=task.id) for task in tasks)
    for task, verdict in zip(tasks, verdicts, strict=True):
        if verdict.reached == len(GATES):
            passed.append(task)
            continue
        failed = next(gate for gate in verdict.gates if gate.passed is not True)
        print(f"{task.id}: {failed.name}: {failed.reason[:300]}", file=sys.stderr)
    return passed


def write_card() -> None:
    """Write the counts of tasks.jsonl into the card."""
    tasks = load_tasks(TASKS)
    hand = Counter(task.family for task in tasks if task.origin == "hand")
    levels = Counter((task.family, task.difficulty) for task in tasks)
    families = sorted({task.family for task in tasks})
    alternatives = sum(len(task.alternatives) for task in tasks)
    lines = [
        f"{len(tasks)} prompts in {len(families)} families, {hand.total()} of them written by hand; "
        f"{len(tasks)} reference and {alternatives} alternative solutions.",
        "",
        "| family | difficulty 1 | 2 | 3 | by hand | all |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for family in families:
        counts = [levels[family, level] for level in DIFFICULTIES]
        lines.append(f"| {family} | {' | '.join(map(str, counts))} | {hand[family]} | {sum(counts)} |")
    before, begin, rest = CARD.read_text(encoding="utf-8").partition("<!-- counts:begin -->\n")
    _, end, after = rest.partition("<!-- counts:end -->")
    write_whole(CARD, before + begin + "\n".join(lines) + "\n" + end + after)


def main() -> None:
    """Draw, judge, choose and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=140, help="how many tasks to keep")
    parser.add_argument("--draw", type=int, default=190, help="how many to draw and judge")
    parser.add_argument("--seed", type=int, default=6, help="seed of the grammar")
    parser.add_argument("--jobs", type=int, default=None, help="judges beside each other (default: one for each core)")
    parser.add_argument("--cache", type=Path, default=None, help="folder of verdicts: a killed run goes on")
    parser.add_argument("--card", action="store_true", help="only count anew what stands in tasks.jsonl")
    options = parser.parse_args()
    if options.card:
        write_card()
        return
    prompts = {row["prompt"] for row in by_hand()}
    drawn = distinct([t for t in grammar_tasks(options.draw, seed=options.seed) if t.prompt not in prompts])
    passed = judged(drawn, options.jobs or os.cpu_count(), options.cache)
    chosen = balanced(passed, options.count)
    # Read again: somebody may have added tasks while the references were judged.
    new = [*by_hand(), *(task.to_json() for task in chosen)]
    write_whole(TASKS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in new))
    write_card()
    tasks = load_tasks(TASKS)
    print(f"{len(drawn)} drawn, {len(passed)} pass all gates, {len(chosen)} kept; {len(tasks)} tasks in {TASKS.name}")
    for name, count in sorted(Counter(task.family for task in tasks).items()):
        print(f"{count:4} {name}")


if __name__ == "__main__":
    try:
        main()
    except LeanLlmError as error:
        raise SystemExit(f"error: {error}") from None
