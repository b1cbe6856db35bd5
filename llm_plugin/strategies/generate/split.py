"""Two models side by side in service, and a rule that is fixed before the first result.

Each prompt goes to one arm, by its hash: asked again, it goes to the same one and counts once. The arms are compared
when 20, 40, 80, … prompts have a result, never in between; each look has its share of the error, so that looking
often does not make a difference of pure luck credible. A switches to B only if the interval of the gain is above it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import ConfigError, RecordError, StoreUnavailable
from llm_plugin.files import home, write_whole

if TYPE_CHECKING:
    from llm_plugin.strategies.generate.run import Handed

__all__ = ["Decision", "Drawn", "Rule", "Split", "gain_interval", "list_splits", "look_level"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How the arms are compared.

    Attributes:
        share_b: Share of the prompts that B gets.
        level: Coverage of the interval over all looks together.
        least_gain: How much better B must be, as a difference of pass rates, 0 to 1.
        first_look: Results before the first look; each further look is at twice as many.
        most: Results after which A stays if B is not credibly better.
    """

    share_b: float = 0.5
    level: float = 0.95
    least_gain: float = 0.0
    first_look: int = 20
    most: int = 2560

    def __post_init__(self) -> None:
        checks = {
            "share_b": 0.05 <= self.share_b <= 0.95,
            "level": 0.5 < self.level < 1,
            "least_gain": 0 <= self.least_gain < 1,
            "first_look": 10 <= self.first_look <= 10_000,
            "most": self.first_look <= self.most <= 1_000_000,
        }
        ranges = {
            "share_b": "0.05 to 0.95",
            "level": "above 0.5 and below 1",
            "least_gain": "0 to below 1",
            "first_look": "10 to 10000",
            "most": "first_look to 1000000",
        }
        wrong = [f"{name} = {getattr(self, name)}: give {ranges[name]}" for name, right in checks.items() if not right]
        if wrong:
            raise ConfigError(wrong)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rule says now; `action` is `go on`, `switch` (B serves) or `keep` (A serves)."""

    action: str
    why: str
    look: int
    results: int
    low: float | None = None
    high: float | None = None
    utc: str = ""


@dataclass(frozen=True)
class Drawn:
    """The arm of one prompt."""

    split: Split
    arm: str
    model: str
    why: str
    prompt_hash: str

    def record(self, handed: Handed) -> None:
        """Keep what came of it: only the arm's own attempts count, not those of a model that stepped in."""
        own = [attempt for attempt in handed.outcome.attempts if attempt.model == self.model]
        best = max((attempt.reached for attempt in own), default=0)
        passed = any(attempt.passed for attempt in own) if own else None
        self.split.add(self, passed=passed, reached=best, attempts=len(own), **handed.outcome.meter.to_json())

    def record_silence(self, reason: str) -> None:
        """Keep that the arm gave no answer: it is counted apart, not as a failed strategy."""
        self.split.add(self, passed=None, reached=0, attempts=0, reason=reason)


@dataclass(frozen=True)
class Split:
    """Two models, a rule, and the results so far, in a folder of the plugin's home."""

    folder: Path
    a: str
    b: str
    rule: Rule

    @classmethod
    def open(cls, pair: str, rule: Rule | None = None) -> Split:
        """Open the split of `A,B`; begin it where there is none.

        Args:
            pair: Two models as `lean-llm generate --model` takes them, A serves until B is credibly better.
            rule: Of a new split; an existing one keeps its own.

        Raises:
            ConfigError: Not two different models, or the split exists with another rule.
        """
        names = [part.strip() for part in pair.split(",")]
        if len(names) != 2 or not all(names) or names[0] == names[1]:
            raise ConfigError(f"--ab {pair!r}: name two different models with a comma between them, as A,B")
        folder = _root() / hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
        path = folder / "split.json"
        if path.is_file():
            found = cls(folder, names[0], names[1], Rule(**_read_json(path)["rule"]))
            if rule is not None and rule != found.rule:
                raise ConfigError(
                    f"the split {pair} has begun with another rule ({asdict(found.rule)}); a rule is fixed before the "
                    f"first result: remove {folder} to begin again"
                )
            return found
        made = cls(folder, names[0], names[1], rule or Rule())
        folder.mkdir(parents=True, exist_ok=True)
        text = {"a": made.a, "b": made.b, "rule": asdict(made.rule), "begun_utc": _now()}
        write_whole(path, json.dumps(text, indent=1) + "\n")
        return made

    def draw(self, prompt: str) -> Drawn:
        """Return the arm of a prompt: the winner where the rule has decided, else by the prompt's hash."""
        mark = hashlib.sha256(" ".join(prompt.split()).encode()).hexdigest()
        decided = self.decision()
        if decided is not None:
            arm = "B" if decided.action == "switch" else "A"
            return Drawn(self, arm, self.b if arm == "B" else self.a, f"decided on {decided.utc[:10]}", mark)
        share = int(hashlib.sha256(f"{self.folder.name} {mark}".encode()).hexdigest()[:12], 16) / 16**12
        arm = "B" if share < self.rule.share_b else "A"
        return Drawn(self, arm, self.b if arm == "B" else self.a, f"{len(self.results())} results so far", mark)

    def add(self, drawn: Drawn, **values: Any) -> None:
        """Append a result.

        Raises:
            StoreUnavailable: It cannot be written.
        """
        row = {"utc": _now(), "prompt": drawn.prompt_hash, "arm": drawn.arm, "model": drawn.model, **values}
        try:
            with _locked(self.folder), (self.folder / "results.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row) + "\n")
        except OSError as error:
            raise StoreUnavailable(f"cannot write into {self.folder}: {error.strerror}") from error

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows; an unfinished last line is left out."""
        path = self.folder / "results.jsonl"
        rows = []
        for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else ():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows

    def results(self) -> list[tuple[str, bool]]:
        """Return (arm, passed) in order; the first result of each prompt counts."""
        found: dict[str, tuple[str, bool]] = {}
        for row in self.rows():
            if row.get("passed") is not None:
                found.setdefault(str(row["prompt"]), (str(row["arm"]), bool(row["passed"])))
        return list(found.values())

    def decision(self) -> Decision | None:
        """Return what was decided; None while the split goes on."""
        path = self.folder / "decision.json"
        return Decision(**_read_json(path)) if path.is_file() else None

    def decide(self) -> Decision:
        """Apply the rule; a switch or a keep is stored and stays."""
        with _locked(self.folder):
            known = self.decision()
            if known is not None:
                return known
            found = judge_results(self.results(), self.rule)
            if found.action != "go on":
                found = replace(found, utc=_now())
                write_whole(self.folder / "decision.json", json.dumps(asdict(found), indent=1) + "\n")
            return found

    def decide_by_runs(self, run_a: Path, run_b: Path) -> Decision:
        """Apply the rule's least gain to two benchmark runs, paired by task; a switch or a keep is stored and stays.

        Args:
            run_a: Folder of the benchmark run of A.
            run_b: Folder of that of B, on the same tasks.

        Raises:
            DataError: A run is missing or damaged, or they share no task.
        """
        found = _paired(run_a, run_b, self.rule.least_gain)
        with _locked(self.folder):
            known = self.decision()
            if known is not None:
                return known
            if found.action != "go on":
                found = replace(found, utc=_now())
                write_whole(self.folder / "decision.json", json.dumps(asdict(found), indent=1) + "\n")
            return found

    def status(self) -> dict[str, Any]:
        """Return counts, rates and what the rule says, as plain values; nothing is stored."""
        results, rows = self.results(), self.rows()
        arms = {}
        for arm, model in (("A", self.a), ("B", self.b)):
            own = [passed for name, passed in results if name == arm]
            silent = sum(row.get("passed") is None and row.get("arm") == arm for row in rows)
            cost = sum(float(row.get("usd") or 0) for row in rows if row.get("arm") == arm)
            rate = sum(own) / len(own) if own else None
            arms[arm] = {"model": model, "results": len(own), "passed": sum(own), "rate": rate, "silent": silent}
            arms[arm]["usd"] = round(cost, 6)
        decision = self.decision() or judge_results(results, self.rule)
        return {"arms": arms, "rule": asdict(self.rule), "decision": asdict(decision), "folder": str(self.folder)}


def judge_results(results: Sequence[tuple[str, bool]], rule: Rule) -> Decision:
    """Apply a rule to results in their order: the first look that decides is the one that counts.

    Args:
        results: (arm, passed).
        rule: Fixed beforehand.
    """
    look, size, last = 0, rule.first_look, Decision("go on", f"the first look is at {rule.first_look} results", 0, 0)
    while size <= min(len(results), rule.most):
        look += 1
        low, high = gain_interval(results[:size], look_level(rule.level, look))
        told = f"B passes {_percent(low)} to {_percent(high)} more often than A (look {look}, {size} results)"
        if low > rule.least_gain:
            return Decision("switch", f"{told}: credibly better", look, size, low, high)
        if high < 0:
            return Decision("keep", f"{told}: credibly worse", look, size, low, high)
        last = Decision("go on", f"{told}: not decided; the next look is at {2 * size}", look, size, low, high)
        size *= 2
    if size > rule.most and len(results) >= min(size, rule.most):
        return replace(last, action="keep", why=f"{last.why.split(':')[0]}: no credible gain after all looks")
    return last


def _paired(run_a: Path, run_b: Path, least_gain: float) -> Decision:
    from llm_plugin.strategies.benchmark.compare import compare_samples
    from llm_plugin.strategies.benchmark.runner import RESULTS
    from llm_plugin.strategies.benchmark.samples import read_samples

    if run_a.resolve() == run_b.resolve():
        raise ConfigError(f"--run-a and --run-b are both {run_a}: name the runs of two models")
    gates = compare_samples(list(read_samples(run_a / RESULTS)), list(read_samples(run_b / RESULTS)))
    last = gates[-1]
    told = (
        f"benchmark {run_a.name} against {run_b.name}, {last.tasks} tasks, up to gate {last.gate}: "
        f"B passes {_percent(last.low)} to {_percent(last.high)} more often than A"
    )
    if last.low > least_gain:
        return Decision("switch", f"{told}: credibly better", 0, last.tasks, last.low, last.high)
    if last.high < 0:
        return Decision("keep", f"{told}: credibly worse", 0, last.tasks, last.low, last.high)
    return Decision("go on", f"{told}: not decided", 0, last.tasks, last.low, last.high)


def look_level(level: float, look: int) -> float:
    """Return the level of one look: the errors of all looks together stay below that of the rule.

    >>> round(look_level(0.95, 1), 4), round(look_level(0.95, 2), 4)
    (0.975, 0.9917)
    """
    return 1 - (1 - level) / (look * (look + 1))


def gain_interval(results: Sequence[tuple[str, bool]], level: float) -> tuple[float, float]:
    """Return the interval of B's pass rate minus A's (Newcombe, 1998, from Wilson's intervals).

    Args:
        results: (arm, passed).
        level: Coverage.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    own = {arm: [passed for name, passed in results if name == arm] for arm in "AB"}
    if not own["A"] or not own["B"]:
        return -1.0, 1.0
    rate_a, low_a, high_a = _wilson(sum(own["A"]), len(own["A"]), z)
    rate_b, low_b, high_b = _wilson(sum(own["B"]), len(own["B"]), z)
    gain = rate_b - rate_a
    return (
        gain - math.hypot(rate_b - low_b, high_a - rate_a),
        gain + math.hypot(high_b - rate_b, rate_a - low_a),
    )


def list_splits() -> list[Split]:
    """Return every split of the plugin's home, oldest first."""
    found = []
    for path in _root().glob("*/split.json"):
        values = _read_json(path)
        found.append((values["begun_utc"], Split(path.parent, values["a"], values["b"], Rule(**values["rule"]))))
    return [split for _, split in sorted(found, key=lambda item: item[0])]


def _wilson(passed: int, n: int, z: float) -> tuple[float, float, float]:
    rate = passed / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return rate, centre - half, centre + half


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %"


def _root() -> Path:
    return home() / "strategies" / "ab"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read ({error}): remove the folder to begin the split again") from error
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
