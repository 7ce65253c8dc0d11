"""Judges: their cards, their steps, and fitting a calibrated one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from harness.api.session import PathLike, Session
from harness.auditing.audit import Extent, Material
from harness.auditing.audit import audit as audit_judge
from harness.auditing.cached_judge import CachedJudge
from harness.auditing.fitted import fitted_file, read_fitted, write_fitted
from harness.auditing.fitting import FITTED_ON, PLANTED, REQUIRED, fit, training_rows
from harness.auditing.handwritten import SHORT_NUMBERS
from harness.auditing.packs import Pack
from harness.auditing.people import BINARY
from harness.build.encoders import EMBEDDED_ENCODER, build_encoder
from harness.build.judges import build_judge, geval_settings
from harness.build.models import build_model
from harness.build.resources import ModelOptions
from harness.build.retrievers import build_retriever
from harness.build.sources import build_source, whole_source
from harness.digests import digest_of_file, digest_of_lines, digest_of_question
from harness.entries.catalog import FOLDERS, Catalog, Reference, is_path
from harness.entries.checking import JUDGE, check
from harness.entries.judge import GEvalJudgeEntry, ResolvedJudge
from harness.entries.task import Bm25Entry
from harness.errors import DataError, UsageError
from harness.files import JsonObject, make_folder, write_atomically
from harness.judging.steps import write_steps
from harness.records import Arm

__all__ = ["WORLD_TASK", "audit", "fit_judge", "write_judge_steps"]

WORLD_TASK = "telecom"
"""The task whose facts are known: errors are planted into its answers."""
PACKS = ("bioasq", "nq", "qasper")
"""The study's tasks, by the names of whose data packs an audit looks for them."""


def audit(
    judge: Reference,
    *,
    data: PathLike | None = None,
    packs: PathLike | None = None,
    extent: Extent | None = None,
    task: Reference = WORLD_TASK,
    device: str | None = None,
    cost_limit: float | None = None,
    store: PathLike | None = None,
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
) -> JsonObject:
    """A judge's card: agreement with people (`data`, a folder of human judgements), hard pairs and second references
    (`packs`, a folder that holds the data packs bioasq, nq and qasper), short numbers, planted errors, biases,
    stability, injection, and the verdict by the entry's thresholds. `task` is one of a synthetic world. What was asked
    before comes from the store. `auditing.card.page` makes a page of it."""
    session = Session.open(include_path, progress, cost_limit)
    resolved, entry = session.catalog.resolved_judge(judge), session.catalog.task(task)
    if entry.world is None:
        raise UsageError(f"--task {entry.task}: its questions have no known facts; an audit needs a synthetic world")
    source = build_source(entry, None, session.resources)
    built = build_judge(resolved, entry.checkpoint_task, session.resources, ModelOptions(device=device))
    material = Material(
        questions=source.questions(entry.test_split),
        retriever=build_retriever(entry.retrieval, source, Arm.RAG, session.resources),
        top_k=entry.retrieval.top_k,
        world=entry.task,
        data=None if data is None else Path(data),
        packs=[] if packs is None else _packs(Path(packs), session),
        short_numbers=_handwritten(session.catalog, SHORT_NUMBERS),
        fitted_questions=_fitted_questions(session.catalog, resolved, judge),
        **_fitted_on(resolved),  # type: ignore[arg-type]
    )
    thresholds = resolved.entry.card.model_dump()
    try:
        built.prepare()
        with session.open_store(store) as opened:
            cached = CachedJudge(built, opened, session.progress)
            card = audit_judge(cached, thresholds, material, extent or Extent())
        usage = built.usage
    finally:
        built.close()
    if "prompt_tokens_asked" in usage:
        requested, computed = usage["prompt_tokens_asked"], usage["prompt_tokens_computed"]
        session.progress.note(
            f"prompt tokens: {requested:,.0f} asked for, {computed:,.0f} computed ({computed / requested:.0%})"
        )
    return card | _facts_of(resolved)


def _packs(folder: Path, session: Session) -> list[Pack]:
    """Those of the study's data packs that the folder holds. Raises `DataError` where it holds none."""
    present = [name for name in PACKS if (folder / name).is_dir()]
    if not present:
        raise DataError(f"--packs {folder}: holds none of {', '.join(PACKS)}, the folders of data packs")
    return [_pack(name, folder / name, session) for name in present]


def _pack(name: str, folder: Path, session: Session) -> Pack:
    """Passages are ranked by BM25, whatever the task's retriever is: all that is needed is one long passage."""
    entry = session.catalog.task(name)
    source = whole_source(entry, folder, session.resources)
    retrieval = entry.retrieval.model_copy(update={"retriever": Bm25Entry(kind="bm25")})
    pool = source.questions(entry.training_split)
    every = [*pool, *source.questions(entry.test_split)]
    return Pack(
        name=name,
        pool=pool,
        questions={question.id: question for question in every},
        retriever=build_retriever(retrieval, source, Arm.RAG, session.resources),
        within_document=retrieval.scope == "document",
        hard=_handwritten(session.catalog, f"{name}.jsonl"),
    )


def _handwritten(catalog: Catalog, name: str) -> Path | None:
    """The first file of answers written by hand with this name, in one's own folders or the shipped one."""
    return next((path for root in catalog.roots if (path := root / "judges" / "hard" / name).is_file()), None)


def _fitted_questions(catalog: Catalog, judge: ResolvedJudge, reference: Reference) -> frozenset[str]:
    """Digests of the questions that the judge or a member was fitted on."""
    if is_path(reference):
        return read_fitted(fitted_file(Path(str(reference))))
    names = [single.name for single in judge.single_judges]
    known = catalog.files(FOLDERS["judge"])
    return frozenset().union(*(read_fitted(fitted_file(known[name])) for name in names if name in known))


def _fitted_on(judge: ResolvedJudge) -> dict[str, object]:
    """What the judge or its members were fitted on, of the kinds of judge that are fitted."""
    facts = [single.entry.model_dump().get("fitted_on", {}) for single in judge.single_judges]
    data = [member.get("data", []) for member in facts]
    return {
        "fitted_on": [name for names in data for name in ([names] if isinstance(names, str) else names)],
        "planted_in_fitting": "; ".join(str(each["planted"]) for each in facts if "planted" in each) or None,
    }


def _facts_of(judge: ResolvedJudge) -> JsonObject:
    entry = judge.entry
    facts: JsonObject = {"description": entry.description, "kind": entry.kind, "model": None, "scoring": None}
    if isinstance(entry, GEvalJudgeEntry):
        facts |= {"model": entry.model, "scoring": entry.scoring}
    return facts


def write_judge_steps(
    judge: Reference,
    *,
    criteria: Sequence[str] = (),
    device: str | None = None,
    cost_limit: float | None = None,
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
) -> JsonObject:
    """Evaluation steps for each criterion (default: all), written by the judge's own model: the `criteria` block that
    the entry wants, with their digest. Read them before judging by them."""
    session = Session.open(include_path, progress, cost_limit)
    resolved = session.catalog.resolved_judge(judge)
    entry = resolved.entry
    if not isinstance(entry, GEvalJudgeEntry) or resolved.model is None:
        raise UsageError(f"judge {entry.judge}: is of kind {entry.kind}; only a geval judge has steps")
    if unknown := [name for name in criteria if name not in entry.criteria]:
        raise UsageError(f"--criterion {unknown[0]}: {entry.judge} has {', '.join(entry.criteria)}")
    adapter = build_model(resolved.model, "", session.resources, ModelOptions(device=device))
    block: JsonObject = {}
    try:
        adapter.prepare()
        for criterion in geval_settings(entry).criteria:
            if not criteria or criterion.name in criteria:
                steps = write_steps(adapter, criterion, entry.sees)
                block[criterion.name] = {
                    "steps": steps,
                    "steps_by": adapter.name,
                    "steps_sha256": digest_of_lines(steps),
                }
    finally:
        adapter.close()
    return block


def _evaluated(tasks: Sequence[str], packs: PathLike | None, session: Session) -> dict[str, frozenset[str]]:
    """Digests of the questions that each task evaluates on."""
    if tasks and packs is None:
        raise UsageError("--without_tasks: give --packs, the folder that holds the tasks' data packs")
    found: dict[str, frozenset[str]] = {}
    for name in tasks:
        entry, folder = session.catalog.task(name), Path(str(packs)) / name
        if not folder.is_dir():
            raise DataError(f"--packs {packs}: holds no folder {name}, the data pack of the task")
        questions = whole_source(entry, folder, session.resources).questions(entry.test_split)
        found[name] = frozenset(digest_of_question(question.text) for question in questions)
    return found


def fit_judge(
    name: str,
    *,
    data: PathLike,
    without_tasks: Sequence[str] = (),
    packs: PathLike | None = None,
    rows: int | None = None,
    seed: int = 0,
    task: Reference = WORLD_TASK,
    output: PathLike = "judges",
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
) -> Path:
    """Fits a calibrated judge to people's judgements in the folder `data` and writes its entry, and beside it the
    digests of the questions that it was fitted on; returns the entry's file. `rows` None: all of them. Questions that
    one of `without_tasks` evaluates on are left out (`packs`: the folder of their data packs). Errors are planted into
    the fine-tuning pool of `task`, one of a synthetic world."""
    if rows is not None and rows < 100:
        raise UsageError(f"--rows {rows}: give 100 or more, or the weights are noise")
    path = Path(output) / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path}: already exists; choose another name, or move the file")
    session = Session.open(include_path, progress)
    entry = session.catalog.task(task)
    encoder = build_encoder(EMBEDDED_ENCODER, session.resources)
    pool = build_source(entry, None, session.resources).questions(entry.training_split)
    people, left_out = training_rows(Path(data), rows, seed, _evaluated(without_tasks, packs, session))
    fitted, chosen = fit(people, pool, encoder.open().encode, session.progress)
    facts = {
        "data": FITTED_ON,
        "sha256": digest_of_file(Path(data) / BINARY[FITTED_ON]),
        "rows": len(people),
        "seed": seed,
        "planted": f"errors in {PLANTED} questions of the {entry.task} pool, plain and padded",
        "left_out": f"the questions of {', '.join(left_out)}",
        "chosen": chosen,
    }
    values = {
        "judge": name,
        "description": "Signals of agreement with the reference, weighed by a logistic regression on human judgements.",
        "kind": "calibrated",
        "encoder": EMBEDDED_ENCODER.model_dump(exclude_unset=True),
        "fitted_on": facts,
        "fitted": fitted,
        "card": {"references": ["short"], "blind_to": ["added"]},
        "metadata": {"version": 1},
    }
    for criterion, choice in chosen.items():
        if (detected := min(choice["found_in_held_out_documents"].values())) < REQUIRED:
            session.progress.note(
                f"{criterion}: of one kind of planted error only {detected:.0%} is found, however much they count"
            )
    check(JUDGE, values, str(path))
    make_folder(path.parent)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    write_atomically(path, f"# Written by `harness fit-judge {name}`; fit it again rather than edit it.\n{text}")
    write_fitted(fitted_file(path), (row.case.question.text for row in people))
    return path
