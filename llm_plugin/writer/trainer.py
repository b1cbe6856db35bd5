"""TRL's SFT trainer as this project uses it: rows that are encoded already, nothing cut, checkpoints to resume from."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from llm_plugin.training.callbacks import Guard, Marks, Progress, TensorBoard, newest_checkpoint
from llm_plugin.writer.examples import Examples, arranged
from llm_plugin.writer.settings import SftSettings

__all__ = ["Plan", "lora_config", "make_trainer", "packs_exactly", "precision_of", "train"]

LARGE_PARAMETERS = 1_000_000_000
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "c_attn", "Wqkv", "out_proj")
_TOLERANCE = 2e-2
_EXACT_TOLERANCE = 1e-3
_MEANS = "nothing of it is kept; lower learning_rate"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the settings mean for this base and these rows.

    Attributes:
        rows: Training rows, variations included.
        too_long: Rows that were left out.
        tokens: In the training rows.
        parameters: Of the base.
        targets: Layers that LoRA is put on; empty where everything is trained.
        batch: Rows per optimiser step over all processes.
        packing: Whether several rows share one pass.
        checkpointing: Whether activations are computed again in the backward pass.
        precision: `float32` or `bfloat16`: of the matrix products; what is trained is float32 (bfloat16 on four bits).
        prompt_format: `chat` or `inst`.
    """

    rows: int
    too_long: int
    tokens: int
    parameters: int
    targets: tuple[str, ...]
    batch: int
    packing: bool
    checkpointing: bool
    precision: str
    prompt_format: str

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def precision_of(settings: SftSettings, *, cuda: bool) -> str:
    """Return the type of the products: bfloat16 where the device multiplies it faster than float32."""
    if settings.precision != "auto":
        return settings.precision
    fast = cuda or (torch.backends.cpu.get_cpu_capability() == "AVX512" and _has_bfloat16())
    return "bfloat16" if fast else "float32"


def _has_bfloat16() -> bool:
    """Old torch versions do not say; then it is not used."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(asked is not None and asked())


def lora_config(settings: SftSettings, model: Any) -> Any:
    """Return PEFT's configuration: q, k, v, o by whatever name this architecture has for them, or all linear layers."""
    from peft import LoraConfig

    kinds = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    attention = [name for name in _ATTENTION if name in kinds]
    embeddings = [
        name.rsplit(".", 1)[-1]
        for name, module in model.named_modules()
        if settings.train_embeddings and module is model.get_input_embeddings()
    ]
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        bias="none",
        target_modules=attention if settings.targets == "attention" and attention else "all-linear",
        modules_to_save=embeddings or None,
        task_type="CAUSAL_LM",
    )


def make_trainer(
    model: Any,
    tokenizer: Any,
    settings: SftSettings,
    plan: Plan,
    examples: Examples,
    validation: Examples | None,
    run: Path,
) -> Any:
    """Return TRL's trainer; an adapter where `plan` has targets, else the whole model is trained.

    Args:
        model: The base.
        tokenizer: Of the base.
        settings: Of the fine-tuning.
        plan: From the settings.
        examples: What is learned.
        validation: What is looked at meanwhile; None = nothing.
        run: Folder for checkpoints and caches.
    """
    from trl import SFTConfig, SFTTrainer

    from llm_plugin.writer.light_head import LightHeadTrainer

    if _sampling(settings, plan) == "sequential":
        examples = arranged(examples, settings.micro_batch, settings.seed)
    arguments = SFTConfig(**_arguments(settings, plan, model, validation is not None, run))
    alone = settings.processes == 1 and model.device.type == "cpu"
    kind = LightHeadTrainer if alone else SFTTrainer
    return kind(
        model=model,
        args=arguments,
        train_dataset=_table(arguments, examples, run, "train"),
        eval_dataset=None if validation is None else _table(arguments, validation, run, "validation"),
        processing_class=tokenizer,
        peft_config=lora_config(settings, model) if plan.targets else None,
    )


def train(trainer: Any, job_sha256: str, run: Path, tell: Any, stage: str) -> list[dict[str, Any]]:
    """Train from the newest complete checkpoint of exactly this job, and return what was logged.

    Raises:
        TrainingFailed: A loss or gradient became no number.
    """
    trainer.add_callback(Guard(_MEANS))
    trainer.add_callback(Progress(lambda **step: tell(stage=stage, **step)))
    trainer.add_callback(Marks(job_sha256))
    trainer.add_callback(TensorBoard(run / "tensorboard"))
    resume = newest_checkpoint(run / "checkpoints", job_sha256)
    trainer.train(resume_from_checkpoint=None if resume is None else str(resume))
    return [dict(entry) for entry in trainer.state.log_history]


def _arguments(settings: SftSettings, plan: Plan, model: Any, evaluated: bool, run: Path) -> dict[str, Any]:
    cuda = model.device.type == "cuda"
    by_epoch = settings.save_steps is None
    return {
        "output_dir": str(run / "checkpoints"),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.micro_batch,
        "per_device_eval_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "warmup_steps": settings.warmup_fraction,  # below one it is a share
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.beta2,
        "optim": "adamw_torch_fused",
        "max_length": max(settings.max_tokens, 1) if plan.packing else None,  # nothing is longer: nothing is cut
        "packing": plan.packing,
        "eval_packing": False,
        "completion_only_loss": None,  # the labels say it already
        "train_sampling_strategy": _sampling(settings, plan),
        "eval_strategy": "no" if not evaluated else "epoch" if settings.eval_steps is None else "steps",
        "eval_steps": settings.eval_steps,
        "prediction_loss_only": True,
        "save_strategy": "epoch" if by_epoch else "steps",
        "save_steps": settings.save_steps or 500,
        "save_total_limit": 2,
        "logging_steps": settings.log_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "use_cpu": not cuda,
        "bf16": plan.precision == "bfloat16",
        "gradient_checkpointing": plan.checkpointing,
        "dataloader_pin_memory": cuda,
        "ddp_backend": None if settings.processes == 1 else "nccl" if cuda else "gloo",
        "ddp_find_unused_parameters": False if settings.processes > 1 else None,
    }


def _sampling(settings: SftSettings, plan: Plan) -> str:
    """A single pass over the rows is arranged here; the library's groups run from long to short, again and again."""
    if plan.packing:
        return "random"
    return "sequential" if settings.epochs <= 1 else "group_by_length"


def _table(arguments: Any, examples: Examples, run: Path, name: str) -> Any:
    """Return the rows as a table on disk: what TRL computes beside it is then in one place for all processes."""
    from datasets import Dataset, load_from_disk

    folder = run / "cache" / name
    with arguments.main_process_first(desc="write rows"):
        if arguments.process_index == 0:
            shutil.rmtree(folder, ignore_errors=True)
            Dataset.from_dict(examples.columns).save_to_disk(str(folder))
    return load_from_disk(str(folder))


def packs_exactly(model: Any, examples: Examples) -> bool:
    """Find out whether this architecture gives two rows in one pass the numbers that they have alone.

    Rows are told apart by their positions only; attention that does not read them would look into the row before.

    Args:
        model: The base.
        examples: Real rows; the two shortest are compared.
    """
    rows = sorted(examples.columns["input_ids"], key=len)[:2]
    if len(rows) < 2:
        return False
    device = model.device
    try:
        with torch.no_grad():
            alone = [model(input_ids=torch.tensor([row], device=device), use_cache=False).logits[0] for row in rows]
            together = model(
                input_ids=torch.tensor([rows[0] + rows[1]], device=device),
                position_ids=torch.tensor([[*range(len(rows[0])), *range(len(rows[1]))]], device=device),
                use_cache=False,
            ).logits[0]
    except (RuntimeError, TypeError, ValueError, IndexError):
        return False
    exact = next(model.parameters()).dtype == torch.float32
    apart = (torch.cat(alone).float().log_softmax(-1) - together.float().log_softmax(-1)).abs()
    return bool(apart.mean() < (_EXACT_TOLERANCE if exact else _TOLERANCE))
