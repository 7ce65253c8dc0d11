"""Words of a text and what is known of each by rule: its stem, code, name or denial, and its contraries.

The tables of contraries serve twice: errors are planted by them (`auditing/planting.py`) and seen by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from harness.judging import signals

__all__ = [
    "CONTRARIES",
    "CONTRARY_PAIRS",
    "DENIAL",
    "QUANTIFIER_PAIRS",
    "STOP_WORDS",
    "has_capitals",
    "has_contrary",
    "has_digit",
    "stem",
    "words",
]

WORD = re.compile(r"[^\W_]+(?:[-.,'/][^\W_]+)*")
DENIAL = re.compile(
    r"\b(?:no|not|never|none|neither|nor|cannot|without|lack|lacks|lacking|absent|absence|fail|fails|failed|unable"
    r"|hardly|rarely)\b|n't\b",
    re.IGNORECASE,
)
STOP_WORDS = signals.STOP_WORDS | frozenset((
    "not", "no", "yes", "also", "can", "may", "such", "have", "been", "will", "their", "they", "we", "our", "via",
    "while", "but", "both", "other", "about", "so", "if", "more", "most", "some", "any", "all", "only", "use", "used",
    "using", "based",
))  # fmt: skip
_ENDINGS = (
    "ations", "ation", "ities", "ity", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "s", "ly", "al", "ic",
)  # fmt: skip
_LEAST_STEM = 4

CONTRARY_PAIRS = (
    ("increase", "decrease"), ("increases", "decreases"), ("increased", "decreased"), ("increasing", "decreasing"),
    ("higher", "lower"), ("highest", "lowest"), ("high", "low"), ("more", "less"), ("larger", "smaller"),
    ("large", "small"), ("longer", "shorter"), ("long", "short"), ("before", "after"), ("early", "late"),
    ("upregulated", "downregulated"), ("upregulates", "downregulates"), ("upregulation", "downregulation"),
    ("up-regulated", "down-regulated"), ("overexpression", "loss"), ("activates", "inhibits"), ("active", "inactive"),
    ("activation", "inhibition"), ("activated", "inhibited"), ("activator", "inhibitor"), ("activate", "inhibit"),
    ("agonist", "antagonist"), ("agonists", "antagonists"), ("gain", "loss"), ("induces", "suppresses"),
    ("induced", "suppressed"), ("induce", "suppress"), ("promotes", "prevents"), ("promote", "prevent"),
    ("causes", "prevents"), ("caused", "prevented"), ("cause", "prevent"), ("enhances", "impairs"),
    ("enhanced", "impaired"), ("enhance", "impair"), ("improves", "worsens"), ("improved", "worsened"),
    ("improve", "worsen"), ("effective", "ineffective"), ("efficient", "inefficient"), ("safe", "unsafe"),
    ("positive", "negative"), ("positively", "negatively"), ("benign", "malignant"), ("dominant", "recessive"),
    ("acute", "chronic"), ("maternal", "paternal"), ("male", "female"), ("men", "women"), ("adults", "children"),
    ("first", "last"), ("primary", "secondary"), ("upstream", "downstream"), ("internal", "external"),
    ("intracellular", "extracellular"), ("soluble", "insoluble"), ("proximal", "distal"), ("anterior", "posterior"),
    ("reduces", "raises"), ("reduced", "raised"), ("reduce", "raise"), ("treatment", "diagnosis"),
    ("treat", "cause"), ("selective", "unselective"), ("reversible", "irreversible"), ("stable", "unstable"),
    ("supervised", "unsupervised"), ("outperforms", "falls short of"), ("outperform", "fall short of"),
    ("encoder", "decoder"), ("source", "target"), ("training", "test"), ("precision", "recall"),
    ("manually", "automatically"), ("manual", "automatic"), ("extractive", "abstractive"), ("monolingual",
    "multilingual"), ("better", "worse"), ("best", "worst"), ("strong", "weak"), ("same", "different"),
    ("similar", "unlike"), ("with", "without"), ("including", "excluding"), ("presence", "absence"),
    ("present", "absent"), ("sensitive", "resistant"), ("sensitivity", "resistance"), ("necessary", "unnecessary"),
    ("possible", "impossible"), ("known", "unknown"), ("significant", "insignificant"), ("single", "multiple"),
    ("north", "south"), ("east", "west"), ("won", "lost"), ("wins", "loses"), ("old", "new"), ("left", "right"),
    ("local", "global"), ("public", "private"), ("simple", "complex"), ("rich", "poor"), ("open", "closed"),
    ("input", "output"), ("word-level", "character-level"), ("parallel", "sequential"), ("static", "dynamic"),
)  # fmt: skip
QUANTIFIER_PAIRS = (
    ("all", "some"), ("every", "hardly any"), ("most", "few"), ("many", "few"), ("several", "no"), ("always", "rarely"),
    ("often", "rarely"), ("usually", "rarely"), ("frequently", "seldom"), ("commonly", "rarely"), ("never", "always"),
    ("both", "neither of the"), ("only", "not only"), ("majority", "minority"), ("common", "rare"),
    ("frequent", "infrequent"), ("mainly", "hardly"), ("mostly", "hardly"), ("any", "no"), ("none", "all"),
    ("exclusively", "rarely"), ("some", "all"), ("widely", "hardly"), ("completely", "partly"), ("each", "only one"),
)  # fmt: skip


def _contraries() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for left, right in (*CONTRARY_PAIRS, *QUANTIFIER_PAIRS):
        table.setdefault(left, set()).add(right)
        table.setdefault(right, set()).add(left)
    return {word: frozenset(others) for word, others in table.items()}


CONTRARIES: Mapping[str, frozenset[str]] = _contraries()


def words(text: str, most: int = 200) -> list[str]:
    """The first `most` words as they are written; "R132H", "10.5" and "up-regulated" are one word each."""
    return [match[0] for match in WORD.finditer(text)][:most]


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Lower case, number words as digits, thousands without commas, common English endings cut off."""
    word = word.lower()
    if word[:1].isdigit():
        return word.replace(",", "")
    word = signals.NUMBER_WORDS.get(word, word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            return word[: -len(ending)]
    return word


def has_digit(word: str) -> bool:
    """Numbers and codes: 14, IDH1, v2."""
    return any(char.isdigit() for char in stem(word))


def has_capitals(word: str) -> bool:
    """Names that are written with a capital behind the first letter: BLEU, wFST."""
    return any(char.isupper() for char in word[1:])


def has_contrary(word: str, others: frozenset[str]) -> bool:
    """Whether a contrary of the word is among `others`, in lower case."""
    return bool(CONTRARIES.get(word.lower(), frozenset()) & others)
