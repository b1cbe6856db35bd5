"""The real server that is here already."""

from __future__ import annotations

import os

import pytest

from llm_plugin.memory.binary import find_binary

REAL_HOME = os.environ.get("LEAN_LLM_HOME")


def weaviate_binary() -> str:
    """Return a server that is here already; these tests never download or build one."""
    with pytest.MonkeyPatch.context() as patch:
        if REAL_HOME is None:
            patch.delenv("LEAN_LLM_HOME", raising=False)
        else:
            patch.setenv("LEAN_LLM_HOME", REAL_HOME)
        found = find_binary()
    if found is None:
        pytest.skip("left out: no Weaviate server here; run `lean-llm up weaviate` once, or set WEAVIATE_BINARY")
    return str(found)
