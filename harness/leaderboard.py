"""Leaderboards: stored results in, markdown out. Needs no model and no data set.

`harness leaderboard NAME` takes the runs that the entry names from the results folder, keeps each in a compact form
beside the entry (`results/NAME/*.json`: item ids and values, no text of the data set), and writes `NAME.md` from the
compact forms alone, so that anyone can regenerate it from a checkout.

Runs are compared only over the same items: each set of items of a task is a table of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.digests import digest_of, short
from harness.errors import DataError, HarnessError
from harness.schema import LeaderboardEntry
from harness.statistics import bootstrap_interval, length_controlled_difference, mean, paired_difference
from harness.tables import markdown_table

__all__ = ["CompactRun", "collect", "render_leaderboard", "stored_runs"]

_STYLE = {"answer_words": "words", "truncated": "cut", "empty": "empty", "repeats": "loops", "echoes": "echoes"}
_HIDDEN = {"dropped_passages", "same_document"}


@dataclass(frozen=True, slots=True)
class CompactRun:
    """What a leaderboard needs of a run: who, on what, and one value an item and measure."""

    run_id: str
    task: str
    task_version: float
    model: str
    model_id: str
    arm: str
    judge: str
    judge_id: str
    judge_is_broken: bool
    criteria: Sequence[str]
    original: int
    command: str
    date: str
    commit: str | None
    versions: Mapping[str, str]
    items: Sequence[str]
    clusters: Sequence[str]
    measures: Mapping[str, Sequence[float | None]]
    judge_repeats: int | None = None
    """None in results that were stored before it was told."""

    @property
    def item_set(self) -> str:
        return digest_of(sorted(self.items))

    def values(self, name: str) -> tuple[list[float], list[str]]:
        """Values that are there, and their clusters."""
        pairs = [(v, c) for v, c in zip(self.measures.get(name, ()), self.clusters, strict=False) if v is not None]
        return [value for value, _ in pairs], [cluster for _, cluster in pairs]


# ---- from run folders to compact runs -------------------------------------------------------------------------------


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error


def _compact(folder: Path) -> CompactRun:
    try:
        return _read_run(folder)
    except (KeyError, StopIteration, ValueError) as error:
        raise DataError(
            f"{folder}: is no whole run folder ({type(error).__name__}: {error}); delete it, run again"
        ) from error


def _read_run(folder: Path) -> CompactRun:
    manifest = _read_json(folder / "manifest.json")
    results = _read_json(next(folder.glob("results_*.json")))
    with next(folder.glob("samples_*.jsonl")).open(encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    ours = results["harness"]
    task = manifest["plan"]["task"]
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    return CompactRun(
        run_id=ours["run_id"],
        task=task,
        task_version=results["versions"][task],
        model=results["model_name"],
        model_id=ours["model_id"],
        arm=ours["arm"],
        judge=ours["judge"],
        judge_id=ours["judge_id"],
        judge_is_broken=ours["judge_is_broken"],
        judge_repeats=ours.get("judge_repeats"),
        criteria=ours["criteria"],
        original=results["n-samples"][task]["original"],
        command=manifest["command"],
        date=manifest["date"],
        commit=manifest["commit"],
        versions=manifest["versions"],
        items=[row["question_id"] for row in rows],
        clusters=[row["cluster"] for row in rows],
        measures={name: [_rounded(row.get(name)) for row in rows] for name in names},
    )


_COMPARED = ("measures", "items", "clusters", "judge_is_broken", "judge_repeats")


def _same(kept: Mapping[str, Any], run: CompactRun) -> bool:
    return all(kept.get(name) == getattr(run, name) for name in _COMPARED)


def _rounded(value: float | None) -> float | None:
    """Six decimals: what a table of two decimals is made of, without the noise of the last bits."""
    return None if value is None else round(value, 6)


def _belongs(run: CompactRun, entry: LeaderboardEntry, tasks: Sequence[str]) -> bool:
    return run.task in tasks and run.model in entry.models and run.arm in entry.arms and run.judge == entry.judge


def collect(results: Path, entry: LeaderboardEntry, tasks: Sequence[str], kept: Path) -> int:
    """Keeps the compact form of every run under `results` that the entry names; gives the number that is new or
    changed. A run that is kept already with the same values stays as it is, first date and command included."""
    changed = 0
    for manifest in sorted(results.glob("*/*/manifest.json")):
        if _read_json(manifest).get("plan", {}).get("task") not in tasks:
            continue
        run = _compact(manifest.parent)
        if not _belongs(run, entry, tasks):
            continue
        path = kept / f"{run.task}-{run.model}-{run.arm}-{short(run.run_id)}.json"
        if path.is_file() and _same(_read_json(path), run):
            continue
        kept.mkdir(parents=True, exist_ok=True)
        path.write_text(_one_line_a_measure(asdict(run)), encoding="utf-8")
        changed += 1
    return changed


def _one_line_a_measure(document: dict[str, Any]) -> str:
    """JSON that a diff can show: a line a key, a line a measure."""

    def line(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    measures = ",\n  ".join(f"{json.dumps(name)}: {line(values)}" for name, values in document.pop("measures").items())
    head = ",\n".join(f" {json.dumps(key)}: {line(value)}" for key, value in document.items())
    return f'{{\n{head},\n "measures": {{\n  {measures}\n }}\n}}\n'


def stored_runs(kept: Path, entry: LeaderboardEntry, tasks: Sequence[str]) -> list[CompactRun]:
    """The kept runs that the entry names today."""
    runs = [CompactRun(**_read_json(path)) for path in sorted(kept.glob("*.json"))]
    return [run for run in runs if _belongs(run, entry, tasks)]


# ---- from compact runs to markdown ----------------------------------------------------------------------------------


def render_leaderboard(
    entry: LeaderboardEntry, tasks: Sequence[str], runs: Sequence[CompactRun], card: Mapping[str, Any] | None = None
) -> str:
    """The whole page; `card` is the judge's (`harness audit`). Raises `HarnessError` when there is no run to show."""
    if not runs:
        raise HarnessError(
            f"leaderboard {entry.leaderboard}: no results yet; run `harness eval` for one of its tasks "
            f"({', '.join(tasks)}) with one of its models ({', '.join(entry.models)}) and the judge {entry.judge}"
        )
    parts = [f"# {entry.title}", *([entry.description.strip()] if entry.description else [])]
    for task in tasks:
        for group in _item_sets([run for run in runs if run.task == task]):
            parts += [_heading(group, card), _table(entry, group)]
            parts += [note for note in [_broken_note(group)] if note]
    parts += [_card_note(entry.judge, runs, card), _LEGEND, _provenance(runs)]
    parts.append(f"Regenerate with `harness leaderboard {entry.leaderboard}`; do not edit this file.")
    return "\n\n".join(parts) + "\n"


def _item_sets(runs: Sequence[CompactRun]) -> Iterator[list[CompactRun]]:
    """Runs of one version of the task over the same items and by the same judge, largest set first. Of several runs
    of one model and arm, which differ in a setting, the newest is shown."""
    groups: dict[tuple[str, str, float], dict[tuple[str, str], CompactRun]] = {}
    for run in sorted(runs, key=lambda run: (run.date, run.run_id)):
        groups.setdefault((run.item_set, run.judge_id, run.task_version), {})[run.model_id, run.arm] = run
    ordered = sorted(groups.items(), key=lambda item: (-len(next(iter(item[1].values())).items), item[0]))
    for _, group in ordered:
        yield list(group.values())


def _fails(run: CompactRun, card: Mapping[str, Any] | None) -> bool:
    return card is not None and card["judge_id"] == run.judge_id and not card["verdict"]["passed"]


def _card_note(judge: str, runs: Sequence[CompactRun], card: Mapping[str, Any] | None) -> str:
    """What the judge's card says of the marks on this page."""
    link = f"[its card](../judges/cards/{judge}.md)"
    if card is None:
        return f"The judge {judge} has no card: nobody has checked it (`harness audit {judge}`)."
    note = f"The judge {judge} "
    if card["verdict"]["passed"]:
        note += f"passes {link}."
        if card["verdict"]["unmeasured"]:
            note += f" Not measured there: {', '.join(card['verdict']['unmeasured'])}."
        if card["verdict"]["blind_to"]:
            note += (
                f" By its entry it does not see planted errors of the kind {', '.join(card['verdict']['blind_to'])}."
            )
    else:
        failed = [hurdle["what"] for hurdle in card["verdict"]["hurdles"] if not hurdle["passed"]]
        note += f"**fails** {link} ({'; '.join(failed)}): marks in tables with ‡ are not to be trusted."
    if any(run.judge_id != card["judge_id"] for run in runs):
        note += " The card is of another version of it than judged some of these runs."
    if others := sorted({run.judge_repeats for run in runs if run.judge_repeats not in (None, card["repeats"])}):
        note += f" The card is of {card['repeats']} repeats a mark; some marks here have {', '.join(map(str, others))}."
    return note


def _heading(group: Sequence[CompactRun], card: Mapping[str, Any] | None) -> str:
    first = group[0]
    count = len(first.items)
    extent = f"{count} questions" if count == first.original else f"the first {count} of {first.original} questions"
    mark = " ‡" if _fails(first, card) else ""
    return f"## {first.task} (version {first.task_version:g}): {extent}, judged by {first.judge}{mark}"


def _table(entry: LeaderboardEntry, group: Sequence[CompactRun]) -> str:
    baseline = next((run for run in group if run.model == entry.baseline and run.arm == "rag"), None)
    names = list(dict.fromkeys(name for run in group for name in run.measures))
    criteria = [name for name in names if name in group[0].criteria]
    clean = [f"{name}_clean" for name in criteria if f"{name}_clean" in names]
    special = {*criteria, *clean, *_STYLE, *_HIDDEN, "leaked"}
    plain = [name for name in names if name not in special]
    headers = ["model", "arm", *criteria]
    headers += [f"Δ {name}" for name in criteria] if baseline is not None else []
    headers += [f"Δ {name}, one length" for name in criteria] if baseline is not None else []
    headers += [*(f"{name.removesuffix('_clean')}, clean" for name in clean), *(["leaked"] if clean else [])]
    headers += ["scored", *plain, *_STYLE.values()]
    rows = [
        [
            _model_name(run, group) + (" †" if run.judge_is_broken else ""),
            run.arm,
            *(_with_interval(run, name) for name in criteria),
            *([_difference(run, baseline, name) for name in criteria] if baseline is not None else []),
            *([_length_controlled(run, baseline, name) for name in criteria] if baseline is not None else []),
            *(_with_interval(run, name) for name in clean),
            *([_percent(run, "leaked")] if clean else []),
            _scored(run, criteria),
            *(_plain(run, name, 3) for name in plain),
            _plain(run, "answer_words", 1),
            *(_percent(run, name) for name in _STYLE if name != "answer_words"),
        ]
        for run in sorted(group, key=lambda run: (entry.models.index(run.model), entry.arms.index(run.arm), run.run_id))  # type: ignore[arg-type]
    ]
    return markdown_table(headers, rows, [False, False, *[True] * (len(headers) - 2)])


def _model_name(run: CompactRun, group: Sequence[CompactRun]) -> str:
    """Two models of one name and different weights are told apart by their identity."""
    twins = {other.model_id for other in group if other.model == run.model}
    return run.model if len(twins) == 1 else f"{run.model} ({short(run.model_id)})"


def _with_interval(run: CompactRun, name: str) -> str:
    values, clusters = run.values(name)
    if not values:
        return "–"
    interval = bootstrap_interval(values, clusters)
    return f"{mean(values):.2f}" + (f" [{interval.low:.2f}, {interval.high:.2f}]" if interval else "")


def _difference(run: CompactRun, baseline: CompactRun, name: str) -> str:
    if run.run_id == baseline.run_id:
        return "base"
    of_base = dict(zip(baseline.items, baseline.measures[name], strict=True))
    rows = zip(run.items, run.measures[name], run.clusters, strict=True)
    pairs = [(v, b, c) for item, v, c in rows if v is not None and (b := of_base[item]) is not None]
    if not pairs:
        return "–"
    values, base, clusters = zip(*pairs, strict=True)
    difference, interval = paired_difference(values, base, clusters)
    return f"{difference:+.2f}" + (f" [{interval.low:+.2f}, {interval.high:+.2f}]" if interval else "")


def _length_controlled(run: CompactRun, baseline: CompactRun, name: str) -> str:
    if run.run_id == baseline.run_id:
        return "base"
    if "answer_words" not in run.measures or "answer_words" not in baseline.measures:
        return "–"
    measured = zip(baseline.measures[name], baseline.measures["answer_words"], strict=True)
    of_base = dict(zip(baseline.items, measured, strict=True))
    rows = [
        (mark, of_base[item][0], words, of_base[item][1])
        for item, mark, words in zip(run.items, run.measures[name], run.measures["answer_words"], strict=True)
    ]
    pairs = [(m, b, w, v) for m, b, w, v in rows if m is not None and b is not None and w is not None and v is not None]
    if not pairs:
        return "–"
    difference = length_controlled_difference(*(list(column) for column in zip(*pairs, strict=True)))
    return "–" if difference is None else f"{difference:+.2f}"


def _scored(run: CompactRun, criteria: Sequence[str]) -> str:
    least = min((len(run.values(name)[0]) for name in criteria), default=0)
    return f"{least}/{len(run.items)}"


def _plain(run: CompactRun, name: str, digits: int) -> str:
    values, _ = run.values(name)
    return f"{mean(values):.{digits}f}" if values else "–"


def _percent(run: CompactRun, name: str) -> str:
    values, _ = run.values(name)
    share = mean(values)
    return f"{100 * share:.0f} %" if share is not None else "–"


def _broken_note(group: Sequence[CompactRun]) -> str:
    broken = [run.model for run in group if run.judge_is_broken]
    return f"† The judge left more verdicts unscored than its entry allows: {', '.join(broken)}." if broken else ""


_LEGEND = (
    "Marks are means over items from 1 to 5; brackets are 95 % bootstrap intervals over items (clusters of items where "
    "they share a document). Δ is paired over the same items against the baseline's `rag` arm; *one length*: the Δ "
    "that a line predicts for two answers of one length (after Dubois et al. 2024, arXiv:2404.04475). *scored*: items "
    "with a mark. *recall*, *mrr*, *ndcg*: gold documents among the retrieved; *span_recall*: gold passages of which "
    "at least half was retrieved. *words*: mean length of an answer; *cut*: answers that the token limit ended; "
    "*loops*: those that say a stretch three times; *echoes*: those that repeat the question or instruction. *clean*: "
    "marks over the questions that are not like a pair that the model was trained on; *leaked*: the share of those "
    "that are."
)


def _provenance(runs: Sequence[CompactRun]) -> str:
    lines = [
        f"- {run.date[:10]}: `{run.command}` (run {short(run.run_id)}"
        + (f", commit {short(run.commit)})" if run.commit else ")")
        for run in runs
    ]
    versions = sorted({f"{name} {version}" for run in runs for name, version in run.versions.items()})
    return "\n".join(["Made by:", "", *sorted(set(lines)), "", f"With {', '.join(versions)}."])
