"""The LEAN side at work, not only imported, on the standard library, numpy and pandas alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import importlib.abc, json, sys, types
from pathlib import Path
root, here, folder = sys.argv[1:4]
ALLOWED = set(sys.stdlib_module_names) | {"numpy", "pandas", "llm_plugin", "lean_fakes", "AlgorithmImports"}
ALLOWED |= {"dateutil", "pytz", "six", "tzdata"}
class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED and not name.startswith("_sysconfigdata"):
            raise ImportError("outside the LEAN side: " + name)
sys.meta_path.insert(0, Guard())
sys.path[:0] = [root, here]
import lean_fakes as fakes
names = ("Insight", "InsightDirection", "Resolution", "PortfolioTarget", "QuoteBar", "TradeBar")
sys.modules["AlgorithmImports"] = types.SimpleNamespace(**{name: getattr(fakes, name) for name in names})
from llm_plugin.lean import Action, LLMPlugin
EXTRA
def run(parameters, mode):
    algorithm = fakes.FakeAlgorithm(parameters)
    algorithm.history_bars = fakes.flat_history()
    plugin = LLMPlugin(algorithm, {"validator": {"mode": mode}})
    algorithm.forward = plugin.on_order_event
    plugin.enter(plugin.validate("EURUSD", Action.BUY, 0.6), 10_000)
    for low, high, close in ((1.2995, 1.3010, 1.3005), (1.3000, 1.3060, 1.3050)):
        algorithm.bar(low, high, close)
        algorithm.finish()
    report = plugin.on_end()
    return algorithm.portfolio["EURUSD"].quantity, report["outcomes_realised"], len(algorithm.tickets)
first = run({"llm-run-dir": folder + "/one"}, "none")
again = run({"llm-run-dir": folder + "/two", "llm-decisions-from": folder + "/one"}, "record")
assert first == again == (0, 1, 3), (first, again)
one, two = (Path(folder, n, "decisions.jsonl").read_text() for n in ("one", "two"))
assert one == two
print("ran", len(one.splitlines()))
"""


def run_bare(folder: Path, extra: str = "") -> subprocess.CompletedProcess[str]:
    arguments = [str(ROOT), str(Path(__file__).parent), str(folder)]
    script = SCRIPT.replace("EXTRA", extra)
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=folder)


def test_a_trade_from_question_to_outcome_and_again_from_its_record(tmp_path):
    done = run_bare(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ran 4"


def test_the_guard_of_that_test_bites(tmp_path):
    done = run_bare(tmp_path, "from llm_plugin.settings import Settings")
    assert done.returncode != 0
    assert "outside the LEAN side: pydantic" in done.stderr
