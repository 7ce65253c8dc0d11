"""Does the LoRA checkpoint do anything, and the right thing? What it must pass before it is evaluated.

`faults_of_files` reads the folder and the base's configuration: no weights of the base, a second or two.
`faults_of_model` asks the loaded model. Each fault is a phrase that names what is wrong; a checkpoint that passes
gives none. Most "this fine-tuned model is no better" stories begin with one of them: a B that is still zero, half of
the keys, a lost alpha, a tokenizer that is not the one of training.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.adapters.weights import adapter_config, tensor_header
from harness.digests import digest_of_file
from harness.errors import one_line
from harness.extras import require
from harness.files import JsonObject
from harness.interfaces import Identity
from harness.remote_code import only_trusted_code

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["VERSION", "BaseFacts", "faults_of_files", "faults_of_model", "tokenizer_record"]

VERSION = 2
PROBES = (
    "The capital of France is",
    "Question: Which document says how to reset the device?\nAnswer:",
    "1, 2, 3, 4,",
)
_LARGEST_FLOAT16 = 65_504.0
_MERGED_TOLERANCE = {"bfloat16": 0.03, "float16": 0.01, "float32": 1e-3}  # relative, a layer; rounding alone is a third


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """The base that the checkpoint is put on here. `prompt_start_ids` are the first token ids of an encoded prompt."""

    folder: Path
    identity: Identity
    label: str
    dtype: str
    quantization: str
    trust_remote_code: bool
    tokenizer: PreTrainedTokenizerBase
    prompt_start_ids: Sequence[int]


def tokenizer_record(tokenizer: PreTrainedTokenizerBase) -> JsonObject:
    """What of a tokenizer must be the same in training and evaluation; a training's manifest holds it."""
    template = tokenizer.chat_template
    return {
        "chat_template": hashlib.sha256(template.encode()).hexdigest() if template else None,
        "bos": tokenizer.bos_token,
        "eos": tokenizer.eos_token,
        "pad": tokenizer.pad_token or tokenizer.eos_token,
        "vocabulary": len(tokenizer),
    }


# ---- the folder -----------------------------------------------------------------------------------------------------


def faults_of_files(path: Path, base: BaseFacts, manifest: JsonObject) -> list[str]:
    """All faults that the files show. `manifest` is what `harness finetune` wrote of the training; empty
    for a checkpoint from elsewhere. Where the weights cannot be read at all, nothing more is asked."""
    try:
        config = adapter_config(path)
    except ValueError as error:
        return [one_line(error)]
    header, broken = tensor_header(path / "adapter_model.safetensors")
    faults = [
        *broken,
        *(_weights_faults(path, manifest) if header is not None else []),
        *_alpha_faults(config, manifest),
        *_base_faults(base, manifest),
        *_tokenizer_faults(path, base, manifest),
    ]
    if header is None:
        return faults
    return faults + (_key_faults(path, base, header) or _value_faults(path, base.dtype))


def _alpha_faults(config: JsonObject, manifest: JsonObject) -> list[str]:
    alpha, rank = config.get("lora_alpha"), config.get("r")
    if alpha is None:
        return ["adapter_config.json has lost lora_alpha: PEFT would take its default, 8, in silence"]
    if not isinstance(alpha, int | float) or alpha <= 0:
        return [f"adapter_config.json has lora_alpha {alpha!r}: the adapter is scaled to nothing"]
    settings = manifest.get("settings") or {}
    faults = []
    if settings:
        trained = settings.get("lora_alpha") or 2 * settings.get("lora_r", 0)
        if trained != alpha:
            faults.append(f"adapter_config.json has lora_alpha {alpha}, but it was trained with {trained}")
        if settings.get("lora_r") != rank:
            faults.append(f"adapter_config.json has r {rank}, but it was trained with {settings.get('lora_r')}")
    return faults


def _weights_faults(path: Path, manifest: JsonObject) -> list[str]:
    if manifest.get("weights") in (None, digest_of_file(path / "adapter_model.safetensors")):
        return []
    return ["adapter_model.safetensors is not the one that training.json records: another checkpoint's, or changed"]


def _base_faults(base: BaseFacts, manifest: JsonObject) -> list[str]:
    trained_on = manifest.get("base") or {}
    faults = []
    if trained_on.get("identity") not in (None, dict(base.identity)):
        faults.append(f"it was trained on other weights ({trained_on.get('label')}) than {base.label} here")
    if trained_on.get("quantization") not in (None, base.quantization):
        faults.append(
            f"it was trained on the base with quantization {trained_on['quantization']}, and here it is "
            f"{base.quantization}; name the base that it was trained on"
        )
    return faults


def _tokenizer_faults(path: Path, base: BaseFacts, manifest: JsonObject) -> list[str]:
    """Against the manifest's record of training, and against the tokenizer in the checkpoint's folder."""
    base_record = tokenizer_record(base.tokenizer)
    trained = manifest.get("tokenizer") or {}
    faults = _start_faults(manifest.get("prompt_start_ids", manifest.get("starts")), base) + [
        f"its {name.replace('_', ' ')} in training was {trained[name]!r}, and here it is {base_record[name]!r}"
        for name in base_record
        if name in trained and trained[name] != base_record[name]
    ]
    if not (path / "tokenizer_config.json").is_file():
        return faults
    transformers = require("transformers")
    try:
        with only_trusted_code("it", "its base's tokenizer does without"):
            own = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        return [*faults, f"its tokenizer cannot be loaded ({str(error).splitlines()[0][:120]})"]
    return faults + _vocabulary_faults(own, base) + _token_faults(own, base.tokenizer) + _template_faults(own, base)


def _vocabulary_faults(own: PreTrainedTokenizerBase, base: BaseFacts) -> list[str]:
    """An added pad token does no harm: nothing is padded with it here."""
    base_vocabulary, theirs = base.tokenizer.get_vocab(), own.get_vocab()
    added = set(theirs) - set(base_vocabulary) - {own.pad_token}
    if not added and all(theirs.get(token) == number for token, number in base_vocabulary.items()):
        return []
    embedded = json.loads((base.folder / "config.json").read_text(encoding="utf-8")).get("vocab_size")
    return [f"its tokenizer knows {len(own)} tokens and the base embeds {embedded}: wrong vocabulary size"]


def _token_faults(own: PreTrainedTokenizerBase, base_tokenizer: PreTrainedTokenizerBase) -> list[str]:
    if own.eos_token != base_tokenizer.eos_token and own.eos_token == base_tokenizer.pad_token:
        return [f"pad and eos are swapped: its eos is {own.eos_token!r}, the base's {base_tokenizer.eos_token!r}"]
    return [
        f"its {name} is {getattr(own, name)!r} and the base's {getattr(base_tokenizer, name)!r}"
        for name in ("bos_token", "eos_token")
        if getattr(own, name) != getattr(base_tokenizer, name)
    ]


def _template_faults(own: PreTrainedTokenizerBase, base: BaseFacts) -> list[str]:
    """By what the templates write, not how: tags for training inside one change nothing."""
    if _leading(own) > _leading(base.tokenizer):
        return ["BOS is doubled: its tokenizer puts one in front of a prompt whose chat template has one already"]
    if own.chat_template is None or own.chat_template == base.tokenizer.chat_template:
        return []
    if _written(own) == _written(base.tokenizer):
        return []
    return ["it was trained with another chat template than the base's"]


def _written(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """A conversation as the tokenizer's template writes it, as a prompt and whole."""
    if tokenizer.chat_template is None:
        return []
    turns = [{"role": "user", "content": PROBES[0]}, {"role": "assistant", "content": "Paris."}]
    try:
        return [
            str(tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)),
            str(tokenizer.apply_chat_template(turns, tokenize=False)),
        ]
    except Exception as error:  # a template may refuse a conversation; then its message counts
        return [str(error)]


def _leading(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many BOS a templated prompt begins with when it is tokenized as text, as trainers do."""
    if tokenizer.bos_token_id is None:
        return 0
    text = PROBES[0]
    if tokenizer.chat_template is not None:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
    ids = tokenizer(text)["input_ids"]
    return next((n for n, token in enumerate(ids) if token != tokenizer.bos_token_id), len(ids))


def _start_faults(trained: Sequence[int] | None, base: BaseFacts) -> list[str]:
    bos, start_ids = base.tokenizer.bos_token_id, list(base.prompt_start_ids)
    if start_ids[:2] == [bos, bos]:
        return ["BOS is doubled: prompts begin with two of them here"]
    if trained is None or list(trained) == start_ids:
        return []
    if list(trained)[:2] == [bos, bos]:
        return ["BOS is doubled: prompts began with two of them in training, and begin with one here"]
    return [f"prompts began with the tokens {list(trained)} in training, and begin with {start_ids} here"]


def _key_faults(path: Path, base: BaseFacts, header: JsonObject) -> list[str]:
    """The checkpoint's tensors against those that PEFT would make for this base and configuration, on torch's `meta`
    device, which holds shapes and no numbers."""
    torch, peft = require("torch"), require("peft")
    transformers = require("transformers")
    with torch.device("meta"), only_trusted_code(base.label):
        base_config = transformers.AutoConfig.from_pretrained(
            base.folder, local_files_only=True, trust_remote_code=base.trust_remote_code
        )
        empty = transformers.AutoModelForCausalLM.from_config(base_config, trust_remote_code=base.trust_remote_code)
        try:
            config = peft.PeftConfig.from_pretrained(str(path))
            config.base_model_name_or_path = (
                empty.name_or_path
            )  # or PEFT warns of another base; that is asked elsewhere
            model = peft.get_peft_model(empty, config)
        except ValueError as error:
            return [f"its target modules are not in the base: {one_line(error, 160)}"]
        except (TypeError, AttributeError, LookupError, ImportError, RuntimeError) as error:  # PEFT checks few types
            return [f"PEFT cannot use its adapter_config.json ({type(error).__name__}: {one_line(error, 160)})"]
    expected = {
        name: list(tensor.shape)
        for name, tensor in peft.get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    shapes = {name: entry["shape"] for name, entry in header.items()}
    resized = _embedding_faults(shapes, empty)
    for name in [name for name in shapes if name not in expected and _is_embedding(name)]:
        del shapes[name]  # PEFT saves embeddings along with layers on them, and puts them back
    missing, unknown = sorted(set(expected) - set(shapes)), sorted(set(shapes) - set(expected))
    faults = resized
    if missing:
        faults.append(
            f"only a part would be loaded: {len(missing)} of {len(expected)} tensors are missing ({missing[0]}, …)"
        )
    if unknown:
        faults.append(
            f"{len(unknown)} tensors belong to modules that the base has not, or not as targets ({unknown[0]}, …)"
        )
    wrong = [name for name in expected if name in shapes and shapes[name] != expected[name]]
    if wrong:
        name = wrong[0]
        faults.append(
            f"{len(wrong)} tensors have another shape than the base's: {name} {shapes[name]}, not {expected[name]}"
        )
    return faults


def _is_embedding(name: str) -> bool:
    return name.endswith("weight") and any(part in name for part in ("embed_tokens", "lm_head", "wte"))


def _embedding_faults(shapes: Mapping[str, Sequence[int]], model: PreTrainedModel) -> list[str]:
    rows = int(model.get_input_embeddings().weight.shape[0])
    sizes = {shape[0] for name, shape in shapes.items() if _is_embedding(name) and "lora_" not in name}
    wrong = sorted(size for size in sizes if size != rows)
    if not wrong:
        return []
    return [f"it brings embeddings of {wrong[0]} tokens and the base has {rows}: wrong vocabulary size"]


def _value_faults(path: Path, dtype: str) -> list[str]:
    torch = require("torch")
    require("safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path / "adapter_model.safetensors")
    except SafetensorError as error:
        return [f"adapter_model.safetensors cannot be read ({one_line(error, 160)})"]
    faults, zero, lora_b, infinite, large = [], [], 0, [], []
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            infinite.append(name)
        elif dtype == "float16" and float(tensor.abs().max()) > _LARGEST_FLOAT16:
            large.append(name)
        if ".lora_B." in name or ".lora_embedding_A" in name:  # PEFT starts the one or the other at zero
            lora_b += 1
            zero += [name] if not bool(tensor.any()) else []
    if infinite:
        faults.append(
            f"{len(infinite)} tensors hold NaN or infinities, as after an overflow in float16 ({infinite[0]}, …)"
        )
    if large:
        count = len(large)
        faults.append(f"{count} tensors hold numbers that overflow float16, the entry's dtype ({large[0]}, …)")
    if 10 * len(zero) > lora_b:  # an expert that was never routed to may keep its zeros
        which = "every layer" if len(zero) == lora_b else f"{len(zero)} of {lora_b} layers ({zero[0]}, …)"
        faults.append(f"B is zero in {which}, as before the first step of training: there it does nothing")
    return faults


# ---- the loaded model -----------------------------------------------------------------------------------------------


def faults_of_model(model: PeftModel, encode: Callable[[Sequence[str]], list[list[int]]], dtype: str) -> list[str]:
    """A PEFT model with its checkpoint active: do its logits differ from the base's, and would they merged?
    `encode` gives the token ids of texts."""
    torch = require("torch")
    with torch.inference_mode():
        with_it = [_last_logits(model, ids) for ids in encode(PROBES)]
        model.base_model.disable_adapter_layers()
        try:
            without = [_last_logits(model, ids) for ids in encode(PROBES)]
        finally:
            model.base_model.enable_adapter_layers()
        if not all(bool(torch.isfinite(logits).all()) for logits in with_it):
            return ["its logits on a probe prompt are not finite"]
        if all(torch.equal(a, b) for a, b in zip(with_it, without, strict=True)):
            return ["its logits on the probe prompts are those of the base to the last digit: it does nothing"]
        return _merging_faults(model, dtype)


def _last_logits(model: PeftModel, ids: Sequence[int]) -> torch.Tensor:
    logits: torch.Tensor = (
        model(input_ids=require("torch").tensor([list(ids)], device=model.device)).logits[0, -1].float()
    )
    return logits


def _merging_faults(model: PeftModel, dtype: str) -> list[str]:
    """Layer by layer, what the layer adds to its input against what merging would add: s·B·A·x as the layer computes it
    against ΔW·x, relative to the latter. The layer is asked with its base weight set to zero, so that nothing cancels;
    the base is not merged and unmerged, after which it would not be the same in 16 bits."""
    torch = require("torch")
    from peft.tuners.lora import Linear

    tolerance = _MERGED_TOLERANCE[dtype]
    generator = torch.Generator().manual_seed(0)
    worst, where = 0.0, ""
    for name, layer in model.named_modules():
        if (
            type(layer) is not Linear
            or layer.fan_in_fan_out
            or layer.disable_adapters
            or len(layer.active_adapters) != 1
        ):
            continue  # quantised and other kinds of layers are never merged here
        (adapter,) = layer.active_adapters
        if adapter not in layer.lora_A or layer.use_dora.get(adapter) or layer.lora_bias.get(adapter):
            continue
        linear = layer.get_base_layer()
        weight, bias = linear.weight.data, linear.bias
        probe = torch.randn(4, weight.shape[1], generator=generator).to(weight.device, weight.dtype)
        delta = layer.get_delta_weight(adapter).float()
        try:
            linear.weight.data, linear.bias = torch.zeros_like(weight), None
            apart = layer(probe).float()
        finally:
            linear.weight.data, linear.bias = weight, bias
        together = probe.float() @ delta.T
        off = float((apart - together).norm() / together.norm().clamp(min=1e-12))
        if math.isnan(off) or off > worst:
            worst, where = off, name
    if math.isnan(worst) or worst > tolerance:
        return [f"merged and unmerged disagree by {worst:.1%} in {where} (at most {tolerance:.1%} is rounding)"]
    return []
