"""Fits a calibrated judge: a logistic regression from signals of agreement to people's judgements, one a criterion.

Accuracy is the probability that people call an answer right, from all signals. For completeness there are no judgements
of single answers; it is the same probability from the signals that tell how much of the reference the answer holds, and
nothing of what else it says.

Rows whose question also stands in a data set that the card reports on are left out, so that the judge is never reported
on what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.audit.people import BINARY, PAIRWISE, Binary, read_binary, read_pairs
from harness.digests import digest_of_file
from harness.errors import DataError
from harness.extras import require
from harness.judging.signals import NAMES, signals

__all__ = ["FITTED_ON", "fit"]

FITTED_ON = "evouna_nq"
EVERYTHING = 1_000_000
COVERAGE = (
    "recall", "contained", "new_recall", "fuzzy_recall", "letters_recall", "best_match", "numbers", "names_recall",
    "cosine_in_context",
)  # fmt: skip
_OF_CRITERION: Mapping[str, Sequence[str]] = {"accuracy": NAMES, "completeness": COVERAGE}


def _plain(question: str) -> str:
    return " ".join(question.lower().strip(" ?").split())


def _training_rows(data: Path, rows: int, seed: int) -> list[Binary]:
    path = data / BINARY[FITTED_ON]
    if not path.is_file():
        raise DataError(f"--data {data}: holds no {path.name}, on which a judge is fitted")
    reported: set[str] = set()
    for name, file in BINARY.items():
        if name != FITTED_ON and (data / file).is_file():
            reported |= {_plain(row.case.question.text) for row in read_binary(data / file, EVERYTHING, seed)}
    for file in PAIRWISE.values():
        if (data / file).is_file():
            reported |= {_plain(pair.first.question.text) for pair in read_pairs(data / file, EVERYTHING, seed)}
    every = read_binary(path, EVERYTHING, seed)
    return [row for row in every if _plain(row.case.question.text) not in reported][:rows]


def fit(
    data: Path, rows: int, seed: int, encode: Callable[[Sequence[str]], Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(weights by criterion, what they were fitted on), as a judge entry holds them."""
    require("sklearn")
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    chosen = _training_rows(data, rows, seed)
    values = np.array(
        signals([(r.case.question.text, r.case.question.references[0], r.case.answer) for r in chosen], encode)
    )
    labels = np.array([row.right for row in chosen])
    fitted: dict[str, Any] = {}
    for criterion, names in _OF_CRITERION.items():
        columns = [NAMES.index(name) for name in names]
        centers, scales = values[:, columns].mean(axis=0), values[:, columns].std(axis=0)
        scales = np.where(scales > 1e-9, scales, 1.0)
        model = LogisticRegression(C=0.1, max_iter=2_000).fit((values[:, columns] - centers) / scales, labels)
        fitted[criterion] = {
            "bias": round(float(model.intercept_[0]), 6),
            "weights": _named(names, model.coef_[0]),
            "centers": _named(names, centers),
            "scales": _named(names, scales),
        }
    facts = {
        "data": FITTED_ON,
        "sha256": digest_of_file(data / BINARY[FITTED_ON]),
        "rows": len(chosen),
        "seed": seed,
        "left_out": "questions of the data sets that the card reports on",
    }
    return fitted, facts


def _named(names: Sequence[str], values: Any) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}
