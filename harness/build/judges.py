"""Judges, one branch a kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from harness.build.encoders import build_encoder
from harness.build.models import build_model, decoding_of
from harness.build.resources import ModelOptions, Resources
from harness.cache import remembered_digest
from harness.digests import digest_of
from harness.entries.judge import (
    AlignmentJudgeEntry,
    CalibratedJudgeEntry,
    FactsJudgeEntry,
    GEvalJudgeEntry,
    PanelJudgeEntry,
    ResolvedJudge,
    ScriptedJudgeEntry,
)
from harness.errors import HarnessError, MissingPart
from harness.extras import require
from harness.interfaces import Judge, SingleJudge
from harness.judging.alignment.judge import AlignmentJudge, AlignmentReader, AlignmentSettings
from harness.judging.calibrated import CalibratedJudge, Weights
from harness.judging.facts import FactsJudge
from harness.judging.geval import CriterionText, GEvalJudge, GEvalSettings
from harness.judging.panel import PanelJudge
from harness.judging.scripted import ScriptedJudge

__all__ = ["build_judge", "geval_settings"]


def build_judge(judge: ResolvedJudge, task: str, resources: Resources, options: ModelOptions) -> Judge:
    """`task` is what `{task}` becomes in the path of a judge's LoRA checkpoint. Raises `MissingPart`."""
    match judge.entry:
        case FactsJudgeEntry() as entry:
            return FactsJudge(entry.judge)
        case ScriptedJudgeEntry() as entry:
            return ScriptedJudge(entry.script, name=entry.judge, repeats=entry.repeats)
        case PanelJudgeEntry() as entry:
            members = [build_judge(member, task, resources, options) for member in judge.members]
            return _panel(entry, members)
        case CalibratedJudgeEntry() as entry:
            encoder = build_encoder(entry.encoder, resources)
            weights = {name: Weights(w.bias, w.weights, w.centers, w.scales) for name, w in entry.fitted.items()}
            return CalibratedJudge(entry.judge, weights, encoder.open, encoder.identity, entry.max_unscored)
        case AlignmentJudgeEntry() as entry:
            return _alignment(entry, judge.short, task, resources, options)
        case GEvalJudgeEntry() as entry:
            if judge.model is None:
                raise ValueError(f"judge {entry.judge}: its model was not looked up")
            adapter = build_model(judge.model, task, resources, options)
            return GEvalJudge(entry.judge, geval_settings(entry), adapter)
        case unknown:
            assert_never(unknown)


def _alignment(
    entry: AlignmentJudgeEntry, short: ResolvedJudge | None, task: str, resources: Resources, options: ModelOptions
) -> Judge:
    if short is None:
        raise ValueError(f"judge {entry.judge}: its short judge was not looked up")
    built = build_judge(short, task, resources, options)
    if not isinstance(built, SingleJudge):
        raise HarnessError(f"judges/{entry.judge}.yaml: short_judge: {short.name!r} is a panel; name a single judge")
    weights = Path(entry.weights)
    if not weights.is_file():
        raise MissingPart(f"judges/{entry.judge}.yaml: weights: {weights} is not there; make it with harness fit-judge")
    if remembered_digest(weights, resources.cache) != entry.weights_sha256:
        raise HarnessError(
            f"judges/{entry.judge}.yaml: weights_sha256: {weights} has another digest; fit the judge again"
        )
    encoder = build_encoder(entry.encoder, resources)

    def open_reader() -> AlignmentReader:
        require("torch", "transformers")
        from harness.judging.alignment.reader import Reader

        return Reader(encoder.folder(), weights)

    scales = (_line(entry.scales.right), _line(entry.scales.stated))
    settings = AlignmentSettings(scales, entry.short_words, entry.max_unscored)
    identity = {"encoder": dict(encoder.identity), "weights": entry.weights_sha256}
    return AlignmentJudge(entry.judge, settings, open_reader, identity, built)


def _line(values: Sequence[float]) -> tuple[float, float]:
    slope, intercept = values
    return slope, intercept


def _panel(entry: PanelJudgeEntry, members: list[Judge]) -> PanelJudge:
    if len({digest_of(member.identity) for member in members}) < len(members):
        raise HarnessError(
            f"judges/{entry.judge}.yaml: members: two of them are the same judge under two names and would give the "
            "same scores"
        )
    panel = PanelJudge(entry.judge, members, entry.max_unscored)
    if not panel.criteria:
        raise HarnessError(f"judges/{entry.judge}.yaml: members: they have no criterion in common")
    return panel


def geval_settings(entry: GEvalJudgeEntry) -> GEvalSettings:
    """Everything about a G-Eval judge but its model, as plain values."""
    return GEvalSettings(
        prompt=entry.prompt,
        form=entry.form,
        criteria=tuple(
            CriterionText(name, c.title, c.definition, dict(sorted(c.levels.items())), tuple(c.steps))
            for name, c in entry.criteria.items()
        ),
        scoring=entry.scoring,
        decoding=decoding_of(entry.generation_kwargs),
        system=entry.system_instruction,
        repeats=entry.repeats,
        low=entry.scale.low,
        high=entry.scale.high,
        sees_passages="passages" in entry.sees,
        sees_reference="reference" in entry.sees,
        max_answer_chars=entry.max_answer_chars,
        max_unscored=entry.max_unscored,
    )
