"""What a leaderboard holds its runs against: published claims, a class for each kind, and numbers that a paper gives.

A claim is about **cells**: a difference between models on one task by one criterion. How each kind is tested is in
`harness/comparison/claims.py`.

not_better     each of `models` is not better than `than`
no_difference  each of `models` ties with `than`
better, worse  each of `models` is better, or worse, than `than`
falls          each of `models` is worse than `than` by more than `by` points
falls_further  `models` fall further below their own bases than `further_than` below theirs
declines       along each of `series`, every model is worse than the one before it
no_trend       along each of `series`, scores neither rise nor fall
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from harness.entries.checkpoints import checkpoint_parts
from harness.entries.parts import ModelName, ModelNames, Name, Names, Part
from harness.errors import near_names
from harness.measures import measure_of

__all__ = [
    "BetterClaim",
    "ClaimEntry",
    "DeclinesClaim",
    "FallsClaim",
    "FallsFurtherClaim",
    "NoDifferenceClaim",
    "NoTrendClaim",
    "NotBetterClaim",
    "PaperPointEntry",
    "WorseClaim",
    "claim_problems",
    "paper_problems",
]


def _is_scored(name: str) -> str:
    if measure_of(name).kind != "score":
        raise ValueError(f"{name!r} is computed, not judged; name a criterion of the judge")
    return name


def _are_scored(names: list[str]) -> list[str]:
    return [_is_scored(name) for name in names]


Criterion = Annotated[Name, AfterValidator(_is_scored)]
Criteria = Annotated[Names, AfterValidator(_are_scored)]
Series = Annotated[list[ModelName], Field(min_length=2)]


class _Claim(Part):
    """What every claim has."""

    claim: Name
    """A short name for it."""
    source: Name
    """Who claims it: study, bergen, …"""
    says: Annotated[str, Field(min_length=1)]
    """The claim in a sentence, in our words."""
    tasks: Names
    criteria: Criteria
    arm: Literal["rag", "closed_book", "oracle"] = "rag"


class _OfModels(_Claim):
    """Every one of `models` is compared with every one of `than`, on each task and by each criterion."""

    models: ModelNames
    than: ModelNames | None = None
    """None: each checkpoint with its own base, by its name."""
    cells: Literal["all", "any"] = "all"
    """Whether the claim is of all of these comparisons, or says that one of them at least is so."""


class NotBetterClaim(_OfModels):
    kind: Literal["not_better"]


class NoDifferenceClaim(_OfModels):
    kind: Literal["no_difference"]


class BetterClaim(_OfModels):
    kind: Literal["better"]


class WorseClaim(_OfModels):
    kind: Literal["worse"]


class FallsClaim(_OfModels):
    kind: Literal["falls"]
    by: Annotated[float, Field(gt=0)]
    """In points of the judge's scale."""


class FallsFurtherClaim(_Claim):
    """The mean fall of all `models` against that of all `further_than`, item by item: one cell for each task and
    criterion."""

    kind: Literal["falls_further"]
    models: ModelNames
    further_than: ModelNames


class DeclinesClaim(_Claim):
    kind: Literal["declines"]
    series: Annotated[list[Series], Field(min_length=1)]
    """Models in order, a list for each base."""


class NoTrendClaim(_Claim):
    kind: Literal["no_trend"]
    series: Annotated[list[Series], Field(min_length=1)]
    """Models in order, a list for each base."""


ClaimEntry = Annotated[
    NotBetterClaim
    | NoDifferenceClaim
    | BetterClaim
    | WorseClaim
    | FallsClaim
    | FallsFurtherClaim
    | DeclinesClaim
    | NoTrendClaim,
    Field(discriminator="kind"),
]


class PaperPointEntry(Part):
    """A mean score that a paper gives in its text."""

    task: Name
    model: ModelName
    criterion: Criterion
    value: float


# ---- against the leaderboard ----------------------------------------------------------------------------------------


def claim_problems(claims: Sequence[ClaimEntry], models: Iterable[str], tasks: Iterable[str]) -> list[str]:
    """`key: what is wrong; what to do`, a line for each claim of a model or task that the leaderboard does not have, of
    a model whose base cannot be told from its name, and for a name that two claims share. `models`: all that are
    evaluated, checkpoints among them; a name stands for all its training seeds."""
    known = {each for model in models for each in (model, model.partition("@")[0])}
    lines = []
    names: set[str] = set()
    for number, claim in enumerate(claims):
        key = f"claims[{number}]"
        if claim.claim in names:
            lines.append(f"{key}.claim: {claim.claim!r} is the name of an earlier claim; give it another")
        names.add(claim.claim)
        lines += _unknown(f"{key}.tasks", "task", claim.tasks, set(tasks))
        for field, named in _models_of(claim):
            lines += _unknown(f"{key}.{field}", "model", named, known)
        lines += _base_problems(key, claim, known)
    return list(dict.fromkeys(lines))


def paper_problems(points: Sequence[PaperPointEntry], tasks: Iterable[str]) -> list[str]:
    """A line for each point of a task that the leaderboard does not have. A model that it does not have is allowed: its
    points stand in a row of their own."""
    known = set(tasks)
    return [
        line
        for number, point in enumerate(points)
        for line in _unknown(f"paper[{number}].task", "task", [point.task], known)
    ]


def _unknown(key: str, kind: str, named: Iterable[str], known: set[str]) -> list[str]:
    return [
        f"{key}: the leaderboard has no {kind} {name!r}{near_names(name, sorted(known))}; correct it, or add it to the "
        f"leaderboard" + (" (`models`, or what `finetune` trains)" if kind == "model" else "")
        for name in named
        if name not in known
    ]


def _models_of(claim: ClaimEntry) -> list[tuple[str, Sequence[str]]]:
    """(key, names)."""
    match claim:
        case FallsFurtherClaim():
            return [("models", claim.models), ("further_than", claim.further_than)]
        case DeclinesClaim() | NoTrendClaim():
            return [(f"series[{number}]", series) for number, series in enumerate(claim.series)]
        case _:
            return [("models", claim.models), ("than", claim.than or [])]


def _base_problems(key: str, claim: ClaimEntry, known: set[str]) -> list[str]:
    """Of claims that compare checkpoints with their own bases."""
    if isinstance(claim, DeclinesClaim | NoTrendClaim) or (isinstance(claim, _OfModels) and claim.than is not None):
        return []
    lines = []
    for field, named in _models_of(claim):
        for name in named:
            parts = checkpoint_parts(name)
            if parts is None:
                remedy = "name a checkpoint" + (", or set `than`" if isinstance(claim, _OfModels) else "")
                lines.append(f"{key}.{field}: {name!r} is not the name of a checkpoint, so it has no base; {remedy}")
            elif parts.base not in known and not (parts.method == "qlora" and f"{parts.base}-4bit" in known):
                lines += _unknown(f"{key}.{field}", "model", [parts.base], known)
    return lines
