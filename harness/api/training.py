"""Training LoRA checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

from harness.api.session import PathLike, Session, check_output, checked_spec, several
from harness.entries.catalog import Reference
from harness.entries.checkpoints import Format, Method, Presentation
from harness.errors import UsageError, near_names
from harness.evaluation.host import host_facts
from harness.files import JsonObject
from harness.finetuning.checkpoints import holds_checkpoint
from harness.finetuning.job import Checkpoint, Job
from harness.finetuning.pools import hold_out
from harness.finetuning.settings import TrainingSettings, grid
from harness.finetuning.sweep import choose, forget
from harness.finetuning.training import is_main_process
from harness.planning.training import TrainingSpec, prepare_training

__all__ = ["checked_settings", "finetune"]


def finetune(
    *,
    task: Reference,
    model: Reference,
    samples: int | Sequence[int] | None = None,
    method: Method = "lora",
    format: Format | Presentation = "qa",
    settings: TrainingSettings | Mapping[str, object] | None = None,
    sweep: Sequence[str] = (),
    seed: int = 0,
    data: PathLike | None = None,
    device: str | None = None,
    output: PathLike = "checkpoints",
    overwrite: bool = False,
    plain: bool = False,
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
    report: Callable[[Checkpoint, Sequence[JsonObject]], None] | None = None,
    command: str = "harness.finetune(…)",
) -> list[Checkpoint]:
    """Trains a LoRA checkpoint for each number of samples, on nested subsets of the task's fine-tuning pool, and
    returns the checkpoints in the order of `samples` (default: the task's sizes).

    What is trained already is left as it is; a stopped training resumes. `settings`: a `TrainingSettings` or some of
    its fields. `format`: a prompt format, or a `Presentation` for other targets and placebos; `data` is that of its
    domain, where it has one. `sweep`: axes of a grid, as `["method=lora,qlora", "lora_r=8,16"]`; chosen by the loss on
    held-out pairs. `overwrite`: replace checkpoints of other settings. `plain`: train a base without a chat template in
    the plain form. `report` is called with each checkpoint as it is finished, and with the trials of its sweep.

    Raises `UsageError` or `DataError` before anything is trained."""
    output = Path(output)
    check_output(output)
    session = Session.open(include_path, progress and is_main_process())
    entry = session.catalog.task(task)
    if entry.checkpoints_of is not None:
        raise UsageError(
            f"--task {entry.task}: it evaluates the checkpoints of {entry.checkpoints_of} (`checkpoints_of`); train on "
            "that"
        )
    chosen = checked_settings(settings)
    points = grid(chosen, sweep, method)
    presentation = format if isinstance(format, Presentation) else Presentation(format)
    if problems := presentation.problems():
        raise UsageError(*problems)
    spec = checked_spec(
        TrainingSpec,
        task=entry,
        model=session.catalog.model(model),
        sizes=_sizes(None if samples is None else several(samples), entry.finetune.sizes, entry.task),
        method=method,
        presentation=presentation,
        domain=None if presentation.domain is None else session.catalog.task(presentation.domain),
        seed=seed,
        data=None if data is None else str(data),
        device=device,
        plain=plain,
    )
    jobs = _jobs(spec, [point.method for point in points], output, session)
    for each in jobs if sweep else []:
        hold_out(each[points[0].method].pairs)  # too few pairs are reported before the first training begins
    # without a sweep all recipes are known: a folder that holds something else is reported before the first begins
    recipes = {} if sweep else {each[method].folder: each[method].recipe(chosen) for each in jobs}
    for folder, recipe in recipes.items():
        holds_checkpoint(folder, recipe, overwrite)
    trained: list[Checkpoint] = []
    for each in jobs:
        job = each[points[0].method]
        rows: list[JsonObject] = []
        if sweep:
            best, rows = choose(each, points)
            job = each[best.method]
            recipes[job.folder] = job.recipe(best.settings)
        trained.append(job.train(recipes[job.folder], overwrite, rows, host_facts(command)))
        for other in each.values():
            if other is not job and is_main_process():
                forget(other)
        if report is not None:
            report(trained[-1], rows)
    return trained


def _jobs(spec: TrainingSpec, methods: Sequence[Method], output: Path, session: Session) -> list[dict[Method, Job]]:
    """The job of each size by each method."""
    jobs: list[dict[Method, Job]] = [{} for _ in spec.sizes]
    for method in dict.fromkeys(methods):
        materials, subsets = prepare_training(spec.model_copy(update={"method": method}), session.resources)
        for by_method, subset in zip(jobs, subsets, strict=True):
            by_method[method] = Job(materials, subset, output, session.progress)
    return jobs


def checked_settings(changes: TrainingSettings | Mapping[str, object] | None) -> TrainingSettings:
    """Settings of a training, changes over the defaults. Raises `UsageError` with all that is wrong."""
    if isinstance(changes, TrainingSettings):
        settings = changes
    else:
        known = [field.name for field in fields(TrainingSettings)]
        if unknown := [name for name in changes or {} if name not in known]:
            raise UsageError(*(f"settings: unknown name {n!r}{near_names(n, known)}" for n in unknown))
        settings = replace(TrainingSettings(), **(changes or {}))  # type: ignore[arg-type]
    try:
        problems = settings.problems()
    except TypeError as error:
        raise UsageError(f"settings: a value of the wrong type: {error}") from error
    if problems:
        raise UsageError(*(f"--{problem}" for problem in problems))
    return settings


def _sizes(samples: Sequence[int] | None, default_sizes: Sequence[int], task: str) -> list[int]:
    if samples is None and not default_sizes:
        raise UsageError(f"task {task} names no sizes; pass --samples")
    sizes = list(default_sizes if samples is None else samples)
    if wrong := [size for size in sizes if size < 1]:
        raise UsageError(f"--samples {wrong[0]}: give whole numbers from 1, as 200,500,1000")
    return sizes
