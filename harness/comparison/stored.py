"""A run as comparisons take it: who, on what, under which settings, and one value an item and measure. No text of the
data set, so that a leaderboard can keep it and anyone can compare from a checkout.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from harness.digests import digest_of, digest_of_question, short
from harness.errors import DataError, one_line
from harness.evaluation.checks import check_compared
from harness.evaluation.folder import Run
from harness.files import JsonObject
from harness.kept import ENVIRONMENT, STRICT, problems_of_file
from harness.measures import measure_of
from harness.metrics.references import reference_kind, reference_words
from harness.records import Arm
from harness.statistics import Bounds

__all__ = ["Setting", "StoredRun", "base_name", "training_seed"]

Setting = str | int | float | bool | None
_MEASURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*")


@dataclass(frozen=True)
class StoredRun:
    """`original`: questions that the task has, of which the first were taken. `settings`: what two runs must share to
    be compared, flat: data, prompt, decoding, retrieval. `training`: base, samples, method, format and seed of a LoRA
    checkpoint, where they are known. `trivial`: means of trivial answers (`evaluation.trivial`). `deviations`: where
    the task differs from what it reproduces. `environments`: what computed it (`evaluation.environments`).
    `depends_on_batch`: whether an answer can change with its neighbours in a batch; None where a run was stored before
    this was kept, or its engine does not say. Environments, digests of the questions, and words and kind of the
    reference that the judge saw, are empty where a run was stored before they were kept."""

    __pydantic_config__ = STRICT

    run_id: str
    task: str
    task_version: float
    model: str
    model_id: str
    arm: str
    judge: str
    judge_id: str
    judge_is_broken: bool
    judge_repeats: int | None
    criteria: Sequence[str]
    scale: Sequence[float]
    original: int
    command: str
    date: str
    commit: str | None
    versions: Mapping[str, str]
    settings: Mapping[str, Setting]
    training: JsonObject
    trivial: Mapping[str, Mapping[str, float]]
    items: Sequence[str]
    clusters: Sequence[str]
    kinds: Sequence[str]
    measures: Mapping[str, Sequence[float | None]]
    deviations: Sequence[str] = field(default_factory=list)  # lists, as JSON gives them
    question_digests: Sequence[str] = field(default_factory=list)
    reference_words: Sequence[int] = field(default_factory=list)
    reference_kinds: Sequence[str] = field(default_factory=list)
    depends_on_batch: bool | None = None
    environments: Sequence[JsonObject] = field(default_factory=list)

    @classmethod
    def of(cls, run: Run) -> StoredRun:
        """Raises `DataError` when the run's samples cannot be read, or its manifest lacks what is compared."""
        try:
            check_compared(run.manifest)
        except ValueError as error:
            raise DataError(f"{run.folder}: {one_line(error)}; delete the folder and run again") from error
        names = list(dict.fromkeys(name for row in run.rows for name in row["metrics"]))
        manifest = run.manifest
        return cls(
            run_id=run.id,
            task=run.task,
            task_version=run.plan.version,
            model=run.model,
            model_id=run.model_id,
            arm=run.plan.arm.value,
            judge=run.judge,
            judge_id=run.judge_id,
            judge_is_broken=run.judge_is_broken,
            judge_repeats=run.judge_repeats,
            criteria=list(run.criteria),
            scale=list(run.scale),
            original=run.available,
            command=manifest["command"],
            date=manifest["date"],
            commit=manifest.get("commit"),
            versions=manifest.get("versions", {}),
            settings=_settings_of(run),
            training=run.training,
            trivial=run.trivial,
            items=[row["question_id"] for row in run.rows],
            clusters=[row["cluster"] or row["question_id"] for row in run.rows],
            kinds=[row["kind"] for row in run.rows],
            measures={name: [_rounded(row.get(name)) for row in run.rows] for name in names},
            deviations=list(manifest.get("deviations", ())),
            question_digests=[digest_of_question(row["doc"]["question"]) for row in run.rows],
            reference_words=[reference_words(row["target"]) for row in run.rows],
            reference_kinds=[reference_kind(row["target"]) for row in run.rows],
            depends_on_batch=manifest["identities"]["model"].get("depends_on_batch"),
            environments=run.environments,
        )

    @classmethod
    def from_json(cls, values: JsonObject, where: str) -> StoredRun:
        """Raises `DataError`, which names the file `where`, for values that are not a stored run's."""
        remedy = "delete it, and run `harness leaderboard` again where the run folder is"
        known = {each.name for each in fields(cls)}
        needed = {each.name for each in fields(cls) if each.default is MISSING and each.default_factory is MISSING}
        if missing := needed - set(values):
            raise DataError(f"{where}: was stored by another version (without {', '.join(sorted(missing))}); {remedy}")
        if unknown := set(values) - known:
            names = one_line(", ".join(sorted(unknown)))
            raise DataError(f"{where}: has keys that no stored run has ({names}); {remedy}")
        problems = [each for each in problems_of_file(cls, values) if not re.match(r"measures\..*\[\d+\]:", each)]
        if not problems:  # a measure's values are told by its scale
            run = cls(**values)
            problems = run.problems()
        if problems:
            raise DataError.of([f"{where}: {one_line(problem)}; {remedy}" for problem in problems])
        return run

    def to_json(self) -> JsonObject:
        """All fields, as JSON has them."""
        return asdict(self)

    def problems(self) -> list[str]:
        """What cannot be: rows that are missing or doubled, values outside of their scale."""
        count = len(self.items)
        lines = [] if count else ["items: there is none"]
        if len(self.scale) != 2 or not self.scale[0] < self.scale[1]:
            return [f"scale: is {list(self.scale)[:3]}, not the lowest and the highest score"]
        lines += [f"environments: {each}" for each in problems_of_file(list[ENVIRONMENT], list(self.environments))]
        names = [*self.criteria, *self.measures]
        lines += [f"{name!r} cannot be a measure's name" for name in names if not _MEASURE.fullmatch(name)]
        lines += [] if self.arm in list(Arm) else [f"arm: is {self.arm!r}, not one of {', '.join(Arm)}"]
        if len(set(self.items)) < count:
            lines.append("items: a question is there several times")
        columns: dict[str, Sequence[Any]] = {"clusters": self.clusters, "kinds": self.kinds, **self.measures}
        later = ("question_digests", "reference_words", "reference_kinds")
        columns |= {name: getattr(self, name) for name in later if getattr(self, name)}
        lines += [
            f"{name}: {len(column)} values for {count} items"
            for name, column in columns.items()
            if len(column) != count
        ]
        for name, column in self.measures.items():
            low, high = self.bounds(name) or (0.0, math.inf)
            if wrong := [value for value in column if not _is_within(value, low, high)]:
                lines.append(f"{name}: {wrong[0]!r} is not from {low:g} to {high:g}")
        return lines

    def bounds(self, measure: str) -> Bounds | None:
        """The ends of a measure's scale."""
        return measure_of(measure).bounds(Bounds(float(self.scale[0]), float(self.scale[1])))

    @cached_property
    def position(self) -> dict[str, int]:
        """Of each item."""
        return {item: number for number, item in enumerate(self.items)}

    @cached_property
    def item_set(self) -> str:
        """The same for two runs over the same items."""
        return digest_of(sorted(self.items))

    def values(self, name: str) -> tuple[list[float], list[str]]:
        """Values that are there, and their clusters."""
        pairs = [(v, c) for v, c in zip(self.measures.get(name, ()), self.clusters, strict=False) if v is not None]
        return [value for value, _ in pairs], [cluster for _, cluster in pairs]

    def value(self, name: str, item: str) -> float | None:
        """None where there is none."""
        column = self.measures.get(name)
        return None if column is None or item not in self.position else column[self.position[item]]


def _is_within(value: object, low: float, high: float) -> bool:
    if value is None:
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return is_number and low - 1e-6 <= value <= high + 1e-6  # type: ignore[operator]


def _rounded(value: float | None) -> float | None:
    """Six decimals: what a table of two decimals is made of, without the noise of the last bits."""
    return None if value is None else round(value, 6)


def _settings_of(run: Run) -> dict[str, Setting]:
    """Flat, in words that can be shown. `retriever` is the digest of what ranked, which depends on the arm."""
    plan, entry, identities = run.plan, run.manifest["entries"]["task"], run.manifest["identities"]
    texts = {"doc_to_text": plan.doc_to_text, "doc_to_target": plan.doc_to_target}
    decoding = {
        "max_gen_toks": plan.decoding.max_gen_toks,
        "temperature": plan.decoding.temperature,
        "until": list(plan.decoding.until),
        **({} if plan.decoding.greedy else {"top_p": plan.decoding.top_p, "seed": plan.seed}),
    }
    settings = {
        "split": plan.split,
        "source": {name: short(str(identities["source"][name])) for name in ("corpus", "questions")},
        "prompt": {name: short(digest_of(text)) for name, text in texts.items()}
        | {"system_instruction": short(digest_of(plan.system_instruction or ""))},
        "max_references": plan.max_references,
        "decoding": decoding,
        "retrieval": entry["retrieval"],
        "retriever": short(digest_of(identities["retriever"])),
    }
    return dict(_flat("", settings))


def _flat(prefix: str, value: object) -> list[tuple[str, Setting]]:
    if isinstance(value, Mapping):
        return [
            each for key, inner in value.items() for each in _flat(f"{prefix}.{key}" if prefix else str(key), inner)
        ]
    if isinstance(value, str | int | float) or value is None:
        return [(prefix, value)]
    return [(prefix, ", ".join(map(str, value)) if isinstance(value, Sequence) else str(value))]


def base_name(model: str) -> str:
    """A checkpoint's name without its training seed: `mistral-lora-500@1` is one of `mistral-lora-500`."""
    name, at, seed = model.rpartition("@")
    return name if at and seed.isdigit() else model


def training_seed(run: StoredRun) -> int | None:
    """From the training's record, else from the name; None where neither has it."""
    recorded = run.training.get("seed")
    if isinstance(recorded, int):
        return recorded
    seed = run.model.rpartition("@")[2]
    return int(seed) if "@" in run.model and seed.isdigit() else None
