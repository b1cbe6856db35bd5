"""The image of LEAN with the plugin in it: what its lines do, done here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[2] / "deployments" / "images"
ROOT = IMAGES.parents[1]


def test_the_images_own_check_passes_on_what_it_copies(tmp_path: Path) -> None:
    text = (IMAGES / "lean.Dockerfile").read_text(encoding="utf-8")
    source, target = re.findall(r"^COPY (\S+) (\S+)$", text, re.MULTILINE)[0]
    (path,) = re.findall(r"^ENV PYTHONPATH=(\S+)$", text, re.MULTILINE)
    assert Path(target).parent == Path(path)
    ignored = (IMAGES / "lean.Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert f"!{source}" in ignored
    shutil.copytree(ROOT / source, tmp_path / Path(target).name, ignore=shutil.ignore_patterns("__pycache__"))
    (command,) = re.findall(r"^RUN (python .+)$", text, re.MULTILINE)
    arguments = [sys.executable, *shlex.split(command)[1:]]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(arguments, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "llm_plugin.lean"


def test_the_base_is_leans_own_image_and_can_be_another() -> None:
    text = (IMAGES / "lean.Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG LEAN_IMAGE=quantconnect/lean:\S+$", text, re.MULTILINE)
    assert "FROM ${LEAN_IMAGE}" in text
    assert "pip install" not in text  # LEAN's own versions stay
