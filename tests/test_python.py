"""`import harness`: light, typed, and the same runs as the command line's."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness as package
from harness.adapters.scripted import ScriptedAdapter
from harness.api import RunsFailed
from harness.campaign import Outcome, PreparedRun, execute
from harness.entries.catalog import Catalog
from harness.errors import HarnessError, UsageError
from harness.evaluation.folder import Run
from harness.evaluation.run import Context
from harness.judging.scripted import ScriptedJudge
from harness.planning.runs import Parts, Resources, RunSpec, prepare
from harness.records import Arm, JudgeItem, Score
from harness.store import Store
from tests.conftest import REPOSITORY, Finished, Silent

Harness = Callable[..., Finished]


def test_importing_the_package_loads_nothing_that_it_may_not_need() -> None:
    code = "import sys, harness; print(*(m for m in ('torch', 'numpy', 'pydantic', 'yaml') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_public_names_stay_functions_after_every_module_was_imported() -> None:
    """A sub-package of the same name would take the function's place once it is imported."""
    for module in pkgutil.walk_packages(package.__path__, "harness."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in package.__all__:
        assert callable(getattr(package, name)) or name == "__version__", name
    assert sorted(package.__all__) == package.__all__


def test_the_page_on_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    run = names["run"]
    assert isinstance(run, Run)
    assert len(run.samples) == 20


def test_the_command_and_the_function_make_the_same_run(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    command = harness(
        "eval", "--include_path", str(entries), "-t", "animals", "-M", "parrot", "--data", str(pack), "-o", "one",
        "--gen_kwargs", "max_gen_toks=2",
    )  # fmt: skip
    assert command.code == 0, command.err
    (run,) = package.evaluate(
        tasks=["animals"], models=["parrot"], data=pack, include_path=[entries], output="two", progress=False,
        gen_kwargs={"max_gen_toks": 2},
    )  # fmt: skip
    for path in Path("one").rglob("*_animals_*"):
        assert (Path("two") / path.relative_to("one")).read_bytes() == path.read_bytes()
    assert run.scores["f1"].n == 4
    assert [sample.question.id for sample in run.samples] == [row["question_id"] for row in run.rows]


def test_mistakes_are_raised_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--arm oracel: unknown arm; near it: oracle"):
        package.evaluate(tasks=["telecom"], models=["scripted"], arms=["oracel"], progress=False)
    with pytest.raises(HarnessError, match="model a: script: is missing; add it"):
        package.evaluate(tasks=["telecom"], models=[{"model": "a", "engine": "scripted"}], progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limit": 0}, "--limit 0: give a whole number"),
        ({"limit": "5"}, "--limit 5: give a whole number"),
        ({"limit": 1.5}, "--limit 1.5: give a whole number"),
        ({"limit": float("nan")}, "--limit nan: give a whole number"),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": "x"}, "seed"),
        ({"models": [3]}, "model 3: give a name, the path of a YAML file or a dictionary"),
        ({"tasks": [{"task": "telecom", "extra": 1}]}, "extra"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    arguments = {"tasks": "telecom", "models": "scripted", "output": tmp_path / "results", "progress": False, **changes}
    with pytest.raises(HarnessError) as caught:
        package.evaluate(**arguments)
    assert said in str(caught.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "foo"}, "method"),
        ({"settings": {"lora_rank": 8}}, "settings: unknown name 'lora_rank'"),
        ({"settings": {"lora_r": "8"}}, "settings: a value of the wrong type"),
        ({"samples": 0}, "--samples 0: give whole numbers from 1"),
    ],
)
def test_a_wrong_argument_of_finetune_is_one_clear_line(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    arguments = {"task": "telecom", "model": "smollm2-135m", "output": tmp_path, "progress": False, **changes}
    with pytest.raises(HarnessError) as caught:
        package.finetune(**arguments)
    assert said in str(caught.value)


def test_one_task_model_or_arm_needs_no_list(entries: Path, pack: Path, tmp_path: Path) -> None:
    (run,) = package.evaluate(
        tasks="animals", models="parrot", arms="closed_book", data=pack, include_path=[entries], output=tmp_path / "r",
        store=tmp_path / "s.sqlite", progress=False,
    )  # fmt: skip
    assert run.plan.arm == Arm.CLOSED_BOOK


def test_two_different_tasks_of_one_name_are_refused(entries: Path) -> None:
    one = Catalog([entries]).task("animals").model_dump(mode="json", exclude_none=True)
    other = {**one, "description": "Another."}
    with pytest.raises(UsageError, match="two different tasks are named animals"):
        package.evaluate(tasks=[one, other], models=["parrot"], include_path=[entries], progress=False)


def test_auto_measures_the_batch_size_whatever_the_entry_says() -> None:
    spec = spec_of(batch_size="auto")
    assert RunSpec.model_validate_json(spec.model_dump_json()).options.batch_size == "auto"


# ---- a run is a value -----------------------------------------------------------------------------------------------


def spec_of(task: str = "telecom", model: str = "scripted", judge: str = "facts", **changes: object) -> RunSpec:
    catalog = Catalog()
    parts = {"task": catalog.task(task), "model": catalog.resolved_model(model), "judge": catalog.resolved_judge(judge)}
    return RunSpec.model_validate({**parts, **changes})


@pytest.mark.parametrize("task", ["telecom", "bioasq", "nq", "qasper"])
@pytest.mark.parametrize("model", ["scripted", "smollm2-135m", "mistral-qlora-500", "gpt-4"])
@pytest.mark.parametrize("judge", ["facts", "geval-mistral", "calibrated", "panel"])
def test_a_spec_goes_to_json_and_back(task: str, model: str, judge: str) -> None:
    spec = spec_of(task, model, judge, arm=Arm.ORACLE, limit=0.5, seed=3, data="packs/x", device="cpu")
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_spec_that_was_sent_elsewhere_makes_the_same_parts(shared_cache: Path) -> None:
    spec = spec_of(limit=5)
    sent = RunSpec.model_validate_json(spec.model_dump_json())
    one, other = (prepare(each, Resources(cache=shared_cache, progress=Silent())) for each in (spec, sent))
    assert one.identities == other.identities
    assert one.plan == other.plan


@pytest.mark.parametrize(("limit", "taken"), [(None, None), (7.0, 7), (0.5, 20), (0.001, 1)])
def test_a_limit_is_a_number_or_a_share(limit: float | None, taken: int | None) -> None:
    assert spec_of(limit=limit).plan(available=40).limit == taken


# ---- many runs ------------------------------------------------------------------------------------------------------


class Broken(ScriptedAdapter):
    """Fails when it is asked."""

    def generate(self, requests: object) -> object:  # type: ignore[override]
        raise HarnessError("the server burnt down")


class Counting(ScriptedAdapter):
    """Knows whether it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def prepared(shared_cache: Path, adapter: ScriptedAdapter) -> PreparedRun:
    spec = spec_of(limit=3)
    parts = prepare(spec, Resources(cache=shared_cache, progress=Silent()))
    changed = {name: getattr(parts, name) for name in ("plan", "source", "retriever", "judge", "entries")}
    return PreparedRun(spec, Parts(adapter=adapter, **changed))


def test_a_run_that_fails_does_not_take_the_others_with_it(shared_cache: Path, store: Store, tmp_path: Path) -> None:
    runs = [
        prepared(shared_cache, Counting(["a"], name="first")),
        prepared(shared_cache, Broken(["b"], name="broken")),
        prepared(shared_cache, Counting(["c"], name="last")),
    ]
    context = Context(store, tmp_path / "out", Silent(), {"date": "", "command": ""})
    outcomes = execute(runs, context)
    assert [outcome.run is not None for outcome in outcomes] == [True, False, True]
    assert outcomes[1].error is not None
    failed = RunsFailed(outcomes)
    assert failed.problems == ("the server burnt down (telecom × scripted, rag)",)
    assert [run.model for run in failed.runs] == ["first", "last"]
    assert [each.parts.adapter.closed for each in (runs[0], runs[2])] == [1, 1]  # type: ignore[attr-defined]


class Refusing(ScriptedJudge):
    """Reads passages, so that runs are judged together; refuses one answer."""

    sees_passages = True
    asks_model = False

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score]:
        if any(item.answer == "b" for item in items):
            raise HarnessError("the judge's server refused an answer")
        yield from super().judge(items)


def test_a_run_that_cannot_be_judged_does_not_take_those_with_it_that_are_judged_together(
    shared_cache: Path, store: Store, tmp_path: Path
) -> None:
    judge = Refusing(["4"])
    runs = [prepared(shared_cache, ScriptedAdapter([answer], name=answer)) for answer in ("a", "b", "c")]
    runs = [PreparedRun(each.spec, replace(each.parts, judge=judge)) for each in runs]
    outcomes = execute(runs, Context(store, tmp_path / "out", Silent(), {"date": "", "command": ""}))
    assert [outcome.run is not None for outcome in outcomes] == [True, False, True]
    assert str(outcomes[1].error) == "the judge's server refused an answer"


def test_models_are_closed_even_when_there_is_a_bug(shared_cache: Path, store: Store, tmp_path: Path) -> None:
    class Buggy(Counting):
        def generate(self, requests: object) -> object:  # type: ignore[override]
            raise ZeroDivisionError

    run = prepared(shared_cache, Buggy(["a"], name="buggy"))
    with pytest.raises(ZeroDivisionError):
        execute([run], Context(store, tmp_path / "out", Silent(), {}))
    assert run.parts.adapter.closed == 1  # type: ignore[attr-defined]


def test_runs_of_one_base_are_answered_one_after_another(shared_cache: Path, store: Store, tmp_path: Path) -> None:
    order: list[list[str]] = []

    class Recording:
        def run(self, groups: object, answer: object) -> object:
            for group in groups:  # type: ignore[attr-defined]
                order.append([each.parts.adapter.name for each in group])
                yield answer(group)  # type: ignore[operator]

    class OnBase(ScriptedAdapter):
        @property
        def weights_key(self) -> str:
            return self.name.split("+")[0]

    runs = [prepared(shared_cache, OnBase([name], name=name)) for name in ("x", "y", "x+lora", "y+lora")]
    outcomes = execute(runs, Context(store, tmp_path / "out", Silent(), {"date": "", "command": ""}), Recording())  # type: ignore[arg-type]
    assert order == [["x", "x+lora"], ["y", "y+lora"]]
    assert [outcome.run.model for outcome in outcomes if outcome.run] == ["x", "y", "x+lora", "y+lora"]
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
