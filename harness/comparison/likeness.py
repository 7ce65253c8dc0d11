"""Like with like: which runs may stand in one table.

Two runs are alike when they share the task and its version, the data, prompts, decoding, retrieval, and the judge with
its repeats. What may differ is what a comparison is about: the model, its LoRA checkpoint, how that was trained, and
the arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.comparison.stored import Setting, StoredRun
from harness.digests import short

__all__ = ["Unlike", "alike", "tables", "unlike"]


class Unlike(NamedTuple):
    """A setting that two runs do not share."""

    name: str
    value: Setting
    other: Setting

    @property
    def text(self) -> str:
        """`decoding.max_gen_toks is 2 and 64`."""
        return f"{self.name} is {_shown(self.value)} and {_shown(self.other)}"


def _shown(value: Setting) -> str:
    return "not recorded" if value is None else str(value)


def unlike(run: StoredRun, other: StoredRun) -> list[Unlike]:
    """What keeps two runs apart, the judge last; nothing for runs that are alike. The digest of the retriever counts
    between runs of one arm alone."""
    named: list[tuple[str, Setting, Setting]] = [
        ("task", run.task, other.task),
        ("task version", run.task_version, other.task_version),
    ]
    named += [
        (name, run.settings.get(name), other.settings.get(name))
        for name in dict.fromkeys([*run.settings, *other.settings])
        if name != "retriever" or run.arm == other.arm
    ]
    named += [
        ("judge", run.judge, other.judge),
        ("judge's identity", short(run.judge_id), short(other.judge_id)),
        ("judge's repeats", run.judge_repeats, other.judge_repeats),
    ]
    found = [Unlike(*each) for each in named if each[1] != each[2]]
    # what follows from another difference is not one of its own
    names = {each.name for each in found}
    follows = {"retriever"} if any(name.startswith(("retrieval", "source")) for name in names) else set()
    follows |= {"judge's identity"} if "judge" in names else set()
    follows |= {"decoding.top_p", "decoding.seed"} if "decoding.temperature" in names else set()
    return [each for each in found if each.name not in follows]


def alike(runs: Sequence[StoredRun]) -> bool:
    """Whether all of them are."""
    return all(not unlike(runs[0], run) for run in runs[1:])


def tables(runs: Sequence[StoredRun]) -> list[list[StoredRun]]:
    """The runs of one task parted into tables: alike, and over the same items. The largest first, and of two tables
    over as many items the one with more runs. Of several runs of one model and arm in a table, the newest is shown."""
    groups: list[list[StoredRun]] = []
    for run in sorted(runs, key=lambda run: (run.date, run.run_id)):
        group = next((g for g in groups if all(_in_one_table(run, member) for member in g)), None)
        if group is None:
            groups.append([run])
        else:
            group[:] = [each for each in group if (each.model_id, each.arm) != (run.model_id, run.arm)] + [run]
    return sorted(groups, key=lambda group: (-len(group[0].items), -len(group), group[0].run_id))


def _in_one_table(run: StoredRun, other: StoredRun) -> bool:
    return run.item_set == other.item_set and not unlike(run, other)
