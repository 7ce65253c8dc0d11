"""The reference engine: a causal language model of `transformers`, base or with a LoRA checkpoint by PEFT, in 16 or 32
bits or quantised by bitsandbytes, placed by accelerate.

    adapter   the model adapter: identity, gate, batch sizes
    load      weights into memory
    prompts   chat form and token ids
    apart     answers and log-probabilities that do not depend on their batch (CPU)
    rows      how these are computed: rows of fixed shape
    batches   padded batches, with passes over prompts shared (GPU)
    scoring   log-probabilities of options
"""

from harness.adapters.transformers.adapter import TransformersAdapter
from harness.adapters.transformers.load import LoadSettings

__all__ = ["LoadSettings", "TransformersAdapter"]
