"""One base in memory and any number of LoRA checkpoints on it, of which one at a time, or none, is active.

Every adapter of a command shares one `BaseHolder`. Adapters of one base then load it once and switch in place; an
adapter of another base replaces the first one, so that no more than one model is in memory. A switched-off LoRA layer
calls its base layer and nothing else (PEFT's `LoraLayer.forward`), so answers are those of runs one by one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.extras import require

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

__all__ = ["BaseHolder"]

_NONE = ""


class BaseHolder:
    """`key` names a loaded base (weights, precision, device), `lora` a LoRA checkpoint by its digest."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._model: PreTrainedModel | PeftModel | None = None
        self._attached: set[str] = set()
        self._active = _NONE
        self.load_count = 0
        """How often a base was loaded, for tests and benchmarks."""

    def model(
        self,
        key: str,
        load: Callable[[], PreTrainedModel],
        lora: str | None = None,
        attach: Callable[[PreTrainedModel | PeftModel, str], PeftModel] | None = None,
    ) -> PreTrainedModel | PeftModel:
        """The base under `key`, loaded if need be, with this LoRA checkpoint active and no other. `attach(model,
        name)` puts the checkpoint on the model under that name, makes it active, and returns the model to use from then
        on."""
        if self._key != key:
            self.free()
            self._model, self._key = load(), key
            self.load_count += 1
        name = lora or _NONE
        if name and name not in self._attached:
            if attach is None:
                raise ValueError("a checkpoint comes with the way to attach it")
            try:
                self._model = attach(self._model, name)
            except BaseException:
                self.free()  # half attached is no state to answer from
                raise
            self._attached.add(name)
            self._active = name
        if name != self._active:
            self._switch(self._model, name)
        return self._model

    def _switch(self, model: PeftModel, name: str) -> None:
        if name == _NONE:
            model.base_model.disable_adapter_layers()
        else:
            model.base_model.enable_adapter_layers()
            model.set_adapter(name)
        self._active = name

    def holds(self, key: str) -> bool:
        return self._key == key

    def free(self) -> None:
        if self._key is None:
            return
        self._model, self._key, self._active = None, None, _NONE
        self._attached = set()
        gc.collect()
        torch = require("torch")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
