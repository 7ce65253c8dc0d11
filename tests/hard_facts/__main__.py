"""How far the facts judge is from the scores given by hand: `python -m tests.hard_facts [--failures] [--report]`.

`--failures` lists the development answers that are off by two points or more. `--report` adds the share of the report
set, and never which: a judge is not built on what it is reported on.
"""

from __future__ import annotations

import sys

from tests.hard_facts import HardAnswer, errors, hard_answers


def _print_failures(answers: list[HardAnswer]) -> None:
    for hard, (accuracy, completeness) in errors(answers):
        given = f"{accuracy:.2f} {completeness:.2f}, right {hard.accuracy:g} {hard.completeness:g}"
        print(f"  {hard.key} ({hard.form}): {given}: {hard.answer[:120]!r}")


def main() -> None:
    for name in ("development", "report") if "--report" in sys.argv else ("development",):
        answers = hard_answers(name)
        failures = len(errors(answers))
        print(f"{name}: {failures} of {len(answers)} off by two points or more ({failures / len(answers):.1%})")
        if name == "development" and "--failures" in sys.argv:
            _print_failures(answers)


if __name__ == "__main__":
    main()
