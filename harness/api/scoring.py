"""Scoring answers of any system, ours or another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.runs import data_of
from harness.api.session import PathLike, Session
from harness.build.judges import build_judge
from harness.build.resources import ModelOptions, Resources
from harness.build.sources import build_source, pool_of
from harness.campaign import note_broken_judge
from harness.entries.catalog import Reference
from harness.entries.judge import FactsJudgeEntry, GEvalJudgeEntry, ResolvedJudge
from harness.entries.task import TaskEntry
from harness.errors import UsageError
from harness.evaluation.external import KnownQuestions, Needs, ScoredAnswers, read_answers, score_answers
from harness.evaluation.scoring import target_of, with_few_references
from harness.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.interfaces import Judge

__all__ = ["score"]


def score(
    rows: PathLike | Iterable[Mapping[str, object]],
    *,
    judge: Reference,
    task: Reference | None = None,
    data: PathLike | None = None,
    device: str | None = None,
    cost_limit: float | None = None,
    output: PathLike | None = None,
    store: PathLike | None = None,
    include_path: Sequence[PathLike] = (),
    progress: bool = True,
) -> ScoredAnswers:
    """Scores answers that any system gave: rows `{"id", "question", "references", "answer", "passages"?}`, or a file of
    them as JSON lines. Returns a row `{"id", "scores", "reasons"}` for each, in their order, as a list that also has
    `measures`, the means; writes them to the file `output`, if one is named.

    With a `task` (and the data pack `data` that it is read from, as for `evaluate`) rows name its questions by id, and
    may leave out question and references; a judge that needs more than text, as `facts` does, can judge them. What is
    stored already is not asked for again. Other parameters as for `evaluate`.

    Raises `DataError` with all that is wrong with the rows before anything is scored."""
    if data is not None and task is None:
        raise UsageError("--data goes with --task, the task that is read from it")
    answers_in = Path(rows) if isinstance(rows, str | Path) else rows
    _check_files(answers_in if isinstance(answers_in, Path) else None, None if output is None else Path(output))
    session = Session.open(include_path, progress, cost_limit)
    resolved = session.catalog.resolved_judge(judge)
    entry = None if task is None else session.catalog.task(task)
    known = None if entry is None else _known_questions(entry, data, session.resources)
    _check_facts(resolved, known)
    checkpoint_task = "" if entry is None else entry.checkpoint_task
    built = build_judge(resolved, checkpoint_task, session.resources, ModelOptions(device=device))
    try:
        answers = read_answers(answers_in, _needs(resolved, built), known)
        built.prepare()
        with session.open_store(store) as opened:
            scored = score_answers(answers, built, opened, session.progress)
    finally:
        built.close()
    note_broken_judge(scored, session.progress)
    if output is not None:
        write_atomically(Path(output), scored.lines())
    return scored


def _check_files(rows: Path | None, output: Path | None) -> None:
    """Raises `UsageError` for a file that is not there, and one that could not be written when all is scored."""
    if rows is not None and not rows.is_file():
        raise UsageError(f"{rows}: there is no such file; name one with an answer a line, as JSON")
    if output is None:
        return
    if rows is not None and output.resolve() == rows.resolve():
        raise UsageError(f"--output_path {output}: is the file with the answers; name another one")
    if output.is_dir():
        raise UsageError(f"--output_path {output}: is a folder; name a file in it")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output_path {output}: cannot be made: {error.strerror}") from error


def _known_questions(entry: TaskEntry, data: PathLike | None, resources: Resources) -> KnownQuestions:
    folder = data_of(data, entry, of_several=False)
    source = build_source(entry, None if folder is None else Path(folder), resources)
    whole = {question.id: question for question in source.questions(entry.test_split)}
    shown = {}
    for name, question in whole.items():
        seen = with_few_references(question, entry.max_references)
        shown[name] = seen, target_of(entry.doc_to_target, seen)
    pool = frozenset(question.id for question in pool_of(entry, source))
    return KnownQuestions(entry.task, entry.test_split, whole, shown, pool)


def _check_facts(judge: ResolvedJudge, known: KnownQuestions | None) -> None:
    """Raises `UsageError` where nothing is known that the facts judge could judge by."""
    by_facts = [each.name for each in judge.single_judges if isinstance(each.entry, FactsJudgeEntry)]
    if by_facts and (known is None or not any(question.facts for question in known.whole.values())):
        raise UsageError(
            f"--judge {judge.name}: {by_facts[0]} judges by the facts of each question, which only a synthetic world "
            "has; name the task whose questions these are (--task telecom), or another judge"
        )


def _needs(judge: ResolvedJudge, built: Judge) -> Needs:
    sees_no_reference = [
        isinstance(each.entry, GEvalJudgeEntry) and "reference" not in each.entry.sees for each in judge.single_judges
    ]
    return Needs(built.name, not all(sees_no_reference), built.sees_passages)
