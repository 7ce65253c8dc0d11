"""Human judgements of answers, and how a judge's scores agree with them.

Two shapes, as JSON lines:

    binary    {"id", "question", "reference", "answer", "human_score": 0 or 1, "votes": ["yes", "no", …]}
    pairwise  {"id", "question", "reference", "answer_a", "answer_b", "dimension", "human_score": -2..2,
               "annotator_scores": [1, 0]}      above 0: answer_b is better

A reference may hold several, parted by " / ".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.auditing.cached_judge import CachedJudge, Case
from harness.errors import DataError
from harness.files import JsonObject
from harness.metrics.answers import f1
from harness.records import Question
from harness.statistics import Interval, auc, correlation, mean

__all__ = [
    "BINARY",
    "PAIRWISE",
    "Binary",
    "Pair",
    "annotator_auc",
    "binary_agreement",
    "pairwise_agreement",
    "read_binary",
    "read_pairs",
]

BINARY = {"evouna_nq": "evouna_nq.jsonl", "openqa_eval_nq301": "openqa_eval_nq301.jsonl"}
PAIRWISE = {"ragchecker_pairwise": "ragchecker_pairwise.jsonl"}
DIMENSIONS = {"correctness": "accuracy", "completeness": "completeness"}
"""A pairwise data set's dimension, and the criterion of ours that it is compared with."""

_RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Binary:
    """One answer that people called right or wrong."""

    case: Case
    right: bool
    votes: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one question. `human` above 0: the second is better."""

    id: str
    first: Case
    second: Case
    dimension: str
    human: float
    annotators: tuple[float, ...]


def _rows(path: Path, needed: Mapping[str, type | tuple[type, ...]]) -> list[JsonObject]:
    problems: list[str] = []
    rows: list[JsonObject] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                problems.append(f"{path}:{number}: is not valid JSON ({error})")
                continue
            if not isinstance(row, dict):
                problems.append(f"{path}:{number}: is not a JSON object")
                continue
            wrong = [key for key, kind in needed.items() if not isinstance(row.get(key), kind)]
            wrong += ["human_score"] if not wrong and not math.isfinite(row["human_score"]) else []
            votes = row.get("annotator_scores") or []
            wrong += ["annotator_scores"] if not all(isinstance(v, int | float) for v in votes) else []
            wrong += ["id, once only,"] if row.get("id") in seen else []
            seen.add(str(row.get("id")))
            if wrong:
                problems.append(f"{path}:{number}: {', '.join(wrong)} must be present and of the right type")
            rows.append(row)
    if problems or not rows:
        raise DataError.of(problems or [f"{path}: holds no row"])
    return rows


def references_of(reference: str) -> tuple[str, ...]:
    """The whole first, since that is what a judge sees; then its parts."""
    parts = [part.strip() for part in reference.split(" / ") if part.strip()]
    return (reference, *parts) if len(parts) > 1 else (reference,)


def _case(row: JsonObject, answer: str, suffix: str = "") -> Case:
    question = Question(
        id=row["id"] + suffix, text=row["question"], references=references_of(row["reference"]), cluster=row["question"]
    )
    return Case(question.id, question, answer)


def _sampled(rows: Sequence[JsonObject], count: int, seed: int, key: Callable[[JsonObject], str]) -> list[JsonObject]:
    """`count` rows in an order that depends on seed and key alone."""
    return sorted(rows, key=lambda row: hashlib.sha256(f"{seed}:{key(row)}".encode()).hexdigest())[:count]


def read_binary(path: Path, count: int, seed: int) -> list[Binary]:
    """`count` cases of a file of human yes/no judgements, drawn with `seed`. Raises `UsageError` for a bad row."""
    text: tuple[type, ...] = (str,)
    rows = _rows(path, {"id": text, "question": text, "reference": text, "answer": text, "human_score": (int, float)})
    return [
        Binary(
            case=_case(row, row["answer"]),
            right=float(row["human_score"]) >= 0.5,
            votes=tuple(vote == "yes" for vote in row.get("votes") or ()),
        )
        for row in _sampled(rows, count, seed, lambda row: str(row["id"]))
    ]


def read_pairs(path: Path, count: int, seed: int) -> list[Pair]:
    """`count` pairs of answers, each with its rows for the dimensions that we have a criterion for."""
    text: tuple[type, ...] = (str,)
    needed = dict.fromkeys(("id", "question", "reference", "answer_a", "answer_b", "dimension"), text)
    rows = _rows(path, {**needed, "human_score": (int, float)})

    def pair_of(row: JsonObject) -> str:
        return str(row["id"]).removesuffix(f"-{row['dimension']}")

    kept = {
        pair_of(row) for row in _sampled([r for r in rows if r["dimension"] == "correctness"], count, seed, pair_of)
    }
    return [
        Pair(
            id=row["id"],
            first=_case({**row, "id": pair_of(row)}, row["answer_a"], "/a"),
            second=_case({**row, "id": pair_of(row)}, row["answer_b"], "/b"),
            dimension=row["dimension"],
            human=float(row["human_score"]),
            annotators=tuple(float(score) for score in row.get("annotator_scores") or ()),
        )
        for row in rows
        if pair_of(row) in kept and row["dimension"] in DIMENSIONS
    ]


# ---- agreement ------------------------------------------------------------------------------------------------------


def _auc_row(scores: Sequence[float], labels: Sequence[bool], clusters: Sequence[str]) -> JsonObject:
    interval = _clustered(clusters, lambda rows: auc([scores[n] for n in rows], [labels[n] for n in rows]))
    return {"auc": auc(scores, labels), "interval": interval, "n": len(scores)}


def _clustered(clusters: Sequence[str], statistic: Callable[[Sequence[int]], float | None]) -> Interval | None:
    """95 % percentile bootstrap over clusters (1,000 resamples) of a statistic of row numbers."""
    rows_of: dict[str, list[int]] = {}
    for number, cluster in enumerate(clusters):
        rows_of.setdefault(cluster, []).append(number)
    groups, rng = list(rows_of.values()), np.random.default_rng(0)
    resampled = []
    for _ in range(_RESAMPLES):
        drawn = [n for index in rng.integers(0, len(groups), len(groups)) for n in groups[index]]
        value = statistic(drawn)
        if value is not None:
            resampled.append(value)
    if len(resampled) < _RESAMPLES / 2:
        return None
    return Interval(*(float(value) for value in np.percentile(resampled, [2.5, 97.5])))


def binary_agreement(rows: Sequence[Binary], cached: CachedJudge) -> JsonObject:
    """AUC of the judge's accuracy, beside token F1's and length's on the same rows, and people among themselves."""
    scores = cached.scores([row.case for row in rows], ["accuracy"])
    means = [scores[row.case.id].mean("accuracy") for row in rows]
    with_score = [(row, value) for row, value in zip(rows, means, strict=True) if value is not None]
    total, rows = len(rows), [row for row, _ in with_score] or list(rows)  # baselines on the same rows
    clusters = [row.case.question.cluster for row in rows]
    labels = [row.right for row in rows]
    overlap = [f1(row.case.answer, row.case.question.references) for row in rows]
    length = [_length(row.case) for row in rows]
    return {
        "rows": total,
        "right": sum(labels),
        "unscored": total - len(with_score),
        "judge": _auc_row([m for _, m in with_score], [r.right for r, _ in with_score],
                          [r.case.question.cluster for r, _ in with_score]) if with_score else None,
        "token_f1": _auc_row(overlap, labels, clusters),
        "length": _auc_row(length, labels, clusters),
        "annotators": _annotators([(r.votes[0], r.votes[1], m) for r, m in with_score if len(r.votes) >= 2]),
        "length_at_fixed_truth": {
            name: correlation([m for r, m in with_score if r.right is truth],
                              [_length(r.case) for r, _ in with_score if r.right is truth],
                              "spearman")
            for name, truth in (("right", True), ("wrong", False))
        },
    }  # fmt: skip


def annotator_auc(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """AUC of one annotator's votes against the other's; the mean of both ways."""
    both_ways = (auc([float(a) for a in first], second), auc([float(b) for b in second], first))
    return mean([value for value in both_ways if value is not None])


def _annotators(rows: Sequence[tuple[bool, bool, float]]) -> dict[str, float | None] | None:
    """From two people's votes and the judge's score: how often the two agree, the AUC of one's vote against the
    other's, for comparison, and that of the scores against one of them. Both are means over the two."""
    if not rows:
        return None
    first, second, means = [a for a, _, _ in rows], [b for _, b, _ in rows], [mean_score for _, _, mean_score in rows]
    judge = (auc(means, first), auc(means, second))
    return {
        "agree": sum(a == b for a, b in zip(first, second, strict=True)) / len(rows),
        "auc": annotator_auc(first, second),
        "judge": mean([value for value in judge if value is not None]),
    }


def pairwise_agreement(pairs: Sequence[Pair], cached: CachedJudge) -> JsonObject:
    """For each dimension: correlation of the difference of scores with people's, agreement of signs, and the ceiling:
    one annotator against the other on the same pairs."""
    cases = {case.id: case for pair in pairs for case in (pair.first, pair.second)}
    criteria = [DIMENSIONS[name] for name in dict.fromkeys(pair.dimension for pair in pairs)]
    scores = cached.scores(list(cases.values()), criteria)
    agreement: JsonObject = {}
    for dimension in dict.fromkeys(pair.dimension for pair in pairs):
        dimension_pairs = [pair for pair in pairs if pair.dimension == dimension]
        criterion = DIMENSIONS[dimension]
        scored = []
        for pair in dimension_pairs:
            first, second = scores[pair.first.id].mean(criterion), scores[pair.second.id].mean(criterion)
            if first is not None and second is not None:
                scored.append((pair, second - first))
        shared = [pair for pair, _ in scored] or dimension_pairs  # baselines on the same pairs
        both = [pair.annotators[:2] for pair in shared if len(pair.annotators) >= 2]
        human = [pair.human for pair in shared]
        overlap = [_difference(pair, lambda case: f1(case.answer, case.question.references)) for pair in shared]
        length = [_difference(pair, _length) for pair in shared]
        agreement[dimension] = {
            "pairs": len(dimension_pairs),
            "scored": len(scored),
            "judge": _correlations([d for _, d in scored], [pair.human for pair, _ in scored]),
            "token_f1": _correlations(overlap, human),
            "length": _correlations(length, human),
            "annotators": _correlations([a for a, _ in both], [b for _, b in both]) if both else None,
        }
    return agreement


def _length(case: Case) -> float:
    """Of the answer, as the logarithm of its characters."""
    return math.log1p(len(case.answer))


def _difference(pair: Pair, measure: Callable[[Case], float]) -> float:
    return measure(pair.second) - measure(pair.first)


def _correlations(differences: Sequence[float], human: Sequence[float]) -> dict[str, float | None]:
    """`signs`: share of the pairs that people do not call equal in which the same one is better; a tie counts half."""
    decided = [(d, h) for d, h in zip(differences, human, strict=True) if h != 0]
    right = sum(1.0 if d * h > 0 else 0.5 if d == 0 else 0.0 for d, h in decided)
    return {
        "pearson": correlation(differences, human, "pearson"),
        "spearman": correlation(differences, human, "spearman"),
        "signs": right / len(decided) if decided else None,
    }
