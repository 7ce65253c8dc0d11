"""What an alignment judge learns from: right and wrong answers made by rule from a data set's fine-tuning pool.

Right are other annotators' references to the same question, the short answers and evidence that a row may have, a part
of the reference, and yes or no. Wrong are all of these with one planted error (`planting.py`), sentences of the
evidence that do not hold the answer, answers to other questions, the question itself, and abstaining. The error also
goes into the reference now and then: right is then what follows the reference, not what sounds likely. An example may
be about `right` (the hypothesis answers the question rightly by the premise), about `stated` (the premise states the
hypothesis), or both.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.auditing.planting import plant, planted
from harness.judging.statements import split_statements
from harness.records import Document, Question

__all__ = ["Example", "Material", "examples_of", "materials_of"]

_LEADS = (
    "According to the passages, ", "The passages say that ", "Based on the context, ", "As far as the text shows, ",
    "In short: ", "The answer is: ", "It is stated that ",
)  # fmt: skip
_ABSTENTIONS = (
    "The paper does not say.", "This is not mentioned in the text.", "No information is given about this.",
    "It cannot be determined from the passages.", "Unanswerable", "The passages do not specify this.",
    "I could not find this in the paper.", "The passages do not say.", "I do not know.",
    "The context gives no information about this.",
)  # fmt: skip
_YES_NO = re.compile(r"^\s*(yes|no)\b[\s,.:;]*", re.IGNORECASE)
_MOST_WORDS, _MOST_REFERENCES, _FROM_ONE_REFERENCE = 110, 8, 3
_IS = re.compile(
    r"^(.{3,120}?)\s(?:is|are|was|were|include|includes|by|through|consists of|stands for)\s+(?!not\b)(.{2,})$"
)
_RELATIVE = re.compile(r",? (?:which|that|whose|while|and is|and are|because|since)\b|\.|;")
SHARES: Mapping[str, float] = {
    "question": 0.25, "abstention": 0.3, "stranger": 0.35, "off_topic": 0.7, "elaborated": 0.5, "same": 0.6,
    "stated_same": 0.4, "kept": 0.7,
}  # fmt: skip
"""Of examples that teach little, the share that is kept."""


@dataclass(frozen=True, slots=True)
class Example:
    """`right` and `stated`: None where the example says nothing about it. `group` names the question, by which examples
    are held out."""

    group: str
    question: str
    premise: str
    hypothesis: str
    right: bool | None
    stated: bool | None
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Material:
    """A question with all that examples are made of. `polarity`: "yes" or "no" of such a question. `near`: references
    of other questions about the same documents; `evidence_nearby`: sentences of their evidence."""

    question: Question
    references: Sequence[str]
    short_answers: Sequence[str] = ()
    evidence: Sequence[str] = ()
    near: Sequence[str] = ()
    evidence_nearby: Sequence[str] = ()
    polarity: str | None = None

    @property
    def related(self) -> Sequence[str]:
        """Where a planted error takes its words from."""
        return [*self.evidence[:30], *self.near[:10]]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _likeness(first: str, second: str) -> float:
    """Jaccard, of words."""
    left, right = set(_plain(first).split()), set(_plain(second).split())
    return len(left & right) / max(1, len(left | right))


def _sentences(texts: Iterable[str]) -> list[str]:
    return [each for text in texts for each in split_statements(text) if 5 < len(each.split()) < 60]


def _flat(value: object) -> list[str]:
    """An `exact_answer` of BioASQ: text, a list of texts or of lists of synonyms."""
    if isinstance(value, list):
        return [text for each in value for text in _flat(each)]
    return [str(value).strip()] if value else []


# ---- material -------------------------------------------------------------------------------------------------------


def materials_of(pool: Sequence[Question], documents: Iterable[Document]) -> list[Material]:
    """One for each question that can be used; contradicting yes and no are left out. Evidence is what a row has as
    `gold_snippets` or `evidence`, else the gold documents."""
    wanted = {name for question in pool for name in question.gold_document_ids}
    texts = {document.id: document.text for document in documents if document.id in wanted}
    materials = [each for question in pool if (each := _material(question, texts)) is not None]
    by_document: dict[str, list[Material]] = {}
    for material in materials:
        for name in material.question.gold_document_ids:
            by_document.setdefault(name, []).append(material)
    return [_with_neighbours(material, by_document) for material in materials]


def _material(question: Question, texts: Mapping[str, str]) -> Material | None:
    references: dict[str, str] = {}
    for reference in question.references:
        if _plain(reference) and len(reference.split()) <= _MOST_WORDS:
            references.setdefault(_plain(reference), reference.strip())
    kept = list(references.values())[:_MOST_REFERENCES]
    exact = _flat(question.row.get("exact_answer"))
    polarities = {text for text in (*map(_plain, exact), *references) if text in ("yes", "no")}
    if not kept or len(polarities) > 1:
        return None
    polarity = next(iter(polarities), None)
    short = [] if polarity else exact[:2] if len(exact) < 3 else [", ".join(exact[:8])]
    if not exact and all(len(each.split()) <= 5 for each in kept):
        short = kept[:3]
    given = question.row.get("gold_snippets") or question.row.get("evidence")
    evidence = _sentences(given or [texts.get(name, "") for name in question.gold_document_ids])
    return Material(question, kept, short, evidence, polarity=polarity)


def _with_neighbours(material: Material, by_document: Mapping[str, Sequence[Material]]) -> Material:
    own = material.question.id
    others = [m for name in material.question.gold_document_ids for m in by_document[name] if m.question.id != own]
    answered = [m for m in others if m.question.answerable and m.polarity is None]
    nearby = [text for m in others for text in m.evidence if text not in material.evidence]
    return replace(material, near=[m.references[0] for m in answered], evidence_nearby=nearby)


# ---- examples -------------------------------------------------------------------------------------------------------


def examples_of(materials: Sequence[Material], seed: int) -> list[Example]:
    """All examples in a seeded random order; those that teach little are thinned out (`SHARES`)."""
    rng = random.Random(seed)
    strangers = [material.references[0] for material in materials if material.polarity is None]
    examples = [each for material in materials for each in _of_material(material, strangers, rng)]
    kept = [each for each in examples if rng.random() < SHARES.get(each.kind, 1.0)]
    rng.shuffle(kept)
    return kept


def _of_material(material: Material, strangers: Sequence[str], rng: random.Random) -> Iterator[Example]:
    if not material.question.answerable:
        yield from _unanswerable(material, rng)
        return
    if not material.related:
        material = replace(material, near=rng.sample(list(strangers), min(3, len(strangers))))
    known = {_plain(each) for each in material.references}
    for number, reference in enumerate(material.references[:_FROM_ONE_REFERENCE]):
        others = [each for n, each in enumerate(material.references) if n != number]
        yield from (each for each in _Maker(material, reference, others, rng).all(strangers) if _is_sound(each, known))


def _is_sound(example: Example, known: set[str]) -> bool:
    """Not so where an answer is called wrong that is a reference, or that has another reference for its premise."""
    changed = example.premise if example.kind.startswith("premise_") else example.hypothesis
    return example.right is not False or _plain(changed) not in known


def _unanswerable(material: Material, rng: random.Random) -> Iterator[Example]:
    question, reference = material.question, material.references[0]
    for text in rng.sample(_ABSTENTIONS, 2):
        yield Example(question.id, question.text, reference, text, True, True, "abstention")
    for text in rng.sample(list(material.near), min(2, len(material.near))):
        yield Example(question.id, question.text, reference, text, False, False, "claim")


class _Maker:
    """Examples for one reference of a question."""

    def __init__(self, material: Material, reference: str, others: Sequence[str], rng: random.Random) -> None:
        self.material, self.reference, self.others, self.rng = material, reference, others, rng

    def all(self, strangers: Sequence[str]) -> Iterator[Example]:
        """`strangers`: references of any question."""
        yield from self.right_and_planted()
        yield from self.planted_in_both()
        yield from self.polar()
        yield from self.beside_the_point(strangers)
        yield from self.stated()

    def _example(
        self, hypothesis: str, right: bool | None, stated: bool | None, kind: str, weight: float = 1.0,
        premise: str | None = None,
    ) -> Example:  # fmt: skip
        question = self.material.question
        premise = self.reference if premise is None else premise
        return Example(question.id, question.text, premise, hypothesis.strip(), right, stated, kind, weight)

    def _led(self, text: str) -> str:
        """With words in front that state nothing."""
        if _YES_NO.match(text):
            return text
        keeps_capital = len(text) > 1 and (
            text[1].isupper() or text.split(maxsplit=1)[0][1:].lower() != text.split(maxsplit=1)[0][1:]
        )
        return self.rng.choice(_LEADS) + (text if keeps_capital else text[0].lower() + text[1:])

    def _right_answers(self) -> Iterator[tuple[str, str, float]]:
        """(text, kind, weight); weighed less where a rule may be mistaken."""
        for other in self.rng.sample(list(self.others), min(4, len(self.others))):
            yield other, "other_reference", 1.0
        for short in self.material.short_answers[:2]:
            if _plain(short) != _plain(self.reference):
                yield short, "short_answer", 1.0
        alike = sorted(self.material.evidence, key=lambda text: -_likeness(text, self.reference))[:1]
        short_ones = [_plain(each) for each in self.material.short_answers]
        for sentence in self.material.evidence:
            if len(self.reference.split()) <= 5 and _plain(self.reference) in _plain(sentence):
                yield sentence, "sentence", 1.0
                break
        for sentence in alike:
            if _likeness(sentence, self.reference) > 0.2:
                yield sentence, "evidence", 0.5
        statements = split_statements(self.reference)
        if len(statements) > 1:
            yield self.rng.choice(statements), "part", 0.7
        yield self.rng.choice([self.reference, self._led(self.reference)]), "same", 0.7
        if (core := _core(self.reference, self.material.question.text)) and _plain(core) not in short_ones:
            yield core, "core", 1.0

    def right_and_planted(self) -> Iterator[Example]:
        """Right answers, and each with one or two errors."""
        answers = list(self._right_answers())
        if self.material.evidence and answers:
            extra = self.rng.choice(list(self.material.evidence))
            answers.append((f"{answers[0][0].rstrip('.')}. {extra}", "elaborated", 0.5))
        for text, kind, weight in answers:
            yield self._example(text, True, True if kind == "same" else None, kind, weight)
            errors = 2 if kind in ("other_reference", "core", "short_answer", "sentence") else 1
            for error, wrong in planted(text, self.material.related, self.rng, errors):
                if error == "entity" and kind in ("evidence", "elaborated"):
                    continue
                stated = False if kind in ("same", "short_answer", "other_reference") else None
                yield self._example(wrong, False, stated, error, 0.3 if kind == "elaborated" else weight)
        for error, wrong in planted(self.reference, self.material.related, self.rng, 2):
            yield self._example(wrong, False, None, error)

    def planted_in_both(self) -> Iterator[Example]:
        """An error in the reference: the true answer is then wrong, and the error right."""
        for error, wrong in planted(self.reference, self.material.related, self.rng, 1):
            yield self._example(self.reference, False, False, f"premise_{error}", premise=wrong)
            said = self.rng.choice([wrong, self._led(wrong)])
            yield self._example(said, True, True, "premise_same", premise=wrong)

    def polar(self) -> Iterator[Example]:
        """Yes and no, alone and before a sentence."""
        if (right := self.material.polarity) is None:
            return
        wrong = "no" if right == "yes" else "yes"
        tail = {"yes": ", that is the case.", "no": ", that is not the case."}
        yield self._example(right.capitalize() + self.rng.choice([".", "", tail[right]]), True, True, "yes_no")
        yield self._example(wrong.capitalize() + self.rng.choice([".", ""]), False, False, "yes_no")
        other = self.others[0] if self.others else self.reference
        for lead, text, is_right in ((right, other, True), (wrong, self.reference, False)):
            body = _YES_NO.sub("", text)
            if body and not is_right:
                body = plant("polarity", body, self.material.related, self.rng) or body
            if body:
                said = f"{lead.capitalize()}, {body[0].lower()}{body[1:]}"
                yield self._example(said, is_right, is_right, "yes_no_sentence")

    def beside_the_point(self, strangers: Sequence[str]) -> Iterator[Example]:
        """Sentences that do not answer."""
        question, rng = self.material.question, self.rng
        far = rng.choice(list(strangers)) if strangers else ""
        if far and _likeness(far, self.reference) < 0.3:
            yield self._example(far, False, False, "stranger", 0.7)
        if self.material.near:
            near = rng.choice(list(self.material.near))
            if _likeness(near, self.reference) < 0.4:
                yield self._example(near, False, False, "neighbour", 0.7)
        keys = [_plain(each) for each in self.material.short_answers if len(_plain(each)) > 2]
        without = [s for s in self.material.evidence if keys and not any(key in _plain(s) for key in keys)]
        topic = f"{question.text} {self.reference}"
        for pool in (without, list(self.material.evidence_nearby)[:30]):
            if pool:
                yield self._example(max(pool, key=lambda s: _likeness(s, topic)), False, False, "near_miss", 0.8)
        off = [s for s in self.material.evidence if all(_likeness(s, r) < 0.12 for r in self.material.references)]
        if off and len(self.reference.split()) > 5:
            yield self._example(rng.choice(off), False, False, "off_topic", 0.5)
        yield self._example(question.text, False, False, "question", 0.5)
        yield self._example(rng.choice(_ABSTENTIONS), False, False, "abstention", 0.5)

    def stated(self) -> Iterator[Example]:
        """What a text states and what it leaves out; nothing about right."""
        rng, related = self.rng, self.material.related
        statements = split_statements(self.reference)
        if len(statements) > 1:
            dropped = rng.randrange(len(statements))
            rest = " ".join(text for n, text in enumerate(statements) if n != dropped)
            kept = statements[(dropped + 1) % len(statements)]
            yield self._example(statements[dropped], None, False, "dropped", premise=rest)
            yield self._example(kept, None, True, "kept", premise=rest)
        for statement in statements[:2]:
            for error, wrong in planted(self.reference, related, rng, 1):
                if statement not in wrong:
                    yield self._example(statement, None, False, f"stated_{error}", premise=wrong)
            yield self._example(statement, None, True, "stated_same", 0.7, premise=self._led(self.reference))
        for short in self.material.short_answers[:1]:
            holding = [t for t in (*self.others, *self.material.evidence) if _plain(short) in _plain(t)][:2]
            for text in holding:
                yield self._example(short, None, True, "stated_short", premise=text)
                for error in ("entity", "number", "identifier"):
                    if short in text and (wrong_short := plant(error, short, related, rng)):
                        changed = text.replace(short, wrong_short)
                        yield self._example(short, None, False, "stated_short", premise=changed)
                        break
        for other in self.others:
            if len(other.split()) >= len(self.reference.split()) > 5:
                yield self._example(self.reference, None, True, "stated_other", 0.5, premise=other)


def _core(reference: str, question: str) -> str | None:
    """What stands behind "X is …", where X are words of the question."""
    match = _IS.match(split_statements(reference)[0]) if split_statements(reference) else None
    asked = set(_plain(question).split())
    subject = [word for word in _plain(match[1]).split() if len(word) > 3] if match else []
    if match is None or not subject or sum(word in asked for word in subject) / len(subject) < 0.6:
        return None
    core = _RELATIVE.split(match[2])[0].strip(" ,.")
    return core if core and _plain(core) not in _plain(question) else None
