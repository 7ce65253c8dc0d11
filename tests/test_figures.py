"""Figures: what stands in them, and that the same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.comparison.board import Table, make_table
from harness.comparison.multiverse import Choice, Multiverse
from harness.comparison.stored import StoredRun
from harness.entries.claims import PaperPointEntry
from harness.entries.leaderboard import LeaderboardEntry, StudyFinetuneEntry
from harness.errors import UsageError
from harness.reports.figures import (
    Panel,
    PaperPoint,
    StudyFigure,
    draw_study,
    strip_plot,
    study_figures,
    study_order,
)

SVG = "{http://www.w3.org/2000/svg}"
MODELS = ["mixtral", "mixtral-lora-200", "mixtral-lora-500", "llama2"]


def run(model: str, mean: float, task: str = "nq", arm: str = "rag") -> StoredRun:
    items = [f"q{number}" for number in range(20)]
    scores = (mean + np.linspace(-0.5, 0.5, 20)).tolist()
    fields: dict[str, Any] = {
        "run_id": f"{task}-{model}-{arm}", "task": task, "task_version": 1.0, "model": model, "model_id": model,
        "arm": arm, "judge": "marks", "judge_id": "j", "judge_is_broken": False, "judge_repeats": 1,
        "criteria": ["accuracy"], "scale": [1.0, 5.0], "original": 20, "command": "", "date": "2026-01-01",
        "commit": None, "versions": {}, "settings": {}, "training": {}, "trivial": {}, "items": items,
        "clusters": items, "kinds": [""] * 20, "measures": {"accuracy": scores},
    }  # fmt: skip
    return StoredRun(**fields)


def table(task: str = "nq", arms: Sequence[str] = ("rag",)) -> Table:
    runs = [run(model, 4.25 - number, task, arm) for number, model in enumerate(MODELS) for arm in arms]
    return make_table(runs, "mixtral", 0.25)


def texts(path: Path) -> list[str]:
    """Every text of an SVG, which must be well-formed."""
    return ["".join(node.itertext()) for node in ElementTree.parse(path).iter(f"{SVG}text")]


def points(path: Path, colour: str) -> int:
    """Marks of a colour that are drawn with `use`: dots and diamonds."""
    return sum(f"stroke: {colour}" in node.get("style", "") for node in ElementTree.parse(path).iter(f"{SVG}use"))


def study(**other: Any) -> StudyFigure:
    values: dict[str, Any] = {
        "title": "Means", "criterion": "accuracy", "panels": [Panel("nq", table().rows), Panel("qasper")], **other
    }  # fmt: skip
    return StudyFigure(**values)


# ---- a study --------------------------------------------------------------------------------------------------------


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    paper = [PaperPoint("qasper", "llama2", "accuracy", 4.38)]
    for name in ("one.svg", "two.svg"):
        draw_study(study(paper=paper), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one.svg").read_bytes()


def test_a_study_shows_every_model_its_mean_and_every_data_set(tmp_path: Path) -> None:
    draw_study(study(), tmp_path / "study.svg")
    shown = texts(tmp_path / "study.svg")
    assert {*MODELS, "nq", "qasper", "Means", "4.25", "3.25", "2.25", "1.25"} <= set(shown)


def test_models_stand_in_the_order_of_their_pairs_base_first() -> None:
    names = ["gpt-4", "mistral-lora-1000", "mistral-lora-200-rag", "mistral-lora-200", "mistral", "mistral-qlora-500"]
    assert study_order([*names, "mistral-4bit", "gpt-4"]) == [
        "gpt-4", "mistral", "mistral-4bit", "mistral-lora-200", "mistral-lora-1000", "mistral-lora-200-rag",
        "mistral-qlora-500",
    ]  # fmt: skip


def test_a_data_set_that_was_not_run_says_so_and_shows_the_papers_points(tmp_path: Path) -> None:
    diamonds = [PaperPoint("qasper", "llama2", "accuracy", 4.38), PaperPoint("qasper", "gpt-4", "accuracy", 4.9)]
    nothing = [Panel("qasper")]
    draw_study(study(panels=nothing, models=["llama2"]), tmp_path / "without.svg")
    draw_study(study(panels=nothing, paper=diamonds, models=["llama2"]), tmp_path / "with.svg")
    shown = texts(tmp_path / "with.svg")
    assert {"not run", "llama2", "gpt-4", "given in the paper's text"} <= set(shown)
    assert "given in the paper's text" not in texts(tmp_path / "without.svg")
    for colour in ("#0072b2", "#d55e00"):  # a diamond each, one a family
        assert points(tmp_path / "without.svg", colour) == 0
        assert points(tmp_path / "with.svg", colour) == 1


def test_points_of_another_criterion_are_not_shown(tmp_path: Path) -> None:
    other = [PaperPoint("nq", "gpt-4", "completeness", 4.38)]
    draw_study(study(paper=other), tmp_path / "study.svg")
    assert "gpt-4" not in texts(tmp_path / "study.svg")


def test_text_from_entries_is_text_and_no_formula(tmp_path: Path) -> None:
    draw_study(study(title="<b> $x^2$ & more"), tmp_path / "study.svg")
    assert "<b> $x^2$ & more" in texts(tmp_path / "study.svg")


def test_a_leaderboard_gets_a_figure_for_each_criterion_and_arm(tmp_path: Path) -> None:
    entry = LeaderboardEntry(
        leaderboard="zoo",
        title="Zoo",
        tasks=["nq", "bioasq"],
        models=["mixtral", "llama2"],
        arms=["rag", "oracle"],
        judge="marks",
        finetune=StudyFinetuneEntry(models=["mixtral"], sizes=[200, 500]),
        paper=[PaperPointEntry(task="bioasq", model="mixtral", criterion="accuracy", value=4.5)],
    )
    written = study_figures(entry, ["nq", "bioasq"], [table(arms=["rag", "oracle"])], tmp_path / "figures")
    assert [path.name for path in written] == ["zoo-accuracy.svg", "zoo-accuracy-oracle.svg"]
    for path in written:
        assert {*MODELS, "not run", "4.25"} <= set(texts(path))
    assert ["given in the paper's text" in texts(path) for path in written] == [True, False]  # the paper's arm is rag


# ---- a multiverse ---------------------------------------------------------------------------------------------------


def choice(measure: str, estimate: float, p_value: float) -> Choice:
    return Choice(measure, "", "left out", "in", "as it is", estimate, p_value, p_value, 20)


MULTIVERSES = {
    ("mixtral-lora-500", "rag"): Multiverse(
        [choice("f1", 0.1, 0.01), choice("accuracy", -0.4, 0.2), choice("rouge_l", 0.0, 1.0)], None
    ),
    ("mixtral-lora-500", "oracle"): Multiverse([choice("f1", -0.1, 0.01)], None),
}


def test_a_strip_plot_has_a_row_for_each_comparison_and_a_dot_for_each_choice(tmp_path: Path) -> None:
    strip_plot(MULTIVERSES, tmp_path / "strip.svg")
    shown = texts(tmp_path / "strip.svg")
    assert {"mixtral-lora-500", "mixtral-lora-500, oracle"} <= set(shown)
    # with the legend's: one each for better and worse, two for decided and not
    assert [points(tmp_path / "strip.svg", colour) for colour in ("#0072b2", "#d55e00")] == [2, 3]


def test_a_dot_is_filled_where_the_choice_is_decided(tmp_path: Path) -> None:
    one = {("m", "rag"): Multiverse([choice("accuracy", -0.4, 0.2), choice("accuracy", -0.4, 0.01)], None)}
    strip_plot(one, tmp_path / "strip.svg")
    styles = [n.get("style", "") for n in ElementTree.parse(tmp_path / "strip.svg").iter(f"{SVG}use")]
    assert sum("fill: #ffffff; stroke: #d55e00" in style for style in styles) == 1
    assert sum("fill: #d55e00; stroke: #d55e00" in style for style in styles) == 2  # one is the legend's


def test_a_strip_plot_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        strip_plot(MULTIVERSES, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_strip_plot_is_a_png_by_its_suffix(tmp_path: Path) -> None:
    strip_plot(MULTIVERSES, tmp_path / "new" / "strip.png")
    assert (tmp_path / "new" / "strip.png").read_bytes().startswith(b"\x89PNG")


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"strip\.pdf: a figure is written as \.svg or \.png"):
        strip_plot(MULTIVERSES, tmp_path / "strip.pdf")
    assert not list(tmp_path.iterdir())


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to draw"):
        strip_plot({}, tmp_path / "strip.svg")
