"""What libraries remark about each other stays out of the user's sight, whatever filters they set."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys, warnings
from llm_plugin.cli import app

def command(**_):
    warnings.simplefilter("always")  # as some libraries do when they are imported
    warnings.warn("for developers", DeprecationWarning)
    warnings.warn("still running", ResourceWarning)
    warnings.warn("for the user", UserWarning)

app.app = command
app.run()
"""


def test_remarks_for_developers_are_shown_on_demand_only():
    def shown(*options: str) -> str:
        done = subprocess.run([sys.executable, *options, "-c", SCRIPT], capture_output=True, text=True, check=True)
        return done.stderr

    plain, asked = shown(), shown("-W", "default")

    assert "for the user" in plain
    assert "developers" not in plain
    assert "still running" not in plain
    assert "developers" in asked
    assert "still running" in asked
