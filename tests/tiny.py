"""Tiny randomly initialised models in the hub's layout, made here: real classes, real tokenizers, no download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:?!'<>|/\n-()"


def make_tokenizer(folder: Path, *, bos: bool, chat_template: str | None) -> None:
    """One token a character; `bos` says whether the tokenizer puts `<s>` in front by itself, as Llama's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<unk>", "<s>", "</s>"]
    vocabulary = {token: n for n, token in enumerate([*special, *LETTERS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    core.decoder = decoders.Fuse()
    if bos:
        core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)


def make_model(
    folder: Path, architecture: str = "llama", *, bos: bool = False, chat_template: str | None = CHAT
) -> Path:
    """A model of 2 layers and 64 dimensions with 512 positions."""
    import torch
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        MixtralConfig,
        MixtralForCausalLM,
    )

    shape: dict[str, Any] = {
        "vocab_size": 3 + len(LETTERS),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.5,
    }
    torch.manual_seed(0)
    models: dict[str, Any] = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**shape)),
        "mistral": lambda: MistralForCausalLM(MistralConfig(**shape, sliding_window=None)),
        "mixtral": lambda: MixtralForCausalLM(MixtralConfig(**shape, num_local_experts=4, num_experts_per_tok=2)),
    }
    model = models[architecture]()
    model.lm_head.weight.data[2] = 0  # the end is never the likeliest token: answers have a length to test with
    model.save_pretrained(folder)
    make_tokenizer(folder, bos=bos, chat_template=chat_template)
    return folder


def make_lora(base: Path, folder: Path, *, base_name: str | None = None, seed: int = 1) -> Path:
    """A LoRA checkpoint whose B is not zero, so that it changes what the base says."""
    import json

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(model, config).save_pretrained(folder)
    if base_name is not None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": base_name}))
    return folder
