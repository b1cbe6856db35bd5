"""Many candidates on all cores, or on Dask; verdicts are kept by content, so that a killed evaluation goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import llm_plugin.errors as errors
from llm_plugin.errors import AlgorithmError, ConfigError, DataError, LeanLlmError
from llm_plugin.files import write_whole
from llm_plugin.strategies.judge.verdict import JUDGE_VERSION, Candidate, JudgeLimits, Verdict
from llm_plugin.strategies.judge.worker import settings_text, to_plain
from llm_plugin.threads import thread_limits

__all__ = ["JudgePool", "OnDone"]

OnDone = Callable[[Candidate, Verdict], None]
_ATTEMPTS = 2
_JUDGING = ("engine", "formulas", "sandbox", "strategies/judge", "strategies/meaning", "strategies/conditions")


class JudgePool:
    """Judges beside each other.

    Args:
        data_folder: LEAN-format data.
        jobs: How many judges; None = one for each core.
        cache: Folder of verdicts by content; None keeps none.
        limits: What a run of a candidate may use.
        dask: Address of a Dask scheduler, or `local`; empty = processes of this machine.
        unsafe: Run candidates without a sandbox where the kernel cannot build one. They can then read your files and
            keys, reach the network, and forge their verdicts.
        **switches: Further ones of `Judge`.
    """

    def __init__(
        self,
        data_folder: Path,
        jobs: int | None = None,
        cache: Path | None = None,
        limits: JudgeLimits | None = None,
        *,
        dask: str = "",
        unsafe: bool = False,
        **switches: bool,
    ) -> None:
        self._data = Path(data_folder).resolve()
        if not (self._data / "market-hours").is_dir():
            raise DataError(f"{self._data} is no LEAN data folder: it has no market-hours/; give --data-folder")
        if jobs is not None and jobs < 1:
            raise ConfigError(f"jobs is {jobs}: give 1 or more")
        self._jobs = jobs or os.cpu_count() or 1
        self._cache = Path(cache) if cache is not None else None
        self._limits = limits or JudgeLimits()
        self._switches = {"unsafe": unsafe, **switches}
        self._dask = dask
        self._settings = settings_text(self._data, self._limits, self._switches)
        self._data_hash = ""
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()

    def __enter__(self) -> JudgePool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def judge(
        self,
        source: str,
        task: Any = None,
        *,
        start: date | None = None,
        end: date | None = None,
        cash: float | None = None,
        gates: int = 5,
    ) -> Verdict:
        """Judge one candidate.

        Args:
            source: Text of `main.py`.
            task: A `Task`; None leaves gate 4 out.
            start: First day instead of the task's, or of the algorithm's own.
            end: Last day.
            cash: Starting cash.
            gates: How far to go, 1 to 5.

        Raises:
            SandboxUnavailable: The sandbox cannot be built on this machine.
        """
        texts = {"start": start.isoformat() if start else "", "end": end.isoformat() if end else ""}
        return self.judge_many([Candidate(source, task, **texts, cash=cash or 0.0, gates=gates)])[0]

    def judge_many(self, candidates: Iterable[Candidate], on_done: OnDone | None = None) -> list[Verdict]:
        """Judge candidates beside each other; the verdicts come in the order of the candidates.

        Args:
            candidates: Read as they are needed.
            on_done: Called with each candidate and its verdict as soon as it is there, one at a time.
        """
        done: dict[int, Verdict] = {}

        def told(place: int, candidate: Candidate, verdict: Verdict) -> None:
            with self._lock:
                done[place] = replace(verdict, id=candidate.id)
                if on_done is not None:
                    on_done(candidate, done[place])

        waiting = self._not_cached(candidates, told)
        if self._dask:
            self._on_dask(waiting, told)
        else:
            self._on_cores(waiting, told)
        return [done[place] for place in sorted(done)]

    # The cache.
    def key(self, candidate: Candidate) -> str:
        """Return the content hash of a candidate: source, task, period, data, limits and version of the judge."""
        from llm_plugin.strategies.judge.cutoff import data_hash

        if not self._data_hash:
            self._data_hash = data_hash(self._data)
        plain = {name: value for name, value in to_plain(candidate).items() if name != "id"}
        if plain["task"] is not None:
            plain["task"] = {k: v for k, v in plain["task"].items() if k not in ("reference", "alternatives")}
        given = [JUDGE_VERSION, _code_hash(), plain, self._data_hash, asdict(self._limits), self._switches]
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()

    def _not_cached(
        self, candidates: Iterable[Candidate], told: Callable[[int, Candidate, Verdict], None]
    ) -> Iterator[tuple[int, Candidate]]:
        for place, candidate in enumerate(candidates):
            known = self._read(candidate)
            if known is None:
                yield place, candidate
            else:
                told(place, candidate, known)

    def _file(self, candidate: Candidate) -> Path | None:
        if self._cache is None:
            return None
        key = self.key(candidate)
        return self._cache / key[:2] / f"{key}.json"

    def _read(self, candidate: Candidate) -> Verdict | None:
        path = self._file(candidate)
        if path is None or not path.is_file():
            return None
        try:
            return replace(Verdict.from_json(json.loads(path.read_text(encoding="utf-8"))), cached=True)
        except (ValueError, DataError):
            return None  # half a file of a killed machine: it is judged again

    def _keep(self, candidate: Candidate, verdict: Verdict) -> None:
        path = self._file(candidate)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(verdict.to_json()))

    # Processes of this machine.
    def _on_cores(
        self, waiting: Iterator[tuple[int, Candidate]], told: Callable[[int, Candidate, Verdict], None]
    ) -> None:
        failures: list[BaseException] = []
        source_lock = threading.Lock()

        def take() -> tuple[int, Candidate] | None:
            with source_lock:
                return next(waiting, None) if not failures else None

        def serve(first: tuple[int, Candidate]) -> None:
            item: tuple[int, Candidate] | None = first
            worker = self._borrow()
            try:
                while item is not None:
                    verdict = worker.judge(item[1])
                    self._keep(item[1], verdict)
                    told(*item, verdict)
                    item = take()
            except BaseException as error:  # raised again in the caller's thread
                failures.append(error)
            finally:
                self._free.put(worker)

        threads: list[threading.Thread] = []
        while len(threads) < self._jobs and (first := take()) is not None:
            threads.append(threading.Thread(target=serve, args=(first,), daemon=True))
            threads[-1].start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        except KeyboardInterrupt:
            failures.append(KeyboardInterrupt())
            raise
        if failures:
            raise failures[0]

    def _borrow(self) -> _Worker:
        with contextlib.suppress(queue.Empty):
            return self._free.get_nowait()
        worker = _Worker(self._settings)
        with self._lock:
            self._workers.append(worker)
        return worker

    # Dask.
    def _on_dask(
        self, waiting: Iterator[tuple[int, Candidate]], told: Callable[[int, Candidate, Verdict], None]
    ) -> None:
        from llm_plugin.runs.cluster import completed, dask_client
        from llm_plugin.strategies.judge.worker import judge_here

        with dask_client(self._dask, self._jobs) as client:
            asked: dict[Any, tuple[int, Candidate]] = {}
            for item in waiting:
                text = json.dumps(to_plain(item[1]))
                asked[client.submit(judge_here, self._settings, text, pure=False)] = item
            for future in completed(list(asked)):
                verdict = Verdict.from_json(json.loads(future.result()))
                place, candidate = asked[future]
                self._keep(candidate, verdict)
                told(place, candidate, verdict)

    def close(self) -> None:
        """End all judges."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.close()


@lru_cache(maxsize=1)
def _code_hash() -> str:
    """Return a hash of what a verdict depends on: the engine, the judge, and how requirements are checked."""
    package = Path(errors.__file__).parent
    digest = hashlib.sha256()
    for folder in _JUDGING:
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class _Worker:
    """A judging process, started when it is first needed."""

    def __init__(self, settings: str) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge; a process that died is started once more."""
        text = json.dumps(to_plain(candidate))
        for _ in range(_ATTEMPTS):
            try:
                answer = self._ask(text)
            except (OSError, ValueError):
                self._end()
                continue
            if "error" in answer:
                kind = getattr(errors, answer["error"], AlgorithmError)
                raise (kind if issubclass(kind, LeanLlmError) else AlgorithmError)(answer["message"])
            return Verdict.from_json(answer["verdict"])
        raise AlgorithmError(f"a judging process died twice; the end of its log: {self._tail()}")

    def _ask(self, text: str) -> dict[str, Any]:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = self._start()
        if process.stdin is None or process.stdout is None:
            raise ValueError("no channel")
        process.stdin.write(text + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "llm_plugin.strategies.judge.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, **thread_limits(1)},
            start_new_session=True,
        )
        if process.stdin is not None:
            process.stdin.write(self._settings + "\n")
        return process

    def _tail(self) -> str:
        self._log.seek(0)
        return " | ".join(line for line in self._log.read().splitlines()[-4:] if line.strip()) or "it is empty"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End the process."""
        self._end()
        self._log.close()
