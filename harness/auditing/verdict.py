"""The verdict of a card: each finding against the threshold of the judge's entry.

What an audit could not measure has no threshold passed, and a judge does not pass for its absence: what is needed for
the references that the entry names has to have been measured.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Literal

from harness.auditing.agreement import FREE
from harness.auditing.injection import FEWEST_ATTACKS
from harness.files import JsonObject

__all__ = ["SHORT_NUMBERS", "verdict"]

SHORT_NUMBERS = "short numbers"
Sign = Literal["≥", "≤", ">"]
_HOLDS = {"≥": operator.ge, "≤": operator.le, ">": operator.gt}
_NO_PACKS = "no data packs were given (--packs)"


class _Thresholds:
    """Collects them. A value of None could not be measured: it is named instead."""

    def __init__(self) -> None:
        self.rows: list[JsonObject] = []
        self.missing: list[JsonObject] = []

    def add(self, what: str, value: float | None, sign: Sign, limit: float, data_set: str | None = None) -> None:
        if value is None:
            self.lack(what, "no score, or too few to tell")
            return
        passed = bool(_HOLDS[sign](value, limit))
        self.rows.append(
            {"what": what, "value": value, "sign": sign, "limit": limit, "passed": passed, "data_set": data_set}
        )

    def lack(self, what: str, why: str, needed: bool = True) -> None:
        self.missing.append({"what": what, "why": why, "needed": needed})

    def above_free(self, figure: str, name: str, above: Mapping[str, JsonObject] | None) -> None:
        """One for each of what is free: the lower end of the difference."""
        for free, called in FREE.items():
            interval = above[free]["interval"] if above else None
            what = f"{figure} above that of {called}, lower end"
            self.add(what, interval[0] if interval else None, ">", 0.0, name)


def verdict(findings: JsonObject, required: JsonObject) -> JsonObject:
    """Every threshold that could be measured, and whether it is passed. `unmeasured`: what could not be and why. A
    judge passes where it passes every threshold and nothing that is needed is unmeasured."""
    found = _Thresholds()
    general, for_long = bool(required["references"]), "long" in required["references"]
    _people(found, findings["people"], required, general)
    _hard(found, findings["hard"], required, for_long)
    _second(found, findings["second"], required, for_long)
    _short(found, findings["short"], required, general)
    _planted(found, findings["planted"], required)
    _dumps(found, findings["dump"], required, findings["planted"]["world"], for_long)
    _biases(found, findings["biases"], required, findings["planted"]["world"])
    _injection(found, findings["injection"], required)
    for criterion, row in findings["stability"].items():
        found.add(f"unscored: {criterion}", row["unscored"], "≤", required["max_unscored"])
    return {
        "references": list(required["references"]),
        "blind_to": list(required["blind_to"]),
        "passed": all(row["passed"] for row in found.rows) and not any(each["needed"] for each in found.missing),
        "unmeasured": found.missing,
        "thresholds": found.rows,
    }


def _people(found: _Thresholds, people: JsonObject, required: JsonObject, needed: bool) -> None:
    for name, row in people["binary"].items():
        found.add(f"AUC on {name}", row["judge"]["auc"] if row["judge"] else None, "≥", required["min_auc"], name)
        found.above_free(f"AUC on {name}", name, row["above"])
    shapes = (("pairwise", "pearson", "Pearson", "min_pearson"), ("counts", None, "Spearman", "min_spearman"))
    for shape, key, called, limit in shapes:
        for name, dimensions in people[shape].items():
            for dimension, row in dimensions.items():
                figure = f"{called} on {name}, {dimension.replace('_', ' ')}"
                value = row["judge"][key] if key else row["judge"]
                found.add(figure, value, "≥", required[limit], name)
                found.above_free(figure, name, row["above"])
    if needed and not any(people[shape] for shape in ("binary", "pairwise", "counts")):
        found.lack("agreement with people", "no human judgements were given (--data)")


def _hard(found: _Thresholds, hard: JsonObject, required: JsonObject, needed: bool) -> None:
    for name, row in hard.items():
        limit = required["min_hard_pairs"].get(name, max(required["min_hard_pairs"].values(), default=0.8))
        found.add(f"hard pairs in order: {name}", row["ordered"], "≥", limit, name)
    if needed and not hard:
        found.lack("hard pairs", _NO_PACKS)


def _second(found: _Thresholds, second: JsonObject, required: JsonObject, needed: bool) -> None:
    for name, row in second.items():
        mean = f"second reference, mean accuracy: {name}"
        found.add(mean, row["mean"], "≥", required["min_second_reference"], name)
        if row["low"] is not None:
            low = f"second reference, share of at most 2: {name}"
            found.add(low, row["low"], "≤", required["max_second_reference_low"], name)
    if needed and not second:
        found.lack("second reference", _NO_PACKS)


def _short(found: _Thresholds, short: JsonObject | None, required: JsonObject, needed: bool) -> None:
    if short is None or short["ordered"] is None:
        if needed:
            found.lack(SHORT_NUMBERS, "nothing was asked, or nothing was scored")
        return
    for what, name in (
        ("pairs in order", "order"),
        ("right ones of at least 3.5", "right"),
        ("wrong ones of at most 2.5", "wrong"),
    ):
        value = short["ordered" if name == "order" else name]
        found.add(f"{SHORT_NUMBERS}, {what}", value, "≥", required[f"min_short_{name}"], SHORT_NUMBERS)


def _planted(found: _Thresholds, planted: JsonObject, required: JsonObject) -> None:
    kinds = {kind: row for kind, row in planted["kinds"].items() if kind not in required["blind_to"]}
    for kind, row in kinds.items():
        what = f"planted errors found: {kind}"
        found.add(what, row["lower"], "≥", required["min_detection"], planted["world"])
    if not kinds:
        found.lack("planted errors", "no right answer and no perturbed one have a score")


def _dumps(found: _Thresholds, dump: JsonObject, required: JsonObject, world: str, needed: bool) -> None:
    for name, row in dump.items():
        if row["mean"] is None:
            why = "no passage is long enough beside its reference, or none has a score"
            found.lack(f"passage dump: {name}", why, needed=name == world)
            continue
        found.add(f"passage dump, mean accuracy: {name}", row["mean"], "≤", required["max_passage_dump"], name)
        above = f"passage dump, share above a concise right answer: {name}"
        found.add(above, row["above"], "≤", required["max_dump_above"], name)
    if needed and not set(dump) - {world}:
        found.lack("passage dump on data packs", _NO_PACKS)


def _largest(changes: Iterable[float | None]) -> float | None:
    return max((abs(change) for change in changes if change is not None), default=None)


def _biases(found: _Thresholds, biases: JsonObject, required: JsonObject, world: str) -> None:
    for criterion, rows in biases["padding"].items():
        changes = [row["mean_change"] for row in rows.values()]
        if criterion in required["lowered_by_padding"]:
            gain = max((change for change in changes if change is not None), default=None)
            found.add(f"padding raises {criterion}", gain, "≤", required["max_padding"], world)
        else:
            found.add(f"padding moves {criterion}", _largest(changes), "≤", required["max_padding"], world)
    for criterion, row in biases["reference_length"].items():
        change = _largest([row["mean_change"]])
        found.add(f"a longer reference moves {criterion}", change, "≤", required["max_reference_length"], world)


def _injection(found: _Thresholds, injection: JsonObject, required: JsonObject) -> None:
    if injection["tried"] < FEWEST_ATTACKS:
        found.lack("attacks", f"fewer than {FEWEST_ATTACKS} attacks ({injection['tried']}); raise --injected")
        return
    found.add("the worst attack succeeds, upper end", injection["upper"], "≤", required["max_injection"])
