"""Many runs in, their outcomes out. A single run is a campaign of one.

Everything is built and fetched first: a mistake in the last run is reported before the first is computed. Then all
answers, those of one base one after another, then all scores: each base, and the judge's model, is loaded once. A run
that fails does not take the others with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harness.digests import digest_of
from harness.errors import HarnessError, StoreError
from harness.evaluation.adaptive import settled_repeats
from harness.evaluation.external import ScoredAnswers
from harness.evaluation.folder import Run
from harness.evaluation.run import Answered, Context, answer_questions, judge_answers
from harness.evaluation.scoring import judge_together
from harness.interfaces import Identity, Judge, Panel, Progress, SingleJudge
from harness.judging.limited import LimitedJudge
from harness.planning.runs import Parts, Resources, RunSpec, prepare

__all__ = [
    "LocalRunner",
    "Outcome",
    "PreparedRun",
    "Runner",
    "execute",
    "note_broken_judge",
    "prepare_all",
    "warn_of_self_preference",
]


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run and the parts that it is made of."""

    spec: RunSpec
    parts: Parts


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run: the finished run, or the error that ended it."""

    spec: RunSpec
    run: Run | None = None
    error: HarnessError | None = None


AnswerGroup = Callable[[Sequence[PreparedRun]], list[Answered | HarnessError]]


class Runner(Protocol):
    """Where groups of runs are answered; the runs of a group share a base. `answer` uses the store and the models of
    this thread. A runner that works elsewhere sends the specs there, prepares them with a store of that place, and
    gives back what was answered."""

    def run(
        self, groups: Sequence[Sequence[PreparedRun]], answer: AnswerGroup
    ) -> Iterator[list[Answered | HarnessError]]:
        """What `answer` gives for each group, in the order of the groups."""


class LocalRunner:
    """One group after another, in this process."""

    def run(
        self, groups: Sequence[Sequence[PreparedRun]], answer: AnswerGroup
    ) -> Iterator[list[Answered | HarnessError]]:
        return (answer(group) for group in groups)


def prepare_all(specs: Sequence[RunSpec], resources: Resources) -> list[PreparedRun]:
    """Raises what any of the runs raises that cannot be had."""
    return [PreparedRun(spec, prepare(spec, resources)) for spec in specs]


def execute(
    runs: Sequence[PreparedRun],
    context: Context,
    runner: Runner | None = None,
    adaptive_repeats: float | None = None,
) -> list[Outcome]:
    """The outcomes of all runs, in their order; results are on disk. `adaptive_repeats` is the error rate at which
    fewer repeats of the judge decide between the first model and the others (`evaluate.adaptive`); None: all
    repeats."""
    try:
        answered, errors = _answer_all(runs, context, runner or LocalRunner())
        scored = runs
        if adaptive_repeats is not None:
            scored = _with_fewer_repeats(runs, answered, errors, adaptive_repeats, context)
        finished = _judge_all(scored, answered, errors, context)
    finally:
        for each in runs:
            each.parts.adapter.close()
            each.parts.judge.close()
    return [Outcome(each.spec, finished.get(n), errors.get(n)) for n, each in enumerate(runs)]


# ---- answers --------------------------------------------------------------------------------------------------------


def _answer_all(
    runs: Sequence[PreparedRun], context: Context, runner: Runner
) -> tuple[dict[int, Answered], dict[int, HarnessError]]:
    """What was answered, and what failed, by number of the run."""
    groups_by_base: dict[str, list[int]] = {}
    for number, each in enumerate(runs):
        groups_by_base.setdefault(each.parts.adapter.weights_key, []).append(number)

    def answer(group: Sequence[PreparedRun]) -> list[Answered | HarnessError]:
        return [_answer(each, context) for each in group]

    answered: dict[int, Answered] = {}
    errors: dict[int, HarnessError] = {}
    groups = list(groups_by_base.values())
    for numbers, outcomes in zip(groups, runner.run([[runs[n] for n in ns] for ns in groups], answer), strict=True):
        for number, result in zip(numbers, outcomes, strict=True):
            if isinstance(result, Answered):
                answered[number] = result
            else:
                errors[number] = result
    return answered, errors


def _answer(each: PreparedRun, context: Context) -> Answered | HarnessError:
    parts = each.parts
    extent = f", the first {parts.plan.limit} questions" if parts.plan.limit else ""
    context.progress.note(
        f"{parts.plan.task} × {parts.adapter.name}, {parts.plan.arm}, judged by {parts.judge.name}{extent}"
    )
    try:
        return answer_questions(parts, context.store, context.progress)
    except StoreError:
        raise  # the other runs would compute, and pay for, what cannot be stored
    except HarnessError as error:
        return error


# ---- scores ---------------------------------------------------------------------------------------------------------


def _judge_all(
    runs: Sequence[PreparedRun], answered: Mapping[int, Answered], errors: dict[int, HarnessError], context: Context
) -> dict[int, Run]:
    """Finished runs by number; what fails goes to `errors`."""
    finished: dict[int, Run] = {}
    for numbers in _groups_to_judge(runs, answered):
        together = [(runs[n].parts, answered[n]) for n in numbers]
        try:
            judged = _judged_together(together, context)
        except StoreError:
            raise
        except HarnessError as error:
            context.progress.note(f"{error}; each of the {len(numbers)} runs is now judged alone")
            judged = [parts for parts, _ in together]  # one answer must not take the other runs with it
        for number, parts in zip(numbers, judged, strict=True):
            try:
                finished[number] = _conclude(parts, answered[number], context)
            except StoreError:
                raise
            except HarnessError as error:
                errors[number] = error
    return finished


def _groups_to_judge(runs: Sequence[PreparedRun], answered: Mapping[int, Answered]) -> list[list[int]]:
    """Runs by number: those together whose judge is one and sees passages, any other alone."""
    groups: dict[object, list[int]] = {}
    for number in sorted(answered):
        judge = runs[number].parts.judge
        shared = digest_of([judge.identity, judge.repeats]) if judge.sees_passages else number
        groups.setdefault(shared, []).append(number)
    return list(groups.values())


def _judged_together(runs: Sequence[tuple[Parts, Answered]], context: Context) -> list[Parts]:
    """The runs' parts, with the one judge that has put the scores of all of them into the store."""
    if len(runs) == 1:
        return [runs[0][0]]
    judge = runs[0][0].judge
    judge_together([a.judge_input(parts.plan) for parts, a in runs], judge, context.store, context.progress)
    return [replace(parts, judge=judge, runs_judged_together=len(runs)) for parts, _ in runs]


def _conclude(parts: Parts, answered: Answered, context: Context) -> Run:
    run = judge_answers(parts, answered, context)
    warn_of_self_preference(parts.judge, parts.adapter.identity, context.progress)
    note_broken_judge(run, context.progress)
    return run


def note_broken_judge(scored: Run | ScoredAnswers, progress: Progress) -> None:
    """A line when the judge left more unscored than its entry allows."""
    if scored.judge_is_broken:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in scored.unscored["reasons"].items())
        share = f"{scored.unscored['unscored']} of {scored.unscored['scores']}"
        progress.note(f"the judge {scored.judge} left {share} scores open: {reasons}")


def _with_fewer_repeats(
    runs: Sequence[PreparedRun],
    answered: dict[int, Answered],
    errors: dict[int, HarnessError],
    error_rate: float,
    context: Context,
) -> list[PreparedRun]:
    """The runs with judges that repeat only as often as the decision needs."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number in sorted(answered):
        plan = runs[number].parts.plan
        groups.setdefault((plan.task, plan.arm.value), []).append(number)
    limited = list(runs)
    for (task, arm), numbers in groups.items():
        judge = runs[numbers[0]].parts.judge
        if len(numbers) < 2 or judge.repeats < 3 or not isinstance(judge, SingleJudge):
            continue
        compared = [answered[n].judge_input(runs[n].parts.plan) for n in numbers]
        try:
            repeats = settled_repeats(compared, judge, error_rate, context.store, context.progress)
        except StoreError:
            raise
        except HarnessError as error:
            errors |= {n: error for n in numbers if answered.pop(n)}
            continue
        context.progress.note(
            f"{task}, {arm}: {repeats} of {judge.repeats} repeats decide at an error rate of {error_rate:g}"
        )
        for n in numbers:
            parts = replace(runs[n].parts, judge=LimitedJudge(judge, repeats), runs_judged_together=len(numbers))
            limited[n] = PreparedRun(runs[n].spec, parts)
    return limited


def warn_of_self_preference(judge: Judge, model: Identity, progress: Progress) -> None:
    """A line when the judge, or a member of a panel, has the weights of the model (an identity) that it judges."""
    for member in judge.members if isinstance(judge, Panel) else [judge]:
        judge_model = member.identity.get("model")
        weights = judge_model.get("weights") if isinstance(judge_model, Mapping) else None
        if weights is not None and weights == model.get("weights"):
            progress.note(
                f"the judge {member.name} has the weights of the model that it judges and may prefer its answers"
            )
