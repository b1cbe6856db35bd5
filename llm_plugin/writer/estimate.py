"""What a fine-tuning will need, before it starts: memory, disk and time, from the base's configuration alone.

The figures are estimates of one process: weights, LoRA with its gradients and AdamW's moments, activations of one
forward pass, and a tenth for fragments. Time is the work in multiply-adds against what this machine shows in a short
matrix product.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.writer.settings import SftSettings, StandinSettings

__all__ = [
    "BaseShape",
    "Estimate",
    "Machine",
    "estimate",
    "machine_here",
    "refuse_what_cannot_fit",
    "shape_of",
    "standin_shape",
]

GIB = 1 << 30
LARGE_PARAMETERS = 1_000_000_000
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_NF4_BYTES = 0.5 + 0.127 / 8  # two-level scales of blocks of 64
_CUDA_CONTEXT = 0.8 * GIB
_PROCESS = 0.6 * GIB  # Python with torch, transformers and TRL
_SHARE_OF_PEAK = {"cuda": 0.45, "cpu": 0.15}


@dataclass(frozen=True, slots=True)
class BaseShape:
    """A base's size.

    Attributes:
        parameters: All of them.
        linear: (in, out) of every linear layer in the blocks, by its last name.
        hidden: Width.
        intermediate: Width inside of the feed-forward part.
        layers: Depth.
        vocabulary: Tokens.
        context: Longest text that it was made for.
    """

    parameters: int
    linear: Mapping[str, tuple[tuple[int, int], ...]]
    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    context: int

    def targeted(self, targets: str) -> list[tuple[int, int]]:
        """Return the shapes of the layers that LoRA is put on."""
        names = self.linear if targets == "all-linear" else [n for n in _ATTENTION if n in self.linear] or self.linear
        return [shape for name in names for shape in self.linear[name]]


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is.

    Attributes:
        kind: `cuda` or `cpu`.
        memory_bytes: Free memory of the device, or of this process where a container limits it.
        disk_bytes: Free where the run is written.
        operations_per_second: Multiply-adds times two, in the type that training uses.
    """

    kind: str
    memory_bytes: int
    disk_bytes: int
    operations_per_second: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What it takes.

    Attributes:
        memory_bytes: Peak of each process on its device.
        parts: The same by part.
        disk_bytes: Two checkpoints and the adapter.
        trainable: Parameters that are trained.
        steps: Optimiser steps.
        tokens: In all of them.
        seconds: The whole training; None where the machine was not measured.
        checkpointing: Whether activations are computed again.
    """

    memory_bytes: int
    parts: Mapping[str, int]
    disk_bytes: int
    trainable: int
    steps: int
    tokens: int
    seconds: float | None
    checkpointing: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def shape_of(base: Path) -> BaseShape:
    """Read a base's size from its config.json; no weights are read.

    Raises:
        ModelError: No configuration there, or one of no causal language model.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(str(base), trust_remote_code=False, local_files_only=True)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{base} is no causal language model that transformers knows: {first}") from error
    linear: dict[str, list[tuple[int, int]]] = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings():
            linear.setdefault(name.rsplit(".", 1)[-1], []).append((module.in_features, module.out_features))
    text = config.get_text_config()
    return BaseShape(
        parameters=sum(p.numel() for p in model.parameters()),
        linear={name: tuple(shapes) for name, shapes in linear.items()},
        hidden=int(text.hidden_size),
        intermediate=int(getattr(text, "intermediate_size", 0) or 4 * text.hidden_size),
        layers=int(text.num_hidden_layers),
        vocabulary=int(text.vocab_size),
        context=int(getattr(text, "max_position_embeddings", 0) or 1 << 20),
    )


def standin_shape(plan: StandinSettings) -> BaseShape:
    """Return the size of a small model that is not there yet."""
    hidden, inner = plan.hidden, plan.hidden * 3
    once = {
        "q_proj": (hidden, hidden),
        "k_proj": (hidden, hidden),
        "v_proj": (hidden, hidden),
        "o_proj": (hidden, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }
    inside = plan.layers * sum(i * o for i, o in once.values())
    return BaseShape(
        parameters=inside + 2 * plan.vocabulary * hidden + (2 * plan.layers + 1) * hidden,
        linear={name: (shape,) * plan.layers for name, shape in once.items()},
        hidden=hidden,
        intermediate=inner,
        layers=plan.layers,
        vocabulary=plan.vocabulary,
        context=plan.context,
    )


def estimate(
    shape: BaseShape,
    settings: SftSettings,
    *,
    rows: int,
    tokens: int,
    longest: int,
    machine: Machine,
    full: bool = False,
    seen_together: int | None = None,
) -> Estimate:
    """Estimate one training.

    Args:
        shape: Of the base.
        settings: Of the fine-tuning.
        rows: Training rows, variations included.
        tokens: In all of them.
        longest: Tokens of the longest.
        machine: What there is.
        full: All parameters are trained instead of LoRA: the base of a stand-in.
        seen_together: Tokens that attention sees at once, on average; None = those of a row.
    """
    cuda = machine.kind == "cuda"
    checkpointing = settings.checkpointing
    if checkpointing is None:
        checkpointing = cuda and shape.parameters >= LARGE_PARAMETERS
    width = 2 if cuda else 4
    trainable = shape.parameters if full else _lora_parameters(shape, settings)
    inside = sum(i * o for shapes in shape.linear.values() for i, o in shapes)
    weights = width * shape.parameters
    if settings.quantization == "nf4":
        weights = int(_NF4_BYTES * inside) + width * (shape.parameters - inside)
    parts = {
        "weights": 0 if full else weights,
        "trained": trainable * (4 + 4 + 8),
        "activations": _activation_bytes(shape, settings.micro_batch * longest, cuda, checkpointing),
        "runtime": int(_CUDA_CONTEXT if cuda else _PROCESS),
    }
    parts["fragments"] = sum(parts.values()) // (10 if cuda else 2)  # memory that a processor's allocator keeps
    per_step = settings.micro_batch * settings.accumulation * settings.processes
    steps = max(1, round(-(-rows // per_step) * settings.epochs))
    steps = min(steps, settings.max_steps or steps)
    seen = int(tokens * steps * per_step / max(1, rows))
    passes = (6 if full else 4) + (2 if checkpointing else 0)  # frozen weights have no gradient
    multiplied = shape.parameters - shape.vocabulary * shape.hidden  # looking a token up costs nothing
    attention = 12 * shape.layers * shape.hidden * (seen_together or tokens // max(1, rows))
    work = seen * (passes * multiplied + (0 if full else 2 * trainable) + attention)
    speed = machine.operations_per_second * _SHARE_OF_PEAK[machine.kind] * settings.processes
    return Estimate(
        memory_bytes=sum(parts.values()),
        parts=parts,
        disk_bytes=2 * trainable * 12 + trainable * 4,
        trainable=trainable,
        steps=steps,
        tokens=seen,
        seconds=work / speed if speed > 0 else None,
        checkpointing=checkpointing,
    )


def _lora_parameters(shape: BaseShape, settings: SftSettings) -> int:
    lora = sum(settings.rank * (i + o) for i, o in shape.targeted(settings.targets))
    return lora + (shape.vocabulary * shape.hidden if settings.train_embeddings else 0)


def _activation_bytes(shape: BaseShape, tokens: int, cuda: bool, checkpointing: bool) -> int:
    """Bytes of one forward pass: what each block keeps, and the scores of a slice of the tokens; on a processor of all.

    A block keeps its input twice, queries to values, what goes into the output projection, and four times the inner
    width of the feed-forward part; with checkpointing only its input, and one block is whole at a time. A processor
    keeps float32 and, for the products, bfloat16.
    """
    width = 2 if cuda else 8
    block = tokens * (8 * shape.hidden + 4 * shape.intermediate) * width
    logits = min(tokens, 1024) * shape.vocabulary * 4 * 3 if cuda else tokens * shape.vocabulary * 4 * 4
    kept = shape.layers * tokens * shape.hidden * width + block if checkpointing else shape.layers * block
    return int(kept + logits)


def machine_here(device: str, folder: Path, settings: SftSettings, *, measure: bool = True) -> Machine:
    """Look at this machine: the first CUDA device, or the processor.

    Args:
        device: `auto`, `cpu` or `cuda`.
        folder: Where the run will be written.
        settings: Their threads and precision are timed.
        measure: Time a short matrix product; False gives a speed of 0, and no estimate of the time.
    """
    import torch

    cuda = device != "cpu" and torch.cuda.is_available()
    known = folder
    while not known.exists():
        known = known.parent
    memory = int(torch.cuda.mem_get_info()[0]) if cuda else _free_memory()
    speed = _speed("cuda" if cuda else "cpu", settings) if measure else 0.0
    return Machine("cuda" if cuda else "cpu", memory, shutil.disk_usage(known).free, speed)


def refuse_what_cannot_fit(found: Estimate, machine: Machine, settings: SftSettings) -> None:
    """Stop before anything is loaded.

    Raises:
        ConfigError: Memory or disk are too small; names both figures and what would help.
    """
    problems = []
    if found.memory_bytes > machine.memory_bytes:
        largest = max(found.parts, key=lambda name: found.parts[name])
        helps = []
        if settings.quantization == "none" and largest == "weights":
            helps.append("quantization=nf4")
        if settings.micro_batch > 1:
            helps.append("micro_batch=1 with a larger accumulation")
        if not found.checkpointing:
            helps.append("checkpointing=true")
        helps.append("a smaller base, or a device with more memory")
        problems.append(
            f"this training needs about {_gib(found.memory_bytes)} on its {machine.kind} device "
            f"({', '.join(f'{name} {_gib(size)}' for name, size in found.parts.items())}), "
            f"{_gib(machine.memory_bytes)} are free: it cannot fit; take {', or '.join(helps)}"
        )
    if found.disk_bytes > machine.disk_bytes:
        problems.append(
            f"checkpoints need about {_gib(found.disk_bytes)} of disk, {_gib(machine.disk_bytes)} are free: free space"
        )
    if problems:
        raise ConfigError(problems)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"


def _free_memory() -> int:
    """Free memory of the machine, or what a container leaves."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    known = Path("/proc/meminfo")
    if known.is_file():
        lines = dict(line.split(":", 1) for line in known.read_text(encoding="utf-8").splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and used.is_file() and (text := limit.read_text(encoding="utf-8").strip()).isdigit():
        stat = Path("/sys/fs/cgroup/memory.stat")
        facts = dict(line.split() for line in stat.read_text(encoding="utf-8").splitlines()) if stat.is_file() else {}
        taken = int(used.read_text(encoding="utf-8")) - int(facts.get("inactive_file", 0))  # caches are given back
        free = min(free, int(text) - taken)
    return free


def _speed(kind: str, settings: SftSettings, seconds: float = 0.5) -> float:
    """Operations per second of a matrix product, in the type and with the threads of the training."""
    import torch

    from llm_plugin.writer.trainer import precision_of

    size = 4096 if kind == "cuda" else 512
    dtype = torch.bfloat16 if precision_of(settings, cuda=kind == "cuda") == "bfloat16" else torch.float32
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    a = torch.ones(size, size, device=kind, dtype=dtype)
    torch.mm(a, a)
    # A processor's own seconds: what else it does at this moment is not what it can do.
    clock, share = (time.perf_counter, 1) if kind == "cuda" else (time.process_time, settings.threads)
    done, begun = 0, clock()
    while clock() - begun < seconds * share:
        torch.mm(a, a)
        if kind == "cuda":
            torch.cuda.synchronize()
        done += 1
    torch.set_num_threads(before)
    return done * 2.0 * size**3 / (clock() - begun) * share
