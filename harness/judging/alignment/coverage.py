"""How much of a long reference an answer covers, by words and by sentence vectors. A network that was trained on short
texts says little about a page of statements; there, what people count as wrong and as missing goes with what is covered
(measured on one half of the ASQA feedback, docs/log.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.judging.alignment.features import EncodedText
from harness.judging.alignment.words import has_digit

__all__ = ["Coverage", "coverage"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """All from 0 to 1. `content` and `names`: shares of the reference's words of content, and of its names, numbers and
    codes, that the answer has, the question's own left out. `whole`: cosine of the two texts. `mean` and `least` over
    the reference's statements of the largest cosine with a statement of the answer."""

    content: float
    names: float
    whole: float
    mean: float
    least: float

    @property
    def accuracy(self) -> float:
        """Mean of what the answer shares with the reference."""
        return (self.content + self.names + self.whole) / 3

    @property
    def completeness(self) -> float:
        """Mean of how much is covered, and how well the worst covered statement is."""
        return (self.content + self.mean + self.least) / 3


def coverage(
    question: EncodedText,
    reference: EncodedText,
    answer: EncodedText,
    expected: Sequence[EncodedText],
    stated: Sequence[EncodedText],
) -> Coverage:
    """`expected` and `stated`: the statements of reference and answer."""
    new = [place for place in reference.content if reference.stems[place] not in question.stem_set]
    named = [place for place in new if has_digit(reference.stems[place]) or reference.words[place][:1].isupper()]
    cosines = np.clip(np.stack([each.whole for each in expected]) @ np.stack([each.whole for each in stated]).T, 0, 1)
    content = _share(reference, new or list(range(len(reference.words))), answer)
    return Coverage(
        content=content,
        names=_share(reference, named, answer) if named else content,
        whole=float(np.clip(reference.whole @ answer.whole, 0, 1)),
        mean=float(cosines.max(axis=1).mean()),
        least=float(cosines.max(axis=1).min()),
    )


def _share(reference: EncodedText, places: Sequence[int], answer: EncodedText) -> float:
    return float(np.mean([reference.stems[place] in answer.stem_set for place in places]))
