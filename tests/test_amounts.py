"""References that are one amount: read by rule, whatever form an answer gives it."""

from __future__ import annotations

import pytest

from harness.judging.alignment.amounts import gives_amount
from harness.metrics.answers import contradicting


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("EUR 10.00", "10 euros"),
        ("14", "Fourteen"),
        ("14 participants", "There were fourteen of them."),
        ("2 hours", "120 minutes"),
        ("3 May 1999", "On May 3rd, 1999."),
        ("9 pm", "At 21:00"),
        ("1961", "in 1961"),
        ("1,000 metres", "1000"),
    ],
)
def test_an_amount_in_another_form_is_right(reference: str, answer: str) -> None:
    assert gives_amount("How much?", reference, answer) is True


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("50 euros", "10 euros"),
        ("seven", "seventeen"),
        ("$5", "5 euros"),
        ("14 participants", "40 participants"),
        ("3 May 1999", "On May 4th, 1999."),
        ("9 pm", "At 9:00 in the morning"),
    ],
)
def test_another_amount_of_the_kind_is_wrong(reference: str, answer: str) -> None:
    assert gives_amount("How much?", reference, answer) is False


@pytest.mark.parametrize(
    ("reference", "answer", "why"),
    [
        ("BLEU", "10", "the reference is no amount"),
        ("May 2017", "On 12 May 2017", "a month and a year is more than a number"),
        ("season 9 of 2012", "9", "two amounts"),
        ("14 participants", "14 prompts from 7 participants", "right and wrong side by side"),
        ("14", "Many people took part.", "no amount"),
        ("14", "It is not 12.", "a denial"),
        ("14", "12 " + "and so on " * 10, "much more than an amount"),
    ],
)
def test_what_the_rule_cannot_decide_is_left_to_the_network(reference: str, answer: str, why: str) -> None:
    assert gives_amount("How much?", reference, answer) is None, why


def test_an_amount_of_the_question_is_no_wrong_answer() -> None:
    assert gives_amount("What do 3 tickets cost?", "30 euros", "3 tickets cost 30 euros.") is True
    assert gives_amount("Which of 10 euros and 20 euros is it?", "20 euros", "20 euros, not 10") is None


def test_references_contradict_where_one_says_yes_and_one_no() -> None:
    assert contradicting(["Yes", "No, they did not."])
    assert not contradicting(["Yes", "Yes, they did.", "Nobody did."])
    assert not contradicting(["no information", "none"])
    assert not contradicting([])
