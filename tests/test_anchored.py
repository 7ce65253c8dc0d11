"""A judge's difference, corrected by what people said of some of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harness.api.comparing import compare
from harness.comparison.anchored import FEWEST_LABELS, Anchored, Labels, anchored, read_labels
from harness.comparison.stored import StoredRun
from harness.errors import DataError, UsageError
from harness.reports.comparison import anchored_section
from harness.statistics import Interval
from tests.comparing import stored_run

Scores = Mapping[tuple[str, str], float]
FILE = Path("labels.jsonl")


def write(folder: Path, *lines: str) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def line(question: object = "q1", model: object = "base", score: object = 1) -> str:
    return json.dumps({"question_id": question, "model": model, "score": score})


# ---- the file -------------------------------------------------------------------------------------------------------


def test_labels_are_read_by_question_and_model(tmp_path: Path) -> None:
    path = write(tmp_path, line(score=1), line(model="tuned", score=0.5), line("q2", score=-3))
    assert read_labels(path) == Labels(path, {("q1", "base"): 1.0, ("q1", "tuned"): 0.5, ("q2", "base"): -3.0})


def test_all_that_is_wrong_with_a_file_is_named_by_line_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        line(),
        "{not json",
        line(score=True),
        line("q2", score="4"),
        line(question=7),
        line(model=None),
        '["q1", "base", 1]',
        line(score=2),
        '{"question_id": "q9", "model": "base", "score": NaN}',
        '{"question_id": "q9", "model": "base"}',
    )
    with pytest.raises(DataError) as error:
        read_labels(path)
    problems = [problem.removeprefix(f"{path}:") for problem in error.value.problems]
    assert problems[0].startswith("2: is not valid JSON (")
    assert problems[7].startswith("9: is not valid JSON (NaN")
    assert [each for number, each in enumerate(problems) if number not in (0, 7)] == [
        "3: score: is True; it must be a number",
        "4: score: is '4'; it must be a number",
        "5: question_id and model: must be text",
        "6: question_id and model: must be text",
        "7: is not a JSON object",
        "8: q1, base: has a label already; give the mean of several",
        "10: score: is None; it must be a number",
    ]


def test_of_very_many_problems_the_first_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read_labels(write(tmp_path, *["oops"] * 500))
    assert len(error.value.problems) == DataError.SHOWN + 1
    assert error.value.problems[-1] == f"… and {500 - DataError.SHOWN} more of the kind"


def test_a_file_that_is_missing_empty_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--labels .*none\.jsonl: there is no such file"):
        read_labels(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"labels\.jsonl: holds no label"):
        read_labels(write(tmp_path))
    (tmp_path / "labels.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"labels\.jsonl: is not UTF-8 text"):
        read_labels(tmp_path / "labels.jsonl")


# ---- whose labels they are ------------------------------------------------------------------------------------------


def two(own: list[float | None], base: list[float | None]) -> tuple[StoredRun, StoredRun]:
    return stored_run("tuned", {"accuracy": own}), stored_run("base", {"accuracy": base})


def labels_of(run: StoredRun, scores: Mapping[str, list[float]]) -> dict[tuple[str, str], float]:
    """Of the first questions, by model."""
    return {
        (item, model): score for model, column in scores.items() for item, score in zip(run.items, column, strict=False)
    }


def refusal(labels: Scores, count: int = 40) -> str:
    run, base = two([3, 1, 5, 2] * (count // 4), [1, 2, 3, 4] * (count // 4))
    with pytest.raises(UsageError) as error:
        anchored(run, base, "accuracy", Labels(FILE, labels))
    return str(error.value)


def test_labels_of_other_models_are_refused_and_theirs_named() -> None:
    labels = {(f"q{n:03d}", model): 1.0 for n in range(40) for model in ("base", "llama")}
    assert refusal(labels) == (
        "--labels labels.jsonl: 0 of 40 items have a label of both tuned and base; 20 are needed; its labels are of "
        "base, llama"
    )


def test_labels_of_other_questions_are_refused() -> None:
    labels = {(f"x{n:03d}", model): 1.0 for n in range(40) for model in ("base", "tuned")}
    assert refusal(labels).endswith("; 20 are needed; its labels are of other questions")


def test_nineteen_labels_are_too_few_and_one_side_alone_does_not_count() -> None:
    run, _ = two([1] * 40, [1] * 40)
    labels = labels_of(run, {"tuned": [0, 1] * 20, "base": [1.0] * 19})
    assert refusal(labels) == (
        "--labels labels.jsonl: 19 of 40 items have a label of both tuned and base; 20 are needed"
    )
    assert FEWEST_LABELS == 20


def test_an_item_that_the_judge_did_not_score_does_not_count() -> None:
    own: list[float | None] = [3, 1, 5, 2] * 5
    run, base = two([*own[:-1], None], [1, 2, 3, 4] * 5)
    labels = labels_of(run, {"tuned": [0, 1] * 10, "base": [1, 1, 0, 0] * 5})
    with pytest.raises(UsageError, match="19 of 19 items have a label of both"):
        anchored(run, base, "accuracy", Labels(FILE, labels))


def test_labels_that_are_all_alike_are_refused() -> None:
    run, _ = two([1] * 40, [1] * 40)
    assert "too much alike" in refusal(labels_of(run, {"tuned": [1.0] * 30, "base": [1.0] * 30}))


# ---- the correction -------------------------------------------------------------------------------------------------


def by_hand() -> tuple[StoredRun, StoredRun, dict[tuple[str, str], float]]:
    """40 items, the first 20 labelled. The tuned model's answer is right always, which the judge calls 3; the base's is
    wrong, which it calls 1, in every second of the labelled and in three of four of the others."""
    base_scores: list[float | None] = [*[1, 3] * 10, *[1, 1, 1, 3] * 5]
    run, base = two([3.0] * 40, base_scores)
    return run, base, labels_of(run, {"tuned": [1.0] * 20, "base": [0.0, 1.0] * 10})


def test_a_correction_by_hand() -> None:
    """The judge's differences are 25 times 2 and 15 times 0, of variance 37.5 / 39; their covariance with people's 1
    and 0 on the 20 labelled is 10 / 19. So λ = (10 / 19) / (37.5 / 39 · (1 + 20 / 20)) = .27368, and the difference is
    λ · 1.5 + (.5 - λ · 1) = .63684."""
    run, base, labels = by_hand()
    found = anchored(run, base, "accuracy", Labels(FILE, labels))
    assert (found.measure, found.items, found.labels) == ("accuracy", 40, 20)
    assert found.judged.estimate == 1.25
    assert found.corrected.weight == pytest.approx(0.273684, abs=1e-6)
    assert found.corrected.estimate == pytest.approx(0.636842, abs=1e-6)
    assert found.corrected.labels_alone == 0.5


def test_a_judge_whose_scores_mean_the_same_of_both_models_is_shown() -> None:
    """A label is (score - 1) / 2 of either model's answers: the judge does not err at all."""
    run, base, labels = by_hand()
    found = anchored(run, base, "accuracy", Labels(FILE, labels))
    assert found.gap == pytest.approx(0, abs=1e-9)
    assert found.transports
    (row,) = shown(found)
    assert row[4].startswith("+1.25 [")
    assert row[2].startswith("+0.64 [")
    assert row[3].startswith("+0.50 [")
    assert row[5:] == ["20/40", "0.27"]


def shown(found: Anchored) -> list[list[str]]:
    grid = anchored_section({("tuned", "rag", "accuracy"): found}).grid
    assert grid is not None
    return [list(row) for row in grid.rows]


def world(seed: int, bonus: float, items: int = 200, labelled: int = 100) -> tuple[Anchored, float]:
    """Half of either model's answers are right. The judge gives 2 or 4 with some noise, and the tuned model's answers a
    bonus for nothing. Also people's difference over all items."""
    random = np.random.default_rng(seed)
    right = {model: random.random(items) < 0.5 for model in ("tuned", "base")}
    marks = {
        name: np.clip(2 + 2 * column + random.choice([-1, 0, 1], items) + bonus * (name == "tuned"), 1, 5)
        for name, column in right.items()
    }
    run, base = two(marks["tuned"].tolist(), marks["base"].tolist())
    labels = labels_of(run, {name: column[:labelled].astype(float).tolist() for name, column in right.items()})
    truth = float(right["tuned"].mean() - right["base"].mean())
    return anchored(run, base, "accuracy", Labels(FILE, labels)), truth


def test_a_judge_that_favours_one_model_is_withheld_and_the_correction_is_not() -> None:
    found, truth = world(seed=0, bonus=1)
    assert not found.transports
    assert found.gap > 0.1
    assert truth in found.corrected.interval
    section = anchored_section({("tuned", "rag", "accuracy"): found})
    assert "in favour of tuned (transport gap" in section.paragraphs[0]
    assert "so its own Δ is withheld" in section.paragraphs[0]
    (row,) = shown(found)
    assert row[4] == "withheld"
    assert "[" in row[2]


def test_the_correction_holds_the_truth_and_is_narrower_than_the_labels_alone() -> None:
    """40 worlds for each judge. One without a favourite is withheld in 5 % of worlds, 2 of 40; one with, in most."""
    for bonus, fewest, most in ((0.0, 0, 6), (1.0, 30, 40)):
        worlds = [world(seed, bonus) for seed in range(40)]
        assert sum(truth in found.corrected.interval for found, truth in worlds) >= 36
        assert fewest <= sum(not found.transports for found, _ in worlds) <= most
        assert sum(width(f.corrected.interval) for f, _ in worlds) < sum(
            width(f.corrected.labels_alone_interval) for f, _ in worlds
        )


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_with_a_label_of_every_item_the_judge_has_no_weight() -> None:
    found, truth = world(seed=1, bonus=1, items=60, labelled=60)
    assert found.corrected.weight == 0
    assert found.corrected.estimate == pytest.approx(truth)


def test_a_comparison_takes_a_file_of_labels(tmp_path: Path) -> None:
    run, base, labels = by_hand()
    path = write(tmp_path, *(line(item, model, score) for (item, model), score in labels.items()))
    comparison = compare([base, run], labels=path)
    assert comparison.anchored["tuned", "rag", "accuracy"].corrected.estimate == pytest.approx(0.636842, abs=1e-6)
    with pytest.raises(UsageError, match="there is no such file"):
        compare([base, run], labels=tmp_path / "none.jsonl")
