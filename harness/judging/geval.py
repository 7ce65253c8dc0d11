"""G-Eval: a model fills in a form with a score for one criterion, by steps written beforehand.

Liu et al. 2023, arXiv:2303.16634; criteria and repeats as in "Fine-Tuning or Fine-Failing?" (2024). Each criterion is
judged in a call of its own. Three ways to arrive at a score, never mixed in one table:

    sample_mean     each repeat is one reply sampled with a seed made of item and repeat; the mean is taken later
    expected_score  Σ m·p(m) / Σ p(m) over the scores m of the scale, from the next-token probabilities: one forward
    pass greedy          one reply at temperature 0

A reply without a score on the scale is unscored, with its reason: never 0, never asked again in silence. The answer is
untrusted text: what looks like the form in it is broken up before the judge sees it, and the score is read from the
judge's own reply alone, where the last filled-in form wins.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from harness.digests import digest_of, seed_of
from harness.errors import HarnessError
from harness.interfaces import Identity, ModelAdapter, OptionScorer, Usage
from harness.prompts import render
from harness.records import Decoding, Failure, JudgeItem, Message, OptionRequest, Request, Score

__all__ = ["UNFIT", "CriterionText", "GEvalJudge", "GEvalSettings", "expected_score", "neutralise", "score_in"]

VERSION = 1
"""Raise it when the same entry and model would give another score: how answers are neutralised, how replies are
read."""

TRUNCATION_NOTE = " […the answer was cut here]"
UNFIT = "the judge's prompt does not fit its window"
_LEAST_MASS = 0.05
"""Probability on the scores of the scale under which an expected score means nothing, and the item is unscored."""


@dataclass(frozen=True, slots=True)
class CriterionText:
    """What a criterion means to the judge."""

    name: str
    title: str
    definition: str
    levels: Mapping[int, str]
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GEvalSettings:
    """Everything about a G-Eval judge but its model; all of it is part of the judge's identity."""

    prompt: str
    form: str
    criteria: tuple[CriterionText, ...]
    scoring: Literal["sample_mean", "expected_score", "greedy"]
    decoding: Decoding
    system: str | None = None
    repeats: int = 1
    low: int = 1
    high: int = 5
    sees_passages: bool = False
    sees_reference: bool = True
    max_answer_chars: int = 6_000
    max_unscored: float = 0.02


def score_in(reply: str, title: str, low: int, high: int) -> int | None:
    """The score that a reply gives: the number after the last "Title …:" in it, else the number that it begins with; an
    echo of the scale ("(1-5)") in front of it is passed over.

    None where that is no whole number on the scale: "10" is not 1, "4.5" not 4 (but "4.0" is), "-3" not 3, a range
    is not a score, and "4/5" is 4 of 5 but "3/10" is nothing on a scale to 5."""
    forms = re.findall(rf"\b{re.escape(title)}\b[^\n:]{{0,20}}:([^\n]*)", reply, flags=re.IGNORECASE)
    text = forms[-1] if forms else reply.strip()
    text = re.sub(rf"^\W*{low}\s*(?:-|–|to)\s*{high}\)?\s*[:=]?(?=\W*\d)", "", text)
    match = re.match(
        r"[^\w-]{0,4}(?P<score>\d{1,3})(?:[.,]0+(?!\d))?(?![\w½¼¾]|[.,]\d|\s*(?:-|–|to\b)\s*\d)(?:\s*/\s*(?P<of>\d+))?",
        text,
    )
    if match is None or (match["of"] is not None and int(match["of"]) != high):
        return None
    return int(match["score"]) if low <= int(match["score"]) <= high else None


def expected_score(logprobs: Mapping[str, float], low: int, high: int) -> tuple[float | None, float]:
    """(mean score under the judge's next-token probabilities, probability mass on the scores).

    `logprobs` are natural logs over the whole vocabulary, by text; the surface forms "4" and " 4" of a score are added
    up. None when no score has any probability. This is the limit of infinitely many repeats of a one-token form."""
    mass = dict.fromkeys(range(low, high + 1), 0.0)
    for text, logprob in logprobs.items():
        if text.strip().isdigit() and int(text) in mass:
            mass[int(text)] += math.exp(logprob)
    total = math.fsum(mass.values())
    if total == 0.0:
        return None, 0.0
    return math.fsum(score * probability for score, probability in mass.items()) / total, total


def neutralise(text: str, titles: Sequence[str]) -> str:
    """Untrusted text in which nothing can pass for the prompt's frame or the form: angle brackets become ‹ ›, and the
    colons or equal signs after a criterion's title or the words score, rating or form become a dash, on the same line
    however far and on the next."""
    text = text.replace("<", "‹").replace(">", "›")
    words = [re.escape(title) for title in (*titles, "score", "rating", "evaluation form")]
    alternatives = [re.compile(word, re.IGNORECASE) for word in words]
    some_word = re.compile("|".join(words), re.IGNORECASE)
    ends = _line_ends(text)
    positions = [position for position, _ in ends]
    parts: list[str] = []
    done = start = 0
    while start <= len(text) and (found := some_word.search(text, start)) is not None:
        start = found.start() + 1
        for word in alternatives:
            match = word.match(text, found.start())
            end, has_colon = ends[bisect_left(positions, match.end())] if match else (0, False)
            if has_colon and (colons := _COLONS.match(text, end)) is not None:
                parts += [text[done:end], " -"]
                done = start = colons.end()
                break
    return "".join([*parts, text[done:]])


_COLONS = re.compile(r"(?:\s*[:=：＝])+")


def _line_ends(text: str) -> list[tuple[int, bool]]:
    """Where a line or the text ends or a colon stands, and whether a colon follows there, behind white space or at
    once. One expression for both, the word and what follows, would read the rest of a line again for every word."""
    ends: list[tuple[int, bool]] = []
    for match in re.finditer(r"[:=：＝]|\s+", text):
        if not match[0].isspace():
            ends.append((match.start(), True))
            continue
        has_colon = text[match.end() : match.end() + 1] in (":", "=", "：", "＝")
        ends += [(match.start() + n, has_colon) for n, letter in enumerate(match[0]) if letter == "\n"]
    return [*ends, (len(text), False)]


class GEvalJudge:
    """`adapter` is the judge's model; `expected_score` needs one that is an `OptionScorer` too."""

    def __init__(self, name: str, settings: GEvalSettings, adapter: ModelAdapter) -> None:
        if settings.scoring == "expected_score" and not isinstance(adapter, OptionScorer):
            raise HarnessError(
                f"judge {name}: scoring expected_score needs log-probabilities, which {adapter.name} does not give; "
                "use scoring: sample_mean"
            )
        self.name = name
        self.repeats = settings.repeats
        self.max_unscored = settings.max_unscored
        self._settings, self._adapter = settings, adapter
        self._criteria = {criterion.name: criterion for criterion in settings.criteria}
        self._shown: dict[tuple[str, str], int] = {}
        """Characters shown of answers that had to be truncated for the window, by answer and criterion."""

    @property
    def criteria(self) -> tuple[str, ...]:
        return tuple(self._criteria)

    @property
    def scale(self) -> tuple[int, int]:
        return self._settings.low, self._settings.high

    @property
    def asks_model(self) -> bool:
        return True

    @property
    def sees_passages(self) -> bool:
        return self._settings.sees_passages

    @property
    def identity(self) -> Identity:
        settings = self._settings
        texts = [
            [c.name, c.title, c.definition, {str(score): text for score, text in c.levels.items()}, list(c.steps)]
            for c in settings.criteria
        ]
        return {
            "kind": "geval",
            "version": VERSION,
            "model": self._adapter.answer_identity,
            "text": digest_of([settings.system, settings.prompt, settings.form, texts]),
            "scoring": settings.scoring,
            "scale": [settings.low, settings.high],
            "decoding": [settings.decoding.max_gen_toks, settings.decoding.temperature, settings.decoding.top_p],
            "until": list(settings.decoding.until),
            "max_answer_chars": settings.max_answer_chars,
        }

    @property
    def window(self) -> int:
        return self._adapter.window

    @property
    def window_setting(self) -> Identity:
        without = self._adapter.answer_identity
        return {key: value for key, value in self._adapter.identity.items() if without.get(key) != value}

    @property
    def usage(self) -> Usage:
        return self._adapter.usage

    def depends_on(self, item: JudgeItem) -> Identity:
        seen: dict[str, object] = {"question": item.question.text, "answer": item.answer}
        if self._settings.sees_reference:
            seen["reference"] = item.reference
            if item.other_references:
                seen["other_references"] = list(item.other_references)
        if self._settings.sees_passages:
            seen["passages"] = [asdict(passage) for passage in item.passages]
        return seen

    # ---- asking -----------------------------------------------------------------------------------------------------

    def prompt_of(self, item: JudgeItem, longest: int | None = None) -> str:
        """The final prompt for one item; the same for all its repeats. `longest` characters of the answer are shown,
        default: the entry's `max_answer_chars`."""
        settings, criterion = self._settings, self._criteria[item.criterion]
        titles = [each.title for each in settings.criteria]
        longest = settings.max_answer_chars if longest is None else longest
        answer = item.answer
        if len(answer) > longest:
            answer = answer[:longest] + TRUNCATION_NOTE
        scale = {"low": settings.low, "high": settings.high}
        user = render(
            settings.prompt,
            question=item.question.text,
            reference=item.reference if settings.sees_reference else "",
            other_references=item.other_references if settings.sees_reference else (),
            passages=[
                replace(passage, title=neutralise(passage.title, titles), text=neutralise(passage.text, titles))
                for passage in (item.passages if settings.sees_passages else ())
            ],
            answer=neutralise(answer, titles),
            criterion=criterion,
            scale=scale,
        )
        system = [Message("system", settings.system)] if settings.system else []
        form = render(settings.form, criterion=criterion, scale=scale)
        return self._adapter.format_prompt([*system, Message("user", user)], reply_prefix=form)

    def _requests(self, items: Sequence[JudgeItem]) -> list[Request]:
        """A request for each item. Repeats have the same prompt: it is rendered and counted once."""

        def shared(item: JudgeItem) -> tuple[object, ...]:
            return item.question.id, item.question.text, item.references, item.answer, item.passages, item.criterion

        one_each = {shared(item): item for item in items}
        prompts = [self.prompt_of(item) for item in one_each.values()]
        lengths = self._adapter.count_tokens(prompts)
        for number, item in enumerate(one_each.values()):
            if lengths[number] > self._token_budget:
                prompts[number], lengths[number] = self._truncated_to_fit(item, prompts[number], lengths[number])
        prompt_by_item = dict(zip(one_each, zip(prompts, lengths, strict=True), strict=True))
        return [
            Request(item.key, *prompt_by_item[shared(item)], self._settings.decoding, seed_of(item.key))
            for item in items
        ]

    @property
    def _token_budget(self) -> int:
        return self._adapter.window - self._settings.decoding.max_gen_toks

    def _truncated_to_fit(self, item: JudgeItem, prompt: str, length: int) -> tuple[str, int]:
        """The prompt with so much of the answer, halved and halved again, as fits the window, and its length; as it was
        where not even a tenth of the answer fits."""
        answer_chars = min(len(item.answer), self._settings.max_answer_chars)
        for part in (answer_chars // 2, answer_chars // 4, answer_chars // 8):
            shorter = self.prompt_of(item, part)
            (tokens,) = self._adapter.count_tokens([shorter])
            if tokens <= self._token_budget:
                self._shown[item.answer, item.criterion] = part
                return shorter, tokens
        return prompt, length

    def batch_size(self, items: Sequence[JudgeItem]) -> int | None:
        """As many requests as the model takes at once, whole sets of repeats, which share their prompt; None where it
        takes any number."""
        if self._adapter.streams:
            return None
        one_each = {(item.question.text, item.answer, item.criterion): item for item in items}
        longest = sorted(
            one_each.values(), key=lambda item: len(item.answer) + sum(map(len, item.references)), reverse=True
        )
        requests = [each for each in self._requests(longest[:64]) for _ in range(self.repeats)]
        size = self._adapter.batch_size(requests)
        return max(1, size // self.repeats) * self.repeats

    def judge(self, items: Sequence[JudgeItem]) -> Iterator[Score | Failure]:
        empty = [item for item in items if not item.answer.strip()]
        for item in empty:  # scored by rule: there is nothing in it that a judge could read
            yield Score(
                item.key, item.criterion, item.repeat, float(self._settings.low), "empty answer: lowest score by rule"
            )
        to_score = [item for item in items if item.answer.strip()]
        pairs: list[tuple[JudgeItem, Request]] = []
        for item, request in zip(to_score, self._requests(to_score), strict=True):
            if request.prompt_tokens <= self._token_budget:
                pairs.append((item, request))
            else:
                yield Score(item.key, item.criterion, item.repeat, None, UNFIT, window=self.window)
        if pairs:
            by_expectation = self._settings.scoring == "expected_score"
            yield from self._by_expectation(pairs) if by_expectation else self._by_reply(pairs)

    def _by_reply(self, pairs: Sequence[tuple[JudgeItem, Request]]) -> Iterator[Score | Failure]:
        settings = self._settings
        item_by_key = {item.key: item for item, _ in pairs}
        for answer in self._adapter.generate([request for _, request in pairs]):
            if isinstance(answer, Failure):
                yield answer
                continue
            item = item_by_key[answer.key]
            criterion = self._criteria[item.criterion]
            value = score_in(answer.text, criterion.title, settings.low, settings.high)
            missing = f"no score from {settings.low} to {settings.high} in the reply"
            reason = missing if value is None else self._remark(item)
            scored, window = None if value is None else float(value), self._decisive_window(item)
            yield Score(item.key, item.criterion, item.repeat, scored, reason, answer.text, window)

    def _by_expectation(self, pairs: Sequence[tuple[JudgeItem, Request]]) -> Iterator[Score | Failure]:
        settings, scorer = self._settings, self._adapter
        if not isinstance(scorer, OptionScorer):
            raise TypeError("an OptionScorer is required; the constructor refuses any other model")
        options = tuple(f"{space}{score}" for score in range(settings.low, settings.high + 1) for space in ("", " "))
        requests = [OptionRequest(request.key, request.prompt, options) for _, request in pairs]
        item_by_key = {item.key: item for item, _ in pairs}
        for scored in scorer.score_options(requests):
            if isinstance(scored, Failure):
                yield scored
                continue
            item = item_by_key[scored.key]
            score, mass = expected_score(scored.logprobs, settings.low, settings.high)
            reply, window = f"mass {mass:.4f}", self._decisive_window(item)
            if score is None or mass < _LEAST_MASS:
                reason = f"probability {mass:.4f} on the scores, under {_LEAST_MASS}"
                yield Score(item.key, item.criterion, item.repeat, None, reason, reply, window)
            else:
                yield Score(item.key, item.criterion, item.repeat, score, self._remark(item), reply, window)

    def _decisive_window(self, item: JudgeItem) -> int | None:
        """The window, where the answer had to be truncated for it."""
        return self.window if (item.answer, item.criterion) in self._shown else None

    def _remark(self, item: JudgeItem) -> str:
        """What a reader should know of an item that was scored all the same."""
        longest = self._shown.get((item.answer, item.criterion), self._settings.max_answer_chars)
        return f"the answer was truncated at {longest} characters" if len(item.answer) > longest else ""

    def prepare(self) -> None:
        self._adapter.prepare()

    def close(self) -> None:
        self._adapter.close()
