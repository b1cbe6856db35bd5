"""The watch: after a swap the previous generation answers in shadow, and a new one that is worse goes back."""

from __future__ import annotations

from llm_plugin.watch.evidence import CLIP_R, Evidence
from llm_plugin.watch.run import live_answers, run_watch
from llm_plugin.watch.watch import Watch, WatchStatus, WatchVerdict

__all__ = ["CLIP_R", "Evidence", "Watch", "WatchStatus", "WatchVerdict", "live_answers", "run_watch"]
