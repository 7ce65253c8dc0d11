"""Fits a calibrated judge: a logistic regression from signals of agreement to people's judgements, one a criterion.

Accuracy is the probability that people call an answer right, from all signals. For completeness there are no judgements
of single answers; it is the same probability from the signals that measure how much of the reference the answer holds,
and nothing of what else it states.

People's judgements here are of short answers that are right or wrong as a whole, and nearly all references are names
and numbers: a regression on them alone hardly minds a wrong number in a long right sentence. So errors planted into
the synthetic world's fine-tuning pool are added, each answer also padded with empty sentences, or length would be
learnt from answers that all have one. Invented statements are not among them; the entry states that.

Nothing is chosen with a card in view. For each strength of the penalty the planted answers count as little as suffices
to find errors planted into other documents of the pool; of these the one with the best AUC over held-out questions of
people's judgements is taken. Rows whose question is also in a data set that the card reports on are left out, so
that the judge is never reported on what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.auditing.biases import padded
from harness.auditing.people import BINARY, COUNTS, FILES, PAIRWISE, Binary, read_binary, read_counts, read_pairs
from harness.auditing.perturbations import FALL, perturb
from harness.digests import digest_of_question, plain_question
from harness.errors import DataError
from harness.extras import require
from harness.files import JsonObject
from harness.interfaces import Progress
from harness.judging.signals import NAMES, signals
from harness.records import Question
from harness.statistics import auc, mean

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

__all__ = ["FITTED_ON", "REQUIRED", "fit", "least_share", "training_rows"]

FITTED_ON = "evouna_nq"
EVERYTHING = 1_000_000
PLANTED = 250
"""Questions of the pool whose perturbed answers are fitted on; at most as many, of other documents, are held out."""
PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Inverse strengths of the L2 penalty."""
SHARES = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.04, 0.08, 0.16)
"""What planted answers weigh beside judged ones, of the whole: more finds more and agrees less with people
(docs/log.md)."""
REQUIRED = 0.9
"""Of each kind of error planted into the held-out questions, the share that has to be found. Cards ask for 0.8."""
FOLDS = 5
_BATCH = 500
COVERAGE = (
    "recall", "contained", "new_recall", "fuzzy_recall", "letters_recall", "best_match", "numbers", "names_recall",
    "cosine_in_context",
)  # fmt: skip
_OF_CRITERION: Mapping[str, Sequence[str]] = {"accuracy": NAMES, "completeness": COVERAGE}
_PERTURBATIONS = {"accuracy": ("swapped", "negated", "other"), "completeness": ("dropped", "swapped", "other")}
Texts = tuple[str, str, str]
"""Question, reference, answer."""


def training_rows(
    data: Path, rows: int | None, seed: int, evaluated: Mapping[str, frozenset[str]]
) -> tuple[list[Binary], list[str]]:
    """The rows to fit on, and whose questions were left out: those of the data sets that a card reports on, and those
    that are `evaluated`, digests by task. Raises `DataError` when one that a card reports on is not there: its
    questions could then not be left out."""
    path = data / BINARY[FITTED_ON]
    if not path.is_file():
        raise DataError(f"--data {data}: holds no {path.name}, on which a judge is fitted")
    absent = [file for file in FILES.values() if not (data / file).is_file()]
    if absent:
        raise DataError(
            f"--data {data}: holds no {absent[0]}; its questions have to be left out of the fitting, since a card "
            "reports on it"
        )
    reported: set[str] = set()
    for name, file in BINARY.items():
        if name != FITTED_ON:
            reported |= {plain_question(row.case.question.text) for row in read_binary(data / file, EVERYTHING, seed)}
    for file in PAIRWISE.values():
        reported |= {plain_question(pair.first.question.text) for pair in read_pairs(data / file, EVERYTHING, seed)}
    for file in COUNTS.values():
        reported |= {plain_question(row.case.question.text) for row in read_counts(data / file, EVERYTHING, seed)}
    of_tasks = frozenset().union(*evaluated.values())
    kept = [
        row
        for row in read_binary(path, EVERYTHING, seed)
        if plain_question(row.case.question.text) not in reported
        and digest_of_question(row.case.question.text) not in of_tasks
    ]
    left_out = [name for name in FILES if name != FITTED_ON] + [f"{task} (evaluation)" for task in evaluated]
    return kept[:rows], left_out


def _signals(items: Sequence[Texts], encode: Callable[[Sequence[str]], np.ndarray], progress: Progress) -> np.ndarray:
    """(items, signals). Items of one question are looked at together, since a text is encoded once a batch."""
    values = np.zeros((len(items), len(NAMES)))
    order = sorted(range(len(items)), key=lambda number: items[number])
    progress.start("signals", len(items))
    for first in range(0, len(items), _BATCH):
        batch = order[first : first + _BATCH]
        values[batch] = signals([items[number] for number in batch], encode)
        progress.advance(len(batch))
    progress.finish()
    return values


def _halves(questions: Sequence[Question]) -> tuple[Sequence[Question], Sequence[Question]]:
    """Questions to plant errors for, and others from documents that the first know nothing of: questions of one
    document share their facts."""
    fitted_on = questions[:PLANTED]
    known = {document for question in fitted_on for document in question.gold_document_ids}
    others = [question for question in questions[PLANTED:] if not known & set(question.gold_document_ids)]
    return fitted_on, others[:PLANTED]


def least_share(detection_at: Callable[[float], Mapping[str, float]]) -> tuple[float, Mapping[str, float]]:
    """The least of `SHARES` at which as much is found as is required of every kind, and what is found there; the
    largest where none suffices. `detection_at` fits with a share and returns what is found in held-out questions, by
    kind."""
    for share in SHARES:
        parts = detection_at(share)
        if min(parts.values()) >= REQUIRED:
            return share, parts
    return share, parts


@dataclass(frozen=True, slots=True)
class _Errors:
    """Right answers to questions of the pool (kind "right") and what became of them. `pairs`: question, and whether the
    answer is padded."""

    kinds: Sequence[str]
    pairs: Sequence[tuple[str, bool]]
    values: np.ndarray

    @classmethod
    def planted(
        cls, questions: Sequence[Question], encode: Callable[[Sequence[str]], np.ndarray], progress: Progress
    ) -> _Errors:
        answers = [
            (kind, (each.question.id, text != answer), (each.question.text, each.question.references[0], text))
            for each in perturb(questions, len(questions), 0)
            for kind, answer in {"right": each.right, **each.wrong}.items()
            if kind == "right" or any(kind in kinds for kinds in _PERTURBATIONS.values())
            for text in (answer, padded(answer))
        ]
        values = _signals([texts for _, _, texts in answers], encode, progress)
        return cls([kind for kind, _, _ in answers], [pair for _, pair, _ in answers], values)

    def of(self, criterion: str, columns: Sequence[int]) -> _Errors:
        """Those that this criterion should mind, with these signals."""
        rows = [n for n, kind in enumerate(self.kinds) if kind == "right" or kind in _PERTURBATIONS[criterion]]
        return _Errors(
            [self.kinds[n] for n in rows], [self.pairs[n] for n in rows], self.values[rows][:, list(columns)]
        )

    def detection_rates(self, regression: _Regression) -> dict[str, float]:
        """By kind of error, in how many pairs the score of the perturbed answer is lower by what a card asks for."""
        rows = list(zip(self.kinds, self.pairs, 1 + 4 * regression.probabilities(self.values), strict=True))
        right_scores = {pair: score for kind, pair, score in rows if kind == "right"}
        falls: dict[str, list[bool]] = {}
        for kind, pair, score in rows:
            if kind != "right":
                falls.setdefault(kind, []).append(bool(right_scores[pair] - score >= FALL))
        return {kind: sum(drops) / len(drops) for kind, drops in falls.items()}


@dataclass(frozen=True, slots=True)
class _Judged:
    """People's judgements: signals, (rows, columns); right or not; folds of (rows to fit on, rows held out), the
    questions of which are others."""

    values: np.ndarray
    right: np.ndarray
    folds: Sequence[tuple[np.ndarray, np.ndarray]]

    def auc_on_held_out(self, fitting: Callable[[np.ndarray, np.ndarray], _Regression]) -> float:
        """Mean over the folds."""
        aucs = [
            auc(list(fitting(self.values[rest], self.right[rest]).probabilities(self.values[fold])), self.right[fold])
            for rest, fold in self.folds
        ]
        return mean([value for value in aucs if value is not None]) or 0.0


def _chosen(judged: _Judged, known: _Errors, held_out: _Errors) -> tuple[_Regression, JsonObject]:
    """The regression of one criterion, and how its penalty and the share of planted answers were chosen."""
    values, right = judged.values, judged.right

    def with_penalty(penalty: float) -> JsonObject:
        def detection_at(share: float) -> Mapping[str, float]:
            return held_out.detection_rates(_with_planted(values, right, known, share, penalty))

        share, detected = least_share(detection_at)
        on_held_out = judged.auc_on_held_out(lambda v, r: _with_planted(v, r, known, share, penalty))
        return {
            "penalty": penalty,
            "planted_share": share,
            "auc_of_correctness_on_held_out_questions": round(on_held_out, 4),
            "found_in_held_out_documents": {kind: round(part, 3) for kind, part in detected.items()},
        }

    def worth(choice: JsonObject) -> tuple[bool, float]:
        enough = min(choice["found_in_held_out_documents"].values()) >= REQUIRED
        return enough, choice["auc_of_correctness_on_held_out_questions"]

    best = max((with_penalty(penalty) for penalty in PENALTIES), key=worth)
    return _with_planted(values, right, known, best["planted_share"], best["penalty"]), best


def fit(
    people: Sequence[Binary],
    pool: Sequence[Question],
    encode: Callable[[Sequence[str]], np.ndarray],
    progress: Progress,
) -> tuple[JsonObject, JsonObject]:
    """(weights by criterion, how they were chosen), as a judge entry holds them. `people` are `training_rows`, `pool`
    questions of the synthetic world that no card reports on."""
    require("sklearn")
    from sklearn.model_selection import GroupKFold

    texts: list[Texts] = [(r.case.question.text, r.case.question.references[0], r.case.answer) for r in people]
    every = _signals(texts, encode, progress)
    right = np.array([row.right for row in people])
    folds = list(GroupKFold(FOLDS).split(every, right, [plain_question(row.case.question.text) for row in people]))
    halves = [
        _Errors.planted(half, encode, progress)
        for half in _halves([each.question for each in perturb(pool, len(pool), 0)])
    ]
    fitted: JsonObject = {}
    chosen: JsonObject = {}
    for criterion, names in _OF_CRITERION.items():
        columns = [NAMES.index(name) for name in names]
        judged = _Judged(every[:, columns], right, folds)
        known, held_out = [half.of(criterion, columns) for half in halves]
        regression, chosen[criterion] = _chosen(judged, known, held_out)
        fitted[criterion] = regression.entry(names)
    return fitted, chosen


@dataclass(frozen=True, slots=True)
class _Regression:
    """A fitted logistic regression on standardised columns."""

    model: LogisticRegression
    centers: np.ndarray
    scales: np.ndarray

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        by_class: np.ndarray = self.model.predict_proba((values - self.centers) / self.scales)
        return by_class[:, 1]

    def entry(self, names: Sequence[str]) -> JsonObject:
        return {
            "bias": round(float(self.model.intercept_[0]), 6),
            "weights": _named(names, self.model.coef_[0]),
            "centers": _named(names, self.centers),
            "scales": _named(names, self.scales),
        }


def _regress(values: np.ndarray, right: np.ndarray, weights: np.ndarray, penalty: float) -> _Regression:
    from sklearn.linear_model import LogisticRegression

    centers, scales = values.mean(axis=0), values.std(axis=0)
    scales = np.where(scales > 1e-9, scales, 1.0)
    model = LogisticRegression(C=penalty, max_iter=5_000)
    return _Regression(model.fit((values - centers) / scales, right, weights), centers, scales)


def _with_planted(values: np.ndarray, right: np.ndarray, errors: _Errors, share: float, penalty: float) -> _Regression:
    """Fitted on both, where the planted answers together weigh `share` of the whole."""
    each = share / (1 - share) * len(values) / len(errors.kinds)
    labels = np.concatenate([right, np.array([kind == "right" for kind in errors.kinds])])
    weights = np.array([1.0] * len(values) + [each] * len(errors.kinds))
    return _regress(np.vstack([values, errors.values]), labels, weights, penalty)


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 6) for name, value in zip(names, values, strict=True)}
