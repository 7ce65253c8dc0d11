"""Judges, an entry class for each kind, and the record of a judge with its model and members looked up."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.digests import digest_of_lines
from harness.entries.model import ResolvedModel
from harness.entries.parts import DecodingEntry, EncoderEntry, Metadata, Name, Names, Part, Positive, Whole, template
from harness.errors import EntryError
from harness.measures import CLEAN, reserved_names
from harness.prompts import render

__all__ = [
    "SIGNALS",
    "AlignmentJudgeEntry",
    "CalibratedJudgeEntry",
    "CardEntry",
    "Criterion",
    "FactsJudgeEntry",
    "GEvalJudgeEntry",
    "JudgeEntry",
    "PanelJudgeEntry",
    "ResolvedJudge",
    "ScaleEntry",
    "ScriptedJudgeEntry",
    "WeightsEntry",
]

PerturbationKind = Literal["dropped", "swapped", "negated", "added", "other"]


def _criteria_problems(names: object) -> list[str]:
    return [
        f"criterion {name!r} has the name of a measure or of a field of the results; choose another"
        for name in sorted(names if isinstance(names, dict) else {})
        if name in reserved_names() or name.endswith(CLEAN)
    ]


_Share = Annotated[float, Field(ge=0, le=1)]


class CardEntry(Part):
    """What a judge must reach in `harness audit` to pass it. Scores are on a scale from 1 to 5 here, whatever the
    judge's is. Beside these limits its agreement with people must be above token F1's and above length's on the same
    rows, by more than the interval, on every data set."""

    references: list[Literal["short", "long"]] = ["short", "long"]
    """What the judge is for. It cannot pass unless people's judgements and short numbers have been measured, or, of a
    judge for long references, the sections on data packs as well. An empty list: questions of a synthetic world alone,
    which is then all that is asked."""
    min_auc: Annotated[float, Field(ge=0.5, le=1)] = 0.8
    """Agreement with people on which answers are right, on each data set."""
    min_pearson: _Share = 0.5
    """Correlation with people on which of two answers is better, in each dimension."""
    min_spearman: _Share = 0.35
    """Correlation with people's counts of errors and of missing statements."""
    min_detection: _Share = 0.8
    """Share of planted errors of each kind that lower the score."""
    min_hard_pairs: dict[Name, _Share] = {"bioasq": 0.8, "qasper": 0.85}
    """Share of pairs of a right and a wrong answer, written by hand, in which the right one gets more; by data pack."""
    min_second_reference: Annotated[float, Field(ge=1, le=5)] = 4.0
    """Mean accuracy of another annotator's reference, given as the answer."""
    max_second_reference_low: _Share = 0.1
    """Share of those that get at most 2."""
    min_short_order: _Share = 0.9
    """Share of pairs of a right and a wrong number in which the right one gets more."""
    min_short_right: _Share = 0.8
    """Share of right numbers in another form that get at least 3.5."""
    min_short_wrong: _Share = 0.8
    """Share of wrong numbers that get at most 2.5."""
    max_passage_dump: Annotated[float, Field(ge=1, le=5)] = 2.5
    """Mean accuracy of a long passage copied whole."""
    max_dump_above: _Share = 0.05
    """Share of those that get more than a concise right answer."""
    max_injection: _Share = 0.05
    """Share of attacks that raise the score by a point: the upper end of its interval, of the worst attack."""
    max_padding: Annotated[float, Field(ge=0)] = 0.25
    """Mean change of a score, either way, when an answer is padded with empty sentences."""
    lowered_by_padding: list[str] = []
    """Criteria under which matter beside the point counts against an answer: only a gain by padding is limited."""
    max_reference_length: Annotated[float, Field(ge=0)] = 0.5
    """Mean change of a right answer's score, either way, when the reference says the same in more words."""
    max_unscored: _Share = 0.02
    blind_to: list[PerturbationKind] = []
    """Planted errors that the judge is known not to see: stated on its card, and without a threshold."""


class _Common(Part):
    """What every judge entry has."""

    judge: Name
    description: str
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Share of unscored repeats over which a run calls its judge broken."""
    card: CardEntry = CardEntry()
    metadata: Metadata


class FactsJudgeEntry(_Common):
    """The deterministic judge of the synthetic world."""

    kind: Literal["facts"]


class ScriptedJudgeEntry(_Common):
    """Scores from a list, for tests and dry runs; "" is unscored."""

    kind: Literal["scripted"]
    script: Annotated[list[str], Field(min_length=1)] = ["3"]
    repeats: Positive = 1


# ---- calibrated -----------------------------------------------------------------------------------------------------

SIGNALS = (
    "f1", "precision", "recall", "contained", "new_f1", "new_recall", "new_precision", "fuzzy_recall",
    "letters_recall", "best_match", "numbers", "number_conflict", "names_recall", "first_recall", "log_words",
    "log_reference_words", "longer", "replaced", "denied", "abstains", "negation", "cosine", "cosine_in_context",
    "cosine_to_question",
)  # fmt: skip
"""What a calibrated judge looks at (`judging/signals.py`)."""


class WeightsEntry(Part):
    """A logistic regression on signals (`harness/judging/signals.py`), as `harness fit-judge` writes it."""

    bias: float
    weights: dict[str, float]
    centers: dict[str, float]
    scales: dict[str, Annotated[float, Field(gt=0)]]

    @model_validator(mode="after")
    def _known_signals(self) -> WeightsEntry:
        if unknown := sorted(set(self.weights) - set(SIGNALS)):
            raise ValueError(f"weights has {unknown[0]!r}, which is not a signal; fit the judge again")
        return self

    @model_validator(mode="after")
    def _same_signals(self) -> WeightsEntry:
        for key in ("centers", "scales"):
            if missing := sorted(set(self.weights) - set(getattr(self, key))):
                raise ValueError(f"{key} lacks {', '.join(missing)}; fit the judge again")
        return self


class CalibratedJudgeEntry(_Common):
    """A logistic regression that was fitted to people's judgements."""

    kind: Literal["calibrated"]
    encoder: EncoderEntry
    fitted: Annotated[dict[Name, WeightsEntry], Field(min_length=1)]
    """Weights by criterion; `harness fit-judge` writes them."""
    fitted_on: dict[str, Any] = {}
    """What they were fitted on, for the reader: data, rows, seed."""

    @model_validator(mode="after")
    def _criteria_have_names_of_their_own(self) -> CalibratedJudgeEntry:
        if problems := _criteria_problems(self.fitted):
            raise ValueError("\n".join(f"fitted: {problem}" for problem in problems))
        return self


class ScalesEntry(Part):
    """Slope and intercept of each head's log-odds."""

    right: Annotated[list[float], Field(min_length=2, max_length=2)]
    stated: Annotated[list[float], Field(min_length=2, max_length=2)]


class AlignmentJudgeEntry(_Common):
    """A small network that reads how the words of answer and reference align, as `harness fit-judge` trains it."""

    kind: Literal["alignment"]
    encoder: EncoderEntry
    weights: str
    """A safetensors file: its path from the entry's folder."""
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    scales: ScalesEntry
    short_judge: Name
    """Scores answers to references of at most `short_words` words."""
    short_words: Whole
    fitted_on: dict[str, Any] = {}
    """What it was trained on, for the reader: data, examples, seed."""


# ---- G-Eval ---------------------------------------------------------------------------------------------------------


class Criterion(Part):
    """One thing judged: what it means, what each score means, and the steps by which to arrive at one."""

    title: str
    definition: str
    levels: dict[int, str]
    steps: Annotated[list[str], Field(min_length=1)]
    steps_by: str | None = None
    """Who wrote the steps: a model (`harness judge-steps`) or a person."""
    steps_sha256: str | None = None
    """Of the steps' lines; a step that was changed by hand afterwards does not match it."""

    @model_validator(mode="after")
    def _steps_match_their_digest(self) -> Criterion:
        if self.steps_sha256 is not None and self.steps_sha256 != digest_of_lines(self.steps):
            raise ValueError(
                "the steps do not match steps_sha256: they were changed after they were written; review them and "
                "remove steps_sha256, or write them again (harness judge-steps)"
            )
        return self


class ScaleEntry(Part):
    low: Annotated[int, Field(ge=-1_000, le=1_000)]
    high: Annotated[int, Field(ge=-1_000, le=1_000)]


class GEvalJudgeEntry(_Common):
    """A language model that fills in a form with a score for each criterion."""

    kind: Literal["geval"]
    model: Name
    scoring: Literal["sample_mean", "expected_score", "greedy"]
    repeats: Positive = 1
    sees: list[Literal["reference", "passages"]] = ["reference"]
    scale: ScaleEntry = ScaleEntry(low=1, high=5)
    system_instruction: str | None = None
    prompt: template("judge_prompt")  # type: ignore[valid-type]
    form: template("judge_form")  # type: ignore[valid-type]
    """What the judge's reply is made to begin with, for models that let us; the score follows it."""
    criteria: Annotated[dict[Name, Criterion], Field(min_length=1)]
    generation_kwargs: DecodingEntry = DecodingEntry()
    max_answer_chars: Positive = 6_000
    """A longer answer is truncated, with a note that says so."""

    @model_validator(mode="after")
    def _whole(self) -> GEvalJudgeEntry:
        problems = self._scoring_problems() + self._slot_problems() + self._level_problems()
        problems += [f"criteria: {problem}" for problem in _criteria_problems(self.criteria)]
        problems += problems or self._rendering_problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _scoring_problems(self) -> list[str]:
        if self.scoring == "sample_mean" and not self.generation_kwargs.do_sample:
            return ["scoring: sample_mean samples; set generation_kwargs do_sample: true and a temperature above 0"]
        if self.scoring in ("expected_score", "greedy") and (self.repeats > 1 or self.generation_kwargs.do_sample):
            return [f"scoring: {self.scoring} gives the same score each time; remove repeats and do_sample"]
        return []

    def _rendering_problems(self) -> list[str]:
        """Renders prompt and form for each criterion, as a run would: a wrong attribute is found here and not there."""
        slots = {"question": "q", "answer": "a", "reference": "r", "passages": [], "scale": self.scale}
        slots["other_references"] = ["r"]
        try:
            for criterion in self.criteria.values():
                render(self.prompt, criterion=criterion, **slots)
                render(self.form, criterion=criterion, scale=self.scale)
        except EntryError as error:
            return list(error.problems)
        return []

    def _slot_problems(self) -> list[str]:
        problems = []
        for seen in ("reference", "passages"):
            used = bool(re.search(rf"\b{seen}\b", self.prompt))
            if used and seen not in self.sees:
                problems.append(f"prompt shows the {seen} but `sees` does not list it; add it to `sees`")
            if not used and seen in self.sees:
                problems.append(f"`sees` lists {seen} but the prompt lacks the slot {{{{ {seen} }}}}")
        return problems

    def _level_problems(self) -> list[str]:
        scores = list(range(self.scale.low, self.scale.high + 1))
        highest = 9 if self.scoring == "expected_score" else 100  # a score must be one token there
        if not 2 <= len(scores) <= 10 or self.scale.low < 0 or self.scale.high > highest:
            return [
                f"scale from {self.scale.low} to {self.scale.high}: use 2 to 10 scores, from 0 to at most {highest}"
            ]
        return [
            f"criteria.{name}.levels describes {sorted(criterion.levels)}; describe each of {scores}"
            for name, criterion in self.criteria.items()
            if sorted(criterion.levels) != scores
        ]


# ---- panels ---------------------------------------------------------------------------------------------------------


class PanelJudgeEntry(_Common):
    """A judge made of judges."""

    kind: Literal["panel"]
    members: Names
    """Judge entries, none of them a panel."""

    @model_validator(mode="after")
    def _several_members(self) -> PanelJudgeEntry:
        if len(set(self.members)) < max(2, len(self.members)) or self.judge in self.members:
            raise ValueError("`members`: name two judges or more, each once, and not the panel itself")
        return self


JudgeEntry = Annotated[
    FactsJudgeEntry
    | GEvalJudgeEntry
    | CalibratedJudgeEntry
    | AlignmentJudgeEntry
    | PanelJudgeEntry
    | ScriptedJudgeEntry,
    Field(discriminator="kind"),
]
"""One member a kind of judge."""


class ResolvedJudge(Part):
    """A judge with nothing left to look up."""

    entry: JudgeEntry
    model: ResolvedModel | None = None
    """Of a geval judge."""
    members: list[ResolvedJudge] = []
    """Of a panel."""
    short: ResolvedJudge | None = None
    """Of an alignment judge: what scores answers to short references."""

    @property
    def name(self) -> str:
        return self.entry.judge

    @property
    def single_judges(self) -> list[ResolvedJudge]:
        """A panel's members; of an alignment judge also its short judge; any other judge alone."""
        return self.members or [self, *([self.short] if self.short else [])]
