"""`harness compare` from finished runs: what is refused, what is said first, what is written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import harness as front_door
from harness.errors import DataError, UsageError
from tests.conftest import Finished, write_entries, write_pack

Harness = Callable[..., Finished]
ALWAYS = "model: {name}\ndescription: d\nengine: scripted\nscript: [{script}]\nlicence: n\nmetadata: {{version: 1}}\n"
FACTS = "judge: words\ndescription: d\nkind: scripted\nscript: ['{value}']\nmetadata: {{version: 1}}\n"
QUESTIONS = [
    {
        "id": f"q{n}", "question": f"What is number {n}?", "answers": [f"number {n}"], "gold_doc_ids": ["d1"],
        "type": "unanswerable" if n % 5 == 0 else "short",
    }
    for n in range(40)
]  # fmt: skip


@pytest.fixture
def evaluated(harness: Harness, entries: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Evaluates models on 40 questions and gives the flags of `harness compare` for them."""
    pack = write_pack(tmp_path / "forty", questions=QUESTIONS)
    write_entries(
        entries,
        models__base=ALWAYS.format(name="base", script="'nothing at all', 'number 1', 'number 2'"),
        models__tuned=ALWAYS.format(name="tuned", script="'number 3', 'It does not say.'"),
    )

    def run(*more: str, models: str = "base,tuned", data: Path = pack) -> list[str]:
        flags = ["--include_path", str(entries), "--task", "animals"]
        done = harness("eval", *flags, "-M", models, "--data", str(data), *more)
        assert done.code == 0, done.err
        return [*flags, "--baseline", "base", "tuned"]

    return run


def test_the_first_line_is_the_verdict_in_words(harness: Harness, evaluated: Callable[..., list[str]]) -> None:
    done = harness("compare", *evaluated())
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert first.startswith("- tuned against base, accuracy: ")
    assert "## Accuracy by kind of question" in done.out
    abstention = done.out.split("## Abstention")[1]
    assert "8/40" in abstention, "every fifth of 40 questions cannot be answered"


def test_runs_under_other_settings_are_refused_and_the_setting_is_named(
    harness: Harness, evaluated: Callable[..., list[str]], entries: Path, tmp_path: Path
) -> None:
    """Another decoding, another prompt at the same version, another pack with the same question ids."""
    evaluated(models="base")
    flags = evaluated("--gen_kwargs", "max_gen_toks=2,temperature=0.9", models="tuned")
    done = harness("compare", *flags)
    assert done.code == 2
    assert "tuned and base, rag: cannot be compared: decoding.max_gen_toks is 2 and 16" in done.err
    assert len(done.err.strip().splitlines()) == 1

    task = entries / "tasks" / "animals.yaml"
    task.write_text(task.read_text().replace("Question: {{ question }}", "Q: {{ question }}"))
    evaluated(models="tuned")
    assert "prompt.doc_to_text is" in harness("compare", *flags).err
    task.write_text(task.read_text().replace("Q: {{ question }}", "Question: {{ question }}"))

    others = [{**row, "question": "Why?", "answers": ["because"]} for row in QUESTIONS]
    for folder in Path("results/tuned").iterdir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    evaluated(models="tuned", data=write_pack(tmp_path / "other", questions=others))
    assert "source.questions is" in harness("compare", *flags).err


def test_runs_that_are_alike_are_found_among_others(harness: Harness, evaluated: Callable[..., list[str]]) -> None:
    flags = evaluated()
    evaluated("--gen_kwargs", "max_gen_toks=2", models="tuned")
    evaluated("--limit", "4")
    done = harness("compare", *flags)
    assert done.code == 0, done.err
    assert "40 questions, judged by marks" in done.out


def test_a_missing_run_is_answered_with_the_command_that_makes_it(
    harness: Harness, evaluated: Callable[..., list[str]]
) -> None:
    flags = evaluated(models="base")
    done = harness("compare", *flags)
    assert done.code == 2
    assert done.err.strip() == (
        "harness: no run of tuned on animals, rag, judged by marks in results; evaluate it: harness eval --task "
        "animals --model tuned"
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "give two run folders or more"),
        (["nowhere", "nothing"], "is not a whole run folder"),
        (["--task", "animals"], "name a --baseline and one model or more"),
        (
            ["--task", "animals", "--baseline", "base", "tuned", "--margin", "0"],
            "--margin 0: give a difference above 0",
        ),
        (["--task", "animals", "--baseline", "base", "tuned", "--arm", "rga"], "--arm rga: unknown arm"),
        (["--task", "animals", "--baseline", "base", "tuned", "--labels", "none.jsonl"], "there is no such file"),
        (["--task", "animals", "--baseline", "base", "tuned", "--plot", "p.svg"], "pass that too"),
    ],
)
def test_bad_input_is_one_line(
    harness: Harness, evaluated: Callable[..., list[str]], entries: Path, flags: list[str], said: str
) -> None:
    evaluated()
    done = harness("compare", "--include_path", str(entries), *flags)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def spoiled(spoil: Callable[[list[str]], list[str]]) -> Path:
    """A run folder whose samples were changed after it was written."""
    folder = next(Path("results/tuned").iterdir())
    samples = next(folder.glob("samples_*.jsonl"))
    samples.write_text("".join(f"{line}\n" for line in spoil(samples.read_text().splitlines())))
    return folder


def with_score(lines: list[str], value: object) -> list[str]:
    row = json.loads(lines[0])
    row["accuracy"] = value
    return [json.dumps(row), *lines[1:]]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: lines[:-1], "39 samples, and the results are of 40"),
        (lambda lines: lines * 2, "80 samples, and the results are of 40"),
        (lambda lines: [], "there is no sample"),
        (lambda lines: [lines[0], *lines[:-1]], "a question has several samples"),
        (lambda lines: with_score(lines, 500), "line 1: accuracy: is 500, which is not from 1 to 5"),
        (lambda lines: with_score(lines, 4.5), "accuracy: its mean is"),
        (lambda lines: with_score(lines, "5"), "line 1: accuracy: is '5', which is not from 1 to 5"),
    ],
    ids=["cut off", "doubled", "emptied", "one twice", "out of range", "edited", "text"],
)
def test_samples_that_are_not_those_of_the_results_are_refused(
    evaluated: Callable[..., list[str]], spoil: Callable[[list[str]], list[str]], said: str
) -> None:
    evaluated()
    folder = spoiled(spoil)
    base = next(Path("results/base").iterdir())
    with pytest.raises(DataError) as refused:
        front_door.compare([base, folder])
    assert str(folder) in str(refused.value)
    assert said in str(refused.value)


def test_every_form_has_the_same_numbers(harness: Harness, evaluated: Callable[..., list[str]]) -> None:
    flags = evaluated()
    rows = json.loads(harness("compare", *flags, "--format", "json").out)
    table = list(csv.DictReader(io.StringIO(harness("compare", *flags, "--format", "csv").out)))
    assert [row["model"] for row in rows] == [row["model"] for row in table] == ["base", "tuned"]
    assert float(table[1]["delta_accuracy"]) == pytest.approx(rows[1]["delta_accuracy"])
    assert rows[1]["verdict_accuracy"] in harness("compare", *flags, "--format", "html").out


def test_from_python_a_difference_is_that_of_the_samples(evaluated: Callable[..., list[str]]) -> None:
    evaluated()
    runs = [front_door.load_run(next(Path(f"results/{name}").iterdir())) for name in ("base", "tuned")]
    difference = front_door.compare(runs, baseline="base").table.rows[1].differences["accuracy"]
    by_hand = [
        tuned.values["accuracy"] - base.values["accuracy"]  # type: ignore[operator]
        for base, tuned in zip(runs[0].samples, runs[1].samples, strict=True)
    ]
    assert difference.estimate == pytest.approx(sum(by_hand) / 40)
    with pytest.raises(UsageError, match="no run of this model was given"):
        front_door.compare(runs, baseline="nobody")


# ---- people's labels, other folders ---------------------------------------------------------------------------------


def labels_of(scores: Callable[[int, str], float]) -> Path:
    path = Path("labels.jsonl")
    rows = [
        {"question_id": f"q{n}", "model": model, "score": scores(n, model)}
        for n in range(40)
        for model in ("base", "tuned")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_judges_difference_that_is_withheld_is_withheld_everywhere(
    harness: Harness, evaluated: Callable[..., list[str]]
) -> None:
    """People give the tuned model's answers nothing, and the base's four of five, whatever the judge says."""
    flags = evaluated()
    labels = labels_of(lambda n, model: float(model == "base" and n % 5 > 0) + 0.1 * (n % 3))
    done = harness("compare", *flags, "--labels", str(labels))
    assert done.code == 0, done.err
    assert "the judge's Δ is withheld" in done.out.splitlines()[0]
    assert "withheld" in done.out.split("## Anchored")[1]
    (base, tuned) = json.loads(harness("compare", *flags, "--labels", str(labels), "--format", "json").out)
    assert tuned["delta_accuracy"] is None
    assert tuned["verdict_accuracy"] == "withheld"
    assert tuned["labels_accuracy"]["estimate"] == pytest.approx(-0.8)
    assert "labels_accuracy" not in base


def test_labels_are_of_one_arm(harness: Harness, evaluated: Callable[..., list[str]]) -> None:
    flags = evaluated("--arm", "rag", "closed_book")
    labels = labels_of(lambda n, model: float(n % 2))
    done = harness("compare", *flags, "--arm", "rag", "closed_book", "--labels", str(labels))
    assert (done.code, "labels are of one arm's answers" in done.err) == (2, True)


def test_a_broken_folder_of_another_model_does_not_stand_in_the_way(
    harness: Harness, evaluated: Callable[..., list[str]]
) -> None:
    flags = evaluated(models="base,tuned,parrot")
    next(next(Path("results/parrot").iterdir()).glob("samples_*")).unlink()
    assert harness("compare", *flags).code == 0
    assert harness("compare", *flags, "parrot").code == 2
    manifest = next(Path("results/parrot").iterdir()) / "manifest.json"
    manifest.write_text('{"plan": null}')
    assert harness("compare", *flags).code == 0


def test_the_details_that_are_asked_for_are_in_the_json_and_refused_for_csv(
    harness: Harness, evaluated: Callable[..., list[str]]
) -> None:
    flags = evaluated()
    tuned = json.loads(harness("compare", *flags, "--why", "--format", "json").out)[1]
    total = sum(part["effect"] for part in tuned["causes_accuracy"])
    assert total == pytest.approx(tuned["delta_accuracy"])
    assert tuned["multiverse"]["stability"] in ("stable", "unstable", "undecided")
    done = harness("compare", *flags, "--why", "--format", "csv")
    assert (done.code, "holds the table alone" in done.err) == (2, True)


def test_a_run_is_not_dropped_for_a_newer_one_that_is_not_alike(evaluated: Callable[..., list[str]]) -> None:
    evaluated()
    evaluated("--gen_kwargs", "max_gen_toks=2", models="tuned")
    base, *tuned = [next(Path("results/base").iterdir()), *sorted(Path("results/tuned").iterdir())]
    assert len(tuned) == 2
    with pytest.raises(UsageError, match=r"decoding\.max_gen_toks is 2 and 16"):
        front_door.compare([base, *tuned])
