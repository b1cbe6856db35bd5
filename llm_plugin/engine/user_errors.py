"""What a user's algorithm raised, told with the user's own file and line, and with the nearest name that exists."""

from __future__ import annotations

import traceback
from pathlib import Path

from llm_plugin.engine.base.names import as_missing_member
from llm_plugin.engine.limits import LimitReached
from llm_plugin.errors import (
    AlgorithmError,
    LeanLlmError,
    LimitExceeded,
    SandboxViolation,
    UnsupportedLeanApi,
    did_you_mean,
)

__all__ = ["translate"]


def translate(error: BaseException, project: Path) -> LeanLlmError:
    """Return the error to report: the innermost line of the user's code is named.

    Args:
        error: What was raised.
        project: Folder of the user's files.
    """
    where = _user_line(error, project)
    if isinstance(error, AttributeError):
        error = as_missing_member(error)
    if isinstance(error, UnsupportedLeanApi):
        hint = str(error).partition("engine: ")[2] + _nearest_member(error)
        return UnsupportedLeanApi(error.member, f"{hint} ({where})" if where else hint)
    if isinstance(error, LeanLlmError) and not isinstance(error, AlgorithmError):
        return error
    if isinstance(error, NameError) and error.name and error.name[:1].isupper():
        near = did_you_mean(error.name, _engine_names())
        return UnsupportedLeanApi(error.name, f"neither your file nor the engine defines it{near} ({where})")
    text = str(error) or "no message"
    prefix = f"{where}: " if where else ""
    if isinstance(error, AlgorithmError):
        told = next((kind for kind in (LimitExceeded, SandboxViolation) if isinstance(error, kind)), AlgorithmError)
        return told(prefix + text)
    if isinstance(error, LimitReached):
        return LimitExceeded(f"{prefix}{text}: raise the limit, or look for a loop that never ends there")
    if isinstance(error, MemoryError):
        return LimitExceeded(f"{prefix}MemoryError: {text}: it asks for more memory than there is")
    if isinstance(error, NameError | AttributeError | ImportError):
        text += _nearest(error, text)
    return AlgorithmError(f"{prefix}{type(error).__name__}: {text}")


def _nearest_member(error: UnsupportedLeanApi) -> str:
    """Look for it only now: `hasattr` asks for members that are not there all the time."""
    if not isinstance(error, AttributeError) or error.obj is None or not error.name:
        return ""
    return did_you_mean(error.name, (name for name in dir(error.obj) if not name.startswith("_")))


def _nearest(error: NameError | AttributeError | ImportError, text: str) -> str:
    """Suggest the nearest name that exists, where Python has not done so itself."""
    if "Did you mean" in text or "did you mean" in text:
        return ""
    name = error.name or ""
    if isinstance(error, AttributeError):
        if "'NoneType' object has no" in text:
            return ": it is None here, so nothing was found or made before"
        return did_you_mean(name, (known for known in dir(error.obj) if not known.startswith("_")))
    if isinstance(error, ImportError):
        return ""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    local = frame.tb_frame.f_locals if frame is not None else {}
    globals_ = frame.tb_frame.f_globals if frame is not None else {}
    return did_you_mean(name, (*local, *globals_))


def _engine_names() -> list[str]:
    from llm_plugin.engine.api import engine_names

    return list(engine_names())


def _user_line(error: BaseException, project: Path) -> str:
    folder = str(project.resolve())
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _inside(f.filename, folder)]
    if not frames:
        return ""
    frame = frames[-1]
    return f"{frame.filename}:{frame.lineno}"


def _inside(filename: str, folder: str) -> bool:
    try:
        return Path(filename).resolve().is_relative_to(folder)
    except OSError:
        return False
