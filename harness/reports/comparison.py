"""A comparison as a page: the verdicts first, then the table, then what is behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product

from harness.comparison.anchored import Anchored
from harness.comparison.board import Row, Table
from harness.comparison.causes import Causes
from harness.comparison.multiverse import Multiverse, Stability
from harness.comparison.verdicts import Verdict
from harness.files import JsonObject
from harness.reports.grids import kind_sections, measure_grid
from harness.reports.leaderboard import seed_note, trivial_note
from harness.reports.page import Grid, Section
from harness.reports.wording import count_text, difference_text, p_text, sentence
from harness.tables import escaped, signed

__all__ = ["anchored_section", "causes_section", "comparison_sections", "multiverse_section", "verdict_lines"]


def verdict_lines(table: Table) -> list[str]:
    """One for every difference, the first criterion of each row first."""
    return [sentence(row, difference) for row in table.rows for difference in row.differences.values()]


def comparison_sections(table: Table, wide: bool = False) -> list[Section]:
    """The table, then differences beside it, by kind of question, and abstention."""
    notes = [
        note for note in (seed_note(table), trivial_note(table), _shared_note(table), _placebo_note(table)) if note
    ]
    sections = [Section(grid=measure_grid(table, wide), after=notes)]
    if (beside := _beside(table)) is not None:
        sections.append(Section("The same difference, seen otherwise", grid=beside, after=[_BESIDE]))
    return [*sections, *kind_sections(table)]


PLACEBO = frozenset({"shuffle_answers", "domain"})
"""What a training's record has of a placebo alone."""

_BESIDE = (
    "*length-controlled* is descriptive: what a line predicts for two answers of one length, and a model's length is a "
    "consequence of its training. *clean*: over the questions that do not resemble a training pair, for both models."
)


def _shared_note(table: Table) -> str:
    """Where fewer items are compared than a run has."""
    parts = [
        f"{escaped(row.run.model)}, {name}: {difference.items} of {len(row.run.items)} items are scored in both"
        for row in table.rows
        for name, difference in row.differences.items()
        if difference.items < len(row.run.items)
    ]
    return "; ".join(parts) + "." if parts else ""


def _placebo_note(table: Table) -> str:
    """What is left of each Δ without its placebo's: form is in both, knowledge and skill in the first alone."""
    parts = []
    for row, placebo in product(table.rows, table.rows):
        if not _is_placebo_of(placebo, row):
            continue
        parts += [
            f"{escaped(row.run.model)} less its placebo {escaped(placebo.run.model)}, {row.run.arm}, {name}: "
            f"{signed(left)}"
            for name in row.differences
            if (left := _without_form(row, placebo, name)) is not None
        ]
    command = "`harness compare` with the placebo as the baseline gives the interval"
    return f"{'; '.join(parts)}. {command}." if parts else ""


def _without_form(row: Row, placebo: Row, name: str) -> float | None:
    real, form = row.differences[name], placebo.differences.get(name)
    if form is None or Verdict.WITHHELD in (real.verdict, form.verdict):
        return None
    return None if real.estimate is None or form.estimate is None else real.estimate - form.estimate


def _is_placebo_of(placebo: Row, row: Row) -> bool:
    """Whether the two were trained alike but for the seeds, and one is a placebo and the other is none."""

    def otherwise(training: JsonObject) -> JsonObject:
        return {key: value for key, value in training.items() if key not in PLACEBO | {"seed"}}

    one, other = placebo.run.training, row.run.training
    alike = bool(one) and placebo.run.arm == row.run.arm and otherwise(one) == otherwise(other)
    return alike and bool(PLACEBO & set(one)) and not PLACEBO & set(other)


def _beside(table: Table) -> Grid | None:
    rows = []
    for row in table.rows:
        for name, difference in row.differences.items():
            if difference.verdict is Verdict.WITHHELD:
                continue
            controlled, clean = row.length_controlled(name), row.clean(name)
            rows.append(
                [
                    row.run.model,
                    row.run.arm,
                    name,
                    difference_text(difference.estimate, difference.interval),
                    "–" if controlled is None else difference_text(*controlled),
                    "–" if clean is None or not clean.items else difference_text(clean.estimate, clean.interval),
                    "–" if clean is None else str(len(clean.items)),
                    p_text(difference.p_value),
                    "–" if difference.detectable is None else f"{difference.detectable:.2f}",
                ]
            )
    headers = ["model", "arm", "by", "Δ", "length-controlled", "clean", "clean n", "p (Holm)", "detectable"]
    return Grid(headers, rows, 3) if rows else None


# ---- why ------------------------------------------------------------------------------------------------------------


def causes_section(found: Mapping[tuple[str, str, str], Causes]) -> Section:
    """What each difference is made of."""
    rows = []
    for (model, _, _), split in found.items():
        for part in split.parts:
            share = f"{part.effect / split.total + 0.0:.0%}".replace("-0%", "0%") if abs(split.total) > 0.005 else "–"
            effect = difference_text(part.effect, part.interval) if part.items else "no items"
            effect = effect if part.known else "not separated"
            rows.append([model, split.measure, part.name, effect, share if part.known else "–", str(part.items)])
        rows.append([model, split.measure, "= Δ", signed(split.total), "100%", str(split.items)])
    return Section(
        "Why",
        grid=Grid(["model", "by", "part", "adds", "of Δ", "items"], rows, 3),
        after=[_WHY],
    )


_WHY = (
    "Every item goes to the first part that claims it; parts and remainder add up to Δ. *abstention*: one answer "
    "abstains, the other does not. *truncation and format*: one is cut off, empty, loops or echoes. *length*: what "
    "goes with length at the same token recall. *parametric knowledge* and *passages that do not help*: nothing that "
    "the question needs was retrieved; the first is what the closed-book runs differ by there. *reading* and "
    "*distraction*: it was retrieved; the first is what the oracle runs differ by, the second is rag - oracle. *not "
    "separated*: a run that it needs is missing (--arm rag closed_book oracle). It says where the difference lies, not "
    "what would mend it."
)


def judges_section(found: Mapping[tuple[str, str], Multiverse]) -> Section:
    """Δ under each judge and metric, everything else as it is: whether the judge is a cause."""
    rows = [
        [model, arm, choice.measure, choice.judge or "–", f"{choice.estimate:+.3f}", p_text(choice.raw_p_value)]
        for (model, arm), each in found.items()
        for choice in each.choices
        if (choice.unscored, choice.truncated, choice.length) == ("left out", "in", "as it is")
    ]
    return Section(
        "Δ under each judge and metric", grid=Grid(["model", "arm", "by", "judge", "Δ", "p, alone"], rows, 4)
    )


def details(
    causes: Mapping[tuple[str, str, str], Causes],
    multiverses: Mapping[tuple[str, str], Multiverse],
    corrected: Mapping[tuple[str, str, str], Anchored],
) -> dict[tuple[str, str], JsonObject]:
    """All of it as JSON values, by (model, arm)."""
    rows: dict[tuple[str, str], JsonObject] = {}
    for (model, arm, name), split in causes.items():
        rows.setdefault((model, arm), {})[f"causes_{name}"] = [asdict(part) for part in split.parts]
    for (model, arm), each in multiverses.items():
        choices = [asdict(choice) for choice in each.choices]
        rows.setdefault((model, arm), {})["multiverse"] = {"stability": each.stability.value, "choices": choices}
    for (model, arm, name), found in corrected.items():
        rows.setdefault((model, arm), {})[f"labels_{name}"] = {
            **found.corrected._asdict(), "labelled": found.labels, "gap": found.gap, "gap_p_value": found.gap_p_value
        }  # fmt: skip
    return rows


# ---- multiverse -----------------------------------------------------------------------------------------------------


def multiverse_section(found: Mapping[tuple[str, str], Multiverse]) -> Section:
    """Shares of choices with each sign, and every choice."""
    lines, rows = [], []
    for (model, arm), each in found.items():
        positive, negative = each.share(True), each.share(False)
        decided = f"{each.share(True, decided=True):.0%} and {each.share(False, decided=True):.0%} decided"
        text = (
            f"- {escaped(model)}, {arm}: **{each.stability}**. Of {count_text(len(each.choices), 'choice')} "
            f"{positive:.0%} say better and {negative:.0%} worse, {decided}"
        )
        if each.is_confounded and each.stability is Stability.UNSTABLE:
            text += "; one model's answers are the longer ones nearly always, so Δ cannot be told from length"
        lines.append(text)
        rows += [
            [model, arm, choice.measure, choice.judge or "–", choice.unscored, choice.truncated, choice.length,
             f"{choice.estimate:+.3f}", p_text(choice.p_value), p_text(choice.raw_p_value), str(choice.items)]
            for choice in sorted(each.choices, key=lambda choice: -choice.estimate)
        ]  # fmt: skip
    headers = ["model", "arm", "measure", "judge", "unscored", "truncated", "length", "Δ", "p", "p, alone", "n"]
    return Section("Multiverse", ["\n".join(lines)], Grid(headers, rows, 7), [_MULTIVERSE])


_MULTIVERSE = (
    "*p* is adjusted over all choices; a choice is decided where it is at most 0.05. *unstable*: one is decided, and "
    "one of the other sign has a *p, alone* of at most 0.05, or one model's answers are nearly always the longer ones. "
    "Δ is in units of its measure."
)


# ---- labels ---------------------------------------------------------------------------------------------------------


def anchored_section(found: Mapping[tuple[str, str, str], Anchored]) -> Section:
    """Δ in people's labels; the judge's own Δ is withheld where its errors differ between the two models."""
    lines = []
    rows: list[Sequence[str]] = []
    for (model, _, name), each in found.items():
        corrected = each.corrected
        judged = difference_text(each.judged.estimate, each.judged.interval) if each.transports else "withheld"
        if not each.transports:
            favoured = escaped(model) if each.gap > 0 else "the baseline"
            lines.append(
                f"- {escaped(model)}, {name}: a score does not mean the same of both models' answers: on the labels' "
                f"scale the judge errs by {abs(each.gap):.2f} more in favour of {favoured} "
                f"(transport gap, p {p_text(each.gap_p_value)}), so its own Δ is withheld."
            )
        rows.append(
            [
                model,
                name,
                difference_text(corrected.estimate, corrected.interval),
                difference_text(corrected.labels_alone, corrected.labels_alone_interval),
                judged,
                f"{each.labels}/{each.items}",
                f"{corrected.weight:.2f}",
            ]
        )
    headers = ["model", "by", "Δ, corrected", "Δ, labels alone", "Δ, judge alone", "labelled", "judge's weight"]
    note = "Corrected by prediction-powered inference (PPI++), in the unit of the labels."
    return Section("Anchored in people's labels", ["\n".join(lines)] if lines else [], Grid(headers, rows, 2), [note])
