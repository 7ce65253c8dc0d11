"""Numbers that can be defended: floats in, floats out.

Uncertainty is over items, or over clusters of items where items share something (the questions about one Qasper
paper); never over the judge's repeats, which are averaged within an item first. What was simulated, and the figures,
are in docs/statistics.md.

bounds              the ends of a scale, and an interval
summaries           means, agreement, variance components
clusters            sums by cluster, and the standard error of their mean
intervals           intervals of means and of paired differences; None where there is too little to tell
testing             tests of a difference, of many, of equivalence; what so many items could have shown
prediction_powered  a judge's difference corrected by people's labels

Names are imported when they are first used, since numpy takes a tenth of a second that `harness --help` does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.statistics.bounds import Bounds, Interval
    from harness.statistics.clusters import standard_error
    from harness.statistics.intervals import (
        bootstrap_interval,
        difference_interval,
        length_controlled_difference,
        mean_interval,
        share_interval,
    )
    from harness.statistics.prediction_powered import Corrected, corrected_difference, transport_gap
    from harness.statistics.summaries import auc, correlation, is_settled, mean, variance_components
    from harness.statistics.testing import (
        detectable_difference,
        difference_p_value,
        equivalence_p_value,
        holm,
        items_needed,
        sign_flip_p_value,
    )

__all__ = [
    "Bounds",
    "Corrected",
    "Interval",
    "auc",
    "bootstrap_interval",
    "corrected_difference",
    "correlation",
    "detectable_difference",
    "difference_interval",
    "difference_p_value",
    "equivalence_p_value",
    "holm",
    "is_settled",
    "items_needed",
    "length_controlled_difference",
    "mean",
    "mean_interval",
    "share_interval",
    "sign_flip_p_value",
    "standard_error",
    "transport_gap",
    "variance_components",
]

_HOMES = {
    "bounds": ("Bounds", "Interval"),
    "clusters": ("standard_error",),
    "intervals": (
        "bootstrap_interval",
        "difference_interval",
        "length_controlled_difference",
        "mean_interval",
        "share_interval",
    ),
    "prediction_powered": ("Corrected", "corrected_difference", "transport_gap"),
    "summaries": ("auc", "correlation", "is_settled", "mean", "variance_components"),
    "testing": (
        "detectable_difference",
        "difference_p_value",
        "equivalence_p_value",
        "holm",
        "items_needed",
        "sign_flip_p_value",
    ),
}


def __getattr__(name: str) -> object:
    import importlib

    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'harness.statistics' has no attribute {name!r}")
    return getattr(importlib.import_module(f"harness.statistics.{home}"), name)
