"""Stand-ins for LEAN's Launcher and CLI: they read what they are started with and write results as LEAN does."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.runs.project import create_project

ROOT = Path(__file__).resolve().parents[2]

# What it does after it has read its configuration is chosen by STAND_IN; the results come from the embedded engine.
DOTNET = """#!{python}
import json, os, signal, sys, time
from pathlib import Path

sys.path.insert(0, {root!r})
arguments = sys.argv[1:]
Path(os.environ["SEEN"]).write_text(json.dumps({{"arguments": arguments, "folder": os.getcwd()}}))
config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
results = Path(config["results-destination-folder"])
mode = os.environ.get("STAND_IN", "success")

def say(text):
    print("20261121 10:00:00.000 TRACE:: " + text, flush=True)

say("Engine.Run(): LEAN ALGORITHMIC TRADING ENGINE")
if mode == "crash":
    sys.exit("Unhandled exception. System.IO.FileNotFoundException: no such file")
if mode == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "silent":
    sys.exit(0)
stopped = []
if mode in ("slow", "deaf"):
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    say("Debug: 2014-03-03 10:00 is being played")
    Path(os.environ["SEEN"]).with_name("ready").touch()
    while not stopped or mode == "deaf":
        time.sleep(0.05)

from llm_plugin.engine.runner import run_backtest

result = run_backtest(
    Path(config["algorithm-location"]), data_folder=Path(config["data-folder"]), results_folder=results,
    parameters=config["parameters"], raise_errors=False, algorithm_class=config["algorithm-type-name"],
)
file = results / (config["algorithm-id"] + ".json")
data = json.loads(file.read_text())
if stopped:
    data["state"]["Status"] = "Stopped"
file.write_text(json.dumps(data, indent=2))
say("Algorithm Id:(%s) completed in 1 seconds. Processing total of 1,234 data points." % config["algorithm-id"])
sys.exit(0 if result.status == "Completed" and not stopped else 1)
"""

LEAN_CLI = """#!{python}
import json, os, sys
from pathlib import Path

arguments = sys.argv[1:]
Path(os.environ["SEEN"]).write_text(json.dumps({{"arguments": arguments, "folder": os.getcwd()}}))
if os.environ.get("STAND_IN") == "refused":
    sys.exit("Error: Please make sure Docker is installed and running")
import sys
sys.path.insert(0, {root!r})
from llm_plugin.engine.runner import run_backtest

output = Path(arguments[arguments.index("--output") + 1])
given = [arguments[i + 1 : i + 3] for i, word in enumerate(arguments) if word == "--parameter"]
inside = {{name: value.replace("/Results", str(output)) for name, value in given}}
source = Path(arguments[1])
if source.is_file():
    moved = output / source.name
    moved.write_text(source.read_text().replace("/LeanCLI", str(source.parent)))
    source = moved
scratch = output / "scratch"
run_backtest(source, data_folder=Path(os.environ["LEAN_DATA_FOLDER"]), results_folder=scratch, parameters=inside)
for file in list(scratch.glob("*.json")) + list(scratch.glob("*.txt")):
    file.replace(output / ("1234567890" + file.name[len("ClassicBreakout"):]))
scratch.rmdir()
(output / "config").write_text(json.dumps({{"id": 1234567890}}))
"""

# As LEAN's own file: comments, addresses with two slashes, a comma after the last member.
LAUNCHER_CONFIG = """{
  // this configuration file works by first loading all top-level
  "environment": "live-paper", // "live-paper", "backtesting"
  "algorithm-type-name": "BasicTemplateFrameworkAlgorithm",
  "algorithm-language": "CSharp",
  //"python-venv": "/venv",
  "live-data-url": "ws://www.quantconnect.com/api/v2/live/data/",
  "map-file-provider": "QuantConnect.Data.Auxiliary.LocalDiskMapFileProvider",
  "parameters": { "of-another-project": "1", },
  "environments": { "live-paper": { "live-mode": true } },
}
"""


def _program(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source.format(python=sys.executable, root=str(ROOT)))
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path, market_data: Path) -> Path:
    """A project in a LEAN CLI workspace, without a validator and over a short time."""
    workspace = tmp_path / "workspace"
    create_project(workspace / "mine", "classic")
    (workspace / "lean.json").write_text(json.dumps({"data-folder": str(market_data)}))
    folder = workspace / "mine"
    config = json.loads((folder / "config.json").read_text())
    config["parameters"] = {**config.get("parameters", {}), "start": "2014-01-01", "end": "2014-02-28"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, object]]:
    """What the stand-in was started with."""
    path = tmp_path / "seen.json"
    monkeypatch.setenv("SEEN", str(path))
    return lambda: json.loads(path.read_text())


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: object) -> Path:
    """A folder with a Launcher, and a `dotnet` on PATH that plays it."""
    folder = tmp_path / "Launcher" / "bin" / "Debug"
    folder.mkdir(parents=True)
    (folder / "QuantConnect.Lean.Launcher.dll").write_bytes(b"MZ")
    (folder / "config.json").write_text(LAUNCHER_CONFIG)
    _program(tmp_path / "bin" / "dotnet", DOTNET)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("LEAN_LAUNCHER", str(folder))
    return folder


@pytest.fixture
def lean_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: object, market_data: Path) -> Path:
    """A `lean` on PATH that plays the LEAN CLI."""
    _program(tmp_path / "bin" / "lean", LEAN_CLI)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("LEAN_DATA_FOLDER", str(market_data))
    monkeypatch.delenv("LEAN_LLM_LEAN_IMAGE", raising=False)
    return tmp_path / "bin" / "lean"
