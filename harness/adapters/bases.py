"""One base in memory and any number of LoRA checkpoints on it, of which one at a time, or none, is at work.

Every adapter of a command shares one `BaseHolder`. Adapters of one base then load it once and switch in place; an
adapter of another base puts the first one out, so that no more than one model is in memory. A switched-off LoRA layer
calls its base layer and nothing else (PEFT's `LoraLayer.forward`), so answers are those of runs one by one.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from harness.extras import require

__all__ = ["BaseHolder"]

_NONE = ""


class BaseHolder:
    """`key` names a loaded base (weights, precision, device), `lora` a LoRA checkpoint by its digest."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._model: Any = None
        self._attached: set[str] = set()
        self._active = _NONE
        self.loads = 0
        """How often a base was loaded, for tests and benchmarks."""

    def model(
        self,
        key: str,
        load: Callable[[], Any],
        lora: str | None = None,
        attach: Callable[[Any, str], Any] | None = None,
    ) -> Any:
        """The base under `key`, loaded if need be, with this LoRA checkpoint at work and no other. `attach(model,
        name)` puts the checkpoint on the model under that name, sets it to work, and gives the model to use from then
        on."""
        if self._key != key:
            self.free()
            self._model, self._key = load(), key
            self.loads += 1
        wanted = lora or _NONE
        if wanted and wanted not in self._attached:
            assert attach is not None, "a checkpoint comes with the way to attach it"
            try:
                self._model = attach(self._model, wanted)
            except BaseException:
                self.free()  # half attached is no state to answer from
                raise
            self._attached.add(wanted)
            self._active = wanted
        if wanted != self._active:
            self._switch(wanted)
        return self._model

    def _switch(self, wanted: str) -> None:
        if wanted == _NONE:
            self._model.base_model.disable_adapter_layers()
        else:
            self._model.base_model.enable_adapter_layers()
            self._model.set_adapter(wanted)
        self._active = wanted

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
