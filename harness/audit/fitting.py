"""Fits a calibrated judge: a logistic regression from signals of agreement to people's judgements, one a criterion.

Accuracy is the probability that people call an answer right, from all signals. For completeness there are no judgements
of single answers; it is the same probability from the signals that tell how much of the reference the answer holds, and
nothing of what else it says.

People's judgements here are of short answers that are right or wrong as a whole, and nearly all references are names
and numbers: a regression on them alone hardly minds a wrong number in a long right sentence. So errors planted into
the synthetic world's fine-tuning pool are added with a small weight, each answer also padded with empty sentences, or
length would be learnt from answers that all have one. Denied and invented statements are not among them; the entry
says so.

Rows whose question also stands in a data set that the card reports on are left out, so that the judge is never reported
on what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.audit.biases import padded
from harness.audit.people import BINARY, PAIRWISE, Binary, read_binary, read_pairs
from harness.audit.planted import damage
from harness.digests import digest_of_file
from harness.errors import DataError
from harness.extras import require
from harness.judging.signals import NAMES, signals
from harness.records import Question

__all__ = ["FITTED_ON", "fit"]

FITTED_ON = "evouna_nq"
EVERYTHING = 1_000_000
PLANTED = 250
PLANTED_WEIGHT = {"accuracy": 0.05, "completeness": 0.3}
"""What a planted answer counts beside a judged one: more finds more and agrees less with people (docs/log.md)."""
COVERAGE = (
    "recall", "contained", "new_recall", "fuzzy_recall", "letters_recall", "best_match", "numbers", "names_recall",
    "cosine_in_context",
)  # fmt: skip
_OF_CRITERION: Mapping[str, Sequence[str]] = {"accuracy": NAMES, "completeness": COVERAGE}


def _plain(question: str) -> str:
    return " ".join(question.lower().strip(" ?").split())


def _training_rows(data: Path, rows: int, seed: int) -> tuple[list[Binary], list[str]]:
    """The rows to fit on, and the data sets whose questions were left out. Raises `DataError` when one that a card
    reports on is not there: its questions could then not be left out."""
    path = data / BINARY[FITTED_ON]
    if not path.is_file():
        raise DataError(f"--data {data}: holds no {path.name}, on which a judge is fitted")
    absent = [file for file in (*BINARY.values(), *PAIRWISE.values()) if not (data / file).is_file()]
    if absent:
        raise DataError(
            f"--data {data}: holds no {absent[0]}; its questions have to be left out of the fitting, since a card "
            "reports on it"
        )
    reported: set[str] = set()
    for name, file in BINARY.items():
        if name != FITTED_ON:
            reported |= {_plain(row.case.question.text) for row in read_binary(data / file, EVERYTHING, seed)}
    for file in PAIRWISE.values():
        reported |= {_plain(pair.first.question.text) for pair in read_pairs(data / file, EVERYTHING, seed)}
    every = read_binary(path, EVERYTHING, seed)
    kept = [row for row in every if _plain(row.case.question.text) not in reported][:rows]
    return kept, [name for name in (*BINARY, *PAIRWISE) if name != FITTED_ON]


def _planted_rows(questions: Sequence[Question], criterion: str) -> list[tuple[tuple[str, str, str], bool]]:
    """(question, reference, answer) and whether the answer is right, or complete."""
    wrong = {"accuracy": ("swapped", "other"), "completeness": ("dropped", "swapped", "other")}[criterion]
    return [
        ((each.question.text, each.question.references[0], told), kind == "right")
        for each in damage(questions, PLANTED, 0)
        for kind, answer in {"right": each.right, **each.wrong}.items()
        if kind == "right" or kind in wrong
        for told in (answer, padded(answer))
    ]


def fit(
    data: Path, rows: int, seed: int, pool: Sequence[Question], encode: Callable[[Sequence[str]], Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(weights by criterion, what they were fitted on), as a judge entry holds them. `pool` are questions of the
    synthetic world that no card reports on."""
    require("sklearn")
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    chosen, left_out = _training_rows(data, rows, seed)
    of_people = [((r.case.question.text, r.case.question.references[0], r.case.answer), r.right) for r in chosen]
    people_signals = np.array(signals([texts for texts, _ in of_people], encode))
    fitted: dict[str, Any] = {}
    for criterion, names in _OF_CRITERION.items():
        planted = _planted_rows(pool, criterion)
        columns = [NAMES.index(name) for name in names]
        values = np.vstack([people_signals, np.array(signals([texts for texts, _ in planted], encode))])[:, columns]
        labels = np.array([label for _, label in (*of_people, *planted)])
        weights = np.array([1.0] * len(of_people) + [PLANTED_WEIGHT[criterion]] * len(planted))
        centers, scales = values.mean(axis=0), values.std(axis=0)
        scales = np.where(scales > 1e-9, scales, 1.0)
        model = LogisticRegression(C=0.1, max_iter=2_000).fit((values - centers) / scales, labels, weights)
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
        "planted": f"errors in {PLANTED} questions of the telecom pool, plain and padded",
        "left_out": f"the questions of {', '.join(left_out)}",
    }
    return fitted, facts


def _named(names: Sequence[str], values: Any) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}
