"""`harness eval`: tasks × models × arms, each a run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.common import (
    add_include_path,
    catalog_of,
    check_output,
    names_of,
    warn_of_self_preference,
)

if TYPE_CHECKING:
    from harness.evaluate import Answered, Outcome, Parts
    from harness.interfaces import Judge, Progress
    from harness.records import TaskPlan
    from harness.registry import Catalog
    from harness.schema import ModelEntry, TaskEntry

__all__ = ["add"]

_DESCRIPTION = """Retrieves, asks the model, judges its answers and writes a run folder, for each task, model and arm.
Whatever is stored already is not computed again: the same command a second time takes seconds, and a stopped one goes
on where it was."""


def add(commands: Any) -> None:
    parser = commands.add_parser("eval", aliases=["run"], help="evaluate models on tasks", description=_DESCRIPTION)
    what = parser.add_argument_group("what")
    what.add_argument("--task", "--tasks", "-t", nargs="+", required=True, metavar="NAME", help="tasks, groups or tags")
    what.add_argument(
        "--model", "-M", nargs="+", required=True, metavar="NAME", help="model entries, or `hf` with --model_args"
    )
    what.add_argument(
        "--model_args",
        "-a",
        metavar="K=V,…",
        help="with --model hf: pretrained=, revision=, peft=, dtype=, load_in_4bit=, …",
    )
    what.add_argument("--arm", nargs="+", default=["rag"], metavar="ARM", help="rag (default), closed_book, oracle")
    what.add_argument("--judge", metavar="NAME", help="a judge entry; the task's own where it is not said")
    what.add_argument(
        "--data", type=Path, metavar="DIR", help="read the task from this data pack and not from its source"
    )
    what.add_argument(
        "--limit", "-L", metavar="N", help="only the first N questions, or a share below 1; for trying out"
    )
    what.add_argument(
        "--gen_kwargs", metavar="K=V,…", help="over the task's: max_gen_toks=, temperature=, do_sample=, top_p="
    )
    what.add_argument("--seed", type=int, default=0, help="for sampled answers (default 0)")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--batch_size", "-b", default=None, metavar="N|auto", help="prompts at a time; the entry's where it is not said"
    )
    how.add_argument(
        "--cost_limit",
        type=float,
        metavar="SUM",
        help="stop before API models cost more than this, by their entries' prices",
    )
    how.add_argument(
        "--adaptive_repeats",
        type=float,
        metavar="RATE",
        help="with several models: stop the judge's repeats when which is better than the first can change at most at "
        "this error rate, as 0.05",
    )
    how.add_argument(
        "--no_gate",
        action="store_true",
        help="answer with a LoRA checkpoint even if the gate finds that it does nothing or is broken",
    )
    how.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1; a GPU if there is one where it is not said")
    how.add_argument(
        "--output_path",
        "-o",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="for run folders (default results)",
    )
    how.add_argument("--store", type=Path, metavar="FILE", help="the store; in the cache folder where it is not said")
    add_include_path(how)
    parser.set_defaults(run=run)


# ---- flags ----------------------------------------------------------------------------------------------------------


def _pairs(text: str | None, flag: str) -> dict[str, Any]:
    """`a=1,b=x` with values read as YAML reads them."""
    import yaml

    from harness.errors import UsageError

    pairs: dict[str, Any] = {}
    for part in (text or "").split(","):
        if not part:
            continue
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{flag}: {part!r} is not key=value")
        try:
            pairs[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"{flag}: {part!r} has a value that cannot be read") from error
    return pairs


def _limit(text: str | None) -> float | None:
    from harness.errors import UsageError

    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf") or (value >= 1 and value != int(value)):
        raise UsageError(f"--limit {text}: give a whole number from 1, or a share between 0 and 1")
    return value


def _batch_size(text: str | None) -> int | str | None:
    from harness.errors import UsageError

    if text is None or text == "auto":
        return text
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch_size {text}: give a whole number from 1, or auto")
    return int(text)


def _budget(limit: float | None) -> Any:
    from harness.adapters.openai import Budget
    from harness.errors import UsageError

    if limit is not None and limit <= 0:
        raise UsageError(f"--cost_limit {limit:g}: give a sum above 0")
    return Budget(limit)


def _arms(values: list[str]) -> list[Any]:
    from harness.errors import UsageError, near_names
    from harness.records import Arm

    known = [arm.value for arm in Arm]
    for name in (names := names_of(values)):
        if name not in known:
            raise UsageError(
                f"--arm {name}: there is no such arm{near_names(name, known)}; it can be {', '.join(known)}"
            )
    return [Arm(name) for name in names]


def _make_folder(path: Path) -> None:
    from harness.errors import UsageError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output_path {path}: cannot be made: {error.strerror}") from error


def _data_of(options: argparse.Namespace, task: str) -> Path | None:
    """The pack of a task: `--data DIR` itself for the one task of a command, DIR/TASK where there are several."""
    from harness.errors import UsageError

    data: Path | None = options.data
    if data is None or (not options.several_tasks and not (data / task / "corpus.jsonl").is_file()):
        return data
    if not (data / task / "corpus.jsonl").is_file():
        raise UsageError(f"--data {data}: with several tasks it holds a pack for each; there is none in {data / task}")
    return data / task


_MODEL_ARGS = {
    "pretrained",
    "revision",
    "peft",
    "dtype",
    "load_in_4bit",
    "load_in_8bit",
    "device_map",
    "max_length",
    "peft_base",
    "base",
}


def _hf_entry(arguments: dict[str, Any]) -> Any:
    """`--model hf --model_args pretrained=…,peft=…` as a model entry; (entry, folder of its LoRA checkpoint)."""
    from harness.errors import UsageError, near_names
    from harness.evaluate.folder import sanitise
    from harness.schema import ModelEntry, check

    unknown = [f"{key}{near_names(key, _MODEL_ARGS)}" for key in arguments if key not in _MODEL_ARGS]
    if arguments.get("base") is not None:
        return _on_base(arguments, unknown)
    if unknown or "pretrained" not in arguments:
        wrong = f"unknown {', '.join(unknown)}" if unknown else "pretrained= is missing"
        raise UsageError(f"--model_args: {wrong}; it can have {', '.join(sorted(_MODEL_ARGS))}")
    values = dict(arguments)
    if "peft" in values and not values["peft"]:
        raise UsageError("--model_args: peft= is empty; name the checkpoint's folder, or leave it out for the base")
    peft = str(values.pop("peft")) if "peft" in values else None
    peft_base = values.pop("peft_base", None)
    bits = ["4bit"] * bool(values.pop("load_in_4bit", False)) + ["8bit"] * bool(values.pop("load_in_8bit", False))
    name = str(values["pretrained"]).strip("/.").split("/")[-1] + (
        f"+{str(peft).rstrip('/').split('/')[-1]}" if peft else ""
    )
    values |= {
        "model": sanitise(name).replace("+", "-"),
        "description": "from --model_args",
        "licence": "not stated",
        "metadata": {"version": 0},
        **({"quantization": bits[0]} if bits else {}),
        **({"peft_base": str(peft_base)} if peft_base else {}),
    }
    entry, problems = check(ModelEntry, values, "--model_args")
    if entry is None:
        raise UsageError(*problems)
    return entry, peft


def _on_base(arguments: dict[str, Any], unknown: list[str]) -> Any:
    """`base=smollm2-135m,peft=DIR`: a checkpoint on a base entry, for checkpoints without an entry of their own."""
    from harness.errors import UsageError
    from harness.evaluate.folder import sanitise
    from harness.schema import ModelEntry, check

    allowed = {"base", "peft", "load_in_4bit", "load_in_8bit"}
    if unknown or set(arguments) - allowed or not arguments.get("peft"):
        raise UsageError(
            "--model_args: base= (a model entry) goes with peft= (a checkpoint's folder), and with load_in_4bit=True "
            "or load_in_8bit=True"
        )
    bits = [name for name in ("4bit", "8bit") if arguments.get(f"load_in_{name}")]
    values = {
        "model": sanitise(Path(str(arguments["peft"])).name),
        "description": "from --model_args",
        "base": str(arguments["base"]),
        "peft": str(arguments["peft"]),
        **({"quantization": bits[0]} if bits else {}),
        "licence": "not stated",
        "metadata": {"version": 0},
    }
    entry, problems = check(ModelEntry, values, "--model_args")
    if entry is None:
        raise UsageError(*problems)
    return entry, None


# ---- one command ----------------------------------------------------------------------------------------------------


def run(options: argparse.Namespace) -> int:
    from harness.adapters.bases import BaseHolder
    from harness.build import ModelOverrides
    from harness.cache import cache_folder
    from harness.cli.console import make_progress
    from harness.cli.results import print_outcomes
    from harness.errors import UsageError
    from harness.store import Store

    catalog = catalog_of(options)
    limit, arms = _limit(options.limit), _arms(options.arm)
    if options.adaptive_repeats is not None and not 0 < options.adaptive_repeats < 0.5:
        raise UsageError(f"--adaptive_repeats {options.adaptive_repeats:g}: give an error rate above 0 and below 0.5")
    options.batch_size = _batch_size(options.batch_size)
    check_output(options.output_path)
    tasks, groups = catalog.expand_tasks(names_of(options.task))
    options.several_tasks = len(tasks) > 1
    entries = [_with_gen_kwargs(catalog.task(name), options) for name in tasks]
    models = [_model_entry(catalog, name, options) for name in names_of(options.model)]
    # one holder for all: models on one base share it, and no two bases are in memory together
    options.overrides = ModelOverrides(
        device=options.device, budget=_budget(options.cost_limit), gate=not options.no_gate, holder=BaseHolder()
    )
    progress = make_progress()
    if limit is not None:
        progress.note(f"--limit {options.limit}: for trying out; not a result to report")
    # everything is built and fetched first: a mistake in the last combination is told before the first is computed
    runs = [
        _prepare(options, catalog, entry, model, arm, limit, progress)
        for entry in entries
        for model in models
        for arm in arms
    ]
    _make_folder(options.output_path)
    with Store(options.store or cache_folder() / "store.sqlite") as store:
        outcomes = _evaluate_all(options, runs, store, progress)
    members = {group.group: catalog.expand_tasks([group.group])[0] for group in groups}
    print_outcomes(outcomes, groups, members, options)
    return 0


def _with_gen_kwargs(entry: TaskEntry, options: argparse.Namespace) -> TaskEntry:
    from harness.errors import UsageError
    from harness.schema import DecodingEntry, check

    given = _pairs(options.gen_kwargs, "--gen_kwargs")
    if not given:
        return entry
    if isinstance(temperature := given.get("temperature"), int | float) and "do_sample" not in given:
        given |= {"do_sample": temperature > 0}
    decoding, problems = check(DecodingEntry, {**entry.generation_kwargs.model_dump(), **given}, "--gen_kwargs")
    if decoding is None:
        raise UsageError(*problems)
    return entry.model_copy(update={"generation_kwargs": decoding})


def _model_entry(catalog: Catalog, name: str, options: argparse.Namespace) -> tuple[ModelEntry, str | None]:
    from harness.errors import UsageError

    if name == "hf":
        entry, peft = _hf_entry(_pairs(options.model_args, "--model_args"))
        return entry, peft
    if options.model_args:
        raise UsageError("--model_args goes with --model hf; a model entry says its own")
    return catalog.model(name), None


def _prepare(
    options: argparse.Namespace,
    catalog: Catalog,
    entry: TaskEntry,
    model: tuple[ModelEntry, str | None],
    arm: Any,
    limit: float | None,
    progress: Progress,
) -> tuple[TaskPlan, Parts]:
    """Builds everything, and fetches what must be fetched, before anything is computed."""
    from harness.build import build_leakage, build_model, build_retriever, build_source, plan_of
    from harness.cache import cache_folder
    from harness.evaluate import Parts

    cache = cache_folder()
    source = build_source(entry, _data_of(options, entry.task), cache, progress)
    available = len(source.questions(entry.test_split))  # reads it all: a broken line is told before work begins
    number = None
    if limit is not None:
        number = int(limit) if limit >= 1 else max(1, int(limit * available))
    model_entry, peft = model
    overrides = replace(options.overrides, batch_size=options.batch_size, peft=peft)
    adapter = build_model(catalog, model_entry, entry.task, cache, overrides)
    adapter.prepare()
    judge, judge_entry = _judge(options, catalog, entry, cache, progress)
    parts = Parts(
        source=source,
        retriever=build_retriever(entry.retrieval, source, arm, cache, progress),
        adapter=adapter,
        judge=judge,
        entries={
            "task": entry.model_dump(exclude_none=True),
            "model": model_entry.model_dump(exclude_none=True),
            "judge": judge_entry,
        },
        leakage=build_leakage(entry, source, adapter, cache, progress),
    )
    return plan_of(entry, arm, number, options.seed), parts


def _judge(
    options: argparse.Namespace, catalog: Catalog, task: TaskEntry, cache: Path, progress: Progress
) -> tuple[Judge, dict[str, Any]]:
    """The judge that was asked for must be there. A task's own judge whose model cannot be had here leaves the marks
    open: answers and metrics are made all the same, and the marks can be made later from the store."""
    from harness.build import build_judge
    from harness.errors import MissingPart
    from harness.judging.unavailable import UnavailableJudge

    entry = catalog.judge(options.judge or task.judge)
    try:
        judge = build_judge(catalog, entry, task.task, cache, options.overrides)
        judge.prepare()
    except MissingPart as error:
        if options.judge is not None:
            raise
        progress.note(
            f"judge {entry.judge}: {error}; answers and metrics are made, marks are left open (another: --judge)"
        )
        judge = UnavailableJudge(entry.judge, tuple(entry.criteria), f"the judge's model is not here: {error}")
    return judge, entry.model_dump(exclude_none=True)


def _evaluate_all(
    options: argparse.Namespace, runs: Sequence[tuple[TaskPlan, Parts]], store: Any, progress: Progress
) -> list[Outcome]:
    """All answers first, those of one base one after another, then all marks: so each base, and the judge's model, is
    loaded once. When a model fails, the runs that were answered before it are concluded, and then it is told."""
    from harness.errors import HarnessError
    from harness.evaluate import answer_questions

    bases = list(dict.fromkeys(parts.adapter.loads for _, parts in runs))
    in_order = sorted(range(len(runs)), key=lambda n: bases.index(runs[n][1].adapter.loads))
    answered: dict[int, Answered] = {}
    failure: HarnessError | None = None
    for number in in_order:
        plan, parts = runs[number]
        extent = f", the first {plan.limit} questions" if plan.limit else ""
        progress.note(f"{plan.task} × {parts.adapter.name}, {plan.arm}, judged by {parts.judge.name}{extent}")
        try:
            answered[number] = answer_questions(plan, parts, store, progress)
        except HarnessError as error:
            failure = error
            break
    runs = _with_fewer_repeats(options, runs, answered, store, progress)
    outcomes: dict[int, Outcome] = {}
    for numbers in _groups_to_mark(runs, answered):
        told = _marked_together([runs[n] for n in numbers], [answered[n] for n in numbers], store, progress)
        for number, parts in zip(numbers, told, strict=True):
            outcomes[number] = _conclude(options, runs[number][0], parts, answered[number], store, progress)
    for _, parts in runs:
        parts.adapter.close()
        parts.judge.close()
    if failure is not None:
        raise failure
    return [outcomes[number] for number in sorted(outcomes)]


def _with_fewer_repeats(
    options: argparse.Namespace,
    runs: Sequence[tuple[TaskPlan, Parts]],
    answered: Mapping[int, Answered],
    store: Any,
    progress: Progress,
) -> Sequence[tuple[TaskPlan, Parts]]:
    """With `--adaptive_repeats`, the runs with judges that repeat only as often as the decision needs."""
    from harness.evaluate.adaptive import settled_repeats
    from harness.interfaces import SingleJudge
    from harness.judging.limited import LimitedJudge

    if options.adaptive_repeats is None:
        return runs
    found = list(runs)
    groups: dict[tuple[str, str], list[int]] = {}
    for number in answered:
        plan = runs[number][0]
        groups.setdefault((plan.task, plan.arm.value), []).append(number)
    for (task, arm), numbers in groups.items():
        judge = runs[numbers[0]][1].judge
        if len(numbers) < 2 or judge.repeats < 3 or not isinstance(judge, SingleJudge):
            continue
        compared = [(runs[n][0], answered[n]) for n in sorted(numbers)]
        repeats = settled_repeats(compared, judge, options.adaptive_repeats, store, progress)
        rate = f"at an error rate of {options.adaptive_repeats:g}"
        progress.note(f"{task}, {arm}: {repeats} of {judge.repeats} repeats decide {rate}")
        for n in numbers:
            parts = replace(runs[n][1], judge=LimitedJudge(judge, repeats), judged_with=len(numbers))
            found[n] = (runs[n][0], parts)
    return found


def _groups_to_mark(
    runs: Sequence[tuple[TaskPlan, Parts]], answered: Mapping[int, Answered]
) -> Sequence[Sequence[int]]:
    """Runs by number: those together whose judge is one and sees passages, any other alone."""
    from harness.digests import digest_of
    from harness.evaluate.marking import sees_passages

    groups: dict[object, list[int]] = {}
    for number in sorted(answered):
        judge = runs[number][1].judge
        shared = digest_of([judge.identity, judge.repeats]) if sees_passages(judge) else number
        groups.setdefault(shared, []).append(number)
    return list(groups.values())


def _marked_together(
    runs: Sequence[tuple[TaskPlan, Parts]], answered: Sequence[Answered], store: Any, progress: Progress
) -> list[Parts]:
    """The runs' parts, with the one judge that has put the marks of all of them into the store."""
    from harness.evaluate.marking import mark_together

    if len(runs) > 1:
        judge = runs[0][1].judge
        mark_together([of.to_mark(plan) for (plan, _), of in zip(runs, answered, strict=True)], judge, store, progress)
        return [replace(parts, judge=judge, judged_with=len(runs)) for _, parts in runs]
    return [parts for _, parts in runs]


def _conclude(
    options: argparse.Namespace, plan: TaskPlan, parts: Parts, answered: Answered, store: Any, progress: Progress
) -> Outcome:
    from harness.cli.host import host_facts
    from harness.evaluate import judge_answers

    host = host_facts(options.command_line)
    outcome = judge_answers(plan, parts, answered, store, options.output_path, progress, host)
    warn_of_self_preference(parts.judge, parts.adapter.identity, progress)
    if outcome.judge_is_broken:
        failed = outcome.unscored
        reasons = "; ".join(f"{count} × {reason}" for reason, count in failed["reasons"].items())
        progress.note(
            f"the judge {outcome.judge} left {failed['unscored']} of {failed['verdicts']} verdicts unscored: {reasons}"
        )
    return outcome
