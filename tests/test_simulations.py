"""Intervals and tests are right as often as they say, in 2,000 worlds a case whose truth is known.

The worlds and the figures are those of docs/statistics.md. Bands are nominal values and a simulation's error of three
standard errors, or, where a method is known to miss, what it is known to reach.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import simulations
from benchmarks.simulations import (
    DIFFERENCES,
    JUDGES,
    MEANS,
    NULLS,
    SAMPLINGS,
    SHIFTS,
    TABLES,
    VERDICT_ITEMS,
    Coverage,
    Sampling,
    SignFlips,
    models,
    singles,
)
from harness.statistics import sign_flip_p_value
from tests.conftest import SHARED_DATA

pytestmark = pytest.mark.slow

needs_judgements = pytest.mark.skipif(
    not (SHARED_DATA / "judge_meta").is_dir(), reason="EVOUNA's human judgements are not here"
)

each_sampling = pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.name)
each_table = pytest.mark.parametrize("sampling", TABLES, ids=lambda sampling: sampling.name)


def wrong(found: Coverage) -> float:
    """Share of all worlds in which there is an interval and it misses."""
    return 0.0 if found.given == 0 else (1 - found.covered) * found.given


# ---- intervals ------------------------------------------------------------------------------------------------------


@each_sampling
@pytest.mark.parametrize("case", MEANS)
def test_intervals_of_means_cover_where_most_worlds_have_one(case: str, sampling: Sampling) -> None:
    """Where few have one, it is in worlds with more low scores than usual, and misses more often: up to 43 % of the
    4 % that 20 items near the ceiling have. It is never wrong in more worlds than it may."""
    found = simulations.mean_coverage(case, sampling)
    assert wrong(found) <= 0.07
    if found.given >= 0.5:
        assert 0.92 <= found.covered <= 0.985


@each_sampling
@pytest.mark.parametrize("case", DIFFERENCES)
def test_intervals_of_differences_cover(case: str, sampling: Sampling) -> None:
    """Few clusters, or few with a difference, have intervals that are rather too wide."""
    found = simulations.difference_coverage(case, sampling)
    assert wrong(found) <= 0.07
    assert found.covered >= 0.925
    if len(sampling.sizes) >= 50:
        assert found.covered <= 0.985


def test_there_is_an_interval_in_nearly_all_worlds_but_near_the_ceiling_with_few_clusters() -> None:
    assert simulations.mean_coverage("uniform", singles(20)).given == 1.0
    assert simulations.mean_coverage("ceiling", singles(20)).given < 0.1
    assert 0.3 < simulations.mean_coverage("ceiling", singles(50)).given < 0.6
    assert simulations.mean_coverage("ceiling", singles(200)).given > 0.97


def test_the_percentile_bootstrap_covers_less_and_t_leaves_the_scale_near_the_ceiling() -> None:
    """The reason for the logit."""
    for items, most in ((20, 0.80), (50, 0.91), (200, 0.945)):
        found = simulations.alternatives("ceiling", items)
        assert found.bootstrap.covered <= most
        assert found.t.covered <= most
    assert simulations.alternatives("ceiling", 50).t_leaves_the_scale > 0.3


# ---- tests of many comparisons --------------------------------------------------------------------------------------


@each_table
def test_exchanges_drawn_once_give_the_p_value_of_the_product(sampling: Sampling) -> None:
    random = np.random.default_rng(0)
    one, other = models(random, sampling, 5, [simulations.UNIFORM, simulations.FLOOR])
    test = SignFlips(sampling.clusters)
    for world in [*(one - other), *(one - one)[:1], *(one - one[0])[1:3]]:
        assert test.p_value(world.tolist()) == sign_flip_p_value(world.tolist(), sampling.clusters)


FAMILY_WISE = {"20 items": 0.12, "201 items in 20 unequal clusters, ICC 0.2": 0.08}
"""What six models with long upper tails reach, all against a baseline of the same mean without one, where items or
clusters are few: the exchanges are exact for models that are alike alone, and neither they nor the interval can know of
a tail that is not in the sample."""


@each_table
@pytest.mark.parametrize("null", NULLS)
def test_one_of_six_comparisons_is_wrongly_found_in_one_of_twenty_tables_but_where_tails_differ(
    null: str, sampling: Sampling
) -> None:
    found = simulations.family_wise_errors(null, sampling)
    assert found.any_of_six <= (FAMILY_WISE.get(sampling.name, 0.055) if null == "equal means, skewed" else 0.055)


# ---- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items", VERDICT_ITEMS)
@pytest.mark.parametrize("shift", SHIFTS)
def test_no_difference_larger_than_the_margin_is_rarely_said_of_one_as_large(shift: str, items: int) -> None:
    found = simulations.verdicts(shift, items, shifted=True)
    assert found.alike <= 0.065
    if found.found is not None and items == 200:
        assert found.found >= 0.5


@pytest.mark.parametrize("items", VERDICT_ITEMS)
@pytest.mark.parametrize("shift", SHIFTS)
def test_no_difference_is_rarely_found_and_shown_to_be_small_by_enough_items(shift: str, items: int) -> None:
    found = simulations.verdicts(shift, items, shifted=False)
    assert found.found is None or found.found <= 0.065
    if items == 600:
        assert found.alike >= 0.95


# ---- a judge corrected by people ------------------------------------------------------------------------------------


@needs_judgements
@pytest.mark.parametrize("judge", JUDGES)
def test_a_hundred_labels_and_a_judge_cover_what_people_say_of_all_questions(judge: str) -> None:
    """Ten pairs of systems, 400 draws each: a pair's standard error is .011, that of all is .0035."""
    found = simulations.corrections(judge)
    assert len(found) == 10
    assert all(one.corrected.given == 1.0 for one in found)
    assert all(0.90 <= one.corrected.covered <= 0.985 for one in found)
    assert all(one.width < one.width_alone for one in found), "a judge of some worth narrows every interval"
    together = simulations.over_pairs(found)
    assert 0.93 <= together.corrected.covered <= 0.97
    assert together.width / together.width_alone < {"token F1": 0.93, "token recall": 0.85}[judge]


@needs_judgements
@pytest.mark.parametrize("judge", JUDGES)
def test_twenty_labels_cover_where_enough_of_them_differ(judge: str) -> None:
    together = simulations.over_pairs(simulations.corrections(judge, 20))
    assert 0.5 < together.corrected.given < 0.9
    assert 0.93 <= together.corrected.covered <= 0.97


@needs_judgements
@pytest.mark.parametrize("labels", [20, 100])
@pytest.mark.parametrize("judge", JUDGES)
def test_no_gap_is_found_between_models_whose_answers_are_exchanged_at_random(judge: str, labels: int) -> None:
    assert 0.035 <= simulations.exchanged_over_pairs(judge, labels) <= 0.065


@pytest.mark.parametrize("labels", [20, 100])
def test_no_gap_is_found_where_a_score_means_the_same_of_a_better_model(labels: int) -> None:
    assert simulations.calibrated_gaps(labels) <= 0.065


def test_a_judge_as_often_wrong_about_a_better_model_has_a_gap() -> None:
    """It is regression to the mean, and no bias: among the answers that the judge calls right, more are, of the better
    model. What the first model's labels say of the judge cannot be carried over."""
    assert simulations.noisy_gaps(100) > 0.5


@needs_judgements
def test_token_f1_has_a_gap_between_short_answers_and_long_ones_that_token_recall_has_not() -> None:
    """FiD answers in a few words, GPT-3.5 in a sentence."""
    for judge, low, high in (("token F1", 0.95, 1.0), ("token recall", 0.0, 0.15)):
        (answers,) = (one for one in simulations.judged_answers(judge) if one.systems == ("fid", "gpt35"))
        assert low <= simulations.true_gaps(answers) <= high
