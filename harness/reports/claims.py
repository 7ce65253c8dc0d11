"""Tested claims in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.comparison.claims import CellResult, Gap, Missing, Outcome, TestedClaim
from harness.entries.claims import DeclinesClaim, FallsClaim, FallsFurtherClaim, NoTrendClaim
from harness.reports.page import Grid, Section
from harness.reports.wording import count_text, difference_text, p_text

__all__ = ["cell_text", "claim_cells_section", "claims_section"]

SHOWN = 3
"""So many comparisons and gaps are named in one line; the rest are counted."""

_LEGEND = (
    "*Reproduced* and *refuted* are what the runs show at 95 % confidence, over all comparisons of a claim together "
    "(Holm): a claim of no gain is reproduced where any gain is smaller than the margin, a claim of a fall by more "
    "than some points where the interval lies wholly below that, and a claim of a difference is refuted where any such "
    "difference is smaller than the margin. *Cannot tell*: too few items to decide. *Not run*: what it needs is "
    "missing, and what is there does not decide."
)


def claims_section(tested: Sequence[TestedClaim]) -> Section:
    """A row for each claim."""
    rows = [
        [each.claim.claim, f"{each.claim.says} ({each.claim.source})", each.outcome.value, _summary(each)]
        for each in tested
    ]
    return Section("Claims", grid=Grid(["claim", "says", "outcome", "compared"], rows, 4), after=[_LEGEND])


def claim_cells_section(tested: Sequence[TestedClaim]) -> Section:
    """A row for each comparison that was made; what is missing is named above."""
    rows: list[list[str]] = []
    for each in tested:
        rows += [
            [each.claim.claim, cell.task, cell.criterion, _names(each, cell), cell.outcome.value,
             difference_text(cell.estimate, cell.interval), p_text(cell.p_value), p_text(cell.p_against),
             str(cell.items)]
            for cell in each.compared
        ]  # fmt: skip
    headers = ["claim", "task", "criterion", "compared", "outcome", "Δ", "p of the claim", "p against it", "n"]
    return Section("Claims, comparison by comparison", grid=Grid(headers, rows, 5), after=[_CELLS_LEGEND])


_CELLS_LEGEND = (
    "Δ is the difference of the models named, item by item, with its 95 % interval. A small *p of the claim* speaks "
    "for the claim, a small *p against it* against; each is adjusted over the comparisons of the claim. That a "
    "difference is smaller than the margin is shown one-sided, by the end of the 90 % interval."
)


def cell_text(each: TestedClaim, cell: CellResult) -> str:
    """`mistral-lora-500 against mistral, nq, accuracy: -0.20 [-0.40, -0.01], p 0.030`; p is that of the outcome."""
    p_value = cell.p_against if cell.outcome is Outcome.REFUTED else cell.p_value
    found = difference_text(cell.estimate, cell.interval)
    told = "too few to tell" if cell.interval is None else f"p {p_text(p_value)}"
    return f"{_names(each, cell)}, {cell.task}, {cell.criterion}: {found}, {told}"


def _names(each: TestedClaim, cell: CellResult) -> str:
    models, than = _short(cell.models), _short(cell.than)
    match each.claim:
        case FallsFurtherClaim():
            return f"fall of {models} against fall of {than}"
        case NoTrendClaim():
            return f"trend from {than} to {models}"
        case DeclinesClaim():
            return f"{than} to {models}"
        case FallsClaim():
            return f"{models} against {than} (claimed: below -{each.claim.by:g})"
        case _:
            return f"{models} against {than}"


def _short(models: Sequence[str]) -> str:
    return models[0] + (f" and {count_text(len(models) - 1, 'other')}" if len(models) > 1 else "")


def _summary(each: TestedClaim) -> str:
    """Counts of outcomes where there are several, the comparisons that tell most, and what is missing."""
    parts = []
    total = len(each.compared) + len(each.missing)
    if total > 1:
        outcomes = Counter(cell.outcome for cell in each.compared)
        counts = [f"{outcomes[outcome]} {outcome}" for outcome in Outcome if outcomes[outcome]]
        counts += [f"{len(each.missing)} missing"] if each.missing else []
        parts.append(f"{total} comparisons: {', '.join(counts)}")
    label, cells = _telling(each)
    parts += [label + cell_text(each, cell) for cell in cells]
    if each.missing:
        parts.append(_missing_text(each.missing))
    return "; ".join(parts)


def _telling(each: TestedClaim) -> tuple[str, list[CellResult]]:
    """(a label, comparisons): those that decide, the clearest first, where one is enough; else the least clear of the
    claim's own outcome."""
    of_any = getattr(each.claim, "cells", "all") == "any"
    refuted = each.outcome is Outcome.REFUTED
    own = [cell for cell in each.compared if cell.outcome is each.outcome]
    own.sort(key=lambda cell: (cell.p_against if refuted else cell.p_value) or 0.0)
    if each.outcome is (Outcome.REPRODUCED if of_any else Outcome.REFUTED):
        return "", own[:SHOWN]
    return ("least clear: " if len(own) > 1 else "", (own or list(each.compared))[-1:])


def _missing_text(missing: Sequence[Missing]) -> str:
    lines = dict.fromkeys(
        f"{gap.task} × {model}" if gap.gap is Gap.NO_RUN else f"{gap.task}, {gap.criterion}: {gap.gap}"
        for gap in missing
        for model in (gap.models if gap.gap is Gap.NO_RUN else gap.models[:1])
    )
    shown = list(lines)
    more = f" and {count_text(len(shown) - SHOWN, 'other')}" if len(shown) > SHOWN else ""
    return f"missing: {', '.join(shown[:SHOWN])}{more}"
