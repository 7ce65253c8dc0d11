"""Evaluating, judging again, reading what was evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.api.session import PathLike, Session, check_output, checked_spec, several
from harness.build.judges import build_judge
from harness.build.resources import BatchSize, ModelOptions
from harness.build.sources import build_source
from harness.campaign import (
    Outcome,
    Runner,
    execute,
    note_broken_judge,
    prepare_all,
    warn_of_self_preference,
)
from harness.entries.catalog import Catalog, Reference, is_path
from harness.entries.checking import DECODING, TASK, check
from harness.entries.judge import FactsJudgeEntry, ResolvedJudge
from harness.entries.model import ResolvedModel
from harness.entries.parts import DecodingEntry
from harness.entries.task import TaskEntry
from harness.errors import DataError, EntryError, HarnessError, UsageError, near_names
from harness.evaluation.folder import Run, read_run
from harness.evaluation.host import host_facts
from harness.evaluation.rejudging import rejudge as rejudge_run
from harness.evaluation.run import Context
from harness.planning.runs import RunSpec
from harness.records import Arm, Question

__all__ = ["RunsFailed", "evaluate", "load_run", "rejudge"]


class RunsFailed(HarnessError):
    """Some runs of a call failed. `outcomes` has all of them in order, `runs` those that were finished; `problems` has
    a line for each thing that went wrong, with the runs that it ended."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        ended: dict[str, list[str]] = {}
        for outcome in outcomes:
            for problem in outcome.error.problems if outcome.error is not None else ():
                ended.setdefault(problem, []).append(outcome.spec.label)
        one = len(outcomes) == 1
        super().__init__(*(each if one else f"{each} ({'; '.join(ended[each])})" for each in ended))
        self.outcomes = list(outcomes)
        self.runs = [outcome.run for outcome in outcomes if outcome.run is not None]


def evaluate(
    *,
    tasks: Reference | Sequence[Reference],
    models: Reference | ResolvedModel | Sequence[Reference | ResolvedModel],
    arms: str | Sequence[str] = ("rag",),
    judge: Reference | None = None,
    data: PathLike | None = None,
    limit: float | None = None,
    gen_kwargs: Mapping[str, object] | None = None,
    seed: int = 0,
    batch_size: BatchSize | None = None,
    device: str | None = None,
    gate: bool = True,
    adaptive_repeats: float | None = None,
    cost_limit: float | None = None,
    output: PathLike = "results",
    store: PathLike | None = None,
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
    runner: Runner | None = None,
    command: str = "harness.evaluate(…)",
) -> list[Run]:
    """Evaluates every model on every task in every arm, and returns the finished runs in that order.

    What is stored already is not computed again. `tasks` may name groups and tags. `judge` None: each task's own.
    `data`: a data pack for the one task, or a folder with a pack for each of several. `limit`: only the first so many
    questions, or that share of them below 1. `batch_size`: over the entries' own;
    "auto" measures it. `gen_kwargs` go over the task's `generation_kwargs`. `adaptive_repeats`:
    the error rate at which fewer repeats of the judge decide between the first model and the others. `cost_limit`: in
    the currency of the entries' prices. `output`: the folder of run folders. `store`: default: the cache's own.
    `command`: recorded in the manifests.

    Raises `HarnessError` before anything is computed when a part cannot be had, and `RunsFailed`, which holds the
    finished runs, when some run fails later."""
    _check_error_rate(adaptive_repeats)
    output = Path(output)
    check_output(output)
    session = Session.open(include_path, progress, cost_limit)
    catalog = session.catalog
    entries = _task_entries(catalog, several(tasks))
    resolved = [m if isinstance(m, ResolvedModel) else catalog.resolved_model(m) for m in several(models)]
    specs = [
        checked_spec(
            RunSpec,
            task=task,
            model=model,
            judge=catalog.resolved_judge(judge if judge is not None else task.judge),
            arm=arm,
            limit=None if limit is None else checked_limit(limit, limit),
            seed=seed,
            data=data_of(data, task, of_several=len(entries) > 1),
            decoding=_decoding(task, gen_kwargs or {}),
            device=device,
            batch_size=batch_size,
            gate=gate,
            needs_judge=judge is not None,
        )
        for task in entries
        for model in resolved
        for arm in arms_of(several(arms))
    ]
    if limit is not None:
        session.progress.note(f"--limit {limit:g}: for trying out; not a result to report")
    runs = prepare_all(specs, session.resources)
    _make_folder(output)
    with session.open_store(store) as opened:
        context = Context(opened, output, session.progress, host_facts(command))
        outcomes = execute(runs, context, runner, adaptive_repeats)
    return _finished(outcomes)


def _finished(outcomes: Sequence[Outcome]) -> list[Run]:
    if any(outcome.error is not None for outcome in outcomes):
        raise RunsFailed(outcomes)
    return [outcome.run for outcome in outcomes if outcome.run is not None]


def _check_error_rate(rate: float | None) -> None:
    if rate is not None and not (isinstance(rate, int | float) and 0 < rate < 0.5):
        raise UsageError(f"--adaptive_repeats {rate}: give an error rate above 0 and below 0.5")


def _task_entries(catalog: Catalog, tasks: Sequence[Reference]) -> list[TaskEntry]:
    """Names of groups and tags opened, each task once."""
    entries: dict[str, TaskEntry] = {}
    for reference in tasks:
        is_name = isinstance(reference, str) and not is_path(reference)
        references: Sequence[Reference] = catalog.expand_tasks([str(reference)])[0] if is_name else [reference]
        for each in references:
            entry = catalog.task(each)
            if entries.setdefault(entry.task, entry) != entry:
                raise UsageError(f"two different tasks are named {entry.task}; give one of them another name")
    return list(entries.values())


def checked_limit(limit: object, written: object) -> float:
    """A limit as a number. Raises `UsageError` with what was `written` when it is none."""
    if (
        isinstance(limit, bool)
        or not isinstance(limit, int | float)
        or not 0 < limit < math.inf
        or (limit >= 1 and limit != int(limit))
    ):
        raise UsageError(f"--limit {written}: give a whole number from 1, or a share between 0 and 1")
    return float(limit)


def arms_of(names: Sequence[str]) -> list[Arm]:
    """Raises `UsageError` for a name that no arm has."""
    known = [arm.value for arm in Arm]
    for name in names:
        if name not in known:
            raise UsageError(f"--arm {name}: unknown arm{near_names(name, known)}; it can be {', '.join(known)}")
    return [Arm(name) for name in names]


def data_of(data: PathLike | None, task: TaskEntry, of_several: bool) -> str | None:
    """The pack of a task: folder/TASK, else, for a variant of a task, that of its data set; for the one task of a call
    also the folder itself."""
    if data is None:
        return None
    folder = Path(data)
    names = [task.task, *([task.dataset_path.rpartition("/")[2]] if task.dataset_path else [])]
    own = next((folder / name for name in names if (folder / name / "corpus.jsonl").is_file()), None)
    if of_several and own is None:
        raise UsageError(
            f"--data {folder}: with several tasks it must hold a pack for each; there is none in {folder / task.task}"
        )
    return str(own or folder)


def _decoding(task: TaskEntry, overrides: Mapping[str, object]) -> DecodingEntry | None:
    if not overrides:
        return None
    values = {**task.generation_kwargs.model_dump(), **overrides}
    temperature = overrides.get("temperature")
    if isinstance(temperature, int | float) and "do_sample" not in overrides:
        values["do_sample"] = temperature > 0
    try:
        return check(DECODING, values, "--gen_kwargs")
    except EntryError as error:
        raise UsageError(*error.problems) from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output_path {path}: cannot be made: {error.strerror}") from error


# ---- finished runs --------------------------------------------------------------------------------------------------


def load_run(folder: PathLike) -> Run:
    """A finished run from its folder: `run.scores["accuracy"].value`, `run.samples`. Raises `DataError`."""
    return read_run(Path(folder))


def rejudge(
    runs: Run | PathLike | Sequence[Run | PathLike],
    *,
    judge: Reference,
    device: str | None = None,
    cost_limit: float | None = None,
    output: PathLike = "results",
    store: PathLike | None = None,
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
    command: str = "harness.rejudge(…)",
) -> list[Run]:
    """Finished runs, or one, under another judge: a new run for each, in their order. No generator is loaded and
    nothing is retrieved. Parameters as for `evaluate`."""
    check_output(Path(output))
    finished = [each if isinstance(each, Run) else load_run(each) for each in several(runs)]
    for run in finished:
        _ = run.samples  # a broken one is reported before the first is judged
    session = Session.open(include_path, progress, cost_limit)
    resolved = session.catalog.resolved_judge(judge)
    with session.open_store(store) as opened:
        context = Context(opened, Path(output), session.progress, host_facts(command))
        return [_rejudge(run, resolved, session, context, ModelOptions(device=device)) for run in finished]


def _rejudge(run: Run, resolved: ResolvedJudge, session: Session, context: Context, options: ModelOptions) -> Run:
    recorded = _recorded_task(run)
    judge = build_judge(resolved, recorded.checkpoint_task if recorded else run.task, session.resources, options)
    try:
        judge.prepare()
        needs_facts = any(isinstance(single.entry, FactsJudgeEntry) for single in resolved.single_judges)
        known = _questions_with_facts(run, session) if needs_facts else {}
        session.progress.note(f"{run.folder}: {len(run.rows)} answers, judged by {judge.name}")
        warn_of_self_preference(judge, run.manifest["identities"]["model"], session.progress)
        entry = resolved.entry.model_dump(exclude_none=True)
        judged = rejudge_run(run, judge, entry, known, context)
    finally:
        judge.close()
    note_broken_judge(judged, session.progress)
    return judged


def _recorded_task(run: Run) -> TaskEntry | None:
    """The task's entry as it was; None for one that today's version does not read."""
    try:
        return check(TASK, run.manifest["entries"]["task"], f"{run.folder}/manifest.json")
    except EntryError:
        return None


def _questions_with_facts(run: Run, session: Session) -> dict[str, Question]:
    """The synthetic world's questions with their facts; nothing of another data set."""
    entry = _recorded_task(run)
    if entry is None or entry.world is None:
        session.progress.note(f"{run.folder}: its questions have no known facts; the facts judge leaves them unscored")
        return {}
    source = build_source(entry, None, session.resources)
    if dict(source.identity) != run.manifest["identities"]["source"]:
        raise DataError(
            f"{run.folder}: was made from other data than the synthetic world of its task; judge it by another judge"
        )
    return {question.id: question for question in source.questions(run.plan.split)}
