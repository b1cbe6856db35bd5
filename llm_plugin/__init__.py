"""An LLM validator with memory for LEAN algorithms. Importing this package imports neither LEAN, torch nor Prefect."""

__version__ = "0.1.0"
