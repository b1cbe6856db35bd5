"""How two versions differ: where they come from, what they were trained with, how they scored, how far apart."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_plugin.errors import ModelError
from llm_plugin.registry.words import Version

__all__ = ["Difference", "compare", "weights_distance"]


@dataclass(frozen=True)
class Difference:
    """What differs between two versions.

    Attributes:
        first: Id of the first.
        second: Id of the second.
        fields: Dotted name -> (first, second), of lineage, manifest and training settings, where they differ.
        figures: The same of numbers: training and gate.
        distance: Norm of the difference of what both add to the base's weights.
        relative: The same as a share of the larger addition; 0 is the same, 1 and more unlike.
        largest: The modules that differ most, with their share of the squared distance.
    """

    first: str
    second: str
    fields: Mapping[str, tuple[Any, Any]]
    figures: Mapping[str, tuple[Any, Any]]
    distance: float
    relative: float
    largest: Mapping[str, float]


def compare(first: Version, second: Version) -> Difference:
    """Compare two versions; `base` adds nothing to the weights.

    Raises:
        ModelError: Their files cannot be read, or they add to modules of other shapes.
    """
    ours, theirs = _flat(first), _flat(second)
    differing = {
        name: (ours.get(name), theirs.get(name))
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name) and not name.startswith("manifest.files.")
    }
    figures = {name: pair for name, pair in differing.items() if any(isinstance(value, float) for value in pair)}
    distance, relative, largest = weights_distance(first.folder, second.folder)
    return Difference(
        first=first.id,
        second=second.id,
        fields={name: pair for name, pair in differing.items() if name not in figures},
        figures=figures,
        distance=distance,
        relative=relative,
        largest=largest,
    )


def weights_distance(first: Path | None, second: Path | None) -> tuple[float, float, dict[str, float]]:
    """Return the distance of two adapters, as a number, as a share of the larger one, and by module.

    Compared is what each adds to the base, scale times B A, so that other ranks and other factors of the same product
    count as what they do. Only products of rank size are formed, never a full matrix.

    Raises:
        ModelError: A module has other shapes on both sides.
    """
    ours, theirs = _factors(first), _factors(second)
    squares: dict[str, float] = {}
    norms = [0.0, 0.0]
    for module in sorted({*ours, *theirs}):
        a, b = ours.get(module), theirs.get(module)
        own = [_inner(x, x, module) if x is not None else 0.0 for x in (a, b)]
        cross = _inner(a, b, module) if a is not None and b is not None else 0.0
        squares[module] = max(0.0, own[0] + own[1] - 2 * cross)
        norms = [norms[0] + own[0], norms[1] + own[1]]
    total = sum(squares.values())
    larger = max(norms)
    ranked = sorted(squares.items(), key=lambda item: (-item[1], item[0]))[:5]
    shares = {module: square / total for module, square in ranked if square > 0}
    return math.sqrt(total), math.sqrt(total / larger) if larger > 0 else 0.0, shares


def _factors(folder: Path | None) -> dict[str, tuple[float, Any, Any]]:
    """Return scale, A and B of every module of an adapter."""
    if folder is None:
        return {}
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = {name: value.double().numpy() for name, value in load_file(folder / "adapter_model.safetensors").items()}
    found = {}
    for name, a in tensors.items():
        module, mark, rest = name.partition(".lora_A")
        if mark:
            b = tensors.get(f"{module}.lora_B{rest}")
            if b is None:
                raise ModelError(f"{folder}: {name} has no lora_B beside it; the adapter is damaged")
            rank, alpha = a.shape[0], float(config.get("lora_alpha", a.shape[0]))
            scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
            found[module.removeprefix("base_model.model.")] = (scale, a, b)
    return found


def _inner(x: tuple[float, Any, Any], y: tuple[float, Any, Any], module: str) -> float:
    """Return the inner product of two additions: trace((B1 A1)^T B2 A2), by rank-sized products."""
    (scale, a, b), (other, c, d) = x, y
    if a.shape[1] != c.shape[1] or b.shape[0] != d.shape[0]:
        raise ModelError(
            f"{module} has shapes {b.shape[0]} x {a.shape[1]} and {d.shape[0]} x {c.shape[1]}: other bases"
        )
    return float(scale * other * ((b.T @ d) * (a @ c.T)).sum())


def _flat(version: Version) -> dict[str, Any]:
    gate = (version.gate or {}).get("decision") or {}
    values: dict[str, Any] = {
        "parent": version.parent,
        "stage": version.stage,
        "facts": dict(version.facts),
        "manifest": asdict(version.manifest) if version.manifest is not None else {},
        "gate": {name: value for name, value in gate.items() if not isinstance(value, list | dict)},
    }
    flat: dict[str, Any] = {}
    _flatten("", values, flat)
    return flat


def _flatten(prefix: str, value: Any, into: dict[str, Any]) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _flatten(f"{prefix}.{key}" if prefix else str(key), item, into)
    elif isinstance(value, list):
        into[prefix] = json.dumps(value)
    else:
        into[prefix] = value
