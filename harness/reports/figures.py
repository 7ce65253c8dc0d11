"""Figures: a study's mean scores by model and data set, and the strip plot of a multiverse.

Drawn by matplotlib, an extra that is imported when a figure is asked for. An SVG keeps its words as text and has no
date in it: the same numbers give the same bytes. Colours are Okabe and Ito's, which the colour-blind can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.comparison.board import Row, Table
from harness.comparison.multiverse import Choice, Multiverse
from harness.comparison.stored import base_name
from harness.entries.checkpoints import checkpoint_parts, trained_models
from harness.entries.leaderboard import LeaderboardEntry
from harness.errors import UsageError
from harness.extras import require
from harness.files import make_folder, whole_file
from harness.measures import measure_of
from harness.statistics import Bounds

__all__ = ["Panel", "PaperPoint", "StudyFigure", "draw_study", "strip_plot", "study_figures", "study_order"]

WIDTH = 8.0
"""Inches, of 100 pixels each."""
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "harness",
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.edgecolor": "#6e7781",
    "text.color": "#1b1f24",
    "xtick.color": "#57606a",
    "ytick.labelcolor": "#1b1f24",
    "axes.labelcolor": "#1b1f24",
}
FAMILY_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
BETTER, WORSE, EVEN = "#0072B2", "#D55E00", "#6e7781"
GREY = "#6e7781"


@dataclass(frozen=True, slots=True)
class PaperPoint:
    """A mean score that the paper gives in its text."""

    task: str
    model: str
    criterion: str
    value: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One data set: its rows, none where nothing of it was run."""

    task: str
    rows: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class StudyFigure:
    """Means of one criterion by model, a panel for each data set. `models`: those of the axis, whether they were run or
    not, in any order; models of a row or of a paper's point are added."""

    title: str
    criterion: str
    panels: Sequence[Panel]
    paper: Sequence[PaperPoint] = ()
    models: Sequence[str] = ()

    @property
    def axis(self) -> list[str]:
        """The models from top to bottom."""
        shown = [row.run.model for panel in self.panels for row in panel.rows]
        return study_order([*self.models, *shown, *(point.model for point in self.points)])

    @property
    def points(self) -> list[PaperPoint]:
        """The paper's, of this criterion and these data sets."""
        tasks = {panel.task for panel in self.panels}
        return [point for point in self.paper if point.criterion == self.criterion and point.task in tasks]


def study_order(models: Sequence[str]) -> list[str]:
    """Each once: families in the order of their first model, in a family the base, then checkpoints by method, format
    and number of pairs."""
    families = list(dict.fromkeys(_family(model) for model in models))

    def order(model: str) -> tuple[int, bool, str, str, int, str]:
        parts = checkpoint_parts(model)
        position = families.index(_family(model))
        if parts is None:
            return position, False, "", "", 0, model
        return position, True, parts.method, parts.presentation.suffix, parts.samples, model

    return sorted(dict.fromkeys(models), key=order)


def _family(model: str) -> str:
    parts = checkpoint_parts(model)
    return (parts.base if parts is not None else model).removesuffix("-4bit")


def study_figures(entry: LeaderboardEntry, tasks: Sequence[str], tables: Sequence[Table], folder: Path) -> list[Path]:
    """A figure for every criterion and arm of the leaderboard: `NAME-accuracy.svg`, and `NAME-accuracy-oracle.svg` for
    other arms than the first. Of several tables of a task the first is drawn. Returns the files."""
    first_of: dict[str, Table] = {}
    for table in tables:
        first_of.setdefault(table.first.task, table)
    paper = [PaperPoint(point.task, point.model, point.criterion, point.value) for point in entry.paper]
    criteria = dict.fromkeys(name for table in first_of.values() for name in table.criteria)
    models = [*entry.models, *(base_name(parts.name) for parts in trained_models(entry))]
    paths = []
    for criterion in criteria or dict.fromkeys(point.criterion for point in paper):
        for number, arm in enumerate(entry.arms):
            panels = [
                Panel(task, [row for row in first_of[task].rows if row.run.arm == arm] if task in first_of else ())
                for task in tasks
            ]
            title = f"{entry.title}: {criterion}" + (f", {arm}" if len(entry.arms) > 1 else "")
            path = folder / (f"{entry.leaderboard}-{criterion}" + (f"-{arm}" if number else "") + ".svg")
            points = paper if arm == "rag" else []
            draw_study(StudyFigure(title, criterion, panels, points, models), path)
            paths.append(path)
    return paths


# ---- a study --------------------------------------------------------------------------------------------------------

ROW_HEIGHT = 0.24


def draw_study(figure: StudyFigure, path: Path) -> None:
    """Raises `UsageError` unless the file is an .svg or a .png."""
    _check_suffix(path)
    require("matplotlib")
    import matplotlib

    axis = figure.axis
    left = _label_width(axis)
    columns = min(2 if left > 0.3 or len(figure.panels) == 4 else 3, len(figure.panels))
    lines = -(-len(figure.panels) // columns)
    panel_height = ROW_HEIGHT * len(axis) + 0.8
    with matplotlib.rc_context(STYLE):
        canvas = _canvas(lines * panel_height + 0.6)
        height = canvas.get_figheight()
        canvas.suptitle(figure.title, x=0.02, y=1 - 0.12 / height, ha="left", va="top", fontsize=11, parse_math=False)
        grid = canvas.add_gridspec(
            lines, columns, left=left, right=0.94, top=1 - 0.65 / height, bottom=0.64 / height,
            wspace=0.26, hspace=0.8 / (panel_height - 0.8),
        )  # fmt: skip
        limits = _limits(figure)
        for number, panel in enumerate(figure.panels):
            axes = canvas.add_subplot(grid[number // columns, number % columns])
            _draw_panel(axes, figure, panel, limits)
            if number % columns:
                axes.set_yticklabels([])
        families = {_family(model) for model in axis}
        _legend(canvas, len(axis) > len(families), bool(figure.points))
        _save(canvas, path)


def _label_width(labels: Sequence[str]) -> float:
    """Of the labels of an axis, as a share of the figure's width."""
    return min(0.45, 0.025 + 0.0087 * max(len(label) for label in labels))


def _limits(figure: StudyFigure) -> Bounds:
    """What all panels show of the scale: from half a point to half a point, round everything that is drawn."""
    rows = [row for panel in figure.panels for row in panel.rows]
    scale = next((bounds for row in rows if (bounds := row.run.bounds(figure.criterion)) is not None), None)
    scale = scale or measure_of(figure.criterion).bounds() or Bounds(1.0, 5.0)
    ends = [point.value for point in figure.points]
    for mean in (row.mean(figure.criterion) for row in rows):
        ends += [] if mean.value is None else [mean.value, *(mean.interval or ())]
    if not ends:
        return scale
    step = scale.span / 8
    low = scale.low + step * ((min(ends) - scale.low) // step)
    high = scale.high - step * ((scale.high - max(ends)) // step)
    return Bounds(max(scale.low, min(low, high - 2 * step)), min(scale.high, max(high, low + 2 * step)))


def _draw_panel(axes: Any, figure: StudyFigure, panel: Panel, limits: Bounds) -> None:
    axis = figure.axis
    families = list(dict.fromkeys(_family(model) for model in axis))
    colours = {name: FAMILY_COLOURS[number % len(FAMILY_COLOURS)] for number, name in enumerate(families)}
    rows = {row.run.model: row for row in panel.rows}
    for place, model in enumerate(axis):
        colour = colours[_family(model)]
        if place > 0 and _family(model) != _family(axis[place - 1]):
            axes.axhline(place - 0.5, color="#d0d7de", linewidth=0.8, zorder=0)
        mean = rows[model].mean(figure.criterion) if model in rows else None
        if mean is not None and mean.value is not None:
            if mean.interval is not None:
                axes.plot(mean.interval, [place, place], color=colour, linewidth=1.8, solid_capstyle="butt", zorder=2)
            axes.plot([mean.value], [place], "o", color=colour, markersize=5.5, zorder=3)
        text = measure_of(figure.criterion).text(mean.value) if mean is not None else "–" if rows else ""
        axes.annotate(
            text, (1, place), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            fontsize=8, color=colour if mean is not None else GREY,
        )  # fmt: skip
    _draw_bases(axes, figure, rows, colours)
    for point in figure.points:
        if point.task == panel.task:
            colour = colours[_family(point.model)]
            axes.plot(
                [point.value], [axis.index(point.model)], "D", markersize=7, markerfacecolor="none",
                markeredgecolor=colour, markeredgewidth=1.3, zorder=4, clip_on=False,
            )  # fmt: skip
    _frame(axes, axis, limits)
    axes.set_title(panel.task, loc="left", fontweight="bold", parse_math=False)
    if not rows:
        axes.set_title("not run", loc="right", color=GREY, style="italic")
        axes.set_facecolor("#f6f8fa")


def _draw_bases(axes: Any, figure: StudyFigure, rows: Mapping[str, Row], colours: Mapping[str, str]) -> None:
    """A thin line at each base's mean, past its checkpoints."""
    axis = figure.axis
    for family, colour in colours.items():
        members = [place for place, model in enumerate(axis) if _family(model) == family]
        base = rows.get(family) or rows.get(f"{family}-4bit")
        value = base.mean(figure.criterion).value if base is not None else None
        if value is not None and len(members) > 1:
            axes.plot([value, value], [members[0], members[-1] + 0.4], ":", color=colour, linewidth=1, zorder=1)


def _frame(axes: Any, axis: Sequence[str], limits: Bounds) -> None:
    pad = 0.03 * limits.span
    axes.set_xlim(limits.low - pad, limits.high + pad)
    axes.set_ylim(len(axis) - 0.5, -0.5)
    axes.set_yticks(range(len(axis)), axis, parse_math=False)
    axes.set_xticks(_ticks(limits), [f"{tick:g}" for tick in _ticks(limits)])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#d8dee4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _ticks(limits: Bounds) -> list[float]:
    """Three round numbers or more."""
    for step in (10.0, 5.0, 2.0, 1.0, 0.5, 0.25, 0.1):
        first, last = math.ceil(limits.low / step), math.floor(limits.high / step)
        if last - first >= 2:
            return [step * place for place in range(first, last + 1)]
    return [limits.low, limits.high]


def _legend(canvas: Any, with_bases: bool, with_paper: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=GREY, marker="o", markersize=5.5, linewidth=1.8, label="mean and its 95 % interval")
    ]
    if with_bases:
        handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=1, label="the base's mean"))
    if with_paper:
        handles.append(
            Line2D([], [], color=GREY, marker="D", markersize=7, markerfacecolor="none", linewidth=0,
                   markeredgewidth=1.3, label="given in the paper's text")
        )  # fmt: skip
    canvas.legend(
        handles=handles, loc="lower left", ncols=len(handles), frameon=False, fontsize=8.5, bbox_to_anchor=(0.01, 0.0),
    )  # fmt: skip


# ---- a multiverse ---------------------------------------------------------------------------------------------------


def strip_plot(multiverses: Mapping[tuple[str, str], Multiverse], path: Path) -> None:
    """A row for each comparison, by (model, arm), and in it a dot for each choice, at Δ as a share of its measure's
    scale. Raises `UsageError` unless the file is an .svg or a .png, and where there is nothing to draw."""
    _check_suffix(path)
    if not any(each.choices for each in multiverses.values()):
        raise UsageError(f"{path.name}: there is nothing to draw: no two runs share a measure")
    require("matplotlib")
    import matplotlib

    labels = [model if arm == "rag" else f"{model}, {arm}" for model, arm in multiverses]
    with matplotlib.rc_context(STYLE):
        canvas = _canvas(0.62 * len(labels) + 1.25)
        height = canvas.get_figheight()
        left = _label_width(labels)
        axes = canvas.add_axes((left, 0.95 / height, 0.86 - left, (height - 1.2) / height))
        largest = 0.0
        for place, each in enumerate(multiverses.values()):
            deltas = [_share_of_scale(choice) for choice in each.choices]
            largest = max([largest, *map(abs, deltas)])
            _draw_strip(axes, place, each, deltas)
        _frame_strips(axes, labels, max(0.02, 1.08 * largest))
        _strip_legend(canvas)
        _save(canvas, path)


def _share_of_scale(choice: Choice) -> float:
    bounds = measure_of(choice.measure).bounds()
    return choice.estimate / bounds.span if bounds is not None else choice.estimate


def _draw_strip(axes: Any, place: int, each: Multiverse, deltas: Sequence[float]) -> None:
    for number, (choice, delta) in enumerate(zip(each.choices, deltas, strict=True)):
        colour = EVEN if delta == 0 else BETTER if delta > 0 else WORSE
        axes.plot(
            [delta], [place + _jitter(number)], "o", markersize=5, markeredgecolor=colour, markeredgewidth=1.0,
            markerfacecolor=colour if choice.is_decided else "white", zorder=3 if choice.is_decided else 2,
        )  # fmt: skip
    noun = "choice" if len(each.choices) == 1 else "choices"
    axes.annotate(
        f"{each.stability}\n{len(each.choices)} {noun}", (1, place), (6, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", va="center", fontsize=8, color="#57606a",
    )  # fmt: skip


def _jitter(number: int) -> float:
    """From -0.3 to 0.3, spread evenly whatever the count: van der Corput's sequence."""
    share, step = 0.0, 0.5
    position = number + 1
    while position:
        share += step * (position % 2)
        position //= 2
        step /= 2
    return 0.6 * share - 0.3


def _frame_strips(axes: Any, labels: Sequence[str], limit: float) -> None:
    axes.axvline(0, color="#1b1f24", linewidth=1, zorder=1)
    for place in range(1, len(labels)):
        axes.axhline(place - 0.5, color="#d0d7de", linewidth=0.8, zorder=0)
    axes.set_xlim(-limit, limit)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#d8dee4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("Δ as a share of the measure's scale")


def _strip_legend(canvas: Any) -> None:
    from matplotlib.lines import Line2D

    styles = [
        ("better", BETTER, BETTER),
        ("worse", WORSE, WORSE),
        ("decided", GREY, GREY),
        ("not decided", GREY, "white"),
    ]
    handles = [
        Line2D([], [], marker="o", markersize=5, linewidth=0, markeredgecolor=edge, markerfacecolor=face, label=label)
        for label, edge, face in styles
    ]
    canvas.legend(handles=handles, loc="lower left", ncols=4, frameon=False, bbox_to_anchor=(0.01, 0.0))


# ---- files ----------------------------------------------------------------------------------------------------------


def _check_suffix(path: Path) -> None:
    if path.suffix not in (".svg", ".png"):
        raise UsageError(f"{path}: a figure is written as .svg or .png; give a name that ends so")


def _canvas(height: float) -> Any:
    """A figure of the width of a page, to be drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(WIDTH, height), dpi=100, facecolor="white")
    FigureCanvasAgg(made)
    return made


def _save(canvas: Any, path: Path) -> None:
    """The whole file or none of it."""
    make_folder(path.parent)
    kind = path.suffix.removeprefix(".")
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with whole_file(path) as part:
        canvas.savefig(part, format=kind, metadata=metadata, **({"dpi": 200} if kind == "png" else {}))
