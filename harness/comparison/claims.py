"""Published claims, tested: reproduced, refuted, cannot tell, or not run.

A claim has cells (`entries.claims`), and each cell is an estimate: a weighted sum of models' means, item by item, over
the items that all of its models share. Two p values come with it, `p_value` of the claim being false there and
`p_against` of its being true, each adjusted over the cells of the claim (Holm), so that any cell can be quoted by
itself; what of the two is at most 0.05 is the cell's outcome. `margin` is the largest difference that does not matter.

kind            reproduced where Δ is                     refuted where Δ is
not_better      below +margin                             above 0
no_difference   within ±margin                            not 0
better          above 0                                   below +margin
worse           below 0                                   above -margin
falls           below -by                                 above -by
falls_further   below 0, of the two falls                 above -margin
declines        below 0, from each model to the next      above -margin
no_trend        within ±margin, of the fitted line from   not 0
                first to last; or up and down

Where both hold, the difference is there and is smaller than the margin: that it is there counts, as in `verdicts`; only
`no_trend` is of relations that are clear. Tests of 0 are two-sided permutations; those of `by` are two-sided too, by
the interval that is shown; those of the margin are one-sided, as equivalence is.

A claim of all its cells is reproduced where every cell is, refuted where any is, and not run where a cell is missing
and none refutes it. A claim of any cell is the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, product
from typing import NamedTuple

from harness.comparison.likeness import tables
from harness.comparison.seeds import by_seed, combined_error, merged
from harness.comparison.stored import StoredRun, base_name
from harness.entries.checkpoints import checkpoint_parts
from harness.entries.claims import (
    ClaimEntry,
    DeclinesClaim,
    FallsClaim,
    FallsFurtherClaim,
    NoDifferenceClaim,
    NotBetterClaim,
    NoTrendClaim,
)
from harness.statistics import Bounds, Interval, difference_interval, difference_p_value, holm, mean
from harness.statistics.clusters import by_cluster, error_of_mean
from harness.statistics.intervals import LEVEL

__all__ = ["CellResult", "Gap", "Missing", "Outcome", "TestedClaim", "check_claims"]

ALPHA = 0.05
Seeds = Sequence[StoredRun]


class Outcome(StrEnum):
    REPRODUCED = "reproduced"
    REFUTED = "refuted"
    CANNOT_TELL = "cannot tell"
    NOT_RUN = "not run"


class Gap(StrEnum):
    """Why a cell is missing."""

    NO_RUN = "no run"
    UNLIKE = "no alike runs"
    """Each model has a run, but no table holds them all."""
    UNSCORED = "no item that all have a score of"


@dataclass(frozen=True, slots=True)
class CellResult:
    """One cell. `models` less `than` is the estimate (of `falls_further`, each less its own base first; of `no_trend`,
    the last model less the first, by the fitted line). p values are adjusted; they and the interval are None where
    there are too few items to tell."""

    task: str
    criterion: str
    models: Sequence[str]
    than: Sequence[str]
    estimate: float
    interval: Interval | None
    p_value: float | None
    p_against: float | None
    items: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Missing:
    """A cell that could not be tested: `models` are those without a run where the gap is that, else all of it."""

    task: str
    criterion: str
    models: Sequence[str]
    gap: Gap


@dataclass(frozen=True, slots=True)
class TestedClaim:
    __test__ = False  # pytest takes a class for its own by this name

    claim: ClaimEntry
    outcome: Outcome
    compared: Sequence[CellResult]
    missing: Sequence[Missing]


def check_claims(claims: Sequence[ClaimEntry], runs: Sequence[StoredRun], margin: float) -> list[TestedClaim]:
    """Each claim against the runs, of any tasks and arms; alike runs alone are compared."""
    found = _Runs(runs)
    return [_tested(claim, found, margin) for claim in claims]


def _tested(claim: ClaimEntry, runs: _Runs, margin: float) -> TestedClaim:
    raw: list[tuple[_Cell, _Evidence]] = []
    missing = []
    for cell in _cells(claim, runs):
        groups = runs.of(cell, claim.arm)
        if isinstance(groups, Missing):
            missing.append(groups)
            continue
        evidence = _evidence(claim, cell, groups, margin)
        if evidence is None:
            missing.append(Missing(cell.task, cell.criterion, list(cell.weights), Gap.UNSCORED))
        else:
            raw.append((cell, evidence))
    p_values = _adjusted([evidence.p_value for _, evidence in raw])
    p_against = _adjusted([evidence.p_against for _, evidence in raw])
    compared = [
        CellResult(
            task=cell.task,
            criterion=cell.criterion,
            models=cell.models,
            than=cell.than,
            estimate=evidence.estimate,
            interval=evidence.interval,
            p_value=own,
            p_against=against,
            items=evidence.items,
            outcome=_cell_outcome(claim, own, against),
        )
        for (cell, evidence), own, against in zip(raw, p_values, p_against, strict=True)
    ]
    of_any = getattr(claim, "cells", "all") == "any"
    return TestedClaim(claim, _outcome([each.outcome for each in compared], bool(missing), of_any), compared, missing)


def _adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    known = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(known) for p in p_values]


def _cell_outcome(claim: ClaimEntry, p_value: float | None, p_against: float | None) -> Outcome:
    if p_value is None or p_against is None:
        return Outcome.CANNOT_TELL
    holds, fails = p_value <= ALPHA, p_against <= ALPHA
    if holds and fails:  # a difference smaller than the margin
        return Outcome.REFUTED if isinstance(claim, NotBetterClaim | NoDifferenceClaim) else Outcome.REPRODUCED
    return Outcome.REPRODUCED if holds else Outcome.REFUTED if fails else Outcome.CANNOT_TELL


def _outcome(cells: Sequence[Outcome], incomplete: bool, of_any: bool) -> Outcome:
    decides, needs_all = Outcome.REFUTED, Outcome.REPRODUCED
    if of_any:
        decides, needs_all = needs_all, decides
    if decides in cells:
        return decides
    if incomplete or not cells:
        return Outcome.NOT_RUN
    return needs_all if set(cells) == {needs_all} else Outcome.CANNOT_TELL


# ---- cells ----------------------------------------------------------------------------------------------------------


class _Cell(NamedTuple):
    """The estimate is the sum of the models' means by `weights`. `steps`: from each model of a series to the next."""

    task: str
    criterion: str
    models: Sequence[str]
    than: Sequence[str]
    weights: Mapping[str, float]
    steps: Sequence[tuple[str, str]] = ()


def _cells(claim: ClaimEntry, runs: _Runs) -> list[_Cell]:
    return [
        cell
        for task, criterion in product(claim.tasks, claim.criteria)
        for cell in _cells_of(claim, task, criterion, runs)
    ]


def _cells_of(claim: ClaimEntry, task: str, criterion: str, runs: _Runs) -> list[_Cell]:
    match claim:
        case FallsFurtherClaim():
            weights: dict[str, float] = {}
            for sign, models in ((1.0, claim.models), (-1.0, claim.further_than)):
                for model in models:
                    base = runs.base_of(model, task, claim.arm)
                    weights[model] = weights.get(model, 0.0) + sign / len(models)
                    weights[base] = weights.get(base, 0.0) - sign / len(models)
            return [_Cell(task, criterion, claim.models, claim.further_than, weights)]
        case DeclinesClaim():
            steps = [step for series in claim.series for step in pairwise(series)]
            return [_difference(task, criterion, later, earlier) for earlier, later in steps]
        case NoTrendClaim():
            return [_trend(task, criterion, series) for series in claim.series]
        case _:
            return [
                _difference(task, criterion, model, base)
                for model in claim.models
                for base in claim.than or [runs.base_of(model, task, claim.arm)]
            ]


def _difference(task: str, criterion: str, model: str, base: str) -> _Cell:
    return _Cell(task, criterion, [model], [base], {model: 1.0, base: -1.0})


def _trend(task: str, criterion: str, series: Sequence[str]) -> _Cell:
    """The least-squares line over equal steps, from the first to the last: of three models, last less first."""
    center = (len(series) - 1) / 2
    spread = sum((place - center) ** 2 for place in range(len(series)))
    weights = {model: (len(series) - 1) * (place - center) / spread for place, model in enumerate(series)}
    return _Cell(task, criterion, [series[-1]], [series[0]], weights, list(pairwise(series)))


class _Runs:
    """Stored runs by task and arm, parted into tables of alike runs; in each, the seeds of a model by its name."""

    def __init__(self, runs: Iterable[StoredRun]) -> None:
        parted: dict[tuple[str, str], list[StoredRun]] = {}
        for run in runs:
            parted.setdefault((run.task, run.arm), []).append(run)
        self._tables = {key: [_by_name(table) for table in tables(group)] for key, group in parted.items()}

    def of(self, cell: _Cell, arm: str) -> dict[str, Seeds] | Missing:
        """The runs of the cell's models, from the first table that has them all."""
        here = self._tables.get((cell.task, arm), [])
        for table in here:
            if all(model in table for model in cell.weights):
                return {model: table[model] for model in cell.weights}
        absent = [model for model in cell.weights if not any(model in table for table in here)]
        gap = Gap.NO_RUN if absent else Gap.UNLIKE
        return Missing(cell.task, cell.criterion, absent or list(cell.weights), gap)

    def base_of(self, model: str, task: str, arm: str) -> str:
        """A checkpoint's own base; of one in four bits the base in four bits, where that has a run."""
        parts = checkpoint_parts(model)
        assert parts is not None, f"{model} is no checkpoint; claim_problems() refuses it"
        in_four_bits = f"{parts.base}-4bit"
        here = self._tables.get((task, arm), [])
        if parts.method == "qlora" and any(in_four_bits in table for table in here):
            return in_four_bits
        return parts.base


def _by_name(table: Sequence[StoredRun]) -> dict[str, Seeds]:
    """A name without a seed stands for all the seeds of its training; of several trainings the newest, of those with a
    run of that very name where there is one."""
    groups = by_seed(table)
    groups.sort(key=lambda seeds: max((run.date, run.run_id) for run in seeds))
    groups.sort(key=lambda seeds: any(run.model == base_name(run.model) for run in seeds))
    named: dict[str, Seeds] = {}
    for seeds in groups:
        named |= {run.model: [run] for run in seeds} | {base_name(seeds[0].model): seeds}
    return named


# ---- evidence -------------------------------------------------------------------------------------------------------


class _Evidence(NamedTuple):
    """p values are not adjusted."""

    estimate: float
    interval: Interval | None
    p_value: float | None
    p_against: float | None
    items: int


def _evidence(claim: ClaimEntry, cell: _Cell, groups: Mapping[str, Seeds], margin: float) -> _Evidence | None:
    """None where no item has a score of every model."""
    sample = _sample(cell.weights, groups, cell.criterion)
    if sample is None:
        return None
    if sample.interval() is None:
        return _Evidence(sample.mean, None, None, None, len(sample.values))
    p_value, p_against = _p_values(claim, sample, margin)
    if isinstance(claim, NoTrendClaim):
        p_value = min(1.0, 2 * min(p_value, _opposed(cell, groups)))  # two ways to have no relation
    return _Evidence(sample.mean, sample.interval(), p_value, p_against, len(sample.values))


def _p_values(claim: ClaimEntry, sample: _Sample, margin: float) -> tuple[float, float]:
    """(of the claim being false, of its being true)."""
    match claim:
        case NotBetterClaim():
            return sample.p_below(margin), sample.p_of_rise()
        case NoDifferenceClaim() | NoTrendClaim():
            same = max(sample.p_below(margin), sample.negative().p_below(margin))
            return same, min(sample.p_of_rise(), sample.negative().p_of_rise())
        case FallsClaim():
            return min(1.0, 2 * sample.p_below(-claim.by)), min(1.0, 2 * sample.negative().p_below(claim.by))
        case _ if claim.kind == "better":
            return sample.p_of_rise(), sample.p_below(margin)
        case _:
            return sample.negative().p_of_rise(), sample.negative().p_below(margin)


def _opposed(cell: _Cell, groups: Mapping[str, Seeds]) -> float:
    """p of there being no step up, or no step down, along a series."""
    samples = [_sample({later: 1.0, earlier: -1.0}, groups, cell.criterion) for earlier, later in cell.steps]
    known = [sample for sample in samples if sample is not None and sample.interval() is not None]
    if len(known) < 2:
        return 1.0
    up = min(sample.p_of_rise() for sample in known)
    down = min(sample.negative().p_of_rise() for sample in known)
    return min(1.0, len(cell.steps) * max(up, down))


@dataclass(frozen=True, slots=True)
class _Sample:
    """A value an item, of which the mean is estimated. `bounds`: a scale as wide as the values can be from 0.
    `seed_errors`: (squared standard error, degrees of freedom) of each model with several training seeds."""

    values: Sequence[float]
    clusters: Sequence[str]
    bounds: Bounds | None
    seed_errors: Sequence[tuple[float, int]]

    @property
    def mean(self) -> float:
        return mean(self.values) or 0.0

    def negative(self) -> _Sample:
        """The same with the other sign."""
        return _Sample([-value for value in self.values], self.clusters, self.bounds, self.seed_errors)

    def interval(self, level: float = LEVEL) -> Interval | None:
        """None: too few to tell."""
        over_items = difference_interval(self.values, self.clusters, self.bounds, level)
        if over_items is None or not self.seed_errors:
            return over_items
        from scipy.special import stdtrit

        error, freedom = self._error()
        half = float(stdtrit(freedom, (1 + level) / 2)) * error
        return Interval(self.mean - half, self.mean + half)

    def p_of_rise(self) -> float:
        """Two-sided p of the mean being 0; 1 where it is not above 0."""
        if self.mean <= 0:
            return 1.0
        if not self.seed_errors:
            p_value = difference_p_value(self.values, self.clusters, self.bounds)
            return 1.0 if p_value is None else p_value
        from scipy.special import stdtr

        error, freedom = self._error()
        return 2 * float(stdtr(freedom, -self.mean / error)) if error else 1.0

    def p_below(self, value: float) -> float:
        """One-sided p of the mean being `value` or more: the smallest α for which the interval of level 1 - 2α is below
        it. At 0.025 that is the 95 % interval. 1 where the mean is not below it."""
        if self.mean >= value:
            return 1.0
        low, high = 1e-6, 0.5
        for _ in range(20):
            middle = math.sqrt(low * high)
            interval = self.interval(1 - 2 * middle)
            low, high = (low, middle) if interval is not None and interval.high < value else (middle, high)
        return high

    def _error(self) -> tuple[float, float]:
        """(standard error over items and seeds, its degrees of freedom by Satterthwaite)."""
        items = error_of_mean(*by_cluster(self.values, self.clusters))
        assert items is not None, "there is an interval over items"
        return combined_error([(items.standard_error**2, items.freedom), *self.seed_errors])


def _sample(weights: Mapping[str, float], groups: Mapping[str, Seeds], criterion: str) -> _Sample | None:
    """None where no item has a value in every run."""
    used = {model: weight for model, weight in weights.items() if weight}
    runs = {model: merged(groups[model]) for model in used}
    first = next(iter(runs.values()))
    columns = [(weight, runs[model]) for model, weight in used.items()]
    values, clusters, items = [], [], []
    for item, cluster in zip(first.items, first.clusters, strict=True):
        scores = [(weight, run.value(criterion, item)) for weight, run in columns]
        known = [weight * score for weight, score in scores if score is not None]
        if len(known) == len(scores):
            values.append(math.fsum(known))
            clusters.append(cluster)
            items.append(item)
    if not values:
        return None
    scale = first.bounds(criterion)
    reach = sum(weight for weight in used.values() if weight > 0)
    seeds = [_seed_error(weight, groups[model], criterion, items) for model, weight in used.items()]
    return _Sample(
        values,
        clusters,
        None if scale is None else Bounds(0.0, scale.span * reach),
        [each for each in seeds if each is not None],
    )


def _seed_error(weight: float, seeds: Seeds, criterion: str, items: Sequence[str]) -> tuple[float, int] | None:
    """(squared standard error over the seeds of a model's weighted mean, degrees of freedom); None of one seed."""
    if len(seeds) < 2:
        return None
    means = [math.fsum(run.value(criterion, item) or 0.0 for item in items) / len(items) for run in seeds]
    center = math.fsum(means) / len(means)
    variance = math.fsum((each - center) ** 2 for each in means) / (len(means) - 1)
    return weight**2 * variance / len(means), len(means) - 1
