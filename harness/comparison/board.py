"""A table of alike runs as numbers: every row against its baseline's same arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.comparison.likeness import Unlike, tables, unlike
from harness.comparison.pairing import Paired, pair
from harness.comparison.seeds import SeedDifference, by_seed, merged, seed_difference
from harness.comparison.stored import StoredRun, base_name
from harness.comparison.verdicts import Difference, family
from harness.measures import CLEAN
from harness.statistics import Interval, length_controlled_difference, mean, mean_interval

Baseline = str | Mapping[str, str] | None
"""One model, or each model's own by its name."""

__all__ = ["Baseline", "Mean", "Row", "Table", "boards", "length_controlled", "make_table", "trivial_bar"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A measure over the `n` items of `total` that have a value; interval None: too few to tell."""

    value: float | None
    interval: Interval | None
    n: int
    total: int


@dataclass(frozen=True)
class Row:
    """A run, or the runs of several training seeds as one, and its baseline: the run of the baseline's model in the
    same arm, None where there is none. `is_baseline`: it is that itself."""

    run: StoredRun
    seeds: Sequence[StoredRun]
    baseline: StoredRun | None
    is_baseline: bool
    differences: dict[str, Difference]
    """By criterion."""
    over_seeds: dict[str, SeedDifference]

    def mean(self, measure: str) -> Mean:
        """The measure's mean over the row's items."""
        values, clusters = self.run.values(measure)
        interval = mean_interval(values, clusters, self.run.bounds(measure)) if values else None
        return Mean(mean(values), interval, len(values), len(self.run.items))

    def length_controlled(self, measure: str) -> tuple[float, Interval | None] | None:
        """The difference for two answers of one length, which is descriptive."""
        if self.baseline is None or self.is_baseline:
            return None
        return length_controlled(pair(self.run, self.baseline, measure), self.run, self.baseline)

    def clean(self, measure: str) -> Paired | None:
        """The pairs over the questions that do not resemble a pair that the model was trained on."""
        if self.baseline is None or self.is_baseline or f"{measure}{CLEAN}" not in self.run.measures:
            return None
        items = {item for item in self.run.items if self.run.value("leaked", item) == 0.0}
        return pair(self.run, self.baseline, measure, items)


@dataclass(frozen=True)
class Table:
    """Rows of alike runs over one set of items. `apart`: what keeps it from standing in the table before it."""

    rows: Sequence[Row]
    apart: Sequence[Unlike]
    margin: float

    @property
    def first(self) -> StoredRun:
        return self.rows[0].run

    @cached_property
    def criteria(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for row in self.rows for name in row.run.criteria))

    @property
    def runs(self) -> list[StoredRun]:
        """Those that are shown."""
        return [run for row in self.rows for run in row.seeds]


def boards(runs: Sequence[StoredRun], baseline: Baseline, margin: float) -> list[Table]:
    """Tables of one task's runs; rows in the order in which their runs were given."""
    order = {run.run_id: number for number, run in enumerate(runs)}
    groups = tables(runs)
    made = []
    for number, group in enumerate(groups):
        ordered = sorted(group, key=lambda run: order[run.run_id])
        apart = unlike(groups[0][0], group[0]) if number else []
        made.append(make_table(ordered, baseline, margin, apart))
    return made


def make_table(runs: Sequence[StoredRun], baseline: Baseline, margin: float, apart: Sequence[Unlike] = ()) -> Table:
    """Every comparison of the table is of one family."""
    groups = [(merged(group), group) for group in by_seed(runs)]
    bases = [_base_of(run, [each for each, _ in groups], baseline) for run, _ in groups]
    pairs = {
        (number, criterion): pair(run, base, criterion)
        for number, (run, _) in enumerate(groups)
        for criterion in run.criteria
        if (base := bases[number]) is not None and base.run_id != run.run_id
    }
    over_seeds = {
        (number, criterion): difference
        for number, criterion in pairs
        if (base := bases[number]) is not None
        and (difference := seed_difference(groups[number][1], base, criterion)) is not None
    }
    differences = family(pairs, margin, over_seeds)
    rows = [
        Row(
            run=run,
            seeds=group,
            baseline=bases[number],
            is_baseline=run.run_id in {base.run_id for base in bases if base is not None},
            differences={name: each for (index, name), each in differences.items() if index == number},
            over_seeds={name: each for (index, name), each in over_seeds.items() if index == number},
        )
        for number, (run, group) in enumerate(groups)
    ]
    return Table(rows, apart, margin)


def _base_of(run: StoredRun, runs: Sequence[StoredRun], baseline: Baseline) -> StoredRun | None:
    name = baseline.get(run.model) if isinstance(baseline, Mapping) else baseline
    there = [each for each in runs if each.arm == run.arm and name in (each.model, base_name(each.model))]
    return next((each for each in there if each.model == name), there[0] if there else None)


def length_controlled(paired: Paired, run: StoredRun, baseline: StoredRun) -> tuple[float, Interval | None] | None:
    """See `statistics.length_controlled_difference`; None where an answer's length is not known."""
    words = [(run.value("answer_words", item), baseline.value("answer_words", item)) for item in paired.items]
    longer = [own - base for own, base in words if own is not None and base is not None]
    if len(longer) < len(paired.items):
        return None
    return length_controlled_difference(paired.differences, longer, paired.clusters)


def trivial_bar(run: StoredRun, measure: str) -> tuple[str, float] | None:
    """The trivial answer with the highest mean of the measure, and that mean; None where none was taken."""
    means = {name: values[measure] for name, values in run.trivial.items() if measure in values}
    return max(means.items(), key=lambda item: item[1]) if means else None
