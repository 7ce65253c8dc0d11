"""Numbers worked out by hand, and those of statsmodels and truescore where the hand is too slow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW
from truescore import ppi_compare, ppi_estimate

from harness.statistics import (
    Bounds,
    Interval,
    corrected_difference,
    detectable_difference,
    difference_interval,
    difference_p_value,
    equivalence_p_value,
    holm,
    items_needed,
    length_controlled_difference,
    mean,
    mean_interval,
    sign_flip_p_value,
    standard_error,
    transport_gap,
)
from harness.statistics.clusters import by_cluster, clusters_apart, error_of_mean
from harness.statistics.testing import excludes, sign_flips, t_statistics

MARKS = Bounds(1.0, 5.0)
SHARES = Bounds(0.0, 1.0)


def test_mean_of_nothing_is_none() -> None:
    assert mean([]) is None
    assert mean([1.0, 2.0, 6.0]) == 3.0


# ---- the standard error and its degrees of freedom ------------------------------------------------------------------


def test_standard_error_of_single_items_is_s_over_root_n() -> None:
    values = [1.0, 2.0, 4.0, 5.0]
    assert standard_error(values, list("abcd")) == pytest.approx(np.std(values, ddof=1) / 2)


def test_clustered_standard_error_by_hand() -> None:
    """Mean 3. Cluster a = (1, 3): deviations sum to -2, share 2/3; b = (5): +2, share 1/3. The variance is
    (4 / (1 - 2/3) + 4 / (1 - 1/3)) / 3² = (12 + 6) / 9 = 2."""
    assert standard_error([1.0, 3.0, 5.0], ["a", "a", "b"]) == pytest.approx(math.sqrt(2))


def test_one_cluster_says_nothing_about_spread() -> None:
    assert standard_error([1.0, 2.0], ["a", "a"]) is None
    assert standard_error([], []) is None


def test_standard_error_is_that_of_bell_and_mccaffrey() -> None:
    """CR2 in full: X the constant, H = X (X'X)⁻¹ X', residuals of a cluster times (I - H_gg)^(-1/2)."""
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(7), [1, 1, 2, 3, 5, 8, 13])
    values = random.normal(3, 1, 33) + random.normal(0, 1, 7)[clusters]
    residuals, variance = values - values.mean(), 0.0
    for cluster in range(7):
        mine = clusters == cluster
        leverage = np.full((mine.sum(), mine.sum()), 1 / 33)
        roots, vectors = np.linalg.eigh(np.eye(mine.sum()) - leverage)
        variance += float((vectors @ np.diag(roots**-0.5) @ vectors.T @ residuals[mine]).sum()) ** 2
    assert standard_error(values.tolist(), clusters.tolist()) == pytest.approx(math.sqrt(variance) / 33)


def test_sums_are_in_order_of_first_appearance() -> None:
    sums, sizes = by_cluster([1.0, 2.0, 4.0, 8.0], ["b", "a", "b", "c"])
    assert sums.tolist() == [5.0, 2.0, 8.0]
    assert sizes.tolist() == [2.0, 1.0, 1.0]


@pytest.mark.parametrize(("clusters", "size"), [(2, 1), (5, 1), (7, 3), (40, 10)])
def test_equal_clusters_have_one_degree_of_freedom_less_than_there_are(clusters: int, size: int) -> None:
    sums = np.random.default_rng(0).normal(0, 1, clusters)
    error = error_of_mean(sums, np.full(clusters, float(size)))
    assert error is not None
    assert error.freedom == pytest.approx(clusters - 1)


@pytest.mark.parametrize("sizes", [[1, 9], [1, 1, 1, 1, 40], [2, 3, 5, 8, 13, 21], [1, 2] * 10])
def test_degrees_of_freedom_are_those_of_the_matrices_written_out(sizes: Sequence[float]) -> None:
    """tr(WB)² / tr(WBWB), B the covariance of the deviations of independent items of one variance."""
    n = np.array(sizes, dtype=np.float64)
    share = n / n.sum()
    deviation = np.eye(len(n)) - np.outer(share, np.ones(len(n)))
    # a cluster's deviation is S_g - n_g · mean, and n_g · mean is share_g · Σ S
    weighted = np.diag(1 / (1 - share)) @ deviation @ np.diag(n) @ deviation.T
    error = error_of_mean(np.arange(len(n), dtype=np.float64), n)
    assert error is not None
    assert error.freedom == pytest.approx(np.trace(weighted) ** 2 / np.trace(weighted @ weighted))


def test_clusters_apart_counts_those_with_another_value_than_the_most_common() -> None:
    assert clusters_apart([5.0, 5.0, 5.0, 4.0, 5.0], list("aabbc")) == 1
    assert clusters_apart([5.0, 4.0, 5.0, 4.0, 5.0], list("aabbc")) == 2
    assert clusters_apart([2.0, 2.0], list("ab")) == 0


def test_of_equally_common_values_the_one_counts_that_leaves_the_fewest_clusters_apart() -> None:
    """1 and 0 are there three times each; one cluster holds all the ones, three a zero each."""
    values, clusters = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5], list("aaabcde")
    assert clusters_apart(values, clusters) == 2
    assert clusters_apart([-value for value in values], clusters) == 2


# ---- intervals ------------------------------------------------------------------------------------------------------

many_marks = st.lists(st.tuples(st.integers(1, 5).map(float), st.integers(0, 9)), min_size=1, max_size=40)
many_differences = st.lists(st.tuples(st.integers(-4, 4).map(float), st.integers(0, 9)), min_size=1, max_size=40)
Item = tuple[float, int]


def unzipped(items: Sequence[Item]) -> tuple[list[float], list[int]]:
    return [value for value, _ in items], [cluster for _, cluster in items]


def near(interval: Interval | None) -> object:
    """What compares as equal to the interval, but for rounding."""
    return None if interval is None else pytest.approx(interval, abs=1e-9)


def test_mean_interval_by_hand() -> None:
    """Marks 1 to 5, one each: mean 3, the middle of the scale, s/√n = √.5 and t(4) = 2.776445. On the logit the half
    width is 2.776445 · √.5 / 4 / (1/2 · 1/2) = 1.963243, and 1 + 4 / (1 + exp(∓1.963243)) are the ends."""
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0], list("abcde"), MARKS)
    assert interval == pytest.approx((1.492466, 4.507534), abs=1e-6)


def test_intervals_of_many_symmetric_items_are_the_t_interval() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0] * 400
    for bounds in (MARKS, None):
        interval = mean_interval(values, range(2000), bounds)
        assert interval == pytest.approx(stats.t.interval(0.95, 1999, 3.0, stats.sem(values)), abs=2e-3)
        interval = difference_interval([value - 3 for value in values], range(2000), bounds)
        assert interval == pytest.approx(stats.t.interval(0.95, 1999, 0.0, stats.sem(values)), abs=2e-3)


def test_without_skewness_and_bounds_the_interval_is_the_t_interval() -> None:
    values = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]
    expected = stats.t.interval(0.95, 5, 0.5, stats.sem(values))
    assert mean_interval(values, range(6), None) == pytest.approx(expected)
    assert difference_interval(values, range(6), None) == pytest.approx(expected)


def test_skewed_differences_have_halls_interval_where_it_is_the_wider() -> None:
    """The ends solve T + aT²/3 + a²T³/27 + a/6 = ±t, with T = (mean - end) / standard error, a = skewness / √n."""
    values = [0.0] * 14 + [1.0, 2.0, 2.0, 3.0, 4.0, 4.0]
    interval = difference_interval(values, range(20), None)
    assert interval is not None
    a, t = float(stats.skew(values)) / math.sqrt(20), float(stats.t.ppf(0.975, 19))
    plain = stats.t.interval(0.95, 19, 0.8, stats.sem(values))

    def transformed(end: float) -> float:
        statistic = (0.8 - end) / float(stats.sem(values))
        return statistic + a * statistic**2 / 3 + a**2 * statistic**3 / 27 + a / 6

    assert transformed(interval.high) == pytest.approx(-t)
    assert interval.high > plain[1], "the mean of skewed items may be far above, not far below"
    assert interval.low == pytest.approx(plain[0])
    assert transformed(plain[0]) > t, "Hall's own lower end is further in"


@given(many_marks)
def test_the_interval_of_a_mean_is_within_its_scale_and_holds_the_mean(items: list[Item]) -> None:
    values, clusters = unzipped(items)
    interval = mean_interval(values, clusters, MARKS)
    if interval is not None:
        assert 1 <= interval.low <= np.mean(values) + 1e-9
        assert np.mean(values) - 1e-9 <= interval.high <= 5


def test_the_interval_of_a_mean_near_the_end_of_its_scale_is_longer_towards_the_middle() -> None:
    values = [5.0] * 46 + [4.0, 4.0, 3.0, 1.0]
    interval = mean_interval(values, range(50), MARKS)
    assert interval is not None
    assert interval.high < 5
    assert np.mean(values) - interval.low > 2 * (interval.high - np.mean(values))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([3.0], id="one item"),
        pytest.param([1.0, 5.0], id="two items"),
        pytest.param([1.0, 2.0, 4.0, 5.0], id="four items"),
        pytest.param([2.0] * 100, id="identical"),
        pytest.param([5.0] * 97 + [1.0] * 3, id="three apart"),
    ],
)
def test_there_is_no_interval_of_too_few(values: list[float]) -> None:
    for bounds in (MARKS, None):
        assert mean_interval(values, range(len(values)), bounds) is None
        assert difference_interval(values, range(len(values)), bounds) is None
    assert equivalence_p_value(values, range(len(values)), MARKS, 0.25) is None


def test_there_is_an_interval_from_five_clusters_of_which_four_are_apart() -> None:
    assert mean_interval([5.0, 4.0, 4.0, 3.0, 1.0], range(5), MARKS) is None, "4 is twice there: three are apart"
    assert mean_interval([5.0, 5.0, 4.0, 3.0, 2.0, 1.0], range(6), MARKS) is not None
    items = [1.0, 5.0] * 100
    assert mean_interval(items, [n % 4 for n in range(200)], MARKS) is None, "two hundred items in four clusters"


@given(many_marks, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter(items: list[Item], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert mean_interval(*unzipped(shuffled), MARKS) == near(mean_interval(*unzipped(items), MARKS))
    assert difference_interval(*unzipped(shuffled), None) == near(difference_interval(*unzipped(items), None))


@given(many_marks, st.integers(2, 4))
def test_repeating_items_within_clusters_does_not_shrink_the_interval(items: list[Item], times: int) -> None:
    """Copies of an item are no more evidence than one."""
    repeated = [item for item in items for _ in range(times)]
    for bounds in (MARKS, None):
        assert mean_interval(*unzipped(repeated), bounds) == near(mean_interval(*unzipped(items), bounds))
        assert difference_interval(*unzipped(repeated), bounds) == near(difference_interval(*unzipped(items), bounds))


@given(many_differences)
def test_the_interval_of_the_opposite_difference_is_the_mirror_image(items: list[Item]) -> None:
    differences, clusters = unzipped(items)
    for bounds in (MARKS, None):
        interval = difference_interval(differences, clusters, bounds)
        mirrored = None if interval is None else Interval(-interval.high, -interval.low)
        assert difference_interval([-d for d in differences], clusters, bounds) == near(mirrored)


@given(many_marks)
def test_the_interval_turns_with_the_scale(items: list[Item]) -> None:
    """Marks of 1 to 5 counted as shares of the scale, from its other end."""
    values, clusters = unzipped(items)
    interval = mean_interval(values, clusters, MARKS)
    turned = None if interval is None else Interval((5 - interval.high) / 4, (5 - interval.low) / 4)
    assert mean_interval([(5 - value) / 4 for value in values], clusters, SHARES) == near(turned)


@given(many_differences)
def test_a_higher_level_gives_a_wider_interval(items: list[Item]) -> None:
    narrow, wide = (difference_interval(*unzipped(items), MARKS, level) for level in (0.9, 0.95))
    if narrow is not None and wide is not None:
        assert wide.low <= narrow.low
        assert narrow.high <= wide.high


def test_a_value_is_excluded_outside_of_an_interval_only() -> None:
    assert excludes(Interval(0.1, 0.2), 0.0)
    assert not excludes(Interval(0.0, 0.2), 0.0)
    assert not excludes(None, 0.0)
    assert 0.1 in Interval(0.1, 0.2)
    assert 0.3 not in Interval(0.1, 0.2)


@given(many_differences)
def test_the_interval_of_a_difference_is_within_twice_the_scale(items: list[Item]) -> None:
    interval = difference_interval(*unzipped(items), MARKS)
    if interval is not None:
        assert -4 <= interval.low <= interval.high <= 4


def test_halls_interval_is_cut_off_where_no_difference_can_be() -> None:
    """Five very skewed differences: alone it ends at 13.3."""
    differences = [-2.0, 4.0, -3.0, -1.0, 0.0]
    interval = difference_interval(differences, range(5), MARKS)
    assert interval is not None
    assert interval == pytest.approx((-2.954605, 4.0))
    unbounded = difference_interval(differences, range(5), None)
    assert unbounded is not None
    assert unbounded.high == pytest.approx(13.334232)


# ---- tests ----------------------------------------------------------------------------------------------------------


def test_five_differences_of_one_sign_have_two_of_32_exchanges_as_extreme() -> None:
    assert sign_flip_p_value([1.0] * 5, list("abcde")) == 2 / 32
    assert sign_flip_p_value([0.1] * 5, list("abcde")) == 2 / 32
    assert sign_flip_p_value([1.0, 2.0, 4.0], list("abc")) == 2 / 8
    assert sign_flip_p_value([-1.0, -2.0, -4.0], list("abc")) == 2 / 8


def test_sign_flip_p_value_by_hand() -> None:
    """1, 2, -1: |mean| is 4/3 for ±(1, 2, 1), 2/3 for ±(1, 2, -1) and ±(-1, 2, 1), 0 for ±(1, -2, 1). Singles have the
    same sum of squares whatever their signs, so t is ordered as the mean: 2 + 4 of 8 are as extreme."""
    assert sign_flip_p_value([1.0, 2.0, -1.0], list("abc")) == 6 / 8


def test_whole_clusters_are_exchanged() -> None:
    """Ten items in two clusters have four exchanges, not 1,024."""
    assert sign_flip_p_value([1.0] * 10, ["a"] * 5 + ["b"] * 5) == 2 / 4


def test_zero_differences_are_no_evidence_and_one_cluster_is_no_test() -> None:
    assert sign_flip_p_value([0.0, 0.0, 0.0], list("abc")) == 1.0
    assert sign_flip_p_value([1.0, -1.0], list("ab")) == 1.0
    assert sign_flip_p_value([1.0, 2.0], ["a", "a"]) is None


def test_up_to_13_clusters_all_exchanges_are_tried_each_once() -> None:
    flips = sign_flips(13)
    assert flips.shape == (2**13, 13)
    assert len(np.unique(flips, axis=0)) == 2**13
    assert (flips[0] == 1).all()
    assert {tuple(row) for row in sign_flips(3).tolist()} == set(product((1.0, -1.0), repeat=3))
    assert sign_flips(14).shape == (10_000, 14)
    assert (sign_flips(14)[0] == 1).all()
    assert np.array_equal(sign_flips(14, 3), sign_flips(14, 3))
    assert not np.array_equal(sign_flips(14, 3), sign_flips(14, 4))


def test_statistics_of_exchanges_are_mean_over_standard_error() -> None:
    random = np.random.default_rng(5)
    sums, sizes = random.normal(0.2, 1, 8), np.array([1.0, 2, 3, 4, 5, 6, 7, 30])
    flips = sign_flips(8)[::17]
    expected = []
    for signs in flips.astype(np.float64):
        error = error_of_mean(signs * sums, sizes)
        assert error is not None
        expected.append(error.mean / error.standard_error)
    assert t_statistics(sums, sizes, flips) == pytest.approx(np.array(expected))


def test_exact_p_value_is_scipys() -> None:
    """For single items the studentised mean orders the exchanges as the mean does."""
    differences = [0.4, -0.1, 1.3, 0.7, -0.5, 0.9, 0.2, 1.1, -0.8, 0.6]
    reference = stats.permutation_test(
        (np.array(differences),), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip_p_value(differences, range(10)) == pytest.approx(reference.pvalue)


def test_random_exchanges_are_near_the_t_test() -> None:
    differences = np.random.default_rng(1).normal(0.15, 1, 200).tolist()
    p = sign_flip_p_value(differences, range(200))
    assert p == pytest.approx(float(stats.ttest_1samp(differences, 0).pvalue), abs=0.01)
    assert p == sign_flip_p_value(differences, range(200)), "the same each time"


@given(many_differences)
def test_sign_flip_p_value_is_that_of_the_opposite_difference(items: list[Item]) -> None:
    differences, clusters = unzipped(items)
    p = sign_flip_p_value(differences, clusters)
    assert sign_flip_p_value([-d for d in differences], clusters) == p
    if p is not None:
        assert 2 / 2 ** len(set(clusters)) <= p <= 1


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_is_statsmodels_holm(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1].tolist() if p_values else []
    assert holm(p_values) == pytest.approx(expected)


def test_holm_by_hand() -> None:
    """Smallest first: 3 · .01, 2 · .02, then 1 · .03, which may not be below the one before it."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])


@pytest.mark.parametrize("margin", [0.1, 0.25, 0.5])
def test_equivalence_p_value_is_near_that_of_two_t_tests(margin: float) -> None:
    """Symmetric differences, many of them, near the middle of the scale."""
    differences = [-1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0] * 50
    reference = float(DescrStatsW(differences).ttost_mean(-margin, margin)[0])
    assert equivalence_p_value(differences, range(400), MARKS, margin) == pytest.approx(reference, rel=0.05, abs=1e-4)


@given(many_differences, st.sampled_from([0.25, 0.5, 1.0, 2.0]))
def test_differences_are_equivalent_at_five_percent_where_the_90_percent_interval_is_within_the_margin(
    items: list[Item], margin: float
) -> None:
    differences, clusters = unzipped(items)
    p = equivalence_p_value(differences, clusters, MARKS, margin)
    interval = difference_interval(differences, clusters, MARKS, 0.90)
    assert (p is None) == (interval is None)
    if p is not None and interval is not None:
        assume(abs(p - 0.05) > 1e-5)
        assert (p <= 0.05) == (-margin < interval.low and interval.high < margin)


def test_differences_beyond_the_margin_are_never_equivalent() -> None:
    assert equivalence_p_value([1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 1.0] * 5, range(40), MARKS, 0.25) == 0.5


def test_detectable_difference_by_hand() -> None:
    """±1, ten of them: s² = 10/9, standard error 1/3, t(9) at .975 and at .8 are 2.262157 and .883404."""
    assert detectable_difference([1.0, -1.0] * 5, range(10)) == pytest.approx((2.262157 + 0.883404) / 3, abs=1e-6)
    assert detectable_difference([1.0, -1.0], ["a", "a"]) is None


def test_items_needed_by_hand() -> None:
    """±1, a hundred of them: standard error √(1/99). Equivalence asks for more than a difference does:
    100 · ((1.644854 + 1.281552) · √(1/99) / .25)² = 138.4."""
    assert items_needed([1.0, -1.0] * 50, range(100), 0.25) == 139
    assert items_needed([1.0, -1.0], ["a", "a"], 0.25) is None


def test_items_needed_are_more_than_there_are() -> None:
    """For .5 the 34.6 of the formula are there already. A mean of 0 is .5 from the margin: the same, so one more. A
    mean of .25 is half way between both, .25 from either: 138.4."""
    assert items_needed([1.0, -1.0] * 50, range(100), 0.5) == 101
    assert items_needed([1.25, -0.75] * 50, range(100), 0.5) == 139


def test_items_needed_grow_with_what_clusters_share() -> None:
    """Pairs of equal items are worth one item each: twice as many are needed, but for the degree of freedom."""
    single = items_needed([1.0, -1.0] * 50, range(100), 0.1)
    paired = items_needed([1.0, 1.0, -1.0, -1.0] * 50, [n // 2 for n in range(200)], 0.1)
    assert single == math.ceil(100 * (2.926406 / 0.1) ** 2 / 99)
    assert paired == math.ceil(200 * (2.926406 / 0.1) ** 2 / 99)


# ---- at one length --------------------------------------------------------------------------------------------------


def test_length_controlled_difference_is_the_intercept_of_least_squares_with_clustered_errors() -> None:
    random = np.random.default_rng(7)
    clusters = random.integers(0, 15, 120)
    longer = random.normal(20, 60, 120).round()
    differences = 0.3 + 0.5 * np.tanh(longer / 60) + random.normal(0, 1, 120) + random.normal(0, 0.5, 15)[clusters]
    design = np.stack([np.ones(120), np.tanh(longer / np.sqrt(np.mean(longer**2)))], axis=1)
    fit = OLS(differences, design).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    found = length_controlled_difference(differences.tolist(), longer.tolist(), clusters.tolist())
    assert found is not None
    assert found[0] == pytest.approx(fit.params[0])
    assert found[1] == pytest.approx(fit.conf_int()[0])


def test_at_equal_lengths_it_is_the_plain_difference() -> None:
    differences = [1.0, 2.0, 0.0, -1.0, 3.0, 1.0]
    found = length_controlled_difference(differences, [0.0] * 6, range(6))
    assert found == (1.0, difference_interval(differences, range(6), None))


def test_a_difference_that_is_all_of_length_is_none_at_one_length() -> None:
    longer = [-30.0, -20.0, -10.0, 10.0, 20.0, 30.0]
    scale = math.sqrt(sum(words**2 for words in longer) / 6)
    found = length_controlled_difference([math.tanh(words / scale) for words in longer], longer, range(6))
    assert found is not None
    assert found[0] == pytest.approx(0.0)


def test_a_line_is_not_drawn_to_lengths_that_were_not_seen() -> None:
    differences = [1.0, 2.0, 0.0, -1.0, 3.0, 1.0, 2.0, 0.0, 1.0, 1.0, 2.0]
    assert length_controlled_difference(differences, [50.0] * 10 + [-1.0], range(11)) is None, (
        "one in eleven is shorter"
    )
    assert length_controlled_difference(differences[1:], [50.0] * 9 + [-1.0], range(10)) is not None
    assert length_controlled_difference([1.0, 2.0], [1.0, -1.0], range(2)) is None


def test_four_clusters_have_an_intercept_without_an_interval() -> None:
    found = length_controlled_difference([1.0, 2.0, 0.0, 1.0], [5.0, -5.0, 3.0, -3.0], range(4))
    assert found is not None
    assert found[1] is None


# ---- corrected by people --------------------------------------------------------------------------------------------


def judged_and_labelled(items: int = 300, labels: int = 60) -> tuple[list[float], list[float | None], list[float]]:
    """A judge's differences, people's of the first of them, and people's of all. People's are the judge's and more."""
    random = np.random.default_rng(11)
    judge = random.normal(0.3, 1, items)
    human = 0.6 * judge + random.normal(0.1, 0.7, items)
    return judge.tolist(), [*human[:labels].tolist(), *[None] * (items - labels)], human.tolist()


def known(labelled: Sequence[float | None]) -> list[float]:
    return [value for value in labelled if value is not None]


def test_corrected_difference_is_truescores_estimate_at_the_same_weight() -> None:
    judge, labelled, _ = judged_and_labelled()
    corrected = corrected_difference(judge, labelled, range(300))
    assert corrected is not None
    reference = ppi_estimate(judge, known(labelled), range(60), lambda_=corrected.weight)
    assert corrected.estimate == pytest.approx(reference.point)
    # truescore has a normal quantile, and 240/239 where ours has 60/59 in the smaller part of the variance
    assert reference.standard_error is not None
    half = float(stats.t.ppf(0.975, 59)) * reference.standard_error
    assert corrected.interval == pytest.approx((reference.point - half, reference.point + half), rel=5e-3)


def test_corrected_difference_is_truescores_comparison_but_for_a_degree_of_freedom_in_the_weight() -> None:
    """Their covariance is divided by n and ours by n - 1; the estimate is linear in the weight."""
    judge, labelled, _ = judged_and_labelled()
    corrected = corrected_difference(judge, labelled, range(300))
    assert corrected is not None
    zeros = [0.0] * 300
    reference = ppi_compare(judge, zeros, known(labelled), zeros[:60], range(60))
    theirs = corrected.labels_alone + 59 / 60 * (corrected.estimate - corrected.labels_alone)
    assert theirs == pytest.approx(reference.difference)


def test_whole_clusters_are_truescores_with_clusters() -> None:
    """Where no cluster has items of both kinds; 12 labelled clusters and 48 others, and the t of the fewer."""
    judge, labelled, _ = judged_and_labelled()
    clusters = [n // 5 for n in range(300)]
    corrected = corrected_difference(judge, labelled, clusters)
    assert corrected is not None
    reference = ppi_estimate(judge, known(labelled), range(60), lambda_=corrected.weight, clusters=clusters)
    assert corrected.estimate == pytest.approx(reference.point)
    assert corrected.interval == pytest.approx((reference.low, reference.high), abs=0.01)


def test_the_weight_makes_the_variance_smallest() -> None:
    judge, labelled, _ = judged_and_labelled()
    corrected = corrected_difference(judge, labelled, range(300))
    assert corrected is not None
    human = np.array(known(labelled))

    def variance(weight: float) -> float:
        """With the judge's variance that of all items, which is also what the weight is from."""
        spread, covariance = np.var(judge, ddof=1), np.cov(human, judge[:60])[0, 1]
        rectified = float(np.var(human, ddof=1) - 2 * weight * covariance + weight**2 * spread)
        return rectified / 60 + weight**2 * float(spread) / 240

    assert variance(corrected.weight) < min(variance(corrected.weight - 0.01), variance(corrected.weight + 0.01))
    narrower = corrected.interval.high - corrected.interval.low
    assert narrower < corrected.labels_alone_interval.high - corrected.labels_alone_interval.low


@pytest.mark.parametrize(
    "judge", [pytest.param([0.5] * 20, id="constant"), pytest.param([-1.0, 1.0, -2.0, 2.0, 0.0] * 4, id="contrary")]
)
def test_a_useless_judge_leaves_the_labels_alone(judge: list[float]) -> None:
    labelled = [1.0, -1.0, 2.0, -2.0, 0.5, *[None] * 15]
    corrected = corrected_difference(judge, labelled, range(20))
    assert corrected is not None
    assert corrected.weight == 0.0
    assert corrected.estimate == pytest.approx(0.1)
    assert corrected.labels_alone == pytest.approx(0.1)
    alone = stats.t.interval(0.95, 4, 0.1, stats.sem([1.0, -1.0, 2.0, -2.0, 0.5]))
    assert corrected.labels_alone_interval == pytest.approx(alone)
    assert corrected.interval == pytest.approx(alone)


def test_a_perfect_judge_recovers_the_difference_over_all_items() -> None:
    """Half are labelled, and the labelled have the judge's spread over all items: λ = 1 / (1 + 1), and so the estimate
    is the mean over both halves, whatever the labelled half's is."""
    half = [3.0, 1.0, -1.0, 2.0, 0.0, 1.0]
    human = [*half, *(value - 1 for value in half)]
    corrected = corrected_difference(human, [*half, *[None] * 6], range(12))
    assert corrected is not None
    spread = np.var(half, ddof=1) / np.var(human, ddof=1)
    assert corrected.weight == pytest.approx(spread / 2)
    assert corrected.labels_alone == pytest.approx(1.0)
    assert corrected.estimate == pytest.approx(1.0 - spread / 2)


def test_a_perfect_judge_with_many_others_is_taken_at_its_word() -> None:
    _, _, human = judged_and_labelled(20_000)
    corrected = corrected_difference(human, [*human[:60], *[None] * 19_940], range(20_000))
    assert corrected is not None
    assert corrected.estimate == pytest.approx(np.mean(human), abs=0.01)


@pytest.mark.parametrize("unit", [0.01, 4.0, 100.0])
def test_the_judges_unit_is_carried_into_the_labels(unit: float) -> None:
    judge, labelled, _ = judged_and_labelled()
    plain = corrected_difference(judge, labelled, range(300))
    scaled = corrected_difference([value * unit for value in judge], labelled, range(300))
    assert plain is not None
    assert scaled is not None
    assert scaled.weight * unit == pytest.approx(plain.weight)
    assert scaled.estimate == pytest.approx(plain.estimate)
    assert scaled.interval == pytest.approx(plain.interval)


def test_without_other_items_the_labels_alone_are_left() -> None:
    human = [1.0, -1.0, 2.0, -1.0, 0.5, 0.0]
    corrected = corrected_difference(human, human, range(6))
    assert corrected is not None
    assert corrected.weight == 0.0
    assert corrected.estimate == corrected.labels_alone == pytest.approx(0.25)
    assert corrected.interval == pytest.approx(corrected.labels_alone_interval)


def test_there_is_no_correction_with_fewer_than_five_labelled_clusters() -> None:
    judge, labelled, _ = judged_and_labelled()
    assert corrected_difference(judge, [*labelled[:4], *[None] * 296], range(300)) is None
    assert corrected_difference(judge, [*labelled[:5], *[None] * 295], range(300)) is not None
    assert corrected_difference(judge, labelled, [min(n // 15, 40) for n in range(300)]) is None, "four clusters of 15"


def test_transport_gap_by_hand() -> None:
    """The judge gives the label to the first's answers and one more to the second's. Over all answers the scores are
    0, 1, 1, 2 for the labels 0, 1, 0, 1: slope .5 and intercept 0, which err by (0, -.5) on the first's, (.5, 0) on
    the second's. The gap is .5 for each item, without any spread."""
    human = [(0.0, 0.0), (1.0, 1.0)] * 3
    judge = [(0.0, 1.0), (1.0, 2.0)] * 3
    gap = transport_gap(human, judge, range(6))
    assert gap is not None
    assert gap == pytest.approx((0.5, 0.0))


def test_transport_gap_is_a_t_test_of_what_the_line_leaves() -> None:
    random = np.random.default_rng(4)
    human = random.integers(0, 2, (40, 2)).astype(float)
    judge = 2 * human + random.normal(0, 1, (40, 2)) + [0.0, 0.5]
    fit = stats.linregress(judge.ravel(), human.ravel())
    errors = fit.intercept + fit.slope * judge - human
    gap = transport_gap([tuple(pair) for pair in human.tolist()], [tuple(pair) for pair in judge.tolist()], range(40))
    assert gap is not None
    assert gap[0] == pytest.approx(float((errors[:, 1] - errors[:, 0]).mean()))
    assert gap[1] == pytest.approx(float(stats.ttest_rel(errors[:, 1], errors[:, 0]).pvalue))


def test_transport_gap_does_not_depend_on_the_judges_unit_and_turns_with_the_models() -> None:
    random = np.random.default_rng(4)
    human = [tuple(pair) for pair in random.integers(0, 2, (40, 2)).astype(float).tolist()]
    judge = [(a + 0.3 * noise, b + 0.2) for (a, b), noise in zip(human, random.normal(0, 1, 40).tolist(), strict=True)]
    gap = transport_gap(human, judge, range(40))
    assert gap is not None
    assert transport_gap(human, [(1 + 4 * a, 1 + 4 * b) for a, b in judge], range(40)) == pytest.approx(gap)
    turned = transport_gap([(b, a) for a, b in human], [(b, a) for a, b in judge], range(40))
    assert turned == pytest.approx((-gap[0], gap[1]))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=5, max_size=40), st.sampled_from([1, 3, 7]))
def test_a_judge_that_is_right_has_no_gap_whatever_rounding_leaves(pairs: list[tuple[int, int]], unit: int) -> None:
    human = [(float(a), float(b)) for a, b in pairs]
    gap = transport_gap(human, [(a / unit + 1, b / unit + 1) for a, b in human], range(len(human)))
    assert gap is not None
    assert gap == pytest.approx((0.0, 1.0), abs=1e-12)


def test_a_judge_without_spread_has_the_difference_of_labels_as_its_gap() -> None:
    """It says the same of all answers, so it errs by what people find between them."""
    human = [(1.0, 0.0), (1.0, 0.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]
    gap = transport_gap(human, [(3.0, 3.0)] * 6, range(6))
    differences = [a - b for a, b in human]
    assert gap is not None
    assert gap[0] == pytest.approx(np.mean(differences))
    assert gap[1] == pytest.approx(float(stats.ttest_1samp(differences, 0).pvalue))


def test_there_is_no_correction_where_nearly_all_labels_are_alike() -> None:
    """Twenty labels, three of them not 0."""
    judge, _, _ = judged_and_labelled()
    labels = [0.0] * 17 + [1.0, 1.0, -1.0]
    assert corrected_difference(judge, [*labels, *[None] * 280], range(300)) is None
    assert corrected_difference(judge, [*labels[1:], -1.0, *[None] * 280], range(300)) is not None


def test_there_is_no_gap_to_be_told_with_fewer_than_five_clusters() -> None:
    assert transport_gap([(0.0, 1.0)] * 4, [(0.0, 1.0)] * 4, range(4)) is None
    assert transport_gap([(0.0, 1.0)] * 8, [(0.0, 1.0)] * 8, [n % 4 for n in range(8)]) is None


# ---- the p value of a verdict ---------------------------------------------------------------------------------------


@given(st.lists(st.integers(-4, 4), min_size=6, max_size=12))
def test_a_verdict_never_contradicts_its_interval(differences: list[int]) -> None:
    """Its p is at most α only where both the exchanges say so and the interval of level 1 - α leaves 0 out."""
    values, clusters = [float(each) for each in differences], list(range(len(differences)))
    found = difference_p_value(values, clusters, Bounds(1.0, 5.0))
    interval = difference_interval(values, clusters, Bounds(1.0, 5.0))
    if found is None or interval is None:
        assert found is None
        assert interval is None
        return
    exchanged = sign_flip_p_value(values, clusters)
    assert exchanged is not None
    assert found >= exchanged
    if found <= 0.05 - 1e-5:
        assert not interval.low <= 0.0 <= interval.high


def test_a_table_of_more_comparisons_needs_larger_differences_and_more_items() -> None:
    """At 0.05 / 6 the normal quantiles are 2.6383 and 0.8416, so (2.6383 + 0.8416) / (1.9600 + 0.8416) = 1.2421 times
    the difference for very many items."""
    values = np.random.default_rng(5).normal(0, 1, 20_000).tolist()
    one, six = (detectable_difference(values, range(20_000), alpha) for alpha in (0.05, 0.05 / 6))
    assert one is not None
    assert six is not None
    assert six / one == pytest.approx(1.2421, abs=1e-3)
    few, many = (items_needed(values[:100], range(100), 0.1, alpha) for alpha in (0.05, 0.05 / 6))
    assert few is not None
    assert many is not None
    assert many > few
