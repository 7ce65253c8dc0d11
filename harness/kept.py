"""The JSON files that are kept, key by key: what reads one refuses a key that is missing or unknown and a value of
another kind, with a line for each, so that no half-understood file counts as a result.

A new key of a file is written down here, as `NotRequired` where files without it shall still be read.
"""

from __future__ import annotations

import json
import re
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import (
    Any,
    NotRequired,  # pydantic asks for it before Python 3.12
)

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from harness.errors import DataError, near_names, one_line
from harness.files import JsonObject, read_json

__all__ = [
    "CARD",
    "ENVIRONMENT",
    "MANIFEST",
    "RESULTS",
    "SAMPLE",
    "STRICT",
    "TRAINING",
    "problems_of_file",
    "read_training",
]

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_OPEN = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)
_TYPE = r"(float|int|str|bool|none|nullable)$|list\[|dict\[|function-"
"""What pydantic puts into the place of a mistake that is no key: the member of a union."""
Number = float | int | None


def problems_of_file(kind: Any, value: object) -> list[str]:
    """`key: what is wrong` for each key of a kept file; `kind` is one of this module's, or a dataclass."""
    adapter = _adapter(kind)
    try:
        if is_dataclass(kind):  # strictly, pydantic makes one of JSON's text alone
            adapter.validate_json(json.dumps(value))
        else:
            adapter.validate_python(value)
    except ValidationError as error:
        lines = [_line(kind, each["loc"], each["type"], each["msg"], each["input"]) for each in error.errors()]
        return list(dict.fromkeys(lines))
    return []


def read_training(path: Path) -> JsonObject:
    """A checkpoint's `training.json`. Raises `DataError` for one that is not whole."""
    remedy = "train it again with --overwrite, or delete the file if the checkpoint is from elsewhere"
    record = read_json(path, remedy)
    if problems := problems_of_file(TRAINING, record):
        raise DataError.of([f"{path}: {one_line(problem, 300)}; {remedy}" for problem in problems])
    return record


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _line(kind: Any, location: tuple[int | str, ...], error: str, message: str, value: object) -> str:
    steps = [step for step in location if isinstance(step, int) or not re.match(_TYPE, step)]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".") or "the file"
    match error:
        case "missing":
            return f"{key}: is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            known = getattr(kind, "__annotations__", {}) if len(steps) == 1 else {}
            return f"{key}: is no key of such a file{near_names(str(steps[-1]), known)}"
        case _:
            shown = repr(value)
            return f"{key}: {message[:1].lower()}{message[1:]}, and is {shown[:60]}{'…' if len(shown) > 60 else ''}"


# ---- run folders ----------------------------------------------------------------------------------------------------


@with_config(STRICT)
class _Identities(TypedDict):
    source: JsonObject
    retriever: JsonObject
    model: JsonObject
    judge: JsonObject


@with_config(STRICT)
class _Entries(TypedDict):
    task: JsonObject
    model: NotRequired[JsonObject]
    judge: NotRequired[JsonObject]


@with_config(_OPEN)
class _Facts(TypedDict):
    versions: dict[str, str]


@with_config(STRICT)
class ENVIRONMENT(TypedDict):
    """What computed so many answers and scores of a run; None: it is not known."""

    environment: _Facts | None
    answers: int
    scores: int


@with_config(STRICT)
class MANIFEST(TypedDict):
    """`manifest.json`; the plan is checked where it is read."""

    run_id: str
    plan: JsonObject
    identities: _Identities
    entries: _Entries
    model: JsonObject
    tokens: NotRequired[JsonObject]
    training: NotRequired[JsonObject]
    majority_answer: NotRequired[str]
    deviations: NotRequired[list[str]]
    usage: NotRequired[JsonObject]
    judge_usage: NotRequired[JsonObject]
    leakage: NotRequired[dict[str, list[str]]]
    seconds: float | int
    command: str
    date: str
    versions: NotRequired[dict[str, str]]
    commit: NotRequired[str | None]
    dirty: NotRequired[bool | None]
    host: NotRequired[JsonObject]
    environments: NotRequired[list[ENVIRONMENT]]
    digests: NotRequired[dict[str, str]]


@with_config(STRICT)
class _Harness(TypedDict):
    format: int
    run_id: str
    arm: str
    judge: str
    judge_id: str
    judge_repeats: NotRequired[int]
    scale: NotRequired[list[float | int]]
    criteria: list[str]
    judge_is_broken: bool
    unscored: JsonObject
    failures: NotRequired[dict[str, int]]
    model_id: str
    source: NotRequired[JsonObject]
    trivial: NotRequired[dict[str, dict[str, float | int]]]
    answers: NotRequired[JsonObject]
    leakage: NotRequired[JsonObject]


RESULTS = TypedDict(
    "RESULTS",
    {
        "results": dict[str, dict[str, Any]],
        "group_subtasks": JsonObject,
        "configs": JsonObject,
        "versions": JsonObject,
        "n-shot": JsonObject,
        "higher_is_better": JsonObject,
        "n-samples": dict[str, dict[str, int]],
        "config": JsonObject,
        "git_hash": None,
        "date": None,
        "pretty_env_info": None,
        "total_evaluation_time_seconds": None,
        "task_hashes": JsonObject,
        "model_source": str | None,
        "model_name": str,
        "model_name_sanitized": str,
        "system_instruction": str | None,
        "system_instruction_sha": str | None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "harness": _Harness,
    },
)
"""`results_*.json`; the measures are checked where they are read."""
RESULTS.__pydantic_config__ = STRICT  # type: ignore[attr-defined]  # some keys are no names: there is no class to decorate


@with_config(STRICT)
class _Passage(TypedDict):
    document_id: str
    start: int
    end: int
    title: str
    text: str
    rank: int
    score: float | int


@with_config(STRICT)
class _Score(TypedDict):
    criterion: str
    repeat: int
    score: Number
    reason: str
    reply: str


@with_config(_OPEN)
class _Doc(TypedDict):
    question: str
    answers: NotRequired[list[str] | None]
    gold_doc_ids: NotRequired[list[str] | None]


@with_config(_OPEN)
class _Generation(TypedDict):
    arg_0: str
    """The final prompt."""


@with_config(_OPEN)
class _Arguments(TypedDict):
    gen_args_0: _Generation


@with_config(STRICT)
class SAMPLE(TypedDict):
    """A line of `samples_*.jsonl` without its measures, which `metrics` names."""

    doc_id: int
    doc: _Doc
    target: str
    arguments: _Arguments
    resps: list[list[str]]
    filtered_resps: list[str]
    filter: str
    metrics: list[str]
    doc_hash: str
    prompt_hash: str
    target_hash: str
    question_id: str
    kind: str
    cluster: str
    arm: str
    passages: list[_Passage]
    stop_reason: str
    prompt_tokens: int
    answer_tokens: int
    scores: list[_Score]


# ---- checkpoints ----------------------------------------------------------------------------------------------------


@with_config(STRICT)
class _Pairs(TypedDict):
    digest: str
    ids: list[str]
    questions: NotRequired[list[str]]
    left_out: NotRequired[list[str]]
    examples: NotRequired[int]
    counterfactual: NotRequired[int | None]
    target_is_reference: NotRequired[int | None]


@with_config(STRICT)
class TRAINING(TypedDict):
    """`training.json` of a LoRA checkpoint."""

    format: int
    identity: str
    weights: str
    task: str
    model: str
    method: str
    prompt_format: str
    target: NotRequired[str]
    shuffle_answers: NotRequired[bool]
    domain: NotRequired[str | None]
    settings: JsonObject
    seed: int
    processes: NotRequired[int]
    base: JsonObject
    tokenizer: NotRequired[JsonObject]
    prompt_start_ids: NotRequired[list[int]]
    starts: NotRequired[list[int]]
    source: NotRequired[JsonObject]
    pairs: _Pairs
    loss: NotRequired[dict[str, float | int | None]]
    steps: NotRequired[int]
    tokens: NotRequired[int]
    seconds: NotRequired[float | int]
    sweep: NotRequired[list[JsonObject]]
    command: NotRequired[str]
    date: NotRequired[str]
    versions: NotRequired[dict[str, str]]
    commit: NotRequired[str | None]
    dirty: NotRequired[bool | None]
    host: NotRequired[JsonObject]


# ---- cards ----------------------------------------------------------------------------------------------------------


@with_config(STRICT)
class _Found(TypedDict):
    people: JsonObject
    hard: JsonObject
    second: JsonObject
    short: JsonObject | None
    planted: JsonObject
    dump: JsonObject
    biases: JsonObject
    injection: JsonObject
    stability: JsonObject
    domain: JsonObject


@with_config(STRICT)
class CARD(TypedDict):
    """A judge's card, `judges/cards/NAME.json`."""

    format: int
    judge: str
    judge_id: str
    description: str
    kind: str
    model: str | None
    scoring: str | None
    repeats: int
    extent: JsonObject
    found: _Found
    verdict: JsonObject
    command: str
