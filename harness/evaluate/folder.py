"""A run folder: a view of the store in files that lm-evaluation-harness's viewers and scripts can read.

    manifest.json             how it came to be: identities, versions, host, times; written last, so a folder without
                              one is not whole
    results_<task>_<id>.json  a superset of lm-eval's keys
    samples_<task>_<id>.jsonl a superset of lm-eval's sample fields

The results and samples depend on the store alone and are the same to the byte however often a run was interrupted;
what differs from time to time or host to host stands in the manifest. Files are written under a temporary name and
renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.digests import digest_of_lines, short
from harness.evaluate.scores import Sample, Score
from harness.records import TaskPlan

__all__ = ["folder_of", "sample_row", "sanitise", "write_atomically", "write_run"]


def sanitise(name: str) -> str:
    """A name that can be a folder's, as lm-eval makes it."""
    return re.sub(r"[\"<>:/|\\?*\[\]]+", "__", name)


def folder_of(output: Path, model: str, plan: TaskPlan, run_id: str) -> Path:
    return output / sanitise(model) / f"{plan.task}-{plan.arm}-{short(run_id)}"


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sample_row(number: int, plan: TaskPlan, sample: Sample) -> dict[str, Any]:
    """One line of `samples_*.jsonl`: lm-eval's fields, then ours."""
    question, answer = sample.question, sample.answer
    doc = dict(question.row) or {"id": question.id, "question": question.text, "answers": list(question.references)}
    decoding = {
        "max_gen_toks": plan.decoding.max_gen_toks,
        "until": list(plan.decoding.until),
        "do_sample": not plan.decoding.greedy,
        "temperature": plan.decoding.temperature,
    }
    return {
        "doc_id": number,
        "doc": doc,
        "target": sample.target,
        "arguments": {"gen_args_0": {"arg_0": sample.prompt, "arg_1": decoding}},
        "resps": [[answer.text]],
        "filtered_resps": [answer.text],
        "filter": "none",
        "metrics": list(sample.values),
        "doc_hash": _sha(json.dumps(doc, sort_keys=True, ensure_ascii=False)),
        "prompt_hash": _sha(sample.prompt),
        "target_hash": _sha(sample.target),
        **sample.values,
        "question_id": question.id,
        "kind": question.kind,
        "cluster": question.cluster,
        "arm": plan.arm.value,
        "passages": [asdict(passage) for passage in sample.passages],
        "stop_reason": answer.stop_reason.value,
        "prompt_tokens": answer.prompt_tokens,
        "answer_tokens": answer.answer_tokens,
        "verdicts": [
            {"criterion": v.criterion, "repeat": v.repeat, "score": v.score, "reason": v.reason, "reply": v.reply}
            for v in sample.verdicts
        ],
    }


def results_document(
    plan: TaskPlan,
    task_entry: Mapping[str, Any],
    model: Mapping[str, Any],
    original: int,
    samples: Sequence[Sample],
    scores: Sequence[Score],
    ours: Mapping[str, Any],
) -> dict[str, Any]:
    """`results_*.json`. Keys of lm-eval that would differ between two runs of the same thing are null here and stand
    in `manifest.json`."""
    measured: dict[str, Any] = {"alias": plan.alias, "sample_len": len(samples)}
    for score in scores:
        measured[f"{score.measure},none"] = score.value
        measured[f"{score.measure}_stderr,none"] = score.standard_error
        measured[f"{score.measure}_ci95,none"] = list(score.interval) if score.interval else None
        measured[f"{score.measure}_n,none"] = [score.n, score.total]
    task = plan.task
    return {
        "results": {task: measured},
        "group_subtasks": {task: []},
        "configs": {task: dict(task_entry)},
        "versions": {task: plan.version},
        "n-shot": {task: 0},
        "higher_is_better": {task: {s.measure: s.higher_is_better for s in scores}},
        "n-samples": {task: {"original": original, "effective": len(samples)}},
        "config": {
            "model": model.get("engine"),
            "model_args": model.get("model_args", {}),
            "batch_size": "auto",
            "use_cache": None,
            "limit": plan.limit,
            "bootstrap_iters": None,
            "gen_kwargs": asdict(plan.decoding),
            "random_seed": plan.seed,
            "numpy_seed": plan.seed,
            "torch_seed": plan.seed,
            "fewshot_seed": None,
        },
        "git_hash": None,
        "date": None,
        "pretty_env_info": None,
        "total_evaluation_time_seconds": None,
        "task_hashes": {task: digest_of_lines(_sha(s.prompt) + _sha(s.target) for s in samples)},
        "model_source": model.get("engine"),
        "model_name": model.get("name"),
        "model_name_sanitized": sanitise(str(model.get("name"))),
        "system_instruction": plan.system_instruction,
        "system_instruction_sha": _sha(plan.system_instruction) if plan.system_instruction else None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "harness": dict(ours),
    }


def write_atomically(path: Path, text: str) -> None:
    """The whole file or none of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_run(
    folder: Path,
    plan: TaskPlan,
    run_id: str,
    results: Mapping[str, Any],
    samples: Sequence[Sample],
    manifest: Mapping[str, Any],
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{plan.task}_{short(run_id)}"
    rows = [json.dumps(sample_row(n, plan, s), ensure_ascii=False, allow_nan=False) for n, s in enumerate(samples)]
    write_atomically(folder / f"samples_{stem}.jsonl", "".join(f"{row}\n" for row in rows))
    write_atomically(
        folder / f"results_{stem}.json", json.dumps(results, ensure_ascii=False, indent=2, allow_nan=False)
    )
    write_atomically(folder / "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=2, allow_nan=False))
