"""What a user's algorithm raised, told with the user's own file and line."""

from __future__ import annotations

import traceback
from pathlib import Path

from llm_plugin.errors import AlgorithmError, LeanLlmError, UnsupportedLeanApi

__all__ = ["translate"]


def translate(error: BaseException, project: Path) -> LeanLlmError:
    """Return the error to report: the innermost line of the user's code is named.

    Args:
        error: What was raised.
        project: Folder of the user's files.
    """
    where = _user_line(error, project)
    if isinstance(error, UnsupportedLeanApi):
        hint = str(error).partition("engine: ")[2]
        return UnsupportedLeanApi(error.member, f"{hint} ({where})" if where else hint)
    if isinstance(error, LeanLlmError) and not isinstance(error, AlgorithmError):
        return error
    if isinstance(error, NameError) and error.name and error.name[:1].isupper():
        return UnsupportedLeanApi(error.name, f"neither your file nor the engine defines it ({where})")
    text = str(error) or "no message"
    if isinstance(error, AlgorithmError):
        return AlgorithmError(f"{where}: {text}" if where else text)
    prefix = f"{where}: " if where else ""
    return AlgorithmError(f"{prefix}{type(error).__name__}: {text}")


def _user_line(error: BaseException, project: Path) -> str:
    folder = str(project.resolve())
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _inside(f.filename, folder)]
    if not frames:
        return ""
    frame = frames[-1]
    return f"{frame.filename}:{frame.lineno}"


def _inside(filename: str, folder: str) -> bool:
    try:
        return str(Path(filename).resolve()).startswith(folder)
    except OSError:
        return False
