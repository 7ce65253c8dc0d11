"""Verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.board import Row, trivial_bar
from harness.comparison.likeness import Unlike
from harness.comparison.verdicts import Difference, Verdict
from harness.evaluation.trivial import TRIVIAL
from harness.measures import measure_of
from harness.statistics import Interval
from harness.tables import signed

__all__ = ["apart_text", "count_text", "difference_text", "interval_text", "p_text", "sentence", "short_verdict"]

_SHORT = {Verdict.TOO_FEW: "too few"}


def interval_text(interval: Interval | None, sign: bool = False) -> str:
    """` [low, high]` with a space before it; nothing where there is none."""
    if interval is None:
        return ""
    return (
        f" [{signed(interval.low)}, {signed(interval.high)}]" if sign else f" [{interval.low:.2f}, {interval.high:.2f}]"
    )


def difference_text(estimate: float | None, interval: Interval | None) -> str:
    """`+0.56 [+0.42, +0.70]`; a dash for none."""
    return "–" if estimate is None else signed(estimate) + interval_text(interval, sign=True)


def short_verdict(difference: Difference) -> str:
    """For a column."""
    return _SHORT.get(difference.verdict, difference.verdict.value)


def p_text(p_value: float | None) -> str:
    """Three digits; `<0.001` below."""
    if p_value is None:
        return "–"
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def count_text(count: int, noun: str) -> str:
    """`1 item`, `20 items`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def sentence(row: Row, difference: Difference) -> str:
    """What the difference comes to, for someone who reads one line."""
    assert row.baseline is not None, "a difference is from a baseline"
    name, base, what = row.run.model, row.baseline.model, difference.measure
    arm = "" if row.run.arm == "rag" else f", {row.run.arm}"
    found = difference_text(difference.estimate, difference.interval)
    items = count_text(difference.items, "item")
    match difference.verdict:
        case Verdict.BETTER | Verdict.WORSE:
            text = f"{difference.verdict} by {found}, p {p_text(difference.p_value)}"
            if difference.equivalence_p_value is not None and difference.equivalence_p_value <= 0.05:
                text += f", but smaller than the margin of {difference.margin:g}"
        case Verdict.NO_DIFFERENCE:
            text = f"no difference larger than {difference.margin:g}: Δ {found}"
        case Verdict.CANNOT_TELL:
            text = f"cannot tell with {items}{_need(difference)}; Δ {found}, and {difference.detectable:.2f} is the "
            text += "smallest that these show with a power of 80 %"
        case Verdict.TOO_FEW:
            clusters = (
                "" if difference.clusters == difference.items else f" in {count_text(difference.clusters, 'cluster')}"
            )
            text = f"too few to tell: {items}{clusters}" + (f"; Δ {found}" if difference.items else "")
            if difference.items and not difference.differing:
                text = "the same on the only item" if difference.items == 1 else f"the same on all {items}"
        case Verdict.WITHHELD:
            text = "the judge's Δ is withheld: a score does not mean the same of both models' answers; see the labels"
    return f"{name} against {base}{arm}, {what}: {text}{_beside_trivial(row, difference)}"


def _need(difference: Difference) -> str:
    """How many items would decide; against few training seeds more items do not help."""
    if difference.needed is not None:
        return f": {difference.needed:,} would be needed"
    return f" and {count_text(difference.seeds, 'seed')}: more seeds would be needed" if difference.seeds > 1 else ""


def _beside_trivial(row: Row, difference: Difference) -> str:
    """A gain that stays below what anyone could have without a model is labelled as such."""
    assert row.baseline is not None, "a difference is from a baseline"
    bar = trivial_bar(row.baseline, difference.measure)
    value = row.mean(difference.measure).value
    if difference.verdict != Verdict.BETTER or bar is None or value is None or value >= bar[1]:
        return ""
    show = measure_of(difference.measure).text
    return f"; its {show(value)} is below the {show(bar[1])} of {TRIVIAL.get(bar[0], bar[0])}"


def apart_text(apart: Sequence[Unlike], limit: int = 4) -> str:
    """`decoding.max_gen_toks is 2 here and 64 there`, the first few."""
    shown = [each.text for each in apart[:limit]]
    more = f", and {len(apart) - limit} more" if len(apart) > limit else ""
    return "; ".join(shown) + more
