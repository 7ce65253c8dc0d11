"""How far a judge's scores can be trusted: what its card says, whether a run's references are like those on the card,
and how many of its questions the judge was fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.comparison.stored import StoredRun
from harness.files import JsonObject
from harness.tables import escaped, plain, prose

__all__ = ["FAILS", "OUTSIDE", "Checks", "Scored"]

FAILS, OUTSIDE = "‡", "§"
OUTSIDE_SHARE = 0.1
"""Of a run's references, the share that may be unlike those on the card."""


class Scored(Protocol):
    """Scores by one judge: its identity and its repeats."""

    @property
    def judge_id(self) -> str: ...

    @property
    def judge_repeats(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Checks:
    """`card` as `api.boards` reads it: with the verdict of today and its domain, or `format` alone of an old one, or
    None. `fitted`: digests of the questions that the judge was fitted on."""

    card: JsonObject | None = None
    fitted: frozenset[str] = frozenset()

    @property
    def _current(self) -> JsonObject | None:
        return self.card if self.card is not None and "verdict" in self.card else None

    def fails(self, run: StoredRun) -> bool:
        """Whether the card is of the judge that scored the run, and the judge does not pass it."""
        card = self._current
        return card is not None and card["judge_id"] == run.judge_id and not card["verdict"]["passed"]

    def outside(self, run: StoredRun) -> str | None:
        """In what way the run's references are unlike those that the judge was checked on; None where at most a tenth
        of them are, where it is not known, and where a judge that fails passes nowhere, which is said already."""
        card = self._current
        if card is None or "domain" not in card or card["judge_id"] != run.judge_id or not run.reference_words:
            return None
        if not card["domain"]["data_sets"] and not card["verdict"]["passed"]:
            return None
        longest, kinds = card["domain"]["longest"], card["domain"]["kinds"]
        longer = [words > longest for words in run.reference_words]
        strange = [kind not in kinds for kind in run.reference_kinds]
        unlike = [a or b for a, b in zip(longer, strange, strict=True)]
        if sum(unlike) <= OUTSIDE_SHARE * len(unlike):
            return None
        if not card["domain"]["data_sets"]:
            return "the judge passes on no data set of its card"
        parts = [f"{_share(longer)} of these references are longer than {longest:g} words"] if any(longer) else []
        if any(strange):
            others = [kind for kind in dict.fromkeys(run.reference_kinds) if kind not in kinds]
            parts.append(f"{_share(strange)} are of a kind that is not on it ({', '.join(others)})")
        return " and ".join(parts)

    def mark(self, run: StoredRun) -> str:
        """Behind a score: nothing, or that the card does not speak of such references."""
        return f" {OUTSIDE}" if self.outside(run) is not None else ""

    def table_note(self, run: StoredRun) -> str:
        """Below a table whose runs are over the items of this one."""
        notes = []
        if (outside := self.outside(run)) is not None:
            notes.append(f"{OUTSIDE} Outside the card of {run.judge}: {outside}.")
        if met := sum(digest in self.fitted for digest in run.question_digests):
            notes.append(f"{met:,} of these {len(run.items):,} questions were in the fitting data of {run.judge}.")
        return escaped(" ".join(notes))

    def page_note(self, judge: str, runs: Sequence[StoredRun]) -> str:
        """What the judge's card means for the scores on a page."""
        link = f"[its card](../judges/cards/{judge}.md)"
        return self.judge_note(judge, runs, link, f"scores in tables with {FAILS}") + self._not_known(runs)

    def judge_note(
        self, judge: str, scored: Sequence[Scored], link: str = "its card", distrusted: str = "these scores"
    ) -> str:
        """What the judge's card means for these scores, wherever they stand."""
        if self.card is None:
            return f"The judge {judge} has no card: nobody has checked it (`harness audit {judge}`)."
        if (card := self._current) is None:
            return (
                f"The card of the judge {judge} was written by an earlier version (format {self.card['format']}) and "
                f"does not count: write it again (`harness audit {judge}`)."
            )
        verdict, repeats = card["verdict"], card["repeats"]
        note = f"The judge {judge} "
        if verdict["passed"]:
            note += f"passes {link}."
            if verdict["unmeasured"]:
                note += (
                    f" Not measured there: {prose(plain(', '.join(each['what'] for each in verdict['unmeasured'])))}."
                )
            if verdict["blind_to"]:
                note += f" By its entry it does not see planted errors of the kind {', '.join(verdict['blind_to'])}."
        else:
            failed = [threshold["what"] for threshold in verdict["thresholds"] if not threshold["passed"]]
            failed += [f"{each['what']}: not measured" for each in verdict["unmeasured"] if each["needed"]]
            note += f"**fails** {link} ({prose(plain('; '.join(failed)))}): {distrusted} are not to be trusted."
        if any(run.judge_id != card["judge_id"] for run in scored):
            note += " The card is of another version of the judge than gave some of these scores."
        if others := sorted({run.judge_repeats for run in scored if run.judge_repeats not in (None, repeats)}):
            note += f" The card is of {repeats} repeats a score; some scores here have {', '.join(map(str, others))}."
        return note

    def _not_known(self, runs: Sequence[StoredRun]) -> str:
        """Runs that were stored before their references and questions were described."""
        if all(run.reference_words for run in runs):
            return ""
        unknown = ["whether their references are like those on the card"] if self._current is not None else []
        unknown += ["which of their questions the judge was fitted on"] if self.fitted else []
        if not unknown:
            return ""
        return (
            f" Of some runs here it is not known {' and '.join(unknown)}: they were stored by an earlier version "
            "(`harness leaderboard` takes them again from their run folders)."
        )


def _share(flags: Sequence[bool]) -> str:
    return f"{sum(flags) / len(flags):.0%}".replace("%", " %")
