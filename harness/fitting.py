"""Prompts that fit a model's window: whole passages are dropped from the last rank up until they do. Evaluation and
training fit the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.prompts import chat
from harness.records import Message, Passage, Question

__all__ = ["FittedPrompt", "Formatter", "fit_prompts"]


class Formatter(Protocol):
    """What is needed of a model here; every `ModelAdapter` has it."""

    def format_prompt(self, messages: Sequence[Message]) -> str: ...

    def count_tokens(self, prompts: Sequence[str]) -> list[int]: ...


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """`dropped` passages of the last ranks were left out so that the prompt fits. `fits` is False when it does not even
    without any passage."""

    text: str
    tokens: int
    dropped: int
    fits: bool


def fit_prompts(
    template: str,
    system: str | None,
    items: Sequence[tuple[Question, Sequence[Passage]]],
    formatter: Formatter,
    token_budgets: Sequence[int],
) -> list[FittedPrompt]:
    """One prompt an item, each of at most its token budget where that can be."""
    kept = [len(passages) for _, passages in items]
    result: list[FittedPrompt | None] = [None] * len(items)
    while open_items := [number for number, prompt in enumerate(result) if prompt is None]:
        texts = []
        for number in open_items:
            question, passages = items[number]
            messages = chat(template, system, question.text, passages[: kept[number]], question.row)
            texts.append(formatter.format_prompt(messages))
        for number, text, tokens in zip(open_items, texts, formatter.count_tokens(texts), strict=True):
            if tokens <= token_budgets[number] or kept[number] == 0:
                dropped = len(items[number][1]) - kept[number]
                result[number] = FittedPrompt(text, tokens, dropped, tokens <= token_budgets[number])
            else:
                kept[number] -= 1
    return [prompt for prompt in result if prompt is not None]
