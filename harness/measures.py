"""Every number that is taken of an answer, in one table: its name, which direction is better, how it is shown.

A run has three kinds of measures: **scores**, which a judge gives, one a criterion; **metrics**, which are computed
without a model; and **properties** of the answer (its length, how it ended). The names of metrics and properties are
reserved: no judge's criterion may have one. A name that is not in the table is a criterion.

A new metric is a row here and a function in `harness/metrics/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from harness.statistics.bounds import Bounds

__all__ = ["ANSWER_METRICS", "CLEAN", "MEASURES", "SCALE", "Measure", "measure_of", "reserved_names"]

Format = Literal["score", "ratio", "count", "percent"]
SCALE = Bounds(1.0, 5.0)
"""Of scores, unless a judge's entry says otherwise."""
CLEAN = "_clean"
"""Behind a criterion's name: its scores over the questions that are not like a training pair."""


@dataclass(frozen=True, slots=True)
class Measure:
    """`higher_is_better` None: neither direction is better. `label` heads its column in a leaderboard; None: it is not
    shown there. `{k}` in a name stands for the number of retrieved passages."""

    name: str
    kind: Literal["score", "metric", "property"]
    meaning: str
    higher_is_better: bool | None = True
    format: Format = "ratio"
    label: str | None = None

    def bounds(self, scale: Bounds = SCALE) -> Bounds | None:
        """The ends of its scale, the judge's for a score; None where it has no upper end."""
        match self.format:
            case "score":
                return scale
            case "ratio" | "percent":
                return Bounds(0.0, 1.0)
            case "count":
                return None

    def text(self, value: float | None) -> str:
        """The value as tables show it; a dash for none."""
        if value is None:
            return "–"
        match self.format:
            case "score":
                return f"{value:.2f}"
            case "ratio":
                return f"{value:.3f}"
            case "count":
                return f"{value:.1f}"
            case "percent":
                return f"{100 * value:.0f} %"


MEASURES: tuple[Measure, ...] = (
    Measure("exact_match", "metric", "share of answers equal to a reference (SQuAD)", label="exact_match"),
    Measure("f1", "metric", "token F1 (SQuAD), the best over the references", label="f1"),
    Measure("token_recall", "metric", "share of the reference's tokens that the answer has", label="token_recall"),
    Measure("rouge_l", "metric", "ROUGE-L F-measure, no stemming, the best over the references", label="rouge_l"),
    Measure("recall@{k}", "metric", "share of the gold documents that were retrieved", label="recall@{k}"),
    Measure("mrr@{k}", "metric", "1 / rank of the first gold document", label="mrr@{k}"),
    Measure("ndcg@{k}", "metric", "nDCG of the retrieved documents, binary relevance", label="ndcg@{k}"),
    Measure(
        "span_recall@{k}", "metric", "share of the gold spans of which half or more of the characters was retrieved",
        label="span_recall@{k}",
    ),
    Measure("answer_words", "property", "words of the answer", None, "count", "words"),
    Measure("truncated", "property", "share of answers that the token limit ended", False, "percent", "truncated"),
    Measure("dropped_passages", "property", "passages left out so that the prompt fits", False, "count"),
    Measure("empty", "property", "share of answers without any text", False, "percent", "empty"),
    Measure(
        "abstained", "property",
        "share of answers whose first sentence says that the passages do not hold the answer", None, "percent",
        "abstained",
    ),
    Measure(
        "unanswerable", "property", "share of questions that the corpus does not answer", None, "percent",
    ),
    Measure(
        "contradicting", "property",
        "of questions with several references, the share of which one says yes and another no", None, "percent",
    ),
    Measure(
        "loops", "property",
        "share of answers in which a stretch of up to 12 words occurs three times in a row, or a sentence three times",
        False, "percent", "loops",
    ),
    Measure(
        "echoes", "property", "share of answers that repeat the question, or eight words in a row of the instruction",
        False, "percent", "echoes",
    ),
    Measure(
        "from_context", "property",
        "on counterfactual twins: share of the facts asked for whose value on the page the answer states", True,
        "percent", "from_context",
    ),
    Measure(
        "from_weights", "property",
        "on counterfactual twins: share of the facts asked for whose value in the fine-tuning pool the answer states",
        False, "percent", "from_weights",
    ),
    Measure(
        "leaked", "property", "share of questions that are like a pair that the model was trained on", None, "percent",
        "leaked",
    ),
    Measure(
        "same_document", "property", "share of questions with a gold document that a training pair has too", None,
        "percent",
    ),
)  # fmt: skip

_BY_NAME = {measure.name: measure for measure in MEASURES}
ANSWER_METRICS = tuple(m.name for m in MEASURES if m.kind == "metric" and "{k}" not in m.name)
"""The metrics that a task entry may ask for: those of an answer against its references."""

_SAMPLE_FIELDS = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
    "target_hash", "question_id", "kind", "cluster", "arm", "passages", "stop_reason", "prompt_tokens", "answer_tokens",
    "scores", "verdicts",
}  # fmt: skip
"""Fields of a line of `samples_*.jsonl`, which stand beside the measures there. `verdicts` is what `scores` was called
in run folders of format 1."""


def measure_of(name: str) -> Measure:
    """The measure of that name: a row of the table, `recall@5` being the row `recall@{k}`; else a criterion's score."""
    row = _BY_NAME.get(name) or _BY_NAME.get(re.sub(r"@\d+$", "@{k}", name))
    if row is None:
        return Measure(name, "score", "a judge's score", format="score", label=name)
    return row if row.name == name else replace(row, name=name, label=name if row.label else None)


def reserved_names() -> frozenset[str]:
    """Names that no criterion may have."""
    return frozenset({m.name for m in MEASURES} | _SAMPLE_FIELDS)
