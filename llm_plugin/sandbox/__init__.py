"""Backtests of algorithms that nobody has read, in a process that reaches nothing of the host."""

from llm_plugin.sandbox.policy import Layers, SandboxLimits, kernel_layers, require_layers
from llm_plugin.sandbox.run import SandboxResult, run_sandboxed

__all__ = ["Layers", "SandboxLimits", "SandboxResult", "kernel_layers", "require_layers", "run_sandboxed"]
