"""How far a judge that sees only the reference can agree with people: what the labels themselves say.

    python -m benchmarks.human_labels --data ../shared/data/judge_meta

For each set of right-or-wrong judgements: how often an answer that is one of the references word for word was called
wrong, how often one that shares no word of content with any was called right, and the AUC of one annotator's vote
against the other's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.auditing.agreement import annotator_auc
from harness.auditing.people import BINARY, Binary, read_binary
from harness.judging.signals import content_words, words
from harness.tables import markdown_table

EVERYTHING = 1_000_000


def is_a_reference(row: Binary) -> bool:
    return any(words(row.case.answer) == words(reference) for reference in row.case.question.references)


def shares_nothing(row: Binary) -> bool:
    return not content_words(row.case.question.references[0]) & content_words(row.case.answer)


def share(rows: Sequence[Binary], right: bool) -> str:
    return f"{sum(row.right is right for row in rows)} of {len(rows)}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    table = []
    for name, file in BINARY.items():
        rows = read_binary(options.data / file, EVERYTHING, 0)
        exact, apart = [r for r in rows if is_a_reference(r)], [r for r in rows if shares_nothing(r)]
        votes = [row.votes for row in rows if len(row.votes) >= 2]
        among = annotator_auc([v[0] for v in votes], [v[1] for v in votes])
        table.append([name, share(exact, False), share(apart, True), "–" if among is None else f"{among:.3f}"])
    heads = ["judgements", "a reference, called wrong", "nothing shared, called right", "annotator against annotator"]
    print(markdown_table(heads, table, [False, True, True, True]))


if __name__ == "__main__":
    main()
