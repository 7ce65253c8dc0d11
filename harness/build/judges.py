"""Judges, one branch a kind."""

from __future__ import annotations

from typing import assert_never

from harness.build.encoders import build_encoder
from harness.build.models import build_model, decoding_of
from harness.build.resources import ModelOptions, Resources
from harness.digests import digest_of
from harness.entries.judge import (
    CalibratedJudgeEntry,
    FactsJudgeEntry,
    GEvalJudgeEntry,
    PanelJudgeEntry,
    ResolvedJudge,
    ScriptedJudgeEntry,
)
from harness.errors import HarnessError
from harness.interfaces import Judge
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
        case GEvalJudgeEntry() as entry:
            if judge.model is None:
                raise ValueError(f"judge {entry.judge}: its model was not looked up")
            adapter = build_model(judge.model, task, resources, options)
            return GEvalJudge(entry.judge, geval_settings(entry), adapter)
        case unknown:
            assert_never(unknown)


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
