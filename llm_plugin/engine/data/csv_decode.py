"""Vectorised, exact decoding of LEAN's csv members: every number as an integer and its count of decimals."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from llm_plugin.errors import DataError

__all__ = ["CsvTable", "decode", "read_member"]

_NEWLINE, _COMMA, _POINT, _MINUS = 10, 44, 46, 45
_MAX_DIGITS = 18
Ints = NDArray[np.int64]


@dataclass(slots=True)
class CsvTable:
    """Fields of a file: `values[row, column] / 10 ** digits[row, column]`; `empty` marks fields without text."""

    values: Ints
    digits: NDArray[np.uint8]
    empty: NDArray[np.bool_]


def read_member(path: Path) -> bytes:
    """Return the first member of a zip file.

    Raises:
        DataError: The archive is damaged or empty.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if not names:
                raise DataError(f"{path} is an empty archive: replace the file")
            return archive.read(names[0])
    except (zipfile.BadZipFile, EOFError, OSError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise DataError(f"{path} is damaged ({error}): replace the file") from None


def decode(data: bytes, path: Path, text_columns: frozenset[int] = frozenset()) -> CsvTable:
    """Decode comma-separated numbers; spaces and colons inside a field (dates) are skipped.

    Args:
        data: The member's bytes.
        path: Named in errors.
        text_columns: Columns that hold text (an exchange code); they decode to 0.

    Raises:
        DataError: Rows of different length, or a field that is not a number; file and row are named.
    """
    data = data.replace(b"\r", b"").rstrip(b"\n")
    if not data.strip():
        nothing = np.zeros((0, 0))
        return CsvTable(nothing.astype(np.int64), nothing.astype(np.uint8), nothing.astype(bool))
    buffer = np.frombuffer(data + b"\n", dtype=np.uint8)
    ends = np.flatnonzero((buffer == _COMMA) | (buffer == _NEWLINE))
    columns = _columns(buffer, ends, path)
    starts = np.concatenate(([0], ends[:-1] + 1))
    values, digits, bad = _numbers(buffer, starts, ends)
    shape = (len(ends) // columns, columns)
    empty = (ends == starts).reshape(shape)
    bad = bad.reshape(shape)
    for column in text_columns:
        bad[:, column] = False
    if bad.any():
        row, column = (int(v) for v in np.argwhere(bad)[0])
        at = row * columns + column
        text = data[starts[at] : ends[at]].decode(errors="replace")
        raise DataError(f"{path} row {row + 1} column {column + 1}: {text!r} is not a number; replace the file")
    return CsvTable(values.reshape(shape), digits.reshape(shape), empty)


def _columns(buffer: NDArray[np.uint8], ends: NDArray[np.intp], path: Path) -> int:
    closing = np.flatnonzero(buffer[ends] == _NEWLINE)
    widths = np.diff(np.concatenate(([-1], closing)))
    columns = int(widths[0])
    wrong = np.flatnonzero(widths != columns)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{path} row {row + 1} has {int(widths[row])} fields where {columns} are expected; replace the file"
        )
    return columns


def _numbers(
    buffer: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]
) -> tuple[Ints, NDArray[np.uint8], NDArray[np.bool_]]:
    count = len(starts)
    lengths = ends - starts
    values = np.zeros(count, dtype=np.int64)
    seen = np.zeros(count, dtype=np.uint8)
    digits = np.zeros(count, dtype=np.uint8)
    after_point = np.zeros(count, dtype=bool)
    negative = np.zeros(count, dtype=bool)
    bad = np.zeros(count, dtype=bool)
    figures = np.zeros(count, dtype=bool)
    for offset in range(int(lengths.max())):
        inside = offset < lengths
        char = buffer[np.minimum(starts + offset, len(buffer) - 1)]
        figure = inside & (char >= 48) & (char <= 57)
        np.copyto(values, values * 10 + (char.astype(np.int64) - 48), where=figure)
        figures |= figure
        seen += figure & (values != 0)  # leading zeros take no room
        digits += figure & after_point
        point = inside & (char == _POINT)
        bad |= point & after_point
        after_point |= point
        minus = inside & (char == _MINUS)
        bad |= minus & (offset > 0)
        negative |= minus
        bad |= inside & ~(figure | point | minus | (char == 32) | (char == 58))
    bad |= (seen > _MAX_DIGITS) | (~figures & (lengths > 0))
    np.negative(values, out=values, where=negative)
    return values, digits, bad


def table_to_bytes(table: CsvTable) -> bytes:
    """Serialise for the disk cache."""
    out = io.BytesIO()
    np.savez(out, values=table.values, digits=table.digits, empty=table.empty)
    return out.getvalue()
