"""Cheap signals of whether an answer agrees with a reference: what a calibrated judge looks at. No language model; the
sentence encoder is the one of dense retrieval.

A reference may hold several right answers, parted by " / "; of these the best counts.
"""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from harness.entries.judge import SIGNALS
from harness.judging.references import parts_of

__all__ = ["ABSTAINS", "NAMES", "NUMBER_WORDS", "STOP_WORDS", "VERSION", "content_words", "signals", "words"]

VERSION = 2
"""Raise it when the same texts would give other values. 2: words replaced or denied in place."""
NAMES = SIGNALS

_WORD = re.compile(r"[^\W_]+(?:[.,']\d+)*")
STOP_WORDS = frozenset((
    "a", "an", "the", "of", "in", "on", "at", "to", "for", "by", "with", "and", "or", "is", "are", "was", "were",
    "be", "been", "it", "its", "this", "that", "these", "those", "as", "from", "into", "than", "then", "there",
    "which", "who", "whom", "whose", "what", "when", "where", "how", "did", "do", "does", "has", "have", "had",
))  # fmt: skip
_SPELLED = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
NUMBER_WORDS = {name: str(number) for number, name in enumerate(_SPELLED)}
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
ABSTAINS = re.compile(
    r"\b(?:i (?:do not|don't|cannot|can't)|not (?:sure|known|mentioned|specified|clear)|unknown"
    r"|no (?:information|answer)|unable to|as an ai|does not (?:say|specify|mention))\b",
    re.IGNORECASE,
)
_DENYING = frozenset(("no", "not", "never", "none", "neither", "nor", "cannot", "without"))
_DENIES_WITHIN = 4  # words: "it is not so that …"
_LONGER_BY = 3  # words that a replacement may have more than what it replaces; else something is inserted
_NEGATION = re.compile(rf"\b(?:{'|'.join(sorted(_DENYING))}|\w+n't)\b", re.IGNORECASE)

Encoder = Callable[[Sequence[str]], np.ndarray]


def words(text: str) -> list[str]:
    """Lower-case words without accents and articles; number words and ordinals as digits, thousands without commas."""
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    tokens = []
    for word in _WORD.findall(plain):
        word = word.replace(",", "") if word[:1].isdigit() else word
        if ordinal := _ORDINAL.match(word):
            word = ordinal[1]
        tokens.append(NUMBER_WORDS.get(word, word))
    return [word for word in tokens if word not in ("a", "an", "the")]


def content_words(text: str) -> set[str]:
    """The words of a text that carry content, in lower case."""
    return {word for word in words(text) if word not in STOP_WORDS}


def _share(part: Counter[str], whole: Counter[str]) -> float:
    return (part & whole).total() / whole.total() if whole else 0.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _letters(tokens: Sequence[str]) -> Counter[str]:
    text = " ".join(tokens)
    return Counter(text[n : n + 3] for n in range(max(1, len(text) - 2)))


def _numbers(tokens: Sequence[str]) -> set[str]:
    return {token for token in tokens if token[:1].isdigit()}


def _fuzzy(expected: Sequence[str], stated: Sequence[str]) -> float:
    """Share of the expected words that stand in the answer, or look like one that does."""
    if not expected:
        return 0.0
    have = list(dict.fromkeys(stated))
    return sum(1.0 if w in have else float(bool(difflib.get_close_matches(w, have, 1, 0.8))) for w in expected) / len(
        expected
    )


def _in_place(expected: Sequence[str], stated: Sequence[str]) -> dict[str, float]:
    """What an answer that goes along with the reference changes in it, by aligning the two: whether a word of content
    is `replaced` where the words around it are the reference's, and whether a stretch of it is `denied`. Of an answer
    in other words alignment shows nothing: where less than half of the reference stands in it in order, both are 0."""
    steps = difflib.SequenceMatcher(None, expected, stated, autojunk=False).get_opcodes()
    replaced = denied = False
    if 2 * sum(i_end - i for kind, i, i_end, _, _ in steps if kind == "equal") < len(expected):
        steps = []
    for number, (kind, i, i_end, j, j_end) in enumerate(steps):
        before, after = (steps[n] if 0 <= n < len(steps) else ("", 0, 0, 0, 0) for n in (number - 1, number + 1))
        kept_before, kept_after = (step[2] - step[1] if step[0] == "equal" else 0 for step in (before, after))
        if kind == "replace" and (min(kept_before, kept_after) > 0 or max(kept_before, kept_after) > 1):
            gone = [w for w in expected[i:i_end] if w not in STOP_WORDS and w not in stated]
            new = [w for w in stated[j:j_end] if w not in STOP_WORDS and w not in expected]
            replaced = replaced or bool(gone and new and j_end - j <= i_end - i + _LONGER_BY)
        if kind in ("insert", "replace") and kept_after > 1:
            denying = _DENYING.intersection(stated[max(j, j_end - _DENIES_WITHIN) : j_end])
            denied = denied or bool(denying and not _DENYING.intersection(expected))
    return {"replaced": float(replaced), "denied": float(denied)}


def _against(reference: str, answer: str, question: set[str]) -> dict[str, float]:
    """Signals against one reference. `new` words are those that the question does not have: an answer that repeats the
    question states nothing."""
    expected, stated = words(reference), words(answer)
    content = (
        [w for w in expected if w not in STOP_WORDS and w not in question]
        or [w for w in expected if w not in STOP_WORDS]
        or expected
    )
    fresh = [w for w in stated if w not in STOP_WORDS and w not in question]
    expected_counts, stated_counts = Counter(expected), Counter(stated)
    recall, precision = _share(stated_counts, expected_counts), _share(expected_counts, stated_counts)
    new_recall, new_precision = _share(Counter(fresh), Counter(content)), _share(Counter(content), Counter(fresh))
    numbers, stated_numbers = _numbers(content), _numbers(fresh)
    names = [w.lower() for w in re.findall(r"\b[A-Z][\w'-]+", reference)]
    joined, flat = " ".join(stated), " ".join(expected)
    return {
        "f1": _f1(precision, recall),
        "precision": precision,
        "recall": recall,
        "contained": float(bool(flat) and f" {flat} " in f" {joined} "),
        "new_f1": _f1(new_precision, new_recall),
        "new_recall": new_recall,
        "new_precision": new_precision,
        "fuzzy_recall": _fuzzy(content, stated),
        "letters_recall": _share(_letters(stated), _letters(content)),
        "best_match": difflib.SequenceMatcher(None, flat[:200], joined[:400], autojunk=False).find_longest_match().size
        / max(1, len(flat[:200])),
        "numbers": len(numbers & stated_numbers) / len(numbers) if numbers else 0.5,
        "number_conflict": float(bool(numbers) and bool(stated_numbers) and not numbers & stated_numbers),
        "names_recall": _share(Counter(stated), Counter(words(" ".join(names)))) if names else 0.5,
        "first_recall": _share(Counter(stated[:12]), Counter(content)),
        "log_reference_words": math.log1p(len(expected)),
        "longer": math.log1p(len(stated)) - math.log1p(len(expected)),
        **_in_place(expected, stated),
    }


def signals(items: Sequence[tuple[str, str, str]], encoder: Encoder) -> list[list[float]]:
    """For each (question, reference, answer) the values of `NAMES`, in that order."""
    rows = []
    for question, reference, answer in items:
        question_words = set(words(question))
        parts = parts_of(reference)
        best = max(
            (_against(part, answer, question_words) for part in parts), key=lambda row: (row["new_f1"], row["f1"])
        )
        best |= {
            "log_words": math.log1p(len(words(answer))),
            "abstains": float(bool(ABSTAINS.search(answer))),
            "negation": float(bool(_NEGATION.search(answer)) != bool(_NEGATION.search(reference))),
        }
        rows.append(best)
    for row, cosines in zip(rows, _cosines(items, encoder), strict=True):
        row |= cosines
    return [[row[name] for name in NAMES] for row in rows]


def _cosines(items: Sequence[tuple[str, str, str]], encoder: Encoder) -> list[dict[str, float]]:
    texts = [
        text
        for question, reference, answer in items
        for text in (reference, answer, f"{question} {reference}", f"{question} {answer}", question)
    ]
    distinct = list(dict.fromkeys(texts))
    index = {text: number for number, text in enumerate(distinct)}
    vectors = np.asarray(encoder(distinct)) if distinct else np.zeros((0, 1))
    of = [vectors[index[text]] for text in texts]
    return [
        {
            "cosine": float(of[n] @ of[n + 1]),
            "cosine_in_context": float(of[n + 2] @ of[n + 3]),
            "cosine_to_question": float(of[n + 4] @ of[n + 1]),
        }
        for n in range(0, len(of), 5)
    ]
