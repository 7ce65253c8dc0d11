"""How often the intervals and tests of `harness.statistics` are right, in worlds whose truth is known.

    python -m benchmarks.simulations                      the tables of docs/statistics.md; about five minutes
    python -m benchmarks.simulations --worlds 20000       ten times as many worlds

Scores are 1 to 5, cut from a normal variable. Of its variance a share `icc` is common to a cluster; two models' have a
correlation of 0.5. Every case has a seed of its own, from its name. An interval is counted where there is one. With
2,000 worlds the standard error of a coverage of .95 is .005.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from harness.auditing.people import references_of
from harness.metrics.answers import f1, token_recall
from harness.statistics import (
    Bounds,
    Interval,
    corrected_difference,
    difference_interval,
    equivalence_p_value,
    holm,
    mean_interval,
    transport_gap,
)
from harness.statistics.clusters import by_cluster
from harness.statistics.testing import interval_p_value, sign_flips, t_statistics
from harness.tables import markdown_table

WORLDS = 2_000
BOUNDS = Bounds(1.0, 5.0)
MARGIN = 0.25
JUDGEMENTS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "judge_meta" / "evouna_nq.jsonl"

Shares = Sequence[float]
"""Of the scores 1 to 5."""

UNIFORM: Shares = (0.2, 0.2, 0.2, 0.2, 0.2)
FLOOR: Shares = (0.8, 0.05, 0.05, 0.05, 0.05)
CEILING: Shares = (0.007, 0.0105, 0.0182, 0.0343, 0.93)
LOWER: Shares = (0.025, 0.0375, 0.065, 0.1225, 0.75)

MEANS: Mapping[str, Shares] = {"uniform": UNIFORM, "floor": FLOOR, "ceiling": CEILING}
DIFFERENCES: Mapping[str, tuple[Shares, Shares]] = {
    "uniform": (UNIFORM, UNIFORM),
    "floor": (FLOOR, FLOOR),
    "ceiling": (CEILING, CEILING),
    "ceiling, lower": (CEILING, LOWER),
    "floor, ceiling": (FLOOR, CEILING),
}
"""The two models' scores."""


class Sampling(NamedTuple):
    """Items in clusters of these sizes, which have the share `icc` of the variance in common."""

    sizes: tuple[int, ...]
    icc: float = 0.0

    @property
    def name(self) -> str:
        items, clusters = sum(self.sizes), len(self.sizes)
        if items == clusters:
            return f"{items} items"
        alike = "equal" if len(set(self.sizes)) == 1 else "unequal"
        return f"{items} items in {clusters} {alike} clusters, ICC {self.icc:g}"

    @property
    def clusters(self) -> list[int]:
        return [cluster for cluster, size in enumerate(self.sizes) for _ in range(size)]


def singles(items: int) -> Sampling:
    return Sampling((1,) * items)


def equal(clusters: int, items: int, icc: float) -> Sampling:
    return Sampling((items // clusters,) * clusters, icc)


def unequal(clusters: int, items: int, icc: float) -> Sampling:
    """The largest cluster is nine times the smallest."""
    weights = np.exp(np.linspace(0, math.log(9), clusters))
    return Sampling(tuple(int(max(1, round(size))) for size in weights / weights.sum() * items), icc)


SAMPLINGS = [
    *(singles(items) for items in (20, 50, 200)),
    *(
        kind(clusters, items, icc)
        for clusters, items in ((5, 50), (12, 120), (20, 200), (60, 240), (200, 600))
        for kind in (equal, unequal)
        for icc in (0.0, 0.2, 0.4)
    ),
]


# ---- worlds ---------------------------------------------------------------------------------------------------------


def seeded(*names: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(" ".join(names).encode()))


def normals(random: np.random.Generator, sampling: Sampling, worlds: int) -> np.ndarray:
    """(worlds, items), of variance 1."""
    shared = random.normal(size=(worlds, len(sampling.sizes)))[:, sampling.clusters]
    own = random.normal(size=(worlds, sum(sampling.sizes)))
    return np.asarray(math.sqrt(sampling.icc) * shared + math.sqrt(1 - sampling.icc) * own)


def scores(normal: np.ndarray, shares: Shares) -> np.ndarray:
    return 1.0 + np.searchsorted(ndtri(np.cumsum(shares)[:-1]), normal)


def mean_of(shares: Shares) -> float:
    return math.fsum(score * share for score, share in enumerate(shares, start=1))


def models(random: np.random.Generator, sampling: Sampling, worlds: int, of: Sequence[Shares]) -> list[np.ndarray]:
    """Scores of several models on the same items, (worlds, items) each."""
    common = normals(random, sampling, worlds)
    return [
        scores(math.sqrt(0.5) * common + math.sqrt(0.5) * normals(random, sampling, worlds), shares) for shares in of
    ]


# ---- coverage of intervals ------------------------------------------------------------------------------------------


class Coverage(NamedTuple):
    """`covered`: share of the intervals that hold the truth; `given`: share of the worlds in which there is one."""

    covered: float
    given: float

    @property
    def inside(self) -> bool:
        return 0.93 <= round(self.covered, 3) <= 0.97

    @property
    def cell(self) -> str:
        if self.given == 0:
            return "none"
        text = f"{self.covered:.3f}"[int(self.covered < 1) :]
        text = text if self.inside else f"**{text}**"
        return text if self.given == 1 else f"{text} ({math.floor(self.given * 100):d} %)"


def coverage(intervals: Sequence[Interval | None], truth: float) -> Coverage:
    given = [interval for interval in intervals if interval is not None]
    held = sum(interval.low - 1e-9 <= truth <= interval.high + 1e-9 for interval in given)
    return Coverage(held / len(given) if given else math.nan, len(given) / len(intervals))


def mean_coverage(case: str, sampling: Sampling, worlds: int = WORLDS) -> Coverage:
    drawn = scores(normals(seeded("mean", case, sampling.name), sampling, worlds), MEANS[case])
    clusters = sampling.clusters
    return coverage([mean_interval(world, clusters, BOUNDS) for world in drawn.tolist()], mean_of(MEANS[case]))


def difference_coverage(case: str, sampling: Sampling, worlds: int = WORLDS) -> Coverage:
    one, other = models(seeded("difference", case, sampling.name), sampling, worlds, DIFFERENCES[case])
    truth, clusters = mean_of(DIFFERENCES[case][0]) - mean_of(DIFFERENCES[case][1]), sampling.clusters
    return coverage([difference_interval(world, clusters, BOUNDS) for world in (one - other).tolist()], truth)


def coverage_table(worlds: int) -> str:
    rows: list[list[str]] = []
    inside: dict[str, list[bool]] = {"means": [], "differences": []}
    for sampling in SAMPLINGS:
        means = [mean_coverage(case, sampling, worlds) for case in MEANS]
        differences = [difference_coverage(case, sampling, worlds) for case in DIFFERENCES]
        rows.append([sampling.name, *(found.cell for found in [*means, *differences])])
        inside["means"] += [found.inside for found in means if found.given >= 0.5]
        inside["differences"] += [found.inside for found in differences if found.given >= 0.5]
    heads = ["", *(f"mean: {case}" for case in MEANS), *(f"Δ: {case}" for case in DIFFERENCES)]
    counts = [f"{sum(each)} of {len(each)} {name}" for name, each in inside.items()]
    table = markdown_table(heads, rows, [False, *[True] * (len(heads) - 1)])
    return f"{table}\n\nWith an interval in at least half of the worlds, {' and '.join(counts)} are in .93–.97."


# ---- what else there is ---------------------------------------------------------------------------------------------

RESAMPLES = 1_000


class Alternatives(NamedTuple):
    """Of the mean of single items. The bootstrap is that of percentiles."""

    ours: Coverage
    bootstrap: Coverage
    t: Coverage
    t_leaves_the_scale: float


def alternatives(case: str, items: int, worlds: int = WORLDS) -> Alternatives:
    sampling, truth = singles(items), mean_of(MEANS[case])
    random = seeded("alternatives", case, sampling.name)
    drawn = scores(normals(random, sampling, worlds), MEANS[case])
    times = random.multinomial(items, [1 / items] * items, RESAMPLES) / items
    ends = np.percentile(drawn @ times.T, [2.5, 97.5], axis=1).T
    half = float(stdtrit(items - 1, 0.975)) * drawn.std(axis=1, ddof=1) / math.sqrt(items)
    plain = [Interval(mean - width, mean + width) for mean, width in zip(drawn.mean(axis=1), half, strict=True)]
    return Alternatives(
        coverage([mean_interval(world, range(items), BOUNDS) for world in drawn.tolist()], truth),
        coverage([Interval(low, high) for low, high in ends.tolist()], truth),
        coverage(plain, truth),
        sum(one.low < BOUNDS.low or one.high > BOUNDS.high for one in plain) / worlds,
    )


def alternatives_table(worlds: int) -> str:
    rows = []
    for case in ("floor", "ceiling"):
        for items in (20, 50, 200):
            found = alternatives(case, items, worlds)
            cells = [one.cell for one in found[:3]]
            rows.append([case, str(items), *cells, percent(found.t_leaves_the_scale)])
    heads = ["scores", "items", "ours", "percentile bootstrap", "t", "t leaves the scale"]
    return markdown_table(heads, rows, [False, *[True] * 5])


# ---- a table of six comparisons -------------------------------------------------------------------------------------

SIX = 6
HALVES: Shares = (0.5, 0.5, 0.0, 0.0, 0.0)
"""Of the same mean as FLOOR, without its few high scores."""
ENDS: Shares = (0.5, 0.0, 0.0, 0.0, 0.5)

NULLS: Mapping[str, tuple[Shares, Shares]] = {
    "alike, uniform": (UNIFORM, UNIFORM),
    "alike, ceiling": (CEILING, CEILING),
    "equal means, symmetric": (UNIFORM, ENDS),
    "equal means, skewed": (HALVES, FLOOR),
}
"""The baseline's scores, and those of the six."""
TABLES = [singles(20), singles(50), equal(12, 120, 0.2), unequal(20, 200, 0.2), singles(200)]


class SignFlips:
    """`sign_flip_p_value` and `difference_p_value`, with the exchanges of so many clusters drawn once."""

    def __init__(self, clusters: Sequence[Hashable]) -> None:
        self.clusters = clusters
        self.flips = sign_flips(len(set(clusters))).astype(np.float64)

    def p_value(self, differences: Sequence[float]) -> float:
        sums, sizes = by_cluster(differences, self.clusters)
        if not sums.any():
            return 1.0
        statistics = np.abs(t_statistics(sums, sizes, self.flips))
        return float(np.mean(statistics >= statistics[0] * (1 - 1e-9)))

    def verdict_p_value(self, differences: Sequence[float]) -> float:
        """The larger of the permutation test's and the interval's; 1.0 where there is no interval. The second is looked
        up where the first decides nothing yet."""
        p_value = self.p_value(differences)
        if p_value > 0.05:
            return p_value
        by_interval = interval_p_value(differences, self.clusters, BOUNDS)
        return 1.0 if by_interval is None else max(p_value, by_interval)


class Errors(NamedTuple):
    """`any_of_six`: share of the worlds in which one of six comparisons is rejected after Holm; `single`: share of the
    single comparisons that would be rejected without."""

    any_of_six: float
    single: float


def family_wise_errors(null: str, sampling: Sampling, worlds: int = WORLDS) -> Errors:
    base, others = NULLS[null]
    baseline, *rest = models(seeded("six", null, sampling.name), sampling, worlds, [base, *[others] * SIX])
    test = SignFlips(sampling.clusters)
    rejected = single = 0
    for world in range(worlds):
        p_values = [test.verdict_p_value((model[world] - baseline[world]).tolist()) for model in rest]
        rejected += min(holm(p_values)) <= 0.05
        single += sum(p <= 0.05 for p in p_values)
    return Errors(rejected / worlds, single / worlds / SIX)


def family_wise_table(worlds: int) -> str:
    rows = []
    for sampling in TABLES:
        found = [family_wise_errors(null, sampling, worlds) for null in NULLS]
        rows.append([sampling.name, *(f"{percent(one.any_of_six)} ({percent(one.single)})" for one in found)])
    return markdown_table(["", *NULLS], rows, [False, *[True] * len(NULLS)])


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


# ---- verdicts -------------------------------------------------------------------------------------------------------

SHIFTS: Mapping[str, tuple[Shares, Shares]] = {
    "uniform, 1 in 16 from 1 to 5": (UNIFORM, (0.1375, 0.2, 0.2, 0.2, 0.2625)),
    "floor, 1 in 16 from 1 to 5": (FLOOR, (0.7375, 0.05, 0.05, 0.05, 0.1125)),
    "ceiling, 1 in 4 from 5 to 4": (CEILING, (0.007, 0.0105, 0.0182, 0.2843, 0.68)),
    "ceiling, 1 in 16 from 5 to 1": (CEILING, (0.0695, 0.0105, 0.0182, 0.0343, 0.8675)),
}
"""The baseline's scores, and those of a model whose mean is further by 0.25."""
VERDICT_ITEMS = (50, 200, 600)
PERMUTED_UP_TO = 200
"""Items: 10,000 exchanges of 600 take long."""


class Verdicts(NamedTuple):
    """Shares of the worlds. `alike`: "no difference larger than 0.25" is said; `found`: p <= 0.05."""

    alike: float
    found: float | None
    given: float


def verdicts(shift: str, items: int, shifted: bool, worlds: int = WORLDS) -> Verdicts:
    base, moved = SHIFTS[shift]
    sampling = singles(items)
    random = seeded("verdict", shift, str(items), str(shifted))
    one, other = models(random, sampling, worlds, [base, moved if shifted else base])
    differences, clusters = (other - one).tolist(), sampling.clusters
    p_values = [equivalence_p_value(world, clusters, BOUNDS, MARGIN) for world in differences]
    found = None
    if items <= PERMUTED_UP_TO:
        test = SignFlips(clusters)
        found = sum(test.verdict_p_value(world) <= 0.05 for world in differences) / worlds
    given = [p for p in p_values if p is not None]
    return Verdicts(sum(p <= 0.05 for p in given) / worlds, found, len(given) / worlds)


def verdict_table(worlds: int) -> str:
    rows = []
    for shift in SHIFTS:
        for items in VERDICT_ITEMS:
            none, there = verdicts(shift, items, False, worlds), verdicts(shift, items, True, worlds)
            found = ["–" if one.found is None else percent(one.found) for one in (none, there)]
            rows.append([shift, str(items), percent(there.alike), percent(none.alike), *found, percent(none.given)])
    heads = ["", "items", "alike, is 0.25", "alike, is 0", "found, is 0", "found, is 0.25", "an interval, is 0"]
    return markdown_table(heads, rows, [False, *[True] * 6])


# ---- a judge corrected by people ------------------------------------------------------------------------------------

ITEMS, LABELS, DRAWS = 600, 100, 400
JUDGES: Mapping[str, Callable[[str, Sequence[str]], float]] = {"token F1": f1, "token recall": token_recall}


class Answers(NamedTuple):
    """What people (0 or 1) and a judge say of two systems' answers to the same questions; (questions, 2) each."""

    systems: tuple[str, str]
    people: np.ndarray
    judge: np.ndarray

    @property
    def difference(self) -> float:
        return float((self.people[:, 1] - self.people[:, 0]).mean())


@cache
def judged_answers(judge: str, path: Path = JUDGEMENTS) -> list[Answers]:
    """EVOUNA's answers to Natural Questions (Wang et al. 2023, arXiv:2305.12421): every pair of its five systems."""
    said: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            score = JUDGES[judge](row["answer"], references_of(row["reference"]))
            said[row["system"]][row["question"]] = (float(row["human_score"]), score)
    pairs = []
    for systems in combinations(said, 2):
        first, second = (said[system] for system in systems)
        both = np.array([[first[question], second[question]] for question in first if question in second])
        pairs.append(Answers(systems, both[:, :, 0], both[:, :, 1]))
    return pairs


class Correction(NamedTuple):
    """Of one pair of systems: coverage of the difference over all questions, and the mean width of the intervals."""

    corrected: Coverage
    labels_alone: Coverage
    width: float
    width_alone: float
    weight: float


def correction(answers: Answers, labels: int = LABELS, draws: int = DRAWS) -> Correction:
    """Questions are drawn with replacement, so each draw is a cluster of its own. They are the same for each judge."""
    random = seeded("correction", *answers.systems, str(labels))
    people, judge = (both[:, 1] - both[:, 0] for both in (answers.people, answers.judge))
    found = []
    for _ in range(draws):
        drawn = random.integers(0, len(people), ITEMS)
        labelled = [*people[drawn[:labels]].tolist(), *[None] * (ITEMS - labels)]
        found.append(corrected_difference(judge[drawn].tolist(), labelled, range(ITEMS)))
    given = [one for one in found if one is not None]
    return Correction(
        coverage([one and one.interval for one in found], answers.difference),
        coverage([one and one.labels_alone_interval for one in found], answers.difference),
        math.fsum(one.interval.high - one.interval.low for one in given) / len(given),
        math.fsum(one.labels_alone_interval.high - one.labels_alone_interval.low for one in given) / len(given),
        math.fsum(one.weight for one in given) / len(given),
    )


def over_pairs(found: Sequence[Correction]) -> Correction:
    def mean_over(of: Callable[[Correction], float]) -> float:
        return math.fsum(of(one) for one in found) / len(found)

    def together(of: Callable[[Correction], Coverage]) -> Coverage:
        given = mean_over(lambda one: of(one).given)
        return Coverage(mean_over(lambda one: of(one).covered * of(one).given) / given, given)

    return Correction(
        together(lambda one: one.corrected),
        together(lambda one: one.labels_alone),
        mean_over(lambda one: one.width),
        mean_over(lambda one: one.width_alone),
        mean_over(lambda one: one.weight),
    )


FEWER_LABELS = (10, 20, 30, 50, 100)


def fewer_labels_table(draws: int) -> str:
    """Of all ten pairs. There is an interval where four labels or more are apart."""
    rows = []
    for labels in FEWER_LABELS:
        found = [over_pairs(corrections(judge, labels, draws)) for judge in JUDGES]
        ratios = [f"{one.width / one.width_alone:.2f}" for one in found]
        cells = [cell for one, ratio in zip(found, ratios, strict=True) for cell in (one.corrected.cell, ratio)]
        rows.append([str(labels), found[0].labels_alone.cell, *cells])
    heads = ["labels", "labels alone", *(head for judge in JUDGES for head in (judge, "of the width"))]
    return markdown_table(heads, rows, [True] * len(heads))


def corrections(judge: str, labels: int = LABELS, draws: int = DRAWS) -> list[Correction]:
    return [correction(answers, labels, draws) for answers in judged_answers(judge)]


# ---- whether a judge's error is carried over ------------------------------------------------------------------------


def exchanged_gaps(answers: Answers, labels: int = LABELS, draws: int = DRAWS) -> float:
    """Share of the draws with p <= 0.05 where the two answers to a question are exchanged at random: no gap."""
    random = seeded("exchanged", *answers.systems, str(labels))
    return _gaps_found(answers, random, labels, draws, exchanged=True)


def true_gaps(answers: Answers, labels: int = LABELS, draws: int = DRAWS) -> float:
    """The same of the answers as they are."""
    random = seeded("as they are", *answers.systems, str(labels))
    return _gaps_found(answers, random, labels, draws, exchanged=False)


def _gaps_found(answers: Answers, random: np.random.Generator, labels: int, draws: int, exchanged: bool) -> float:
    found = 0
    for _ in range(draws):
        drawn = random.integers(0, len(answers.people), labels)
        people, judge = answers.people[drawn], answers.judge[drawn]
        if exchanged:
            turned = random.integers(0, 2, labels).astype(bool)[:, None]
            people, judge = (np.where(turned, both[:, ::-1], both) for both in (people, judge))
        found += gap_found(people, judge)
    return found / draws


def gap_found(people: np.ndarray, judge: np.ndarray) -> bool:
    gap = transport_gap(pairs_of(people), pairs_of(judge), range(len(people)))
    return gap is not None and gap[1] <= 0.05


def pairs_of(both: np.ndarray) -> list[tuple[float, float]]:
    return [(first, second) for first, second in both.tolist()]


def gap_over_all(answers: Answers) -> float:
    gap = transport_gap(pairs_of(answers.people), pairs_of(answers.judge), range(len(answers.people)))
    assert gap is not None
    return gap[0]


def calibrated_gaps(labels: int, worlds: int = WORLDS) -> float:
    """Share of the worlds with p <= 0.05 where an answer's chance of being right is its score, whoever gave it, and the
    second model's scores are the higher (means 1/2 and 2/3): no gap."""
    random, found = seeded("calibrated", str(labels)), 0
    for _ in range(worlds):
        judge = np.stack([random.beta(2, 2, labels), random.beta(4, 2, labels)], axis=1)
        found += gap_found((random.random((labels, 2)) < judge).astype(np.float64), judge)
    return found / worlds


def noisy_gaps(labels: int, worlds: int = WORLDS) -> float:
    """The same of a judge that says right or wrong, is wrong about one answer in five of either model, right answer or
    wrong, where the first model is right half the time and the second three times in four."""
    random, found = seeded("noisy", str(labels)), 0
    for _ in range(worlds):
        people = (random.random((labels, 2)) < [0.5, 0.75]).astype(np.float64)
        found += gap_found(people, np.abs(people - (random.random((labels, 2)) < 0.2)))
    return found / worlds


NO_GAPS: Mapping[str, Callable[[int, int], float]] = {
    "calibrated, second model better": calibrated_gaps,
    "token F1, answers exchanged at random": lambda labels, worlds: exchanged_over_pairs("token F1", labels, worlds),
    "token recall, answers exchanged at random": lambda labels, worlds: exchanged_over_pairs(
        "token recall", labels, worlds
    ),
    "one answer in five wrong, second model better": noisy_gaps,
}


def exchanged_over_pairs(judge: str, labels: int, worlds: int = WORLDS) -> float:
    pairs, draws = judged_answers(judge), worlds * DRAWS // WORLDS
    return math.fsum(exchanged_gaps(answers, labels, draws) for answers in pairs) / len(pairs)


def transport_table(worlds: int) -> str:
    rows = [[name, *(percent(of(labels, worlds)) for labels in (20, LABELS))] for name, of in NO_GAPS.items()]
    return markdown_table(["judge", "20 labelled questions", f"{LABELS}"], rows, [False, True, True])


def pairs_table(draws: int) -> str:
    """Both, for each pair of systems and each judge."""
    by_judge = [
        [(answers, correction(answers, LABELS, draws)) for answers in judged_answers(judge)] for judge in JUDGES
    ]
    rows = []
    for same_pair in zip(*by_judge, strict=True):
        answers, one = same_pair[0]
        row = [
            " and ".join(answers.systems),
            f"{answers.difference:+.3f}",
            one.labels_alone.cell,
            f"{one.width_alone:.3f}",
        ]
        for judged, found in same_pair:
            gap = [f"{gap_over_all(judged):+.3f}", percent(true_gaps(judged, LABELS, draws))]
            row += [found.corrected.cell, f"{found.width:.3f}", *gap]
        rows.append(row)
    pooled = [over_pairs([one for _, one in found]) for found in by_judge]
    row = ["all ten", "", pooled[0].labels_alone.cell, f"{pooled[0].width_alone:.3f}"]
    for one in pooled:
        row += [one.corrected.cell, f"{one.width:.3f}", "", ""]
    rows.append(row)
    heads = ["systems", "Δ", "labels alone", "width", *(h for j in JUDGES for h in (j, "width", "gap", "found"))]
    return markdown_table(heads, rows, [False, *[True] * (len(heads) - 1)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=WORLDS)
    worlds = parser.parse_args().worlds
    draws = max(100, worlds * DRAWS // WORLDS)
    sections: list[tuple[str, Callable[[], str]]] = [
        ("Coverage of 95 % intervals", lambda: coverage_table(worlds)),
        ("Other intervals of the mean", lambda: alternatives_table(worlds)),
        ("Six comparisons with one baseline", lambda: family_wise_table(worlds)),
        ("Verdicts", lambda: verdict_table(worlds)),
    ]
    if JUDGEMENTS.is_file():
        sections += [
            ("Fewer labels", lambda: fewer_labels_table(draws)),
            ("No gap between two models", lambda: transport_table(worlds)),
            ("Pairs of systems", lambda: pairs_table(draws)),
        ]
    for title, table in sections:
        print(f"### {title}\n\n{table()}\n", flush=True)


if __name__ == "__main__":
    main()
