"""What the facts judge must do with any question of a world: the form and order of what is said do not matter, what is
said does. The questions come from the task, and only their kinds and fact records are used."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.entries.catalog import Catalog
from harness.judging.facts import true_scores
from harness.judging.numerals import plain
from harness.judging.values import mentions
from harness.records import Fact, Question
from harness.sources.world.source import SyntheticWorld
from tests.hard_facts import MATTER

ENTRY = Catalog().task("telecom")
WORLD = ENTRY.world
assert WORLD is not None
QUESTIONS = SyntheticWorld(WORLD.kind, WORLD.documents, WORLD.questions, ENTRY.finetune.pool, WORLD.seed).questions(
    "evaluation"
)
ANSWERABLE = [question for question in QUESTIONS if question.answerable]
UNANSWERABLE = [question for question in QUESTIONS if not question.answerable]
FACTS = sorted({fact for question in ANSWERABLE for fact in question.facts}, key=lambda fact: fact.id)
SENTENCES = re.split(r"(?<=\.)\s+", MATTER.strip())
FRAMES = (
    "{}", "According to the pages, {}", "Thank you for asking! {} I hope this helps.", "**{}**", "Answer: {}",
    "Sure. {}",
)  # fmt: skip
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_SMALL = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spelled(number: int) -> str:
    """In English words."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        return _TENS[number // 10 - 2] + (f"-{_SMALL[number % 10]}" if number % 10 else "")
    size, name = (100, "hundred") if number < 1_000 else (1_000, "thousand")
    rest = number % size
    return f"{spelled(number // size)} {name}" + (f" and {spelled(rest)}" if rest else "")


def other_forms(fact: Fact) -> list[str]:
    """The value in other forms that people write."""
    value = fact.value
    digits = re.match(r"[\d,]+", value)
    number = int(digits[0].replace(",", "")) if digits else 0
    kind = fact.kind.split(":")[0]
    if kind == "money":
        euros, cents = value.split()[0].replace(",", "").split(".")
        words = f"{spelled(int(euros))} euros" + (f" and {spelled(int(cents))} cents" if int(cents) else "")
        return [f"€{euros}.{cents}", f"{euros},{cents} €", words, f"{int(euros) * 100 + int(cents)} cents"]
    if kind == "duration":
        unit = value.split()[-1].rstrip("s")
        part, size = {"month": ("years", 1 / 12), "day": ("hours", 24), "hour": ("minutes", 60),
                      "minute": ("seconds", 60), "second": ("seconds", 1)}[unit]  # fmt: skip
        exact = number % 3 == 0 or size >= 1
        forms = [f"{spelled(number)} {unit}s", f"{number}-{unit}"] + [f"{number * size:g} {part}"] * exact
        return forms + [f"{number // 7} weeks"] * (unit == "day" and number % 7 == 0)
    if kind == "date":
        day, month, year = value.split()
        at = _MONTHS.index(month) + 1
        return [f"{year}-{at:02d}-{int(day):02d}", f"{int(day):02d}/{at:02d}/{year}", f"{month} {day}, {year}"]
    if kind == "time":
        hour, minute = value.split(":")
        half = "pm" if int(hour) >= 12 else "am"
        return [f"{int(hour) % 12 or 12}:{minute} {half}", f"{hour}h{minute}", f"{hour}.{minute}"]
    if kind == "count":
        return [str(number), spelled(number), f"{number:,}".replace(",", ".")]
    scaled = {"volume": ("gigabytes", "TB"), "speed": ("Mbps", "Gbit/s")}
    if kind in scaled:
        same, large = scaled[kind]
        return [f"{number} {same}", f"{number / 1_000:g} {large}", f"{spelled(number)} {same}"]
    if kind in ("power", "percent", "temperature"):
        return {"power": [f"{number} watts"], "percent": [f"{number}%", f"{spelled(number)} per cent"],
                "temperature": [f"{number} degrees", f"{number * 1.8 + 32:g} °F"]}[kind]  # fmt: skip
    return {"code": [value.replace("-", ""), value.lower()], "version": [f"v{value}"]}.get(kind, [value.upper()])


def reworded(fact: Fact, form: str) -> str:
    assume(fact.value in fact.statement)
    return fact.statement.replace(fact.value, form)


def another_value(question: Question, fact: Fact, data: st.DataObject) -> str:
    """A value of the fact's kind that is nowhere in the question's records."""
    known = (*question.facts, *question.side_facts)
    taken = {side.value.casefold() for side in known}
    listed = [value for value in fact.alternatives if value.casefold() not in taken]
    values = listed or sorted({other.value for other in FACTS if other.kind == fact.kind} - {f.value for f in known})
    named = {m.readings for m in mentions(fact.kind, plain(question.text), fact.alternatives)}
    values = [v for v in values if not named & {m.readings for m in mentions(fact.kind, plain(v), (v,))}]
    assume(bool(values))
    return data.draw(st.sampled_from(values))


answerable = st.sampled_from(ANSWERABLE)


@given(answerable, st.data())
def test_the_form_the_order_and_the_frame_do_not_matter(question: Question, data: st.DataObject) -> None:
    sentences = []
    for fact in question.facts:
        form = fact.value if fact.kind == "choice" else data.draw(st.sampled_from(other_forms(fact)))
        sentences.append(reworded(fact, form))
    said = " ".join(data.draw(st.permutations(sentences)))
    answer = data.draw(st.sampled_from(FRAMES)).format(said)
    assert true_scores(question, answer) == (5.0, 5.0)


@given(answerable, st.sampled_from([str.lower, str.upper, str.title]))
def test_capitals_do_not_matter(question: Question, case: object) -> None:
    assert callable(case)
    assert true_scores(question, case(" ".join(fact.statement for fact in question.facts))) == (5.0, 5.0)


@given(answerable, st.data())
def test_a_wrong_fact_more_costs_accuracy_and_never_adds_completeness(question: Question, data: st.DataObject) -> None:
    fact = data.draw(st.sampled_from(question.facts))
    assume(fact.kind != "choice")
    wrong = reworded(fact, another_value(question, fact, data))
    right = " ".join(each.statement for each in question.facts)
    accuracy, completeness = true_scores(question, f"{right} {wrong}")
    assert accuracy == pytest.approx(1 + 4 * len(question.facts) / (len(question.facts) + 1))
    assert completeness == 5.0


@given(answerable, st.data())
def test_a_wrong_fact_instead_costs_both(question: Question, data: st.DataObject) -> None:
    """One of n facts wrong: 1 + 4 (n - 1) / n on both."""
    fact = data.draw(st.sampled_from(question.facts))
    assume(fact.kind != "choice")
    wrong = reworded(fact, another_value(question, fact, data))
    answer = " ".join(wrong if each is fact else each.statement for each in question.facts)
    expected = 1 + 4 * (len(question.facts) - 1) / len(question.facts)
    assert true_scores(question, answer) == pytest.approx((expected, expected))


@given(st.sampled_from([question for question in ANSWERABLE if len(question.facts) > 1]), st.data())
def test_a_fact_left_out_costs_completeness_alone(question: Question, data: st.DataObject) -> None:
    dropped = data.draw(st.sampled_from(question.facts))
    kept = " ".join(fact.statement for fact in question.facts if fact is not dropped)
    count = len(question.facts)
    assert true_scores(question, kept) == pytest.approx((5.0, 1 + 4 * (count - 1) / count))


@given(st.sampled_from(QUESTIONS), st.booleans(), st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=40))
def test_matter_beside_the_point_never_raises_a_score(question: Question, right: bool, matter: list[str]) -> None:
    answer = " ".join(fact.statement for fact in question.facts) if right else "It is so."
    before, after = true_scores(question, answer), true_scores(question, " ".join([answer, *matter]))
    assert after[0] <= before[0]
    assert after[1] == before[1]


@given(answerable, st.permutations(SENTENCES))
def test_a_passage_of_ten_times_the_needed_length_does_not_get_over_two(question: Question, matter: list[str]) -> None:
    needed = " ".join(fact.statement for fact in question.facts)
    passage = needed
    for sentence in matter * 10:
        if len(passage.split()) < 10 * len(needed.split()):
            passage = f"{sentence} {passage}"
    accuracy, completeness = true_scores(question, passage)
    assert accuracy <= 2.0
    assert completeness == 5.0


@given(answerable)
def test_a_copied_question_gets_the_floor(question: Question) -> None:
    assert true_scores(question, question.text) == (1.0, 1.0)
    assert true_scores(question, question.text.rstrip("?")) == (1.0, 1.0)


@given(st.sampled_from([question for question in ANSWERABLE if len(question.facts) == 1]))
def test_a_denied_statement_gets_the_floor(question: Question) -> None:
    (fact,) = question.facts
    assume(fact.kind != "choice")
    statement = fact.statement[0].lower() + fact.statement[1:]
    assert true_scores(question, f"It is not true that {statement}") == (1.0, 1.0)


@given(st.sampled_from([question for question in ANSWERABLE if question.facts[0].kind == "choice"]), st.data())
def test_a_comparison_is_read_from_either_side(question: Question, data: st.DataObject) -> None:
    (fact,) = question.facts
    (loser,) = [name for name in fact.alternatives if name != fact.value]
    right = ("It is {w}.", "{w}", "{w}, not {z}.", "Between {z} and {w}, it is {w}.", "{w}, unlike {z}.")
    frame = data.draw(st.sampled_from(right))
    assert true_scores(question, frame.format(w=fact.value, z=loser)) == (5.0, 5.0)
    assert true_scores(question, frame.format(w=loser, z=fact.value)) == (1.0, 1.0)
    swapped = fact.statement.replace(fact.value, "~").replace(loser, fact.value).replace("~", loser)
    assert true_scores(question, swapped) == (1.0, 1.0)


ABSTENTIONS = ("The knowledge base does not say.", "I could not find that in the passages.", "Not in the documents.")


@given(st.sampled_from(UNANSWERABLE), st.sampled_from(ABSTENTIONS), st.data())
def test_only_an_abstention_without_a_value_answers_what_cannot_be(
    question: Question, abstention: str, data: st.DataObject
) -> None:
    (fact,) = question.facts
    value = another_value(question, fact, data)
    assert true_scores(question, abstention) == (5.0, 5.0)
    assert true_scores(question, question.references[0]) == (5.0, 5.0)
    assert true_scores(question, value) == (1.0, 1.0)
    assert true_scores(question, f"{abstention} It is probably {value}.") == (1.0, 1.0)


@given(answerable, st.sampled_from(ABSTENTIONS))
def test_an_abstention_does_not_answer_what_can_be(question: Question, abstention: str) -> None:
    assert true_scores(question, abstention) == (1.0, 1.0)
