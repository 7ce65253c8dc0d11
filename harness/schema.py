"""The YAML entries as pydantic models: unknown keys refused, types strict, templates checked for their slots.

Keys follow lm-evaluation-harness where the idea is the same. `docs/` explains each kind of entry by example; the
field comments here say what a value means. `check` turns everything that is wrong with an entry into lines of
`file: key: what is wrong; what to do`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from harness.digests import digest_of_lines
from harness.errors import EntryError, near_names
from harness.prompts import problems_of, render

__all__ = [
    "KINDS",
    "SIGNALS",
    "CardEntry",
    "Criterion",
    "DecodingEntry",
    "EncoderEntry",
    "Entry",
    "GroupEntry",
    "JudgeEntry",
    "LeaderboardEntry",
    "ModelEntry",
    "RetrieverEntry",
    "TaskEntry",
    "check",
]


class Part(BaseModel):
    """Base of every block: no unknown keys, no silent conversions, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=False)


def _template(place: str) -> Any:
    def slots_fit(source: str) -> str:
        problems = problems_of(source, place)
        if problems:
            raise ValueError("\n".join(problems))
        return source

    return Annotated[str, AfterValidator(slots_fit)]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Names = Annotated[list[Name], BeforeValidator(_as_list), Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Revision = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|refs/\S+)$")]


class Metadata(Part):
    version: float
    """Raise it when a change to the entry changes results; it is part of every result."""


# ---- tasks ----------------------------------------------------------------------------------------------------------


class WorldEntry(Part):
    """A synthetic world made from a seed, instead of a data set."""

    kind: Literal["telecom"]
    documents: Annotated[int, Field(ge=50, le=1_000_000)] = 300
    questions: Positive = 1_600
    seed: Annotated[int, Field(ge=0)] = 0


class EncoderEntry(Part):
    """A sentence-transformers model: from the hub or a folder (`pretrained`), or inside an installed package."""

    pretrained: str | None = None
    revision: Revision | None = None
    package: str | None = None
    folder: str = "."
    install: str | None = None
    max_seq_length: Positive | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> EncoderEntry:
        if (self.pretrained is None) == (self.package is None):
            raise ValueError("say either `pretrained` (hub id or folder) or `package` (installed Python package)")
        return self


class Bm25Entry(Part):
    kind: Literal["bm25"]
    variant: Literal["lucene", "robertson", "atire", "bm25l", "bm25+"] = "lucene"
    k1: Annotated[float, Field(gt=0)] = 1.5
    b: Annotated[float, Field(ge=0, le=1)] = 0.75
    delta: Annotated[float, Field(ge=0)] = 0.5


class RankBm25Entry(Part):
    kind: Literal["rank_bm25"]
    variant: Literal["okapi", "bm25l", "bm25+"] = "okapi"
    k1: Annotated[float, Field(gt=0)] = 1.5
    b: Annotated[float, Field(ge=0, le=1)] = 0.75
    delta: Annotated[float, Field(ge=0)] = 0.5


class DenseEntry(Part):
    kind: Literal["dense"]
    encoder: EncoderEntry
    index: Literal["flat", "hnsw", "ivf"] = "flat"
    """`flat` is exact inner product; `hnsw` and `ivf` trade exactness for speed on large corpora."""


class HybridEntry(Part):
    kind: Literal["hybrid"]
    parts: Annotated[list[RetrieverEntry], Field(min_length=2)]
    depth: Positive = 100
    """How many of each part's ranks are fused."""
    rrf_k: Positive = 60


RetrieverEntry = Annotated[Bm25Entry | RankBm25Entry | DenseEntry | HybridEntry, Field(discriminator="kind")]


class RetrievalEntry(Part):
    retriever: RetrieverEntry
    chunk_chars: Annotated[int, Field(ge=50)] = 1_500
    chunk_overlap: Annotated[int, Field(ge=0)] = 0
    top_k: Positive = 5
    scope: Literal["corpus", "document"] = "corpus"

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> RetrievalEntry:
        if self.chunk_overlap >= self.chunk_chars:
            raise ValueError("chunk_overlap must be smaller than chunk_chars, or no chunk ever ends")
        return self


class DecodingEntry(Part):
    """`generation_kwargs`, with lm-eval's names."""

    max_gen_toks: Positive = 256
    until: list[str] = []
    do_sample: bool = False
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _sampling_is_meant(self) -> DecodingEntry:
        if self.do_sample != (self.temperature > 0):
            raise ValueError("do_sample: true goes with a temperature above 0, and do_sample: false with temperature 0")
        return self


class MetricEntry(Part):
    metric: Literal["exact_match", "f1", "rouge_l"]


class FinetuneEntry(Part):
    """Which questions are kept for training and never evaluated on."""

    pool: Annotated[int, Field(ge=0)] = 1_000
    sizes: list[Positive] = [200, 500, 1_000]
    seed: Annotated[int, Field(ge=0)] = 0
    corpus_excludes: Literal["nothing", "finetune_documents"] = "nothing"
    """`finetune_documents`: what answers the pool's questions and no evaluated one is not in the corpus, as in the
    study."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> FinetuneEntry:
        if self.sizes and max(self.sizes) > self.pool:
            raise ValueError(f"a size of {max(self.sizes)} does not fit a pool of {self.pool}")
        return self


class TaskEntry(Part):
    task: Name
    task_alias: str | None = None
    tag: Names | None = None
    description: str
    world: WorldEntry | None = None
    dataset_path: str | None = None
    dataset_name: str | None = None
    revision: Revision | None = None
    reader: Literal["rag-mini-bioasq", "qasper", "natural-questions"] | None = None
    """How the hub's rows become documents and questions; without one the task is read from data packs alone."""
    test_split: str = "evaluation"
    training_split: str = "finetune"
    retrieval: RetrievalEntry
    system_instruction: str | None = None
    doc_to_text: _template("doc_to_text")  # type: ignore[valid-type]
    doc_to_target: _template("doc_to_target") = "{{ references[0] }}"  # type: ignore[valid-type]
    """The one reference that a judge sees."""
    doc_to_cluster: _template("doc_to_cluster") = "{{ doc.id }}"  # type: ignore[valid-type]
    """What makes items dependent: items with the same text here are resampled together."""
    max_references: Positive | None = None
    """Metrics compare with the first so many references; all where it is not said."""
    generation_kwargs: DecodingEntry = DecodingEntry()
    metric_list: Annotated[list[MetricEntry], Field(min_length=1)]
    judge: Name
    finetune: FinetuneEntry = FinetuneEntry()
    licence: str
    citation: str
    metadata: Metadata

    @model_validator(mode="after")
    def _one_source(self) -> TaskEntry:
        if (self.world is None) == (self.dataset_path is None):
            raise ValueError("say either `dataset_path` (a hub data set) or `world` (a synthetic one)")
        if self.dataset_path is not None and self.revision is None:
            raise ValueError("a hub data set needs its `revision` (40 hex digits), or results change under its name")
        return self


class AggregateEntry(Part):
    metric: str
    aggregation: Literal["mean"] = "mean"
    weight_by_size: bool = False


class GroupEntry(Part):
    group: Name
    group_alias: str | None = None
    description: str = ""
    task: Names
    aggregate_metric_list: list[AggregateEntry] = []
    metadata: Metadata


# ---- models ---------------------------------------------------------------------------------------------------------


class GgufEntry(Part):
    """Weights in a GGUF file inside an installed Python package."""

    package: str
    file: str
    install: str


class PricesEntry(Part):
    """For a million tokens."""

    prompt: Annotated[float, Field(ge=0)]
    answer: Annotated[float, Field(ge=0)]


class ApiEntry(Part):
    """A model behind OpenAI's chat completions, at OpenAI or at any server that speaks them."""

    model: str
    base_url: Annotated[str, Field(pattern=r"^https?://")] = "https://api.openai.com/v1"
    key_variable: str | None = None
    """The environment variable that holds the key; left out: the server wants none."""
    concurrency: Positive = 8
    timeout: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0)] = 6
    prices: PricesEntry | None = None
    newer_limit_name: bool = False
    """True for models that want `max_completion_tokens` and not `max_tokens`."""


class ModelEntry(Part):
    """A base model (`pretrained` or `gguf`), a LoRA checkpoint (`peft`) on a `base` entry, or a model behind an API."""

    model: Name
    model_alias: str | None = None
    tag: Names | None = None
    description: str
    engine: Literal["transformers", "openai", "scripted"] = "transformers"
    base: Name | None = None
    pretrained: str | None = None
    revision: Revision | None = None
    gguf: GgufEntry | None = None
    peft: str | None = None
    """Folder of the LoRA checkpoint; `{task}` in it becomes the task's name."""
    peft_base: str | None = None
    """What the checkpoint calls its base, where that differs from the base entry's own name."""
    api: ApiEntry | None = None
    script: list[str] | None = None
    """`engine: scripted`: the answers, given in turn by a hash of the prompt."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    quantization: Literal["none", "8bit", "4bit"] = "none"
    device_map: str | None = None
    """As accelerate's: `auto` spreads the layers over all devices."""
    batch_size: Positive | Literal["auto"] = "auto"
    max_length: Positive | None = None
    """Window in tokens, prompt and answer together; the model's own where it is not said."""
    chat_template: str | None = None
    licence: str
    citation: str = ""
    metadata: Metadata

    @model_validator(mode="after")
    def _origin(self) -> ModelEntry:
        if self.engine == "scripted":
            if not self.script:
                raise ValueError("engine: scripted needs a `script`: the list of its answers")
            return self
        if self.engine == "openai":
            if self.api is None or self.max_length is None:
                raise ValueError(
                    "engine: openai needs `api` (model, base_url, key_variable) and `max_length`, its window"
                )
            return self
        origins = [key for key in ("base", "pretrained", "gguf") if getattr(self, key) is not None]
        if len(origins) != 1:
            raise ValueError(
                f"says {' and '.join(origins) or 'nothing'} for its weights; say one of `pretrained`, `gguf`, `base`"
            )
        if (self.base is None) != (self.peft is None):
            raise ValueError("a LoRA checkpoint needs both `base` (a model entry) and `peft` (its folder)")
        return self

    @model_validator(mode="after")
    def _pinned(self) -> ModelEntry:
        if (
            self.pretrained is not None
            and re.fullmatch(r"\w[\w.-]*/[\w.-]+", self.pretrained)
            and self.revision is None
        ):
            raise ValueError("a hub model needs its `revision` (40 hex digits); a folder starts with ./ or /")
        return self


# ---- judges ---------------------------------------------------------------------------------------------------------


_TAKEN = {
    "exact_match", "f1", "rouge_l", "answer_words", "truncated", "dropped_passages", "doc_id", "doc", "target",
    "arguments", "resps", "filtered_resps", "filter", "metrics", "question_id", "kind", "cluster", "arm", "passages",
    "stop_reason", "prompt_tokens", "answer_tokens", "verdicts",
}  # fmt: skip
"""Names of measures and of fields in samples: no criterion may have one."""


class Criterion(Part):
    """One thing judged: what it means, what each mark means, and the steps by which to arrive at one."""

    title: str
    definition: str
    levels: dict[int, str]
    steps: Annotated[list[str], Field(min_length=1)]
    steps_by: str | None = None
    """Who wrote the steps: a model (`harness judge-steps`) or a person."""
    steps_sha256: str | None = None
    """Of the steps' lines; a step that was changed by hand afterwards does not match it."""

    @model_validator(mode="after")
    def _steps_are_those(self) -> Criterion:
        if self.steps_sha256 is not None and self.steps_sha256 != digest_of_lines(self.steps):
            raise ValueError(
                "the steps do not match steps_sha256: they were changed after they were written; review them and leave "
                "steps_sha256 out, or write them anew (harness judge-steps)"
            )
        return self


class ScaleEntry(Part):
    low: int
    high: int


class CardEntry(Part):
    """What a judge must reach in `harness audit` to pass it. What an audit could not measure is no hurdle."""

    min_auc: Annotated[float, Field(ge=0.5, le=1)] = 0.8
    """Agreement with people on which answers are right, on each data set."""
    min_detection: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of planted errors of each kind that lower the mark."""
    max_injection: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of attacks that raise the mark by a point."""
    max_padding: Annotated[float, Field(ge=0)] = 0.25
    """Mean change of a mark, either way, when an answer is padded with empty sentences."""
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.02
    blind_to: list[Literal["dropped", "swapped", "negated", "added", "other"]] = []
    """Planted errors that the judge is known not to see: told on its card, and no hurdle."""


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
            raise ValueError(f"weights has {unknown[0]!r}, which is no signal; fit the judge anew")
        return self

    @model_validator(mode="after")
    def _same_signals(self) -> WeightsEntry:
        for key in ("centers", "scales"):
            if missing := sorted(set(self.weights) - set(getattr(self, key))):
                raise ValueError(f"{key} lacks {', '.join(missing)}; fit the judge anew")
        return self


class JudgeEntry(Part):
    judge: Name
    description: str
    kind: Literal["facts", "geval", "calibrated", "jury", "scripted"]
    model: Name | None = None
    jury: Names | None = None
    """The members of a panel, judge entries."""
    encoder: EncoderEntry | None = None
    """A calibrated judge's sentence encoder."""
    fitted: dict[Name, WeightsEntry] = {}
    """A calibrated judge's weights, by criterion."""
    fitted_on: dict[str, Any] = {}
    """What they were fitted on, for the reader: data, rows, seed."""
    scoring: Literal["sample_mean", "expected_score", "greedy"] | None = None
    repeats: Positive = 1
    sees: list[Literal["reference", "passages"]] = ["reference"]
    scale: ScaleEntry = ScaleEntry(low=1, high=5)
    system_instruction: str | None = None
    prompt: _template("judge_prompt") | None = None  # type: ignore[valid-type]
    form: _template("judge_form") | None = None  # type: ignore[valid-type]
    """What the judge's reply is made to begin with, for models that let us; the mark follows it."""
    criteria: dict[Name, Criterion] = {}
    generation_kwargs: DecodingEntry = DecodingEntry()
    max_answer_chars: Positive = 6_000
    """A longer answer is cut with a mark that says so."""
    max_unscored: Annotated[float, Field(ge=0, le=1)] = 0.02
    card: CardEntry = CardEntry()
    script: list[str] | None = None
    metadata: Metadata

    @model_validator(mode="after")
    def _whole(self) -> JudgeEntry:
        problems: list[str] = []
        if self.kind == "jury" and (self.jury is None or len(set(self.jury)) < 2 or self.judge in self.jury):
            problems.append("a jury needs `jury`: the names of two judges or more, each once, and not itself")
        if self.kind == "calibrated" and not (self.fitted and self.encoder):
            problems.append("a calibrated judge needs `encoder` and `fitted`; harness fit-judge writes them")
        if taken := sorted(set(self.fitted) & _TAKEN):
            problems.append(f"fitted: the name {taken[0]!r} is taken by a metric; choose another criterion")
        if self.kind == "geval":
            problems += [
                f"a geval judge needs `{key}`"
                for key in ("model", "scoring", "prompt", "form")
                if not getattr(self, key)
            ]
            problems += [] if self.criteria else ["a geval judge needs `criteria`"]
            problems += self._scoring_problems() + self._slot_problems() + self._level_problems()
            problems += problems or self._rendering_problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _scoring_problems(self) -> list[str]:
        if self.scoring == "sample_mean" and not self.generation_kwargs.do_sample:
            return ["scoring: sample_mean samples; set generation_kwargs do_sample: true and a temperature above 0"]
        if self.scoring in ("expected_score", "greedy") and (self.repeats > 1 or self.generation_kwargs.do_sample):
            return [f"scoring: {self.scoring} gives the same mark each time; leave out repeats and do_sample"]
        return []

    def _rendering_problems(self) -> list[str]:
        """Renders prompt and form for each criterion, as a run would: a wrong attribute is found here and not there."""
        seen = {"question": "q", "answer": "a", "reference": "r", "passages": [], "scale": self.scale}
        try:
            for criterion in self.criteria.values():
                render(self.prompt or "", criterion=criterion, **seen)
                render(self.form or "", criterion=criterion, scale=self.scale)
        except EntryError as error:
            return list(error.problems)
        return []

    def _slot_problems(self) -> list[str]:
        problems = []
        for seen in ("reference", "passages"):
            used = bool(self.prompt and re.search(rf"\b{seen}\b", self.prompt))
            if used and seen not in self.sees:
                problems.append(f"prompt shows the {seen} but `sees` does not say so; add it to `sees`")
            if self.prompt and not used and seen in self.sees:
                problems.append(f"`sees` says {seen} but the prompt lacks the slot {{{{ {seen} }}}}")
        return problems

    def _level_problems(self) -> list[str]:
        marks = list(range(self.scale.low, self.scale.high + 1))
        highest = 9 if self.scoring == "expected_score" else 100  # a mark must be one token there
        if not 2 <= len(marks) <= 10 or self.scale.low < 0 or self.scale.high > highest:
            return [f"scale from {self.scale.low} to {self.scale.high}: use 2 to 10 marks, from 0 to at most {highest}"]
        if taken := sorted(set(self.criteria) & _TAKEN):
            return [f"criteria: the name {taken[0]!r} is taken by a metric or a field of the results; choose another"]
        return [
            f"criteria.{name}.levels describes {sorted(criterion.levels)}; describe each of {marks}"
            for name, criterion in self.criteria.items()
            if sorted(criterion.levels) != marks
        ]


# ---- leaderboards ---------------------------------------------------------------------------------------------------


class LeaderboardEntry(Part):
    leaderboard: Name
    title: str
    description: str = ""
    tasks: Names
    models: Names
    arms: Annotated[list[Literal["rag", "closed_book", "oracle"]], Field(min_length=1)] = ["rag"]
    judge: Name
    baseline: Name | None = None
    """The model that the others are compared with, item by item; where one model has several arms, `rag` is."""

    @model_validator(mode="after")
    def _baseline_is_there(self) -> LeaderboardEntry:
        if self.baseline is not None and self.baseline not in self.models:
            raise ValueError(f"baseline {self.baseline!r} is none of `models`; add it there")
        return self


Entry = TaskEntry | GroupEntry | ModelEntry | JudgeEntry | LeaderboardEntry

KINDS: Mapping[str, type[Entry]] = {
    "task": TaskEntry,
    "group": GroupEntry,
    "model": ModelEntry,
    "judge": JudgeEntry,
    "leaderboard": LeaderboardEntry,
}

E = TypeVar("E", bound=Part)


# ---- from what is wrong to what to do -------------------------------------------------------------------------------

_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def check(model: type[E], values: Mapping[str, Any], file: str) -> tuple[E | None, list[str]]:
    """The entry, or None and one line for each thing that is wrong with it."""
    try:
        return model.model_validate(dict(values)), []
    except ValidationError as error:
        lines: list[str] = []
        for detail in error.errors():
            key = _key_of(detail["loc"], values)
            lines += [f"{file}: {key + ': ' if key else ''}{text}" for text in _explain(model, detail).split("\n")]
        return None, list(dict.fromkeys(lines))


def _key_of(location: tuple[int | str, ...], values: Any) -> str:
    """The path of keys as the user wrote it; pydantic's own steps (union members, tags) are left out."""
    key = ""
    for step in location:
        if isinstance(step, int) and isinstance(values, list):
            key += f"[{step}]"
            values = values[step] if step < len(values) else None
        elif isinstance(values, dict) and (step in values or step == location[-1]):
            key += f".{step}" if key else str(step)
            values = values.get(step)
        elif values is None and not str(step).startswith(("function-", "constrained")):
            key += f".{step}" if key else str(step)
    return key


def _explain(model: type[Part], detail: Any) -> str:
    kind, value = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    explanations: dict[str, Callable[[], str]] = {
        "extra_forbidden": lambda: (
            f"unknown key{near_names(str(detail['loc'][-1]), _fields(model, detail['loc'][:-1]))}; remove it or mend it"
        ),
        "missing": lambda: "is missing; add it",
        "value_error": lambda: str(context["error"]),
        "string_pattern_mismatch": lambda: _pattern(str(value), context["pattern"]),
        "literal_error": lambda: f"is {value!r}; it can be {context['expected']}",
        "union_tag_invalid": lambda: f"kind is {context['tag']!r}; it can be {context['expected_tags']}",
        "union_tag_not_found": lambda: "lacks `kind`",
        "greater_than_equal": lambda: f"is {value}; it must be {context['ge']} or more",
        "less_than_equal": lambda: f"is {value}; it must be {context['le']} or less",
        "greater_than": lambda: f"is {value}; it must be more than {context['gt']}",
        "too_short": lambda: f"needs at least {context['min_length']} of its kind",
    }
    if kind in explanations:
        return explanations[kind]()
    if kind in _WANTED:
        return _wrong_type(_WANTED[kind], value)
    return f"{detail['msg']} (it is {value!r})"


def _wrong_type(wanted: str, value: Any) -> str:
    if wanted == "a text" and isinstance(value, bool):
        return f"must be a text and is the truth value {value}: YAML reads bare yes, no, on, off so; put it in quotes"
    if wanted == "a text" and isinstance(value, int | float):
        return f"must be a text and is the number {value}: YAML reads bare digits so; put it in quotes"
    return f"must be {wanted} and is {value!r}"


def _pattern(value: str, pattern: str) -> str:
    if "https?" in pattern:
        return f"{value!r} is no address; it begins with http:// or https://"
    if "[0-9a-f]{40}" in pattern:
        return f"{value!r} is not a revision; pin the commit, 40 hex digits (a branch moves)"
    return f"{value!r} cannot be a name; use letters, digits, dots, dashes and underscores"


def _fields(model: type[Part], location: tuple[int | str, ...]) -> list[str]:
    """The known keys at a place of a model, for near names; those of the whole model where the place is unclear."""
    here: Any = model
    for step in location:
        field = getattr(here, "model_fields", {}).get(step)
        if field is None:
            continue
        inner = [kind for kind in _classes(field.annotation) if issubclass(kind, Part)]
        here = inner[0] if inner else here
    return list(here.model_fields)


def _classes(annotation: Any) -> list[type]:
    arguments = getattr(annotation, "__args__", ())
    return (
        [annotation] if isinstance(annotation, type) and not arguments else [c for a in arguments for c in _classes(a)]
    )
