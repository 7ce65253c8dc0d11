"""Does fine-tuning help my RAG system, how sure are we, and if not, why?

`harness eval --task bioasq --model mistral-lora-500` is the main door; `docs/architecture.md` is the map.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
