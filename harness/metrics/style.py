"""How an answer fails as text, whatever it states: fine-tuning on short answers shortens answers, and a broken
checkpoint loops or repeats its prompt, before any score shows it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

__all__ = ["echoes", "loops"]

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[.!?\n]+")
_ECHO = 8  # words in a row that stand in the prompt
_LONGEST = 12  # words of a stretch that is looked for three times in a row
_LEAST = 6  # words that such a loop covers at least: "no, no, no" is a way of speaking
_TIMES = 3


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def loops(answer: str) -> bool:
    """A stretch of up to twelve words occurs three times in a row, or a sentence of four words or more three times."""
    words = _words(answer)
    if any(_repeats_itself(words, length) for length in range(1, min(_LONGEST, len(words) // _TIMES) + 1)):
        return True
    if len(words) < 4 * _TIMES:
        return False
    sentences = Counter(" ".join(sentence) for part in _SENTENCE.split(answer) if len(sentence := _words(part)) >= 4)
    return max(sentences.values(), default=0) >= _TIMES


def _repeats_itself(words: list[str], length: int) -> bool:
    """Whether some stretch of `length` words is followed by itself often enough."""
    run = 0  # words that equal those `length` words before them, in a row
    for before, word in zip(words, words[length:], strict=False):
        run = run + 1 if before == word else 0
        if run >= length * (_TIMES - 1) and run + length >= _LEAST:
            return True
    return False


def echoes(answer: str, asked: Callable[[], str], question: str) -> bool:
    """Eight words in a row of what was asked (instruction and question, not the passages, which may be quoted), or the
    whole of a shorter question, stand in the answer. `asked` is called for answers that are long enough alone."""
    stated = _words(answer)
    whole = _words(question)
    if len(whole) >= 4 and _holds(stated, whole):
        return True
    if len(stated) < _ECHO:
        return False
    prompt = _words(asked())
    stretches = {tuple(prompt[n : n + _ECHO]) for n in range(len(prompt) - _ECHO + 1)}
    return any(tuple(stated[n : n + _ECHO]) in stretches for n in range(len(stated) - _ECHO + 1))


def _holds(stated: list[str], whole: list[str]) -> bool:
    return any(stated[n : n + len(whole)] == whole for n in range(len(stated) - len(whole) + 1))
