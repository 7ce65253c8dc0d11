"""How a judge's scores agree with people, and whether they agree better than what is free: token F1 with the reference,
and the length of the answer, on the same rows.

A judge that is no better than either costs its time for nothing, whatever its figure is by itself. So each figure comes
with the paired bootstrap of its difference from both, over questions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from harness.auditing.cached_judge import CachedJudge, Case
from harness.auditing.people import COUNTED, DIMENSIONS, Binary, Counted, Pair
from harness.files import JsonObject
from harness.metrics.answers import f1
from harness.statistics import auc, bootstrap_interval, correlation, mean

__all__ = ["FREE", "annotator_auc", "answer_length", "binary_agreement", "count_agreement", "pairwise_agreement",
           "token_overlap"]  # fmt: skip

FREE = {"token_f1": "token F1", "length": "length"}
"""What needs no judge, as a card calls it."""
Statistic = Callable[[Any, Any], float | None]
"""Of scores and of what people say."""


def token_overlap(case: Case) -> float:
    """Token F1 of the answer with the best of the references."""
    return f1(case.answer, case.question.references)


def answer_length(case: Case) -> float:
    """Of the answer, as the logarithm of its characters."""
    return math.log1p(len(case.answer))


_FREE: Mapping[str, Callable[[Case], float]] = {"token_f1": token_overlap, "length": answer_length}


def _above(
    statistic: Statistic,
    judge: Sequence[float],
    free: Mapping[str, Sequence[float]],
    human: Sequence[float],
    clusters: Sequence[str],
) -> JsonObject:
    """By what is free: the judge's figure less its figure on the same rows, with a 95 % interval over questions. To
    prefer the shorter answer is as free as to prefer the longer one: each counts the way round that agrees better."""
    scores, truth = np.asarray(judge, dtype=np.float64), np.asarray(human, dtype=np.float64)

    def difference(values: np.ndarray, rows: Sequence[int]) -> float | None:
        drawn = np.asarray(rows, dtype=np.intp)
        mine, other = statistic(scores[drawn], truth[drawn]), statistic(values[drawn], truth[drawn])
        return None if mine is None or other is None else round(mine - other, 9) + 0.0  # no last bits above 0

    found: JsonObject = {}
    for name, each in free.items():
        either_way = [np.asarray(each, dtype=np.float64), -np.asarray(each, dtype=np.float64)]
        better = max(either_way, key=lambda values: statistic(values, truth) or 0.0)
        of_rows = partial(difference, better)
        found[name] = {
            "difference": of_rows(range(len(scores))),
            "interval": bootstrap_interval(clusters, of_rows),
        }
    return found


# ---- right or wrong -------------------------------------------------------------------------------------------------


def _auc(scores: Sequence[float], labels: Sequence[float]) -> float | None:
    return auc(scores, np.asarray(labels, dtype=bool))  # type: ignore[arg-type]


def _auc_row(scores: Sequence[float], labels: Sequence[bool], clusters: Sequence[str]) -> JsonObject:
    interval = bootstrap_interval(clusters, lambda rows: auc([scores[n] for n in rows], [labels[n] for n in rows]))
    return {"auc": auc(scores, labels), "interval": interval, "n": len(scores)}


def binary_agreement(rows: Sequence[Binary], cached: CachedJudge) -> JsonObject:
    """AUC of the judge's accuracy, beside token F1's and length's on the same rows, and people among themselves."""
    scores = cached.scores([row.case for row in rows], ["accuracy"])
    means = [scores[row.case.id].mean("accuracy") for row in rows]
    with_score = [(row, value) for row, value in zip(rows, means, strict=True) if value is not None]
    total, rows = len(rows), [row for row, _ in with_score] or list(rows)  # baselines on the same rows
    clusters = [row.case.question.cluster for row in rows]
    labels = [row.right for row in rows]
    free = {name: [measure(row.case) for row in rows] for name, measure in _FREE.items()}
    judged = [value for _, value in with_score]
    return {
        "rows": total,
        "right": sum(labels),
        "unscored": total - len(with_score),
        "judge": _auc_row(judged, labels, clusters) if with_score else None,
        **{name: _auc_row(values, labels, clusters) for name, values in free.items()},
        "above": _above(_auc, judged, free, labels, clusters) if with_score else None,
        "annotators": _annotators([(r.votes[0], r.votes[1], m) for r, m in with_score if len(r.votes) >= 2]),
        "length_at_fixed_truth": {
            name: correlation([m for r, m in with_score if r.right is truth],
                              [answer_length(r.case) for r, _ in with_score if r.right is truth],
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


# ---- which of two is better -----------------------------------------------------------------------------------------


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
        free = {name: [measure(p.second) - measure(p.first) for p in shared] for name, measure in _FREE.items()}
        judged = [difference for _, difference in scored]
        clusters = [pair.first.question.cluster for pair in shared]
        agreement[dimension] = {
            "pairs": len(dimension_pairs),
            "scored": len(scored),
            "judge": _correlations(judged, human[: len(judged)]),
            **{name: _correlations(values, human) for name, values in free.items()},
            "above": _above(_pearson, judged, free, human, clusters) if scored else None,
            "annotators": _correlations([a for a, _ in both], [b for _, b in both]) if both else None,
        }
    return agreement


def _pearson(left: Sequence[float], right: Sequence[float]) -> float | None:
    return correlation(left, right, "pearson")


def _correlations(differences: Sequence[float], human: Sequence[float]) -> dict[str, float | None]:
    """`signs`: share of the pairs that people do not call equal in which the same one is better; a tie counts half."""
    decided = [(d, h) for d, h in zip(differences, human, strict=True) if h != 0]
    right = sum(1.0 if d * h > 0 else 0.5 if d == 0 else 0.0 for d, h in decided)
    return {
        "pearson": correlation(differences, human, "pearson"),
        "spearman": correlation(differences, human, "spearman"),
        "signs": right / len(decided) if decided else None,
    }


# ---- how many statements are wrong, or missing ----------------------------------------------------------------------


def count_agreement(rows: Sequence[Counted], cached: CachedJudge) -> JsonObject:
    """For what is counted: Spearman's correlation of the scores with the fewest errors, beside that of what is free."""
    agreement: JsonObject = {}
    for dimension in dict.fromkeys(row.dimension for row in rows):
        of_dimension = [row for row in rows if row.dimension == dimension]
        criterion = COUNTED[dimension]
        scores = cached.scores([row.case for row in of_dimension], [criterion])
        means = [(row, scores[row.case.id].mean(criterion)) for row in of_dimension]
        scored = [(row, value) for row, value in means if value is not None]
        shared = [row for row, _ in scored] or of_dimension
        human = [-row.count for row in shared]
        free = {name: [measure(row.case) for row in shared] for name, measure in _FREE.items()}
        judged = [value for _, value in scored]
        clusters = [row.case.question.cluster for row in shared]
        agreement[dimension] = {
            "rows": len(of_dimension),
            "scored": len(scored),
            "judge": _spearman(judged, human) if scored else None,
            **{name: _spearman(values, human) for name, values in free.items()},
            "above": _above(_spearman, judged, free, human, clusters) if scored else None,
        }
    return agreement


def _spearman(left: Sequence[float], right: Sequence[float]) -> float | None:
    return correlation(left, right, "spearman")
