"""How much of a long reference an answer covers, worked out by hand on vectors of two dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.judging.alignment.coverage import Coverage, coverage
from harness.judging.alignment.features import EncodedText
from harness.judging.alignment.judge import AlignmentJudge, AlignmentSettings
from harness.judging.alignment.planning import TextPair
from harness.judging.scripted import ScriptedJudge
from harness.records import JudgeItem, Question

EAST, NORTH, BETWEEN = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8)


def encoded(text: str, whole: tuple[float, float] = EAST) -> EncodedText:
    """All words have the vector of the whole."""
    count = len(EncodedText(text, np.zeros((200, 2)), np.array(whole)).words)
    return EncodedText(text, np.tile(np.array(whole, dtype=np.float32), (count, 1)), np.array(whole, dtype=np.float32))


def test_content_and_names_are_shares_of_the_words_that_the_question_does_not_have() -> None:
    # of Paris, bridge, 1900, old and wreck the answer has Paris and old; of the names Paris and 1900 the one
    found = coverage(
        encoded("When was it built?"),
        encoded("Paris built its bridge in 1900, an old wreck"),
        encoded("An old bridgehead near Paris"),
        [encoded("a")],
        [encoded("b")],
    )
    assert found.content == pytest.approx(2 / 5)
    assert found.names == pytest.approx(1 / 2)


def test_each_statement_counts_by_the_nearest_of_the_answer() -> None:
    expected, stated = [encoded("x", EAST), encoded("y", NORTH)], [encoded("z", EAST), encoded("w", BETWEEN)]
    found = coverage(encoded("q"), encoded("r", EAST), encoded("a", BETWEEN), expected, stated)
    assert found.mean == pytest.approx((1 + 0.8) / 2)
    assert found.least == pytest.approx(0.8)
    assert found.whole == pytest.approx(0.6)


def test_a_reference_without_names_counts_its_content_twice() -> None:
    found = coverage(encoded("q"), encoded("a slow train"), encoded("a slow bus"), [encoded("x")], [encoded("y")])
    assert found.names == found.content == pytest.approx(1 / 2)
    assert found.accuracy == pytest.approx((0.5 + 0.5 + 1) / 3)


class Coverer:
    """Covers everything alike and must not be asked to align."""

    def coverage(self, texts: Sequence[TextPair]) -> list[Coverage]:
        return [Coverage(content=0.5, names=0.2, whole=0.8, mean=0.6, least=0.1) for _ in texts]

    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        raise AssertionError("a long reference is not aligned")


def test_a_reference_of_three_statements_is_judged_by_what_is_covered() -> None:
    reference = "The bridge is old. It was built in 1900. Two towns paid for it."
    judge = AlignmentJudge(
        "a", AlignmentSettings(((1, 0), (1, 0)), short_words=4), Coverer, {}, ScriptedJudge(["3"], name="s", repeats=1)
    )
    question = Question("q", "What about the bridge?", (reference,))
    items = [JudgeItem(c, question, reference, "It is an old bridge.", (), c, 0) for c in judge.criteria]
    values = {score.criterion: score.value for score in judge.judge(items)}
    assert values == {
        "accuracy": pytest.approx(1 + 4 * 0.5, abs=1e-4),
        "completeness": pytest.approx(1 + 4 * 0.4, abs=1e-4),
    }
