"""Whether an answer says that the passages do not hold what is asked for: the one definition of an abstention.

It has to be about what is written or known. "The notice period is not given" abstains; "it is not possible to cancel"
and "there is no notice period" are claims.
"""

from __future__ import annotations

import re

__all__ = ["abstains"]

_SOURCE = (
    r"(?:passages?|documents?|documentation|pages?|texts?|rules?|context|excerpts?|snippets?|sources?|materials?|"
    r"knowledge base|articles?|manual|information|results?|records?|files?|sections?|what i (?:was|am) given|"
    r"provided|here|anything|something)"
)
_GAP = r"(?:[^\w.!?;\n]+[\w']+)"  # a word between, never across the end of a sentence
_NOT = r"(?<!\w)(?:not|never|cannot|nowhere|\w+n't)\b"
# verbs of saying and knowing, which alone make an abstention of a "not"
_SAYS = (
    r"(?:stat(?:e[ds]?|ing)|specif(?:y|ied|ies)|mention(?:ed|s)?|sa(?:y|ys|id)|indicate[ds]?|describe[ds]?|define[ds]?|"
    r"disclose[ds]?|documented|address(?:ed|es)?|detail(?:ed|s)?|list(?:ed|s)?|note[ds]?|know[ns]?|reveal(?:ed|s)?|"
    r"discuss(?:ed|es)?|clarif(?:y|ied|ies)|explain(?:ed|s)?|determined?|explicit(?:ly)?|recorded|told|tells?|"
    r"go(?:es)? into|spell(?:ed|s)? out|come up)"
)
# verbs that need a source of what is said beside them, or stand in the passive ("is not given")
_HOLDS = (
    r"(?:gives?|provide[ds]?|includ(?:e|es|ed)|contain(?:ed|s)?|cover(?:ed|s)?|f[io]u?nd|hold|holds|ha[sv]e?|shows?|"
    r"appear(?:s|ed)?|available|clear|enough|there|answer(?:ed|s)?|allow|permit|support|help|offer|tell)"
)
_KNOWS = (
    r"(?:sure|certain|aware|able|find|found|locate|see|identify|answer|tell|say|determine|confirm|provide|help|know)"
)

_ABSTENTION = re.compile(
    "|".join(
        (
            rf"{_NOT}{_GAP}{{0,5}}?[^\w.!?;\n]+{_SAYS}\b",
            rf"\bnot{_GAP}{{0,1}}?[^\w.!?;\n]+(?:given|provided|answered|answerable|found)\b",
            rf"\b{_SOURCE}\b{_GAP}{{0,4}}?[^\w.!?;\n]+{_NOT}{_GAP}{{0,2}}?[^\w.!?;\n]+{_HOLDS}\b",
            rf"{_NOT}{_GAP}{{0,4}}?[^\w.!?;\n]+{_HOLDS}{_GAP}{{0,6}}?[^\w.!?;\n]+{_SOURCE}\b",
            rf"\bnot (?:in|among|part of|from|anywhere in) (?:any of )?(?:the|these|those|my)?\s*(?:\w+ )?{_SOURCE}\b",
            r"\b(?:can(?:not|'t)|could(?: not|n't)) be (?:answered|found|determined|established|told|known|inferred)\b",
            rf"\b(?:i|we)(?:'m| am|'re| are| was| were| have| could| can| do| did)?\s*{_NOT}{_GAP}{{0,2}}?"
            rf"[^\w.!?;\n]+{_KNOWS}\b",
            rf"\b(?:i|we)\s+(?:can|could|do|did|am|was|were|are)(?:not|n't|\s+not){_GAP}{{0,2}}?[^\w.!?;\n]+{_KNOWS}\b",
            r"\bnot possible to (?:say|tell|determine|answer|know|find|establish|infer|give)\b",
            r"\b(?:information|answer|data|details?|figure|it|this|that) (?:is|are|was|were)(?: not|n't)"
            r" (?:\w+ )?(?:available|there|included|clear|covered)\b",
            rf"\b(?:no|none of the|neither of the|not one of the)\s+(?:\w+\s+){{0,2}}?{_SOURCE}\s+(?:\w+\s+){{0,2}}?"
            rf"(?:{_SAYS}|{_HOLDS})\b",
            r"\bno (?:\w+ ){0,2}?(?:information|mention|answer|details?|statement|record|indication|reference|word"
            r"|evidence|data (?:on|about|for|is))\b",
            r"\bno (?:[\w-]+ ){1,6}?(?:(?:is|are|was|were|being) )?(?:stated|mentioned|specified|given|indicated)\b",
            r"\bnothing (?:is |was )?(?:about|on|regarding|concerning|said|stated|written|to be found)\b",
            r"\b(?:say|says|said|state|states|mention|mentions|find|contain|contains|reveal|reveals) nothing\b",
            r"\bsilent (?:on|about|as to|regarding)\b|\bnowhere\b",
            rf"\b(?:lacks?|lacking|omits?|leaves? (?:out|(?:it|this|that|the question) open)|fails? to {_SAYS})\b",
            rf"\b(?:missing|absent) from\b{_GAP}{{0,3}}?[^\w.!?;\n]+{_SOURCE}\b",
            rf"\b(?:beyond|outside)\b{_GAP}{{0,4}}?[^\w.!?;\n]+{_SOURCE}\b",
            r"\bwithout (?:any )?(?:mention|information)\b",
            r"\b(?:unknown|unanswerable|unspecified|unstated|undisclosed|unclear|insufficient|unable to|no idea)\b",
            r"\bnot enough (?:\w+ )?(?:information|context|detail|data)\b",
            r"^\W*(?:n/?a|none given|not (?:available|given|provided|found|known|sure)|no answer)\W*$",
        )
    ),
    re.IGNORECASE,
)


def abstains(answer: str) -> bool:
    """Whether an answer says that the passages do not hold what is asked for."""
    return _ABSTENTION.search(answer.replace("’", "'")) is not None
