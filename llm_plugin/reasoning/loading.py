"""From a folder or a name to a checked base model, and from a base to an adapter on top of it. Imports torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from llm_plugin.errors import ModelError
from llm_plugin.reasoning.model_folder import (
    ModelManifest,
    base_hashes,
    check_adapter,
    check_model_folder,
    check_prompt_version,
    file_sha256,
)

__all__ = ["DEVICES", "QUANTIZATIONS", "Base", "load_base", "local_base"]

QUANTIZATIONS = ("none", "int8", "int4")
DEVICES = ("auto", "cpu", "cuda")


class Base:
    """A base model, loaded and checked once; adapters are checked against it."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        folder: Path | None,
        manifest: ModelManifest | None,
        version: str,
        quantization: str,
        prompt_version: str | None,
    ) -> None:
        """Keep what `load_base` found.

        Args:
            model: The causal language model, in evaluation mode.
            tokenizer: Its tokenizer.
            folder: Where it was loaded from; None for a hub name.
            manifest: Its manifest, None for a foreign model.
            version: Name and content hash.
            quantization: `none`, `int8` or `int4`.
            prompt_version: The prompt templates in use, None to skip their check.
        """
        self.model = model
        self.tokenizer = tokenizer
        self.folder = folder
        self.manifest = manifest
        self.version = version
        self.quantization = quantization
        self.prompt_version = prompt_version

    @cached_property
    def hashes(self) -> Mapping[str, str]:
        """Hashes that an adapter's manifest names; empty where the base came by name. Reads all weights once."""
        return {} if self.folder is None else base_hashes(self.folder)

    def check_adapter(self, adapter: Path) -> ModelManifest | None:
        """Refuse an adapter of another base, tokenizer, template or quantisation.

        Returns:
            Its manifest; None for a foreign adapter that has none.

        Raises:
            ModelError: Names what does not fit and the remedy.
        """
        has_manifest = (adapter / "manifest.json").is_file()
        hashes = self.hashes if has_manifest else {}
        own = check_adapter(adapter, self.folder, prompt_version=self.prompt_version, hashes=hashes)
        _check_quantization(own, self.quantization, adapter)
        return own

    def with_adapter(self, model: Any, adapter: Path, manifest: ModelManifest | None) -> tuple[Any, str]:
        """Put a checked adapter on `model`, which becomes part of the result.

        Args:
            model: The base's model or a clone of it.
            adapter: The PEFT folder.
            manifest: What `check_adapter` returned.

        Returns:
            The wrapped model and its version.

        Raises:
            ModelError: The weights do not fit, or not all of them found their place.
        """
        return _load_adapter(model, adapter), _adapter_version(self.version, adapter, manifest)


def local_base(base: Path | str) -> Path:
    """Return a base's folder; a name is looked up in the local Hugging Face cache, never on the network.

    Raises:
        ModelError: The name is not there.
    """
    if isinstance(base, Path) or Path(base).exists():
        return Path(base)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(base, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError) as error:
        raise ModelError(
            f"base {base} is not in the local cache: download it once (`hf download {base}`), or give a folder"
        ) from error


def load_base(
    folder_or_name: str | Path,
    *,
    quantization: str = "none",
    device: str = "auto",
    max_memory: Mapping[int | str, str] | None = None,
    threads: int | None = None,
    prompt_version: str | None = None,
) -> Base:
    """Load a model folder, or a model by name from the local Hugging Face cache or hub.

    Args:
        folder_or_name: A folder with config.json, *.safetensors and a tokenizer; or a hub name.
        quantization: `none`, or `int8` / `int4` by bitsandbytes.
        device: `auto` takes CUDA where there is one.
        max_memory: Bytes per device as accelerate takes them.
        threads: Torch's threads in this process; None leaves them.
        prompt_version: The prompt templates in use; a model trained on others is refused. None skips the check.

    Raises:
        ModelError: Nothing usable there; names what is wrong and the remedy.
    """
    _check_choice("quantization", quantization, QUANTIZATIONS)
    _check_choice("device", device, DEVICES)
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("llm_model.device is cuda, but torch sees no CUDA device; set it to cpu or auto")
    if threads is not None:
        if threads < 1:
            raise ModelError(f"llm_model.threads {threads} must be 1 or more")
        torch.set_num_threads(threads)
    folder = _as_folder(folder_or_name)
    manifest = check_model_folder(folder) if folder is not None else None
    if manifest is not None:
        check_prompt_version(manifest, prompt_version, Path(folder_or_name))
    where = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    model, tokenizer = _load_base(str(folder_or_name), folder, quantization, where, max_memory)
    return Base(
        model,
        tokenizer,
        folder=folder,
        manifest=manifest,
        version=_base_version(folder_or_name, folder, manifest, quantization),
        quantization=quantization,
        prompt_version=prompt_version,
    )


def _check_choice(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ModelError(f"llm_model.{what} {value!r} is unknown; allowed: {', '.join(allowed)}")


def _check_quantization(manifest: ModelManifest | None, quantization: str, adapter: Path) -> None:
    if manifest is not None and manifest.quantization != quantization:
        raise ModelError(
            f"adapter {adapter} was trained on a base with quantization {manifest.quantization}, "
            f"llm_model.quantization is {quantization}; set it to {manifest.quantization}"
        )


def _as_folder(folder_or_name: str | Path) -> Path | None:
    """Return a path for what is a folder or looks like one, None for a hub name such as `org/model`."""
    path = Path(folder_or_name).expanduser()
    if path.exists() or isinstance(folder_or_name, Path):
        return path
    text = str(folder_or_name)
    looks_local = text.startswith((".", "~", os.sep)) or text.count("/") != 1 or "\\" in text
    return path if looks_local else None


def _load_base(
    name: str, folder: Path | None, quantization: str, where: str, max_memory: Mapping[int | str, str] | None
) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    source = str(folder) if folder is not None else name
    safe: dict[str, Any] = {"trust_remote_code": False, "local_files_only": folder is not None}
    options: dict[str, Any] = {"dtype": torch.float32 if where == "cpu" else torch.bfloat16, "use_safetensors": True}
    if quantization != "none":
        options["quantization_config"] = _quantization(quantization, options["dtype"])
        options["device_map"] = where
    if max_memory is not None:
        options |= {"device_map": "auto", "max_memory": dict(max_memory)}
    bars_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(source, **safe)
        if getattr(config, "auto_map", None):
            raise ModelError(f"{source} wants to run its own code (auto_map), which is never done; use another model")
        tokenizer = AutoTokenizer.from_pretrained(source, **safe)
        model, found = AutoModelForCausalLM.from_pretrained(
            source, config=config, output_loading_info=True, **options, **safe
        )
    except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
        raise ModelError(
            f"{source} cannot be loaded as a causal language model: {_first_line(error)}; "
            "check llm_model.name, or train the small one with `lean-llm model bootstrap`"
        ) from error
    finally:
        if bars_shown:
            logging.enable_progress_bar()
    _check_complete(source, config, found)
    if "device_map" not in options:
        model = model.to(where)
    if quantization != "none":
        _try_once(model, source, quantization)
    return model, tokenizer


def _check_complete(source: str, config: Any, found: Mapping[str, Any]) -> None:
    """Weights that the checkpoint lacks would be drawn at random, with no more than a warning."""
    missing = sorted(found.get("missing_keys") or ())
    if missing:
        raise ModelError(
            f"{source} is no whole checkpoint of a causal language model: {len(missing)} tensors are missing "
            f"({missing[0]}), config.json says {', '.join(getattr(config, 'architectures', None) or ['nothing'])}; "
            "give a checkpoint of a causal language model with all of its weights"
        )


def _try_once(model: Any, source: str, quantization: str) -> None:
    """Quantised layers of some widths load and fail on first use; find out now."""
    try:
        with torch.inference_mode():
            model(input_ids=torch.zeros(1, 2, dtype=torch.long, device=model.device), use_cache=False)
    except RuntimeError as error:
        raise ModelError(
            f"{source} does not run with quantization {quantization} ({_first_line(error)}): int4 needs layer widths "
            "that are multiples of 64; set llm_model.quantization to int8 or none"
        ) from error


def _quantization(quantization: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _load_adapter(model: Any, adapter: Path) -> Any:
    """Put LoRA layers on a model and fill them from the file.

    Not by `PeftModel.from_pretrained`: it calls `state_dict()`, for which bitsandbytes repacks 4-bit weights in place
    while other generations compute on them; and it only warns about tensors that find no place, so that the base would
    answer under the adapter's name.
    """
    from peft import PeftConfig, get_peft_model
    from safetensors.torch import load_file

    try:
        config: Any = PeftConfig.from_pretrained(str(adapter))
        _check_lora(config)
        config.inference_mode, config.init_lora_weights = True, False
        config.base_model_name_or_path = getattr(model, "name_or_path", None)
        wrapped = get_peft_model(model, config)
        _fill(wrapped, load_file(str(adapter / "adapter_model.safetensors")))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"adapter {adapter} does not fit this base: {_first_line(error)}; load the base that it was trained on"
        ) from error
    return wrapped.eval().requires_grad_(False)


def _check_lora(config: Any) -> None:
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if kind != "LORA":
        raise ValueError(f"it is of kind {kind}, only LORA is served")
    start = getattr(config, "init_lora_weights", True)
    if start not in (True, False, "gaussian", "orthogonal"):
        raise ValueError(f"init_lora_weights = {start!r} changes the base, which generations share; convert it to LoRA")


def _fill(wrapped: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    own = f".{wrapped.active_adapter}"
    places = {_file_key(name, own): parameter for name, parameter in wrapped.named_parameters() if own in name}
    missing, foreign = sorted(set(places) - set(tensors)), sorted(set(tensors) - set(places))
    if not places or missing or foreign:
        named = f"{missing[0]} is missing in the file" if missing else f"{(foreign or ['nothing'])[0]} has no place"
        raise ValueError(f"{len(missing)} tensors missing, {len(foreign)} without a place ({named})")
    with torch.no_grad():
        for name, parameter in places.items():
            if parameter.shape != tensors[name].shape:
                raise ValueError(f"{name} has shape {list(tensors[name].shape)}, not {list(parameter.shape)}")
            parameter.copy_(tensors[name])


def _file_key(name: str, own: str) -> str:
    key = name.replace(f".modules_to_save{own}", "").replace(own, "")
    return key.removesuffix(".weight") if key.endswith("lora_magnitude_vector.weight") else key


def _base_version(source: str | Path, folder: Path | None, manifest: ModelManifest | None, quantization: str) -> str:
    suffix = "" if quantization == "none" else f"+{quantization}"
    if manifest is not None:
        return manifest.version + suffix
    if folder is None:
        return f"{source}{suffix}"
    weights = sorted(folder.glob("*.safetensors"))
    stamp = "".join(f"{path.name}{path.stat().st_size}" for path in weights) + file_sha256(folder / "config.json")
    if sum(path.stat().st_size for path in weights) < 1 << 30:
        stamp += "".join(file_sha256(path) for path in weights)
    return f"{folder.name}@{hashlib.sha256(stamp.encode()).hexdigest()[:12]}{suffix}"


def _adapter_version(base: str, adapter: Path, manifest: ModelManifest | None) -> str:
    if manifest is not None:
        return f"{base}+{manifest.version}"
    stamp = "".join(file_sha256(adapter / name) for name in ("adapter_model.safetensors", "adapter_config.json"))
    return f"{base}+{adapter.name}@{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
