"""The object store: user files by key, kept in a folder between runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.errors import DataError

__all__ = ["ObjectStore"]


class _Entry(LeanObject):
    """A key and its bytes."""

    __slots__ = ("key", "value")

    def __init__(self, key: str, value: bytes) -> None:
        self.key, self.value = key, value


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".partial")


class ObjectStore(LeanObject):
    """Bytes, text, JSON and XML by key; a key may contain slashes but must stay inside the folder.

    Args:
        folder: Where the files lie; made when something is saved.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)

    @property
    def keys(self) -> list[str]:
        """All keys, sorted."""
        if not self._folder.is_dir():
            return []
        return sorted(
            path.relative_to(self._folder).as_posix()
            for path in self._folder.rglob("*")
            if path.is_file() and not _is_partial(path)
        )

    def _path(self, key: Any) -> Path:
        text = str(key).replace("\\", "/").lstrip("/")
        if not text:
            raise ValueError("an object store key must not be empty")
        path = (self._folder / text).resolve()
        if not path.is_relative_to(self._folder.resolve()) or path == self._folder.resolve():
            raise ValueError(f"object store key {key!r} leaves the store: use a key without `..`")
        return path

    def contains_key(self, key: str) -> bool:
        """Whether something is stored under a key."""
        return self._path(key).is_file()

    def get_file_path(self, key: str) -> str:
        """The file of a key, for libraries that read files; its folder is made."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path)

    def read_bytes(self, key: str) -> bytes:
        """The bytes of a key.

        Raises:
            DataError: Nothing is stored under it.
        """
        path = self._path(key)
        if not path.is_file():
            known = ", ".join(self.keys[:10]) or "nothing"
            raise DataError(f"object store: no object with key {key!r} in {self._folder} (there is: {known})")
        return path.read_bytes()

    def save_bytes(self, key: str, contents: Any = None) -> bool:
        """Store bytes."""
        path = self._path(key)
        if contents is None:
            return path.is_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")  # a process that is killed leaves the value of before
        partial.write_bytes(bytes(contents))
        partial.replace(path)
        return True

    def read(self, key: str, encoding: str = "utf-8") -> str:
        """The text of a key."""
        return self.read_bytes(key).decode(encoding)

    def save(self, key: str, text: str | None = None, encoding: str = "utf-8") -> bool:
        """Store text."""
        return self.save_bytes(key, None if text is None else text.encode(encoding))

    read_string = read
    save_string = save

    def read_json(self, key: str, encoding: str = "utf-8") -> Any:
        """The parsed JSON of a key."""
        return json.loads(self.read(key, encoding))

    def save_json(self, key: str, value: Any, encoding: str = "utf-8") -> bool:
        """Store a value as JSON."""
        return self.save(key, json.dumps(value), encoding)

    def delete(self, key: str) -> bool:
        """Remove a key; False if nothing was stored."""
        path = self._path(key)
        if not path.is_file():
            return False
        path.unlink()
        return True

    def clear(self) -> None:
        """Remove everything."""
        for key in self.keys:
            self.delete(key)

    def __iter__(self) -> Iterator[_Entry]:
        return iter([_Entry(key, self.read_bytes(key)) for key in self.keys])

    def __contains__(self, key: str) -> bool:
        return self.contains_key(key)
