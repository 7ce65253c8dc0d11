"""A study in one call: trains what is missing, evaluates, judges, compares, writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.adapters.weights import LoraCheckpoint
from harness.api.boards import beside, leaderboard, tables_of
from harness.api.comparing import is_of_task
from harness.api.estimates import Estimates, StudyOptions
from harness.api.runs import rejudge
from harness.api.session import Session, check_output, checked_spec
from harness.api.training import checked_settings, finetune
from harness.campaign import PreparedRun, execute
from harness.cells import STAGES, Cell, Effort, State, grid, is_trained
from harness.digests import digest_of
from harness.entries.judge import ResolvedJudge
from harness.entries.leaderboard import LeaderboardEntry
from harness.entries.task import TaskEntry
from harness.errors import HarnessError, UsageError
from harness.evaluation.folder import Run, read_run
from harness.evaluation.host import host_facts
from harness.evaluation.run import Context
from harness.files import JsonObject, make_folder, read_json
from harness.planning.runs import RunSpec, prepare
from harness.records import Arm

__all__ = ["CellReport", "StudyOptions", "StudyReport", "study"]


@dataclass(frozen=True, slots=True)
class CellReport:
    """A cell and what it takes, or took."""

    cell: Cell
    effort: Effort


@dataclass(frozen=True, slots=True)
class StudyReport:
    """Every cell as it stands at the end. `written`: the page and the figures."""

    name: str
    cells: Sequence[CellReport]
    written: Sequence[Path] = ()

    @property
    def failed(self) -> list[Cell]:
        return [report.cell for report in self.cells if report.cell.state is State.FAILED]


def study(name: str, *, dry_run: bool = False, options: StudyOptions | None = None) -> StudyReport:
    """What the leaderboard needs: its checkpoints trained, its runs evaluated and judged, its page, figures and claims
    written. What is done is not done again; a cell that fails does not stop the others. `dry_run`: only the cells, with
    what each will take.

    Raises `UsageError` or `EntryError` for a study that cannot be planned."""
    chosen = options or StudyOptions()
    if unknown := [stage for stage in chosen.only if stage not in STAGES]:
        raise UsageError(f"--only {unknown[0]}: it can be {', '.join(STAGES)}")
    if not chosen.tflops > 0:
        raise UsageError(f"--tflops {chosen.tflops:g}: give a number above 0")
    check_output(Path(chosen.results))
    conduct = _Study(name, chosen)
    if not dry_run:
        conduct.run()
    return conduct.report(with_effort=dry_run)


class _Study:
    """One call of `study`: the cells, by their position, as they stand."""

    def __init__(self, name: str, options: StudyOptions) -> None:
        self.name, self.options = name, options
        self.session = Session.open(options.include_path, options.progress, options.cost_limit)
        catalog = self.session.catalog
        self.entry: LeaderboardEntry = catalog.leaderboard(name)
        self.tasks: dict[str, TaskEntry] = {
            task: catalog.task(task) for task in catalog.expand_tasks(self.entry.tasks)[0]
        }
        self.judge: ResolvedJudge = catalog.resolved_judge(self.entry.judge)
        self.settings = checked_settings(self.entry.finetune.settings if self.entry.finetune else None)
        self.trained = {task: catalog.task_of_checkpoints(entry) for task, entry in self.tasks.items()}
        self.cells = list(grid(self.entry, {task: trained.task for task, trained in self.trained.items()}))
        self.written: list[Path] = []
        self._mark_done()

    def _mark_done(self) -> None:
        """By the files that are there."""
        finished = self._finished()
        for number, cell in enumerate(self.cells):
            if cell.stage == "train":
                done = is_trained(self._folder(cell))
            else:
                done = any(self._is_of(manifest, cell) and scored for manifest, scored in finished)
            if done:
                self.cells[number] = replace(cell, state=State.DONE)

    def _folder(self, cell: Cell) -> Path:
        task = cell.task if cell.stage == "train" else self.trained[cell.task].task
        return Path(self.options.checkpoints) / task / cell.model

    def _finished(self) -> list[tuple[JsonObject, bool]]:
        """Manifests of the runs by the leaderboard's judge, and whether anything of each is scored and nothing
        failed."""
        found = []
        for path in sorted(Path(self.options.results).glob("*/*/manifest.json")):
            manifest = read_json(path, "delete the folder and run again")
            if any(is_of_task(manifest, task) for task in self.tasks):
                run = read_run(path.parent)
                scored = any(run.scores[name].n for name in run.criteria if name in run.scores)
                found.append((manifest, scored and not run.failures and run.judge == self.entry.judge))
        return found

    def _is_of(self, manifest: JsonObject, cell: Cell) -> bool:
        """Whether a run is what the cell asks for: this task with its prompt, decoding and retrieval, and these weights
        of the checkpoint."""
        plan, model = manifest["plan"], manifest["model"].get("name")
        if (plan["task"], plan["arm"], model) != (cell.task, cell.arm, cell.model):
            return False  # before the entries are read
        try:
            planned = {**asdict(self._spec(cell).plan(0)), "arm": cell.arm, "limit": self.options.limit}
        except HarnessError:  # a model that cannot be named: the cell fails when its turn comes
            return False
        retrieval = self.tasks[cell.task].retrieval.model_dump(exclude_none=True)
        alike = digest_of(manifest["plan"]) == digest_of(planned)
        alike = alike and digest_of(manifest["entries"]["task"]["retrieval"]) == digest_of(retrieval)
        if not alike or cell.checkpoint is None:
            return alike
        folder = self._folder(cell)
        if not is_trained(folder):
            return False
        lora = LoraCheckpoint(folder, self.session.resources.cache).identity["lora"]
        return bool(manifest["identities"]["model"].get("lora") == lora)

    # ---- the stages -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """All stages that are asked for."""
        if self.options.does("train"):
            self._train()
        if self.options.does("eval"):
            self._evaluate()
        if self.options.does("judge"):
            self._judge()
        if self.options.does("compare"):
            self._compare()

    def _set(self, numbers: Sequence[int], state: State, reason: str = "") -> None:
        for number in numbers:
            self.cells[number] = replace(self.cells[number], state=state, reason=reason)

    def _open(self, stage: str) -> list[int]:
        return [n for n, cell in enumerate(self.cells) if cell.stage == stage and cell.state is State.MISSING]

    def _train(self) -> None:
        groups: dict[tuple[object, ...], list[int]] = {}
        for number in self._open("train"):
            parts = self.cells[number].checkpoint
            if parts is not None:
                key = (self.cells[number].task, parts.base, parts.method, parts.presentation, parts.seed)
                groups.setdefault(key, []).append(number)
        for position, numbers in enumerate(groups.values(), start=1):
            first = self.cells[numbers[0]]
            parts = first.checkpoint
            assert parts is not None, "trainings have one"
            self.session.progress.note(
                f"study {self.name}: training {position} of {len(groups)}: {first.task} × {parts.base}"
            )
            try:
                finetune(
                    task=first.task,
                    model=parts.base,
                    samples=[self.cells[n].checkpoint.samples for n in numbers],  # type: ignore[union-attr]
                    method=parts.method,
                    format=parts.presentation,
                    settings=self.settings,
                    seed=parts.seed,
                    data=self._pack_of_pairs(first.task, parts.presentation.domain),
                    device=self.options.device,
                    output=self.options.checkpoints,
                    include_path=self.options.include_path,
                    progress=self.options.progress,
                    command=self.options.command,
                )
            except HarnessError as error:
                done = [n for n in numbers if is_trained(self._folder(self.cells[n]))]
                self._set(done, State.DONE)
                self._set([n for n in numbers if n not in done], State.FAILED, str(error))
            else:
                self._set(numbers, State.DONE)

    def _pack_of_pairs(self, task: str, domain: str | None) -> str | None:
        if domain is None or domain in self.tasks:
            return self.options.pack(domain or task)
        return self.options.domain_pack(domain)

    def _evaluate(self) -> None:
        prepared: list[tuple[int, PreparedRun]] = []
        for number in self._open("eval"):
            cell = self.cells[number]
            if cell.checkpoint is not None and not is_trained(self._folder(cell)):
                self._set([number], State.FAILED, f"{self._folder(cell)}: is not trained")
                continue
            try:
                spec = self._spec(cell)
                prepared.append((number, PreparedRun(spec, prepare(spec, self.session.resources))))
            except HarnessError as error:
                self._set([number], State.FAILED, str(error))
        if not prepared:
            return
        results = Path(self.options.results)
        make_folder(results)
        with self.session.open_store(self.options.store) as opened:
            context = Context(opened, results, self.session.progress, host_facts(self.options.command))
            outcomes = execute([run for _, run in prepared], context)
        for (number, _), outcome in zip(prepared, outcomes, strict=True):
            if outcome.error is not None:
                self._set([number], State.FAILED, str(outcome.error))
            elif outcome.run is not None and (why := _why_unfinished(outcome.run)):
                self._set([number], State.FAILED, why)
            else:
                self._set([number], State.DONE)

    def _spec(self, cell: Cell) -> RunSpec:
        model = self.session.catalog.resolved_model(cell.model)
        if cell.checkpoint is not None:
            model = model.model_copy(update={"peft": str(self._folder(cell))})
        return checked_spec(
            RunSpec,
            task=self.tasks[cell.task],
            model=model,
            judge=self.judge,
            arm=Arm(cell.arm),
            limit=None if self.options.limit is None else float(self.options.limit),
            data=self.options.pack(cell.task),
            device=self.options.device,
        )

    def _judge(self) -> None:
        """Answers that are there without the leaderboard's scores are judged; no generator is loaded."""
        wanted = [n for n, cell in enumerate(self.cells) if cell.stage == "eval" and cell.state is not State.DONE]
        for number in wanted:
            answered = self._answered(self.cells[number])
            if answered is None:
                continue
            try:
                (run,) = rejudge(
                    answered,
                    judge=self.entry.judge,
                    device=self.options.device,
                    cost_limit=self.options.cost_limit,
                    output=self.options.results,
                    store=self.options.store,
                    include_path=self.options.include_path,
                    progress=self.options.progress,
                    command=self.options.command,
                )
            except HarnessError as error:
                self._set([number], State.FAILED, str(error))
            else:
                why = _why_unfinished(run)
                self._set([number], State.FAILED if why else State.DONE, why)

    def _answered(self, cell: Cell) -> Run | None:
        """The newest run of the cell by any judge."""
        folders = [path.parent for path in Path(self.options.results).glob("*/*/manifest.json")]
        manifests = [(folder, read_json(folder / "manifest.json", "delete the folder")) for folder in sorted(folders)]
        found = [
            (str(m["date"]), folder) for folder, m in manifests if is_of_task(m, cell.task) and self._is_of(m, cell)
        ]
        return read_run(max(found)[1]) if found else None

    def _compare(self) -> None:
        """The page, the figures, the claims."""
        from harness.reports.figures import study_figures

        where = {"results": self.options.results, "include_path": self.options.include_path}
        try:
            board = leaderboard(self.name, **where)  # type: ignore[arg-type]
        except HarnessError as error:
            self.session.progress.note(f"study {self.name}: {error}")
            return
        self.written.append(board.page)
        tables = tables_of(self.session.catalog, self.name)
        folder = beside(self.session.catalog.path_of("leaderboard", self.name), ".", Path("leaderboards")) / "figures"
        self.written += study_figures(self.entry, list(self.tasks), tables, folder)

    def report(self, with_effort: bool) -> StudyReport:
        """`with_effort`: also what each cell takes, which reads the data."""
        tasks = {entry.task: entry for entry in self.trained.values()} | self.tasks
        estimates = Estimates(self.session, tasks, self.judge, self.settings, self.options)
        cells = [CellReport(cell, estimates.of(cell) if with_effort else Effort()) for cell in self.cells]
        return StudyReport(self.name, cells, self.written)


def _is_unscored(run: Run) -> bool:
    """Whether not one answer has a score."""
    return bool(run.criteria) and not any(run.scores[name].n for name in run.criteria if name in run.scores)


def _why_unfinished(run: Run) -> str:
    """Empty for a run that is finished."""
    if run.failures and not _is_unscored(run):
        answers, scores = run.failures["answers"], run.failures["scores"]
        return f"requests failed: {answers} answers and {scores} scores are missing; the same command asks for them"
    if not _is_unscored(run):
        return ""
    reasons = ", ".join(run.unscored["reasons"]) or "no reason given"
    return f"answered, and every answer is unscored by {run.judge}: {reasons}"
