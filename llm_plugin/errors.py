"""One tree of errors, split by what the caller should do.

LeanLlmError
├── ConfigError            fix the configuration (all problems are listed at once)
│   ├── SandboxUnavailable the kernel lacks a layer that `--sandbox` needs (it is named)
│   ├── StaleConfig        the resolved JSON is older than the YAML: run `lean-llm config resolve`
│   └── TemplateError      a prompt template names a field that does not exist
├── DataError              fix or replace a data file (file, row and remedy are named)
├── ModelError             a model folder is damaged, incomplete or does not fit
│   ├── LookaheadError     the run starts before a model's data cutoff
│   ├── TrainingFailed     training broke (NaN loss, full disk); the champion stays
│   └── GateRefused        a version that the gate did not pass shall serve
├── InsufficientData       too few matured outcomes; `count` and `needed` say how many
├── RecordError            a recorded run does not know the signal or bar it is asked for
├── RetryableError         try again later
│   ├── BackendUnavailable a language model or service did not answer
│   ├── MemoryUnavailable  Weaviate did not answer
│   ├── StoreUnavailable   the outcome store could not write or read
│   ├── LeaseHeld          another cycle runs; `holder` and `until_utc` name it
│   └── LeaseLost          this cycle's lease has passed to another one: it must stop
├── UnsupportedLeanApi     the embedded engine lacks this member of LEAN's API
└── AlgorithmError         the user's algorithm raised (file and line are named)
    ├── LimitExceeded      it did not return in time, or asked for more memory than it may
    └── SandboxViolation   it reached for something outside of its sandbox
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

__all__ = [
    "AlgorithmError",
    "BackendUnavailable",
    "ConfigError",
    "DataError",
    "GateRefused",
    "InsufficientData",
    "LeanLlmError",
    "LeaseHeld",
    "LeaseLost",
    "LimitExceeded",
    "LookaheadError",
    "MemoryUnavailable",
    "ModelError",
    "RecordError",
    "RetryableError",
    "SandboxUnavailable",
    "SandboxViolation",
    "StaleConfig",
    "StoreUnavailable",
    "TemplateError",
    "TrainingFailed",
    "UnsupportedLeanApi",
    "did_you_mean",
    "os_error_text",
]


class LeanLlmError(Exception):
    """Base of all errors of this package; its text is meant for a person."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """Reach another process as it was raised, whatever its constructor takes."""
        return _raised, (type(self), self.args, self.__dict__)


class ConfigError(LeanLlmError):
    """The configuration is wrong; `problems` holds every finding, not only the first."""

    exit_code = 2

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class SandboxUnavailable(ConfigError):
    """This machine cannot build the sandbox that was asked for; nothing was run."""


class StaleConfig(ConfigError):
    """The resolved configuration does not belong to the YAML file beside it."""


class TemplateError(ConfigError):
    """A prompt template uses a field that does not exist."""


class DataError(LeanLlmError):
    """Market data is missing, damaged or inconsistent."""

    exit_code = 3


class ModelError(LeanLlmError):
    """A model folder is damaged, incomplete or does not fit the request."""

    exit_code = 4


class LookaheadError(ModelError):
    """A run would let a model see data of its own training period."""


class TrainingFailed(ModelError):
    """Training broke; nothing of it is registered and the champion stays."""


class GateRefused(ModelError):
    """A version that did not pass the gate was asked to serve."""


class InsufficientData(LeanLlmError):
    """Too few matured outcomes; nothing is wrong, only early."""

    exit_code = 9

    def __init__(self, count: int, needed: int, what: str = "matured decisions") -> None:
        self.count, self.needed = count, needed
        super().__init__(f"{count} {what} are known, {needed} are needed: {needed - count} to go")


class RecordError(LeanLlmError):
    """A recorded run (`--decisions-from`) does not know what it is asked for."""

    exit_code = 5


class RetryableError(LeanLlmError):
    """Nothing is wrong with the request; try again."""

    exit_code = 6


class BackendUnavailable(RetryableError):
    """A language model or validator service did not answer in time."""


class MemoryUnavailable(RetryableError):
    """The trade memory's server did not answer."""


class StoreUnavailable(RetryableError):
    """The outcome store could not write or read (full disk, lock, lost server); nothing was half-written."""


class LeaseHeld(RetryableError):
    """Another holder has the lease."""

    def __init__(self, name: str, holder: str, until_utc: datetime) -> None:
        self.holder, self.until_utc = holder, until_utc
        super().__init__(f"{name} is held by {holder} until {until_utc.isoformat()}: wait for it, or stop that one")


class LeaseLost(RetryableError):
    """The lease went to another holder meanwhile; whatever this one would still write is refused."""


class UnsupportedLeanApi(LeanLlmError):
    """The embedded engine does not have this member of LEAN's API."""

    exit_code = 7

    def __init__(self, member: str, hint: str = "") -> None:
        self.member = member
        super().__init__(f"{member} is not supported by the embedded engine{': ' + hint if hint else ''}")


class AlgorithmError(LeanLlmError):
    """The user's algorithm raised; the message names the user's own file and line."""

    exit_code = 8


class LimitExceeded(AlgorithmError):
    """The user's algorithm used more time or memory than it may."""


class SandboxViolation(AlgorithmError):
    """The user's algorithm reached for something that its sandbox does not hold."""


def _raised(kind: type[LeanLlmError], words: tuple[Any, ...], facts: dict[str, Any]) -> LeanLlmError:
    """Rebuild an error that came from another process."""
    error = kind.__new__(kind, *words)
    error.__dict__.update(facts)
    return error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""


def os_error_text(error: OSError) -> str:
    """Return what the system says, with the file that it is about."""
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
