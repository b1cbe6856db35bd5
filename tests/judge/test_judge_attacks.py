"""Hostile candidates: nothing of the host is reached, and no verdict is written by the judged."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from judge_attacks import HONEST, HOST_ATTEMPTS, VERDICT_ATTACKS, host_source, strategy

from llm_plugin.sandbox import kernel_layers
from llm_plugin.strategies.judge import Candidate, JudgeLimits, Verdict
from llm_plugin.strategies.judge.judge import Judge

pytestmark = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")

SECRET = "hunter2-do-not-tell"
LIMITS = JudgeLimits(cpu_seconds=5, wall_seconds=40, output_mib=4)


@pytest.fixture(scope="module")
def judge(market_data: Path) -> Iterator[Judge]:
    """A judge whose first gate lets everything pass: the walls behind it are what is tested."""
    with Judge(market_data, LIMITS, check_static=False, use_audit=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def short_judge(market_data: Path) -> Iterator[Judge]:
    """The same with little patience."""
    limits = JudgeLimits(cpu_seconds=2, wall_seconds=12, output_mib=4)
    with Judge(market_data, limits, check_static=False, use_audit=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def honest(judge: Judge) -> Verdict:
    """The verdict of the strategy that the attacks are built on."""
    return judge.judge(Candidate(HONEST))


def test_the_honest_twin_passes(honest):
    assert (honest.reached, honest.unsupported, honest.failure) == (5, (), None)
    assert honest.orders == 13


@pytest.mark.parametrize("name", VERDICT_ATTACKS)
def test_no_verdict_is_forged(judge, short_judge, honest, name):
    attack = VERDICT_ATTACKS[name]

    verdict = (judge if attack.ends else short_judge).judge(Candidate(attack.source))

    assert not attack.escaped(verdict, honest), verdict
    # The next candidate finds the judge as it was.
    if name in ("full disk", "fork bomb", "modules emptied", "memory", "fill prices rewritten"):
        again = judge.judge(Candidate(HONEST, gates=3))
        assert dict(again.statistics) == dict(honest.statistics)


def test_there_are_more_than_forty_attacks():
    assert len(VERDICT_ATTACKS) >= 40
    assert len(HOST_ATTEMPTS) >= 40


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A home with a key, a folder with victims, a secret in the environment."""
    os.environ["LEAN_LLM_TEST_SECRET"] = SECRET
    root = tmp_path_factory.mktemp("world")
    home, outside = root / "home", root / "outside"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_text(SECRET)
    outside.mkdir()
    (outside / "victim").write_text("whole")
    (outside / "stolen.py").write_text(f"SECRET = {SECRET!r}\n")
    yield {"home": str(home), "outside": str(outside)}
    del os.environ["LEAN_LLM_TEST_SECRET"]


@pytest.mark.parametrize(
    "switches",
    [{}, {"use_audit": False}, {"use_audit": False, "use_namespaces": False}],
    ids=["all layers", "kernel alone", "Landlock and seccomp alone"],
)
def test_nothing_of_the_host_is_reached(market_data, world, switches):
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = host_source(data=str(market_data), port=server.getsockname()[1], **world)
        with Judge(market_data, LIMITS, check_static=False, **switches) as judge:
            verdict = judge.judge(Candidate(source, gates=2))

    assert f"TRIED {len(HOST_ATTEMPTS)} GOT []" in verdict.gate("backtests").reason
    outside = Path(world["outside"])
    assert (outside / "victim").read_text() == "whole"
    assert sorted(path.name for path in outside.iterdir()) == ["stolen.py", "victim"]
    assert not (market_data / "planted").exists()


def test_nothing_is_left_for_the_next_candidate(judge):
    leaves = "import os\nopen(os.environ['HOME'] + '/note', 'w').write('x')\nos.makedirs(os.environ['HOME'] + '/a/b')"
    finds = "import os\nraise ValueError('FOUND ' + repr(sorted(os.listdir(os.environ['HOME']))))"

    assert judge.judge(Candidate(strategy(leaves), gates=2)).reached == 2
    found = judge.judge(Candidate(strategy(finds), gates=2))

    assert "FOUND []" in found.gate("backtests").reason
