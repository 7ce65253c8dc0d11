"""A run folder: a view of the store in files that lm-evaluation-harness's viewers and scripts can read.

    manifest.json             how it came to be: identities, versions, environments, times, digests of all three files;
                              written last, so a folder without one is not whole
    results_<task>_<id>.json  a superset of lm-eval's keys
    samples_<task>_<id>.jsonl a superset of lm-eval's sample fields

The results and samples depend on the store alone and are the same to the byte however often a run was interrupted;
what differs from time to time or host to host is in the manifest. Files are written under a temporary name and
renamed. This is the only module that writes run folders, and the only one that reads them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from harness.digests import digest_of_lines, short
from harness.errors import DataError, one_line
from harness.evaluation.aggregates import Aggregate
from harness.evaluation.checks import (
    current_name,
    problems_of_manifest,
    problems_of_results,
    problems_of_rows,
    unlike_results,
)
from harness.evaluation.samples import Sample
from harness.evaluation.seal import sealed
from harness.files import (
    JsonObject,
    json_lines,
    make_folder,
    parse_json,
    safe_name,
    write_atomically,
    write_lines_atomically,
)
from harness.measures import SCALE
from harness.records import Answer, Passage, Question, Score, StopReason, TaskPlan, fields_of
from harness.shapes import record_of
from harness.statistics import Bounds, Interval

__all__ = ["FORMAT", "Run", "RunDocuments", "folder_of", "read_run", "write_run"]

FORMAT = 2
"""Of the folders that are written. 2: `scores` of a sample were called `verdicts`, the measure `loops` was called
`repeats`; folders of format 1 are read as if they were of format 2."""
_MISSING = "name a folder that harness eval wrote, with manifest.json, results_*.json and samples_*.jsonl"


def folder_of(output: Path, model: str, plan: TaskPlan, run_id: str) -> Path:
    """Where a run is written below the folder of all runs."""
    return output / safe_name(model) / f"{plan.task}-{plan.arm}-{short(run_id)}"


# ---- writing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunDocuments:
    """What is written of a run. `task_entry` is the resolved entry; `model` has its name and description; `ours` is
    the `harness` block of the results; `available`: questions that the task has, of which the first were taken."""

    plan: TaskPlan
    run_id: str
    task_entry: Mapping[str, object]
    model: Mapping[str, object]
    available: int
    samples: Sequence[Sample]
    aggregates: Sequence[Aggregate]
    ours: Mapping[str, object]
    manifest: Mapping[str, object]


def write_run(folder: Path, run: RunDocuments) -> None:
    """Writes the folder; what was there under the same name is replaced file by file."""
    make_folder(folder)
    stem = f"{run.plan.task}_{short(run.run_id)}"
    rows = (_ROW.encode(_sample_row(n, run.plan, sample)) + "\n" for n, sample in enumerate(run.samples))
    results = json.dumps(_results_document(run), ensure_ascii=False, indent=2, allow_nan=False)
    digests = {
        name: write_lines_atomically(folder / name, lines)
        for name, lines in ((f"samples_{stem}.jsonl", rows), (f"results_{stem}.json", [results]))
    }
    write_atomically(folder / "manifest.json", sealed(run.manifest, digests))


_ROW = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_SORTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sample_row(number: int, plan: TaskPlan, sample: Sample) -> JsonObject:
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
        "doc_hash": _sha(_SORTED.encode(doc)),
        "prompt_hash": _sha(sample.prompt),
        "target_hash": _sha(sample.target),
        **sample.values,
        "question_id": question.id,
        "kind": question.kind,
        "cluster": question.cluster,
        "arm": plan.arm.value,
        "passages": [fields_of(passage) for passage in sample.passages],
        "stop_reason": answer.stop_reason.value,
        "prompt_tokens": answer.prompt_tokens,
        "answer_tokens": answer.answer_tokens,
        "scores": [
            {"criterion": s.criterion, "repeat": s.repeat, "score": s.value, "reason": s.reason, "reply": s.reply}
            for s in sample.scores
        ],
    }


def _results_document(run: RunDocuments) -> JsonObject:
    """`results_*.json`. Keys of lm-eval that would differ between two runs of the same thing are null here and stand
    in `manifest.json`."""
    plan, task = run.plan, run.plan.task
    return {
        "results": {task: _measured(run)},
        "group_subtasks": {task: []},
        "configs": {task: dict(run.task_entry)},
        "versions": {task: plan.version},
        "n-shot": {task: 0},
        "higher_is_better": {task: {each.measure: each.higher_is_better for each in run.aggregates}},
        "n-samples": {task: {"original": run.available, "effective": len(run.samples)}},
        "config": _config(run),
        "git_hash": None,
        "date": None,
        "pretty_env_info": None,
        "total_evaluation_time_seconds": None,
        "task_hashes": {task: digest_of_lines(_sha(s.prompt) + _sha(s.target) for s in run.samples)},
        "model_source": run.model.get("engine"),
        "model_name": run.model.get("name"),
        "model_name_sanitized": safe_name(str(run.model.get("name"))),
        "system_instruction": plan.system_instruction,
        "system_instruction_sha": _sha(plan.system_instruction) if plan.system_instruction else None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "harness": {"format": FORMAT, **run.ours},
    }


def _measured(run: RunDocuments) -> JsonObject:
    measured: JsonObject = {"alias": run.plan.alias, "sample_len": len(run.samples)}
    for each in run.aggregates:
        measured[f"{each.measure},none"] = each.value
        measured[f"{each.measure}_stderr,none"] = each.standard_error
        measured[f"{each.measure}_ci95,none"] = list(each.interval) if each.interval else None
        measured[f"{each.measure}_n,none"] = [each.n, each.total]
    return measured


def _config(run: RunDocuments) -> JsonObject:
    plan = run.plan
    return {
        "model": run.model.get("engine"),
        "model_args": run.model.get("model_args", {}),
        "batch_size": "auto",
        "use_cache": None,
        "limit": plan.limit,
        "bootstrap_iters": None,
        "gen_kwargs": asdict(plan.decoding),
        "random_seed": plan.seed,
        "numpy_seed": plan.seed,
        "torch_seed": plan.seed,
        "fewshot_seed": None,
    }


# ---- reading --------------------------------------------------------------------------------------------------------


class Run:
    """A finished run, read from its folder; samples are read when they are first asked for.

    `scores` are the measures over items, by name: criteria first, then metrics and properties of the answers."""

    def __init__(self, folder: Path, manifest: JsonObject, results: JsonObject) -> None:
        self.folder, self.manifest, self.results = folder, manifest, results
        self.plan = _plan_of(manifest["plan"])

    def __repr__(self) -> str:
        return f"<Run {self.task} × {self.model}, {self.plan.arm}, judged by {self.judge}: {self.folder}>"

    @property
    def id(self) -> str:
        return str(self._ours["run_id"])

    @property
    def task(self) -> str:
        return self.plan.task

    @property
    def model(self) -> str:
        return str(self.results["model_name"])

    @property
    def judge(self) -> str:
        return str(self._ours["judge"])

    @property
    def criteria(self) -> tuple[str, ...]:
        return tuple(self._ours["criteria"])

    @property
    def model_id(self) -> str:
        return str(self._ours["model_id"])

    @property
    def judge_id(self) -> str:
        return str(self._ours["judge_id"])

    @property
    def judge_repeats(self) -> int | None:
        """None in a run that was made before it was recorded."""
        repeats = self._ours.get("judge_repeats")
        return None if repeats is None else int(repeats)

    @property
    def scale(self) -> Bounds:
        """The lowest and the highest score of the judge."""
        low, high = self._ours.get("scale", SCALE)
        return Bounds(float(low), float(high))

    @property
    def trivial(self) -> dict[str, dict[str, float]]:
        """Means of trivial answers (`evaluation.trivial`); empty in a run that was made before they were taken."""
        return {name: dict(means) for name, means in self._ours.get("trivial", {}).items()}

    @property
    def training(self) -> JsonObject:
        """Base, samples, method, format and seed of a LoRA checkpoint that was trained by `harness finetune`; empty of
        any other model."""
        return dict(self.manifest.get("training", {}))

    @property
    def environments(self) -> list[JsonObject]:
        """What computed its answers and scores, with counts (`evaluation.environments`)."""
        answered = int(self.results["n-samples"][self.task]["effective"])
        unknown = {"environment": None, "answers": answered, "scores": 0}
        return list(self.manifest.get("environments", [unknown]))

    @property
    def judge_is_broken(self) -> bool:
        """Whether the judge left more unscored than its entry allows."""
        return bool(self._ours["judge_is_broken"])

    @property
    def unscored(self) -> JsonObject:
        return {"scores" if key == "verdicts" else key: value for key, value in self._ours["unscored"].items()}

    @property
    def failures(self) -> dict[str, int]:
        """How many `answers` and `scores` are missing because requests failed; empty where none did. The same command
        asks for these alone."""
        return {name: int(count) for name, count in self._ours.get("failures", {}).items()}

    @property
    def available(self) -> int:
        """Questions that the task has, of which the first were taken."""
        return int(self.results["n-samples"][self.task]["original"])

    @property
    def seconds(self) -> float:
        return float(self.manifest["seconds"])

    @property
    def leakage(self) -> Mapping[str, Sequence[str]] | None:
        """What each question shares with the pairs that the model was trained on, by id; None where it is not known."""
        leakage = self.manifest.get("leakage")
        return None if leakage is None else dict(leakage)

    @property
    def _ours(self) -> JsonObject:
        return dict(self.results["harness"])

    @property
    def scores(self) -> dict[str, Aggregate]:
        measured = self.results["results"][self.task]
        names = [key.removesuffix("_n,none") for key in measured if key.endswith("_n,none")]
        return {current_name(name): _aggregate_of(current_name(name), name, measured) for name in names}

    @cached_property
    def rows(self) -> list[JsonObject]:
        """The lines of `samples_*.jsonl`. Raises `DataError` when they cannot be read or fields are missing."""
        try:
            path = next(self.folder.glob("samples_*.jsonl"))
            rows = [_current_row(row) for row in json_lines(path)]
        except (OSError, StopIteration, LookupError, TypeError, ValueError) as error:
            raise _not_whole(self.folder, error) from error
        problems = problems_of_rows(rows, self.criteria)
        if not problems:
            expected = int(self.results["n-samples"][self.task]["effective"])
            problems = unlike_results(rows, self.scores, expected, self.scale)
        _refuse(path, problems)
        return rows

    @cached_property
    def samples(self) -> list[Sample]:
        """One a question, in the order of the run. Facts of synthetic worlds are not in run folders."""
        samples = []
        for number, row in enumerate(self.rows, start=1):
            try:
                samples.append(_sample_of(row))
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise _not_whole(self.folder, error, f"samples, line {number}: ") from error
        return samples


def read_run(folder: Path) -> Run:
    """The run in a folder. Raises `DataError` when it is not whole."""
    try:
        path = folder / "manifest.json"
        manifest = parse_json(path.read_text(encoding="utf-8"))
        results_path = next(folder.glob("results_*.json"))
        results = parse_json(results_path.read_text(encoding="utf-8"))
    except (OSError, StopIteration, ValueError, RecursionError) as error:
        raise _not_whole(folder, error) from error
    _refuse(path, problems_of_manifest(manifest))
    _refuse(results_path, problems_of_results(results, manifest["plan"]["task"]))
    return Run(folder, manifest, results)


def _refuse(path: Path, problems: Sequence[str]) -> None:
    """Raises `DataError` with a line for each problem of a file, if there is one."""
    if problems:
        why = "the folder is not a whole run folder of this version; run its command again, or delete it"
        raise DataError.of([f"{path}: {one_line(problem, 300)}; {why}" for problem in problems])


def _not_whole(folder: Path, error: Exception, where: str = "") -> DataError:
    reason = f"{where}{type(error).__name__}: {error}" if str(error) else "a file is missing"
    return DataError(f"{folder}: is not a whole run folder of this version ({one_line(reason)}); {_MISSING}")


def _plan_of(fields: JsonObject) -> TaskPlan:
    return record_of(TaskPlan, fields, "plan")


def _current_row(row: JsonObject) -> JsonObject:
    """A line of format 1 as format 2 has it."""
    if "verdicts" not in row:
        return row
    row = {current_name(key): value for key, value in row.items() if key != "verdicts"} | {"scores": row["verdicts"]}
    return row | {"metrics": [current_name(name) for name in row["metrics"]]}


def _aggregate_of(name: str, key: str, measured: JsonObject) -> Aggregate:
    interval, (n, total) = measured[f"{key}_ci95,none"], measured[f"{key}_n,none"]
    return Aggregate(
        measure=name,
        value=measured[f"{key},none"],
        standard_error=measured[f"{key}_stderr,none"],
        interval=Interval(*interval) if interval else None,
        n=n,
        total=total,
    )


def _sample_of(row: JsonObject) -> Sample:
    doc = row["doc"]
    (text,) = row["resps"][0]
    question = Question(
        id=row["question_id"],
        text=doc["question"],
        references=tuple(doc.get("answers") or (row["target"],)),
        gold_document_ids=tuple(doc.get("gold_doc_ids") or ()),
        kind=row["kind"],
        cluster=row["cluster"],
        answerable=not row.get("unanswerable"),
        row=doc,
    )
    return Sample(
        question=question,
        target=row["target"],
        passages=tuple(Passage(**passage) for passage in row["passages"]),
        prompt=row["arguments"]["gen_args_0"]["arg_0"],
        dropped=int(row["dropped_passages"]),
        answer=Answer("", text, StopReason(row["stop_reason"]), row["prompt_tokens"], row["answer_tokens"]),
        scores=tuple(
            Score("", each["criterion"], each["repeat"], each["score"], each["reason"], each["reply"])
            for each in row["scores"]
        ),
        values={name: row[name] for name in row["metrics"]},
    )
