"""How an answer fails as text, whatever it says: fine-tuning on short answers shortens answers, and a broken checkpoint
loops or repeats its prompt, before any mark shows it.
"""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["echoes", "repeats"]

_WORD = re.compile(r"\w+")
_SENTENCE = re.compile(r"[.!?\n]+")
_ECHO = 8  # words in a row that stand in the prompt
_LONGEST = 12  # words of a stretch that is looked for three times in a row
_LEAST = 6  # words that such a loop covers at least: "no, no, no" is a way of speaking
_TIMES = 3


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def repeats(answer: str) -> bool:
    """A stretch of up to twelve words stands three times in a row, or a sentence of four words or more three times."""
    words = _words(answer)
    if any(_loops(words, length) for length in range(1, _LONGEST + 1)):
        return True
    sentences = Counter(" ".join(sentence) for part in _SENTENCE.split(answer) if len(sentence := _words(part)) >= 4)
    return max(sentences.values(), default=0) >= _TIMES


def _loops(words: list[str], length: int) -> bool:
    """Whether some stretch of `length` words is followed by itself often enough."""
    run = 0  # words that equal those `length` places before them, in a row
    for before, word in zip(words, words[length:], strict=False):
        run = run + 1 if before == word else 0
        if run >= length * (_TIMES - 1) and run + length >= _LEAST:
            return True
    return False


def echoes(answer: str, asked: str, question: str) -> bool:
    """Eight words in a row of what was asked (instruction and question, not the passages, which may be quoted), or the
    whole of a shorter question, stand in the answer."""
    said = _words(answer)
    whole = _words(question)
    if len(whole) >= 4 and _holds(said, whole):
        return True
    wanted = _words(asked)
    stretches = {tuple(wanted[n : n + _ECHO]) for n in range(len(wanted) - _ECHO + 1)}
    return any(tuple(said[n : n + _ECHO]) in stretches for n in range(len(said) - _ECHO + 1))


def _holds(said: list[str], whole: list[str]) -> bool:
    return any(said[n : n + len(whole)] == whole for n in range(len(said) - len(whole) + 1))
