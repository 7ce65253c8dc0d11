"""Lets a judge's model write the evaluation steps of a criterion, once: G-Eval's chain of thought (Liu et al. 2023,
arXiv:2303.16634, section 2). The steps are put into the entry, where people read them before they are used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import HarnessError
from harness.interfaces import ModelAdapter
from harness.judging.geval import CriterionText
from harness.records import Decoding, Failure, Message, Request, StopReason

__all__ = ["steps_in", "write_steps"]

_LENGTH = 320  # tokens
_LEAST, _MOST = 2, 8
_SEEN = {"reference": "an expert's reference answer", "passages": "the retrieved passages"}


def write_steps(adapter: ModelAdapter, criterion: CriterionText, sees: Sequence[str]) -> list[str]:
    """The steps, one line each. Raises `HarnessError` when the model writes no list of steps."""
    inputs = "the question" + "".join(f", {_SEEN[name]}" for name in sees)
    levels = "\n".join(f"{score}: {meaning}" for score, meaning in criterion.levels.items())
    text = (
        f"Someone has to score answers to questions for one criterion. They see {inputs}, and the answer to score.\n\n"
        f"Criterion: {criterion.title}. {criterion.definition}\n\nThe scores:\n{levels}\n\n"
        "Write down the steps by which they arrive at a score: a numbered list of three to six steps, one short "
        "sentence each. Write the list and nothing else."
    )
    prompt = adapter.format_prompt([Message("user", text)], reply_prefix="1.")
    (tokens,) = adapter.count_tokens([prompt])
    (answer,) = adapter.generate([Request("steps", prompt, tokens, Decoding(max_gen_toks=_LENGTH))])
    if isinstance(answer, Failure):
        raise HarnessError(f"{adapter.name} wrote no list of steps for {criterion.name}: {answer.reason}")
    text = answer.text if re.match(r"\W*1[.)]", answer.text) else f"1. {answer.text}"
    steps = steps_in(text)
    if answer.stop_reason == StopReason.LIMIT:
        steps = steps[:-1]  # the last one is truncated
    if len(steps) < _LEAST:
        raise HarnessError(
            f"{adapter.name} wrote no list of steps for {criterion.name} but {answer.text[:80]!r}; write them by hand"
        )
    return steps


def steps_in(reply: str) -> list[str]:
    """The items of the numbered list that begins with 1, each once, at most eight."""
    steps: list[str] = []
    for number, text in re.findall(r"^\W*(\d+)[.)]\s*(.+)$", reply, flags=re.MULTILINE):
        step = re.sub(r"[*_`]+", "", text).strip()
        if int(number) == len(steps) + 1 and step and step not in steps:
            steps.append(step)
    return steps[:_MOST]
