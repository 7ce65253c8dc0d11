"""Numbers worked out by hand, and scipy's where the hand is too slow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.statistics import bootstrap_interval, mean, paired_difference, standard_error


def test_mean_of_nothing_is_none() -> None:
    assert mean([]) is None
    assert mean([1.0, 2.0, 6.0]) == 3.0


def test_standard_error_of_single_items_is_s_over_root_n() -> None:
    values = [1.0, 2.0, 4.0, 5.0]
    assert standard_error(values, list("abcd")) == pytest.approx(np.std(values, ddof=1) / 2)


def test_clustered_standard_error_by_hand() -> None:
    """Mean 3. Cluster a = (1, 3): deviations sum to -2; b = (5): +2. sqrt(2/1 · (4 + 4)) / 3."""
    assert standard_error([1.0, 3.0, 5.0], ["a", "a", "b"]) == pytest.approx(math.sqrt(16) / 3)


def test_one_cluster_says_nothing_about_spread() -> None:
    assert standard_error([1.0, 2.0], ["a", "a"]) is None
    assert bootstrap_interval([1.0, 2.0], ["a", "a"]) is None


def test_the_bootstrap_interval_is_near_the_normal_one_for_many_items() -> None:
    values = list(np.random.default_rng(3).normal(3.0, 1.0, 400))
    interval = bootstrap_interval(values, list(range(400)))
    half = 1.96 * np.std(values, ddof=1) / 20
    assert interval is not None
    assert interval.low == pytest.approx(np.mean(values) - half, abs=0.02)
    assert interval.high == pytest.approx(np.mean(values) + half, abs=0.02)


def test_repeating_items_within_clusters_does_not_shrink_the_interval() -> None:
    """Ten copies of each item are no more evidence than one."""
    values = list(np.random.default_rng(3).normal(3.0, 1.0, 60))
    once = bootstrap_interval(values, list(range(60)))
    tenfold = bootstrap_interval([v for v in values for _ in range(10)], [n for n in range(60) for _ in range(10)])
    assert once is not None
    assert tenfold is not None
    assert tenfold.low == pytest.approx(once.low)
    assert tenfold.high == pytest.approx(once.high)


def test_the_interval_is_the_same_each_time() -> None:
    values, clusters = [1.0, 2.0, 5.0, 3.0], list("abcd")
    assert bootstrap_interval(values, clusters) == bootstrap_interval(values, clusters)


def test_values_without_spread_have_a_point_for_an_interval() -> None:
    assert bootstrap_interval([2.0, 2.0, 2.0], list("abc")) == (2.0, 2.0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """200 clustered samples of mean 0: a 95 % interval should miss about 10 times; 3 to 22 is its 99.9 % range."""
    chance = np.random.default_rng(0)
    missed = 0
    for _ in range(200):
        of_cluster = chance.normal(0, 1, 40)
        values = (of_cluster[:, None] + chance.normal(0, 1, (40, 3))).ravel()
        interval = bootstrap_interval(list(values), [n for n in range(40) for _ in range(3)])
        assert interval is not None
        missed += not interval.low <= 0 <= interval.high
    assert 3 <= missed <= 22


def test_paired_difference_by_hand() -> None:
    difference, interval = paired_difference([3.0, 4.0, 5.0], [1.0, 4.0, 3.0], list("abc"))
    assert difference == pytest.approx(4 / 3)
    assert interval is not None
    assert interval.low <= 4 / 3 <= interval.high
    with pytest.raises(ValueError, match="no items"):
        paired_difference([], [], [])
