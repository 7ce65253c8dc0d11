"""Does the mean of sampled scores converge to the expected score, and what does each cost?

    python -m benchmarks.judge_convergence --data ../shared/data/judge_meta --items 200 --repeats 40

Scores answers that people have judged by the embedded model, once by `expected_score` (one forward pass) and so many
times by sampling one token, from the same distribution. Prints, for 1, 3, 10, … repeats, how far the sampled means lie
from the expected scores and how far they should; seconds and prompt tokens of both; and draws the figure.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path

from harness.auditing.cached_judge import CachedJudge, Case, CaseScores
from harness.auditing.people import read_binary
from harness.build.judges import build_judge
from harness.build.resources import ModelOptions, Resources
from harness.cache import cache_folder
from harness.entries.catalog import Catalog
from harness.entries.judge import GEvalJudgeEntry, ResolvedJudge
from harness.interfaces import Usage
from harness.reports.progress import make_progress
from harness.store import Store

CRITERION = "accuracy"


def asked_of(entry: ResolvedJudge, cases: list[Case], store: Store) -> tuple[dict[str, CaseScores], float, Usage]:
    resources = Resources(cache=cache_folder(), progress=make_progress())
    judge = build_judge(entry, "", resources, ModelOptions())
    judge.prepare()
    started = time.monotonic()
    found = CachedJudge(judge, store, resources.progress).scores(cases, [CRITERION])
    seconds, usage = time.monotonic() - started, judge.usage
    judge.close()
    return found, seconds, usage


def one_token(judge: ResolvedJudge, repeats: int) -> ResolvedJudge:
    """The judge with replies of one token."""
    entry = judge.entry
    assert isinstance(entry, GEvalJudgeEntry)
    decoding = entry.generation_kwargs.model_copy(update={"max_gen_toks": 1, "do_sample": True, "temperature": 1.0})
    own = {"repeats": repeats, "generation_kwargs": decoding, "judge": "one-token"}
    return judge.model_copy(update={"entry": entry.model_copy(update=own)})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--figure", type=Path, default=Path("judge_convergence.png"))
    options = parser.parse_args()
    catalog = Catalog([])
    cases = [row.case for row in read_binary(options.data / "evouna_nq.jsonl", options.items, 0)]
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.sqlite") as store:
        expected, fast, few = asked_of(catalog.resolved_judge("geval-smollm2-expected"), cases, store)
        sampled, slow, many = asked_of(
            one_token(catalog.resolved_judge("geval-smollm2"), options.repeats), cases, store
        )
    rows = []
    for case in cases:
        target = expected[case.id].mean(CRITERION)
        values = [s.value for s in sampled[case.id].by_criterion[CRITERION] if s.value is not None]
        if target is not None and len(values) >= 2:
            rows.append((target, values))
    report(rows, options.repeats, options.figure)
    scored = sum(len(values) for _, values in rows)
    asked = len(cases) * options.repeats
    print(f"{len(rows)} of {len(cases)} items; {scored} of {asked} sampled replies were scores")
    for name, seconds, usage in (("expected_score", fast, few), (f"{options.repeats} samples", slow, many)):
        computed, asked = usage["prompt_tokens_computed"], usage["prompt_tokens_asked"]
        print(f"{name}: {seconds:.0f} s; prompt tokens {computed:,.0f} computed of {asked:,.0f} asked for")


def report(rows: list[tuple[float, list[float]]], repeats: int, figure: Path) -> None:
    """A line for each number of repeats: root mean square of (mean - expected), and of its standard error."""
    sizes = [n for n in (1, 3, 10, 20, 40, 80) if n <= repeats]
    measured, predicted = [], []
    for n in sizes:
        errors, squares = [], []
        for target, values in rows:
            part = values[:n]
            if len(part) < n and len(part) < 2:
                continue
            centre = sum(values) / len(values)
            variance = sum((value - centre) ** 2 for value in values) / (len(values) - 1)
            errors.append(sum(part) / len(part) - target)
            squares.append(variance / len(part))
        measured.append(math.sqrt(sum(e * e for e in errors) / len(errors)))
        predicted.append(math.sqrt(sum(squares) / len(squares)))
        bias, of_bias = sum(errors) / len(errors), math.sqrt(sum(squares)) / len(squares)
        inside = sum(abs(e) <= 3 * math.sqrt(s) for e, s in zip(errors, squares, strict=True)) / len(errors)
        print(
            f"{n:>3} repeats: off by {measured[-1]:.3f} (predicted {predicted[-1]:.3f}); mean difference {bias:+.4f} ± "
            f"{of_bias:.4f}; {inside:.1%} of items within three standard errors"
        )
    draw(sizes, measured, predicted, figure)


def draw(sizes: list[int], measured: list[float], predicted: list[float], figure: Path) -> None:
    from matplotlib.figure import Figure

    picture = Figure(figsize=(6, 3.6), dpi=110, layout="constrained")
    axes = picture.subplots()
    axes.loglog(sizes, measured, "o-", color="tab:blue", label="measured: mean of n samples − expected score")
    axes.loglog(sizes, predicted, "--", color="0.5", label="predicted: σ/√n")
    axes.set(
        xlabel="sampled repeats n", ylabel="root mean square (points)", title="Sampled means and the expected score"
    )
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    picture.savefig(figure)


if __name__ == "__main__":
    main()
