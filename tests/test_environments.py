"""Each record carries what computed it, and a run says when that was more than one environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.digests import canonical
from harness.evaluation.environments import described
from harness.evaluation.folder import read_run
from harness.evaluation.host import environment
from harness.evaluation.rejudging import rejudge
from harness.evaluation.run import Context
from harness.judging.panel import PanelJudge
from harness.judging.scripted import ScriptedJudge
from harness.reports.console import runs_table
from harness.store import Store
from tests.conftest import Finished, Silent
from tests.test_store_and_runs import HOST, PLAN, QUESTIONS, make_old, parts, run

Harness = Callable[..., Finished]
OLD = {"versions": {"torch": "2.12"}, "device": "cpu"}
NEW = {"versions": {"torch": "2.13"}, "device": "cpu"}


def counts(environments: Sequence[Any]) -> list[tuple[Any, int, int]]:
    return [(each["environment"], each["answers"], each["scores"]) for each in environments]


def test_a_run_that_went_on_elsewhere_names_both_environments_with_their_records(tmp_path: Path) -> None:
    """Ten questions are answered and scored before an upgrade, 30 after it; two criteria, three repeats."""
    with Store(tmp_path / "s", lambda: OLD) as store:
        run(parts(), store, tmp_path / "a", replace(PLAN, limit=10))
    with Store(tmp_path / "s", lambda: NEW) as store:
        finished = run(parts(), store, tmp_path / "b")
    assert counts(finished.environments) == [(NEW, 30, 180), (OLD, 10, 60)]
    assert described(finished.environments) == (
        "computed in 2 environments: 30 answers and 180 scores in torch 2.13; 10 answers and 60 scores in torch 2.12"
    )


def test_the_environment_of_a_record_is_that_of_its_first_computation(tmp_path: Path) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        store.put("answers", {"aa": 1})
    with Store(tmp_path / "s", lambda: NEW) as store:
        store.put("answers", {"aa": 1, "bb": 2})
        assert store.environments("answers", ["aa", "bb", "cc"]) == {canonical(OLD): 1, canonical(NEW): 1}


@pytest.mark.parametrize("version", [1, 2])
def test_records_of_an_older_store_are_kept_and_their_environment_is_unknown(tmp_path: Path, version: int) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        run(parts(), store, tmp_path / "a")
    make_old(tmp_path / "s", version)
    again = parts()
    with Store(tmp_path / "s", lambda: NEW) as store:
        finished = run(again, store, tmp_path / "b")
    assert again.adapter.requests == again.judge.judged == []  # type: ignore[attr-defined]
    assert counts(finished.environments) == [(None, 40, 240)]


def test_a_panels_scores_are_counted_as_its_members_were_computed(tmp_path: Path) -> None:
    """40 questions, two criteria: a member with one repeat before, one with three after the upgrade."""
    one, three = ScriptedJudge(["1"], name="one"), ScriptedJudge(["2", "3"], name="three", repeats=3)
    with Store(tmp_path / "s", lambda: OLD) as store:
        run(parts(judge=one), store, tmp_path / "a")
    with Store(tmp_path / "s", lambda: NEW) as store:
        finished = run(parts(judge=PanelJudge("both", [one, three], 0.02)), store, tmp_path / "b")
    assert counts(finished.environments) == [(NEW, 0, 240), (OLD, 40, 80)]


def test_a_run_that_is_judged_again_keeps_the_environments_of_its_answers(tmp_path: Path) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        first = run(parts(), store, tmp_path / "a")
    with Store(tmp_path / "s", lambda: NEW) as store:
        context = Context(store, tmp_path / "b", Silent(), HOST)
        known = {question.id: question for question in QUESTIONS}
        second = rejudge(first, ScriptedJudge(["2"], name="second"), {"judge": "second"}, known, context)
    assert counts(second.environments) == [(NEW, 0, 80), (OLD, 40, 0)]


def test_results_do_not_depend_on_the_environment(tmp_path: Path) -> None:
    for name, each in (("a", OLD), ("b", NEW)):
        with Store(tmp_path / name / "s", lambda each=each: each) as store:  # type: ignore[misc]
            run(parts(), store, tmp_path / name)
    for kind in ("results", "samples"):
        (one,), (other,) = (list(tmp_path.glob(f"{name}/**/{kind}_*")) for name in "ab")
        assert one.read_bytes() == other.read_bytes()


def test_the_environment_names_versions_processor_device_and_commit() -> None:
    here = environment()
    assert here["versions"].keys() >= {"harness", "python", "torch"}
    assert here["processor"]["model"]
    assert here["device"]
    assert set(here) >= {"commit", "dirty", "platform", "threads"}


def test_console_and_leaderboard_tell_of_several_environments(
    harness: Harness, entries: Path, pack: Path, tmp_path: Path
) -> None:
    common = ("-t", "animals", "-M", "parrot", "--data", str(pack), "--include_path", str(entries))
    store = tmp_path / "store.sqlite"
    assert harness("eval", *common, "--store", str(store), "--limit", "2").code == 0
    make_old(store, 2)  # what is there is now of an environment that nobody knows
    done = harness("eval", *common, "--store", str(store))
    told = "2 answers and 4 scores in a recorded one; 2 answers and 4 scores in an unknown one"
    assert f"computed in 2 environments: {told}" in done.out
    board = harness("leaderboard", "zoo", "--include_path", str(entries)).out
    assert "parrot, rag: computed in 2 environments: 2 answers and 4 scores in" in board


def test_a_run_of_one_environment_says_nothing_of_it(tmp_path: Path) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        finished = run(parts(), store, tmp_path)
    assert "computed in" not in runs_table([finished])


def test_a_run_that_was_stored_before_environments_were_recorded_is_of_an_unknown_one(tmp_path: Path) -> None:
    with Store(tmp_path / "s", lambda: OLD) as store:
        folder = run(parts(), store, tmp_path).folder
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["environments"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert read_run(folder).environments == [{"environment": None, "answers": 40, "scores": 0}]
