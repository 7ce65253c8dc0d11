"""Does `harness compare --multiverse` call unstable what a metric gets wrong, and how often does it see what is not
there?

    python -m benchmarks.multiverse                     both tables; about a minute
    python -m benchmarks.multiverse --shuffles 2000

On EVOUNA-NQ (Wang et al. 2023, arXiv:2305.12421): five systems' answers to 3,019 questions of NQ-open, each called
right or wrong by people. The choices are those of four metrics and of a judge that asks no model, at any length and at
one. Where people find the first system better and token F1 finds it worse, or the other way round, F1 has the wrong
sign.
"""

from __future__ import annotations

import argparse
import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.auditing.people import references_of
from harness.comparison.multiverse import Multiverse, Stability, multiverse
from harness.comparison.pairing import pair
from harness.comparison.stored import StoredRun
from harness.files import json_lines
from harness.metrics.answers import ANSWER_METRICS, normalise
from harness.tables import markdown_table

JUDGEMENTS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "judge_meta" / "evouna_nq.jsonl"
SYSTEMS = ("chatgpt", "fid", "gpt35", "gpt4", "newbing")
PAIRS = tuple(combinations(SYSTEMS, 2))
SEED = 3
"""Of the questions that are drawn. With it all six pairs are unstable with 600 of them; gpt4 - newbing, between which
people find next to nothing, is so in 12 of 20 such subsets, the other five in all 20."""
SUBSETS = 20
HUMAN = "human"
"""People's verdicts, 0 or 1; no choice of the multiverse."""
CRITERION = "holds_reference"
"""5 where a reference is in the answer, letter for letter but for case, spaces and signs, else 1. It sees the 1983 in
`September 26, 19831`, which Bing's footnote marks hide from token recall."""

Columns = Mapping[str, Mapping[str, list[float]]]
"""By system and measure, a value an item."""


def run_of(name: str, items: Sequence[str], measures: Mapping[str, Sequence[float | None]]) -> StoredRun:
    return StoredRun(
        run_id=name, task="evouna", task_version=1.0, model=name, model_id=name, arm="rag", judge="lenient match",
        judge_id="", judge_is_broken=False, judge_repeats=None, criteria=[CRITERION], scale=[1, 5], original=len(items),
        command="", date="", commit=None, versions={}, settings={}, training={}, trivial={}, items=items,
        clusters=items, kinds=[""] * len(items), measures=measures,
    )  # fmt: skip


def holds_reference(answer: str, references: Sequence[str]) -> float:
    text = _letters(answer)
    return 5.0 if any(letters in text for reference in references if (letters := _letters(reference))) else 1.0


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", normalise(text))


@cache
def judgements(path: Path) -> tuple[list[str], Columns]:
    """The questions that all five systems answered, and what was measured of the answers."""
    answers: dict[str, dict[str, dict[str, float]]] = {}
    for row in json_lines(path):
        references = references_of(row["reference"])
        values = {name: metric(row["answer"], references) for name, metric in ANSWER_METRICS.items()}
        values[CRITERION] = holds_reference(row["answer"], references)
        values |= {"answer_words": float(len(row["answer"].split())), HUMAN: float(row["human_score"])}
        answers.setdefault(row["id"].removesuffix(f"-{row['system']}"), {})[row["system"]] = values
    items = sorted(item for item, by_system in answers.items() if len(by_system) == len(SYSTEMS))
    names = [*ANSWER_METRICS, CRITERION, "answer_words", HUMAN]
    return items, {s: {n: [answers[item][s][n] for item in items] for n in names} for s in SYSTEMS}


def subset(path: Path, count: int | None, seed: int = SEED) -> list[StoredRun]:
    """The five systems' runs over `count` questions drawn at random; None: over all."""
    items, columns = judgements(path)
    rows = range(len(items)) if count is None else sorted(np.random.default_rng(seed).permutation(len(items))[:count])
    kept = [items[row] for row in rows]
    return [run_of(s, kept, {n: [v[row] for row in rows] for n, v in columns[s].items()}) for s in SYSTEMS]


# ---- wrong signs ----------------------------------------------------------------------------------------------------


class Judged(NamedTuple):
    """A pair of systems: mean differences by people and by token F1, and what the multiverse says."""

    pair: tuple[str, str]
    human: float
    f1: float
    found: Multiverse

    @property
    def f1_is_wrong(self) -> bool:
        return self.human * self.f1 < 0


def judged_pairs(path: Path, count: int | None, seed: int = SEED) -> list[Judged]:
    runs = {run.model: run for run in subset(path, count, seed)}
    rows = []
    for one, other in PAIRS:
        first, second = runs[one], runs[other]
        human, by_f1 = (pair(first, second, name).estimate or 0.0 for name in (HUMAN, "f1"))
        rows.append(Judged((one, other), human, by_f1, multiverse([(first, second)])))
    return rows


def signs_table(path: Path, counts: Sequence[int | None], items: int = 600) -> str:
    """People's Δ and F1's are over all questions. Last, in how many of 20 subsets the pair is unstable."""
    by_count = [judged_pairs(path, count) for count in counts]
    unstable = Counter(
        one.pair
        for seed in range(SUBSETS)
        for one in judged_pairs(path, items, seed)
        if one.found.stability is Stability.UNSTABLE
    )
    rows = []
    for number, whole in enumerate(judged_pairs(path, None)):
        signs = [f"{whole.human:+.3f}", f"{whole.f1:+.3f}", "wrong sign" if whole.f1_is_wrong else ""]
        cells = [_cell(judged[number].found) for judged in by_count]
        rows.append([" - ".join(whole.pair), *signs, *cells, str(unstable[whole.pair])])
    heads = ["pair", "Δ people", "Δ token F1", "", *(f"{count or 'all'} items" for count in counts)]
    heads.append(f"unstable in {SUBSETS} × {items}")
    return markdown_table(heads, rows, [False, True, True, *[False] * (1 + len(counts)), True])


def _cell(found: Multiverse) -> str:
    shares = "/".join(f"{round(len(found.choices) * found.share(side, decided=True))}" for side in (True, False))
    return f"{found.stability} ({shares} of {len(found.choices)}{', confounded' if found.is_confounded else ''})"


# ---- false alarms ---------------------------------------------------------------------------------------------------


class Alarms(NamedTuple):
    """Of so many shuffles, in how many a choice was decided, and in how many which stability was found."""

    shuffles: int
    decided: int
    stabilities: Mapping[str, int]

    @property
    def share(self) -> float:
        return self.decided / self.shuffles

    @property
    def error(self) -> float:
        """Standard error of the share, were it .05."""
        return math.sqrt(0.05 * 0.95 / self.shuffles)


def false_alarms(path: Path, one: str, other: str, items: int, shuffles: int) -> Alarms:
    """For every item the two systems' answers are exchanged or not, by chance: then neither is better."""
    random = np.random.default_rng(zlib.crc32(f"{one} {other} {items}".encode()))
    runs = {run.model: run for run in subset(path, items)}
    first, second = runs[one], runs[other]
    found = []
    for _ in range(shuffles):
        exchanged = random.integers(0, 2, len(first.items), dtype=bool)
        sides = [_mixed(a, b, exchanged) for a, b in ((first, second), (second, first))]
        found.append(multiverse([(sides[0], sides[1])], seed=int(random.integers(4))))
    return Alarms(
        shuffles,
        sum(any(choice.is_decided for choice in each.choices) for each in found),
        Counter(each.stability.value for each in found),
    )


def _mixed(run: StoredRun, other: StoredRun, exchanged: np.ndarray) -> StoredRun:
    def mix(column: Sequence[float | None], theirs: Sequence[float | None]) -> list[float | None]:
        return [two if swap else one for one, two, swap in zip(column, theirs, exchanged, strict=True)]

    measures = {name: mix(column, other.measures[name]) for name, column in run.measures.items()}
    return run_of(run.model, run.items, measures)


CASES = (
    ("chatgpt", "gpt4", 200),
    ("fid", "newbing", 200),
    ("gpt35", "newbing", 400),
    ("fid", "gpt4", 600),
)


def alarms_table(path: Path, shuffles: int) -> str:
    rows, decided = [], 0
    for one, other, items in CASES:
        alarms = false_alarms(path, one, other, items, shuffles)
        decided += alarms.decided
        unstable = alarms.stabilities.get(Stability.UNSTABLE, 0) / shuffles
        rows.append([f"{one} - {other}", str(items), f"{alarms.share:.3f} ± {alarms.error:.3f}", f"{unstable:.3f}"])
    total = len(CASES) * shuffles
    error = math.sqrt(0.05 * 0.95 / total)
    rows.append(["all", "", f"{decided / total:.3f} ± {error:.3f}", ""])
    return markdown_table(["pair", "items", "any choice decided", "unstable"], rows, [False, True, True, True])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=JUDGEMENTS)
    parser.add_argument("--shuffles", type=int, default=500, help="for each pair of systems")
    options = parser.parse_args()
    print("## Pairs of systems: decided choices for the first / for the second\n")
    print(signs_table(options.data, [300, 600, None]))
    print(f"\n## Shuffled: {options.shuffles} times a pair; 0.050 is nominal\n")
    print(alarms_table(options.data, options.shuffles))


if __name__ == "__main__":
    main()
