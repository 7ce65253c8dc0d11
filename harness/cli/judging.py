"""`harness judge`: finished runs under another judge. `harness audit`: a judge's card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.common import add_include_path, beside, catalog_of

if TYPE_CHECKING:
    from harness.interfaces import Progress
    from harness.records import Question

__all__ = ["add"]


_EXTENT = {"rows": 200, "pairs": 60, "planted": 60, "injected": 20, "seed": 0}


def add(commands: Any) -> None:
    _add_judge(commands)
    _add_audit(commands)


def _add_judge(commands: Any) -> None:
    parser = commands.add_parser(
        "judge",
        help="judge finished runs again, by another judge",
        description="Reads run folders that `harness eval` wrote, marks their answers by another judge and writes a "
        "run folder for each. No generator is loaded and nothing is retrieved.",
    )
    parser.add_argument("run_folder", nargs="+", type=Path, metavar="RUN", help="results/MODEL/TASK-ARM-ID")
    parser.add_argument("--judge", required=True, metavar="NAME", help="a judge entry")
    parser.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1")
    parser.add_argument("--cost_limit", type=float, metavar="SUM", help="stop before API models cost more than this")
    parser.add_argument(
        "--output_path",
        "-o",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="for run folders (default results)",
    )
    parser.add_argument("--store", type=Path, metavar="FILE", help="the store; in the cache folder if not said")
    add_include_path(parser)
    parser.set_defaults(run=judge_runs)


def _add_audit(commands: Any) -> None:
    parser = commands.add_parser(
        "audit",
        help="write a judge's card: how good is it?",
        description="Compares a judge with people (--data), plants errors, pads answers, tries to talk it over, and "
        "measures its repeats; writes judges/cards/NAME.md and NAME.json. What was asked before comes from the store.",
    )
    parser.add_argument("name", metavar="JUDGE", help="a judge entry")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="human judgements: evouna_nq.jsonl, openqa_eval_nq301.jsonl, …"
    )
    parser.add_argument("--rows", type=int, default=200, metavar="N", help="of each right-or-wrong set (default 200)")
    parser.add_argument("--pairs", type=int, default=60, metavar="N", help="of pairs of answers (default 60)")
    parser.add_argument("--planted", type=int, default=60, metavar="N", help="questions to damage (default 60)")
    parser.add_argument("--injected", type=int, default=20, metavar="N", help="answers to attack with (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="draws all of these (default 0)")
    parser.add_argument("--cost_limit", type=float, metavar="SUM", help="stop before API models cost more than this")
    parser.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1")
    parser.add_argument(
        "--output_path", "-o", type=Path, metavar="DIR", help="for the card; `cards` beside the entry if not said"
    )
    parser.add_argument("--store", type=Path, metavar="FILE", help="the store; in the cache folder if not said")
    add_include_path(parser)
    parser.set_defaults(run=audit_judge)


# ---- judge ----------------------------------------------------------------------------------------------------------


def judge_runs(options: argparse.Namespace) -> int:
    from harness.adapters.bases import BaseHolder
    from harness.adapters.openai import Budget
    from harness.build import ModelOverrides, build_judge, members_of
    from harness.cache import cache_folder
    from harness.cli.common import warn_of_self_preference
    from harness.cli.console import make_progress
    from harness.cli.host import host_facts
    from harness.cli.results import print_outcomes
    from harness.evaluate.rejudging import read_run, rejudge
    from harness.store import Store

    catalog, cache, progress = catalog_of(options), cache_folder(), make_progress()
    runs = [read_run(folder) for folder in options.run_folder]
    entry = catalog.judge(options.judge)
    overrides = ModelOverrides(device=options.device, budget=Budget(options.cost_limit), holder=BaseHolder())
    outcomes = []
    with Store(options.store or cache / "store.sqlite") as store:
        for run in runs:
            judge = build_judge(catalog, entry, run.plan.task, cache, overrides)
            judge.prepare()
            wants_facts = any(member.kind == "facts" for member in members_of(catalog, entry))
            known = _known_questions(run, cache, progress) if wants_facts else {}
            progress.note(f"{run.folder}: {len(run.rows)} answers, judged by {judge.name}")
            warn_of_self_preference(judge, run.manifest["identities"]["model"], progress)
            told = entry.model_dump(exclude_none=True)
            host = host_facts(options.command_line)
            outcomes.append(rejudge(run, judge, told, known, store, options.output_path, progress, host))
            judge.close()
    options.batch_size = None
    print_outcomes(outcomes, [], {}, options)
    return 0


def _known_questions(run: Any, cache: Path, progress: Progress) -> dict[str, Question]:
    """The synthetic world's questions with their facts; nothing of another data set."""
    from harness.build import build_source
    from harness.errors import DataError
    from harness.schema import TaskEntry, check

    entry, problems = check(TaskEntry, run.task_entry, f"{run.folder}/manifest.json")
    if entry is None or problems or entry.world is None:
        progress.note(f"{run.folder}: its questions have no known facts; the facts judge leaves them unscored")
        return {}
    source = build_source(entry, None, cache, progress)
    if dict(source.identity) != run.manifest["identities"]["source"]:
        raise DataError(
            f"{run.folder}: was made from other data than the synthetic world of its task; judge it by another"
        )
    return {q.id: q for q in source.questions(run.plan.split)}


# ---- audit ----------------------------------------------------------------------------------------------------------


def audit_judge(options: argparse.Namespace) -> int:
    import json

    from harness.adapters.bases import BaseHolder
    from harness.adapters.openai import Budget
    from harness.audit.audit import Extent, audit
    from harness.audit.card import page
    from harness.audit.planted import damage
    from harness.build import ModelOverrides, build_judge, build_retriever, build_source, members_of
    from harness.cache import cache_folder
    from harness.cli.console import make_progress
    from harness.errors import UsageError
    from harness.evaluate.folder import write_atomically
    from harness.records import Arm, Query
    from harness.store import Store

    for name in ("rows", "pairs", "planted", "injected"):
        if getattr(options, name) < 1:
            raise UsageError(f"--{name} {getattr(options, name)}: give a whole number from 1")
    catalog, cache, progress = catalog_of(options), cache_folder(), make_progress()
    entry, task = catalog.judge(options.name), catalog.task("telecom")
    overrides = ModelOverrides(device=options.device, budget=Budget(options.cost_limit), holder=BaseHolder())
    judge = build_judge(catalog, entry, "telecom", cache, overrides)
    judge.prepare()
    source = build_source(task, None, cache, progress)
    questions = source.questions(task.test_split)
    extent = Extent(options.rows, options.pairs, options.planted, options.injected, options.seed)
    members = members_of(catalog, entry)
    passages = None
    if any("passages" in member.sees for member in members):
        damaged = damage(questions, extent.planted, extent.seed)
        retriever = build_retriever(task.retrieval, source, Arm.RAG, cache, progress)
        found = retriever.search([Query(text=each.question.text) for each in damaged], task.retrieval.top_k)
        passages = [tuple(of_question) for of_question in found]
    data_of = [member.fitted_on.get("data", []) for member in members]
    fitted_on = [name for names in data_of for name in ([names] if isinstance(names, str) else names)]
    planted_on = "; ".join(str(m.fitted_on["planted"]) for m in members if "planted" in m.fitted_on) or None
    with Store(options.store or cache / "store.sqlite") as store:
        card = audit(
            judge,
            entry.card.model_dump(),
            questions,
            passages,
            options.data,
            fitted_on,
            planted_on,
            (entry.scale.low, entry.scale.high),
            extent,
            store,
            progress,
        )
    usage = judge.usage
    judge.close()
    card |= {
        "description": entry.description,
        "kind": entry.kind,
        "model": entry.model,
        "scoring": entry.scoring,
        "repeats": judge.repeats,
        "command": _command(entry.judge, options),
    }
    place = options.output_path or beside(catalog.path_of("judge", entry.judge), "cards", Path("judges/cards"))
    place.mkdir(parents=True, exist_ok=True)
    write_atomically(place / f"{entry.judge}.json", json.dumps(card, indent=1, sort_keys=True, allow_nan=False) + "\n")
    write_atomically(place / f"{entry.judge}.md", text := page(card))
    print(text)
    if "prompt_tokens_asked" in usage:
        asked, computed = usage["prompt_tokens_asked"], usage["prompt_tokens_computed"]
        progress.note(f"prompt tokens: {asked:,.0f} asked for, {computed:,.0f} computed ({computed / asked:.0%})")
    progress.note(f"written to {place / entry.judge}.md")
    return 0


def _command(name: str, options: argparse.Namespace) -> str:
    """What makes this card again; the folder's name is the reader's."""
    flags = [f"--{key} {getattr(options, key)}" for key, usual in _EXTENT.items() if getattr(options, key) != usual]
    return " ".join([f"harness audit {name}", *(["--data DIR"] if options.data else []), *flags])
