"""Finds entries by name. The folder is the registry: `tasks/telecom.yaml` holds the task `telecom`.

Looks in the user's `--include_path` folders first, then in the shipped catalogue. A file whose name begins with `_`
is not an entry but a part that others include. Wherever a name is taken, a path to a YAML file or the entry's values
are taken too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

import harness
from harness.entries.checking import GROUP, JUDGE, LEADERBOARD, MODEL, TASK, Entry, check
from harness.entries.checkpoints import checkpoint_parts, trained_models
from harness.entries.claims import claim_problems, paper_problems
from harness.entries.judge import (
    AlignmentJudgeEntry,
    CalibratedJudgeEntry,
    FactsJudgeEntry,
    GEvalJudgeEntry,
    JudgeEntry,
    PanelJudgeEntry,
    ResolvedJudge,
    ScriptedJudgeEntry,
)
from harness.entries.leaderboard import LeaderboardEntry
from harness.entries.model import (
    ModelEntry,
    ResolvedModel,
    TransformersModelEntry,
)
from harness.entries.task import GroupEntry, TaskEntry
from harness.entries.yaml import read_entry, where
from harness.errors import EntryError, HarnessError, UnknownEntry, UsageError

__all__ = [
    "FOLDERS",
    "Catalog",
    "Reference",
    "shipped_catalog",
]

FOLDERS = {"task": "tasks", "group": "tasks", "model": "models", "judge": "judges", "leaderboard": "leaderboards"}
_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "task": TASK,
    "group": GROUP,
    "model": MODEL,
    "judge": JUDGE,
    "leaderboard": LEADERBOARD,
}

Reference = str | Path | Mapping[str, object]
"""An entry by name, by the path of a YAML file (a `Path`, or text that ends in .yaml), or by its values."""

T = TypeVar("T")


def shipped_catalog() -> Path:
    """The folder that holds `tasks/`, `models/`, `judges/` and `leaderboards/`: the wheel's copy, else the checkout's.

    From `harness.__file__`, since a search of site-packages finds a stale copy in editable installs."""
    package = Path(harness.__file__).resolve().parent
    copied = package / "_catalog"
    return copied if copied.is_dir() else package.parent


def is_path(reference: Reference) -> bool:
    """Whether an entry is given by its file."""
    return isinstance(reference, Path) or (isinstance(reference, str) and reference.endswith((".yaml", ".yml")))


class Catalog:
    """The entries of some folders; the first folder that has a name wins."""

    def __init__(self, include_paths: Sequence[Path] = ()) -> None:
        for path in include_paths:
            if not any((path / folder).is_dir() for folder in FOLDERS.values()):
                raise UsageError(f"--include_path {path}: holds none of {', '.join(sorted(set(FOLDERS.values())))}/")
        self.roots = (*include_paths, shipped_catalog())

    # ---- files ------------------------------------------------------------------------------------------------------

    def files(self, folder: str) -> dict[str, Path]:
        """Entry name to file, over all roots; sorted by name."""
        paths: dict[str, Path] = {}
        for root in self.roots:
            for path in sorted((root / folder).glob("*.yaml")):
                if not path.name.startswith("_"):
                    paths.setdefault(path.stem, path)
        return dict(sorted(paths.items()))

    def _load(self, kind: TypeAdapter[T], key: str, path: Path) -> T:
        values = read_entry(path)
        entry = check(kind, values, where(path))
        if (name := values[key]) != path.stem:
            raise EntryError(f"{where(path)}: {key}: is {name!r}; it must be the file's name, {path.stem!r}")
        return entry

    def _get(self, kind: TypeAdapter[T], key: str, reference: Reference) -> T:
        if isinstance(reference, Mapping):
            return check(kind, reference, f"{key} {reference.get(key, 'without a name')}")
        if not isinstance(reference, str | Path):
            raise UsageError(f"{key} {reference!r}: give a name, the path of a YAML file or a dictionary")
        if is_path(reference):
            path = Path(reference)
            if not path.is_file():
                raise UnknownEntry(f"{path}: there is no such file; name a {key} entry or the path of one")
            return check(kind, read_entry(path), where(path))
        return self._load(kind, key, self.path_of(key, str(reference)))

    # ---- entries ----------------------------------------------------------------------------------------------------

    def path_of(self, kind: str, name: str) -> Path:
        """The file of an entry. Raises `UnknownEntry`."""
        files = self.files(FOLDERS[kind])
        if name not in files:
            raise UnknownEntry.of(kind, name, files)
        return files[name]

    def _folder_of(self, kind: str, reference: Reference) -> Path:
        """Where an entry's file is; of an entry without a file, where the command runs."""
        if isinstance(reference, Mapping):
            return Path()
        return (Path(reference) if is_path(reference) else self.path_of(kind, str(reference))).parent

    def model(self, reference: Reference) -> ModelEntry:
        """The entry as it is written; `resolved_model` fills in what a LoRA entry leaves to its base."""
        return self._get(MODEL, "model", reference)

    def judge(self, reference: Reference) -> JudgeEntry:
        """The entry as it is written; `resolved_judge` looks up its model and members."""
        return self._get(JUDGE, "judge", reference)

    def leaderboard(self, reference: Reference) -> LeaderboardEntry:
        """Raises `UnknownEntry` or `EntryError`, as all of these do."""
        return self._get(LEADERBOARD, "leaderboard", reference)

    def task_or_group(self, name: str) -> TaskEntry | GroupEntry:
        """Both lie in `tasks/`."""
        path = self.path_of("task", name)
        is_group = "group" in read_entry(path)
        return self._load(GROUP, "group", path) if is_group else self._load(TASK, "task", path)

    def task(self, reference: Reference) -> TaskEntry:
        """One task. Raises `UnknownEntry` for the name of a group."""
        if not isinstance(reference, str) or is_path(reference):
            return self._get(TASK, "task", reference)
        entry = self.task_or_group(reference)
        if isinstance(entry, GroupEntry):
            raise UnknownEntry(
                f"{reference!r} is a group of tasks ({', '.join(entry.task)}), and one task is needed here"
            )
        return entry

    def task_of_checkpoints(self, entry: TaskEntry) -> TaskEntry:
        """The task on whose pairs the checkpoints are trained that are evaluated on this one."""
        if entry.checkpoints_of is None:
            return entry
        named = self.task(entry.checkpoints_of)
        if named.checkpoints_of is not None:
            raise EntryError(
                f"tasks/{entry.task}.yaml: checkpoints_of: {named.task} has none of its own; name "
                f"{named.checkpoints_of}"
            )
        return named

    # ---- entries with nothing left to look up -----------------------------------------------------------------------

    def resolved_model(self, reference: Reference, peft: str | None = None) -> ResolvedModel:
        """A model with its base looked up; `peft` puts a LoRA checkpoint on an entry that is not a LoRA entry."""
        named = self._checkpoint(reference) if isinstance(reference, str) else None
        entry = self.model(reference) if named is None else named
        if not isinstance(entry, TransformersModelEntry) or entry.base is None:
            return ResolvedModel(entry=entry, peft=peft)
        base = self.model(entry.base)
        if not isinstance(base, TransformersModelEntry):
            raise HarnessError(
                f"models/{entry.model}.yaml: base: {base.model} runs on {base.engine}, which takes no LoRA checkpoint"
            )
        if base.base is not None:
            raise HarnessError(
                f"models/{entry.model}.yaml: base: {entry.base!r} is itself a LoRA checkpoint; name its base"
            )
        return ResolvedModel(entry=entry.on(base), base=base, peft=entry.peft)

    def _checkpoint(self, name: str) -> TransformersModelEntry | None:
        """A checkpoint by the name that `harness finetune` gives it, where no entry has the name: the entry without the
        training seed (`mistral-lora-500@1`), or one made of its base (`mistral-lora-300-rag`). None for other names."""
        parts = checkpoint_parts(name)
        if parts is None or name in self.files("models"):
            return None
        stem, _, seed = name.partition("@")
        if stem in self.files("models"):
            entry = self.model(stem)
            if not isinstance(entry, TransformersModelEntry) or entry.peft is None or not seed:
                return None
            return entry.model_copy(update={"model": name, "peft": f"{entry.peft}@{seed}"})
        in_four_bits = f"{parts.base}-4bit"
        base = in_four_bits if parts.method == "qlora" and in_four_bits in self.files("models") else parts.base
        if base not in self.files("models"):
            return None
        whole = self.model(base)
        entry = TransformersModelEntry(
            model=name,
            description=f"{base} with a LoRA checkpoint, by its name.",
            base=base,
            peft=f"checkpoints/{{task}}/{name}",
            licence=whole.licence,
            metadata=whole.metadata,
        )
        return entry.model_copy(update={"quantization": "4bit"}) if parts.method == "qlora" else entry

    def resolved_judge(self, reference: Reference) -> ResolvedJudge:
        """A judge with its model, or a panel with its members, looked up."""
        entry = self.judge(reference)
        match entry:
            case GEvalJudgeEntry():
                return ResolvedJudge(entry=entry, model=self.resolved_model(entry.model))
            case PanelJudgeEntry():
                members = [self.resolved_judge(name) for name in entry.members]
                if panels := [member.name for member in members if member.members]:
                    raise HarnessError(
                        f"judges/{entry.judge}.yaml: members: {panels[0]!r} is itself a panel; name single judges"
                    )
                return ResolvedJudge(entry=entry, members=members)
            case AlignmentJudgeEntry():
                short = self.resolved_judge(entry.short_judge)
                if short.members or short.short or isinstance(short.entry, GEvalJudgeEntry):
                    raise HarnessError(
                        f"judges/{entry.judge}.yaml: short_judge: {short.name!r} is of kind {short.entry.kind}; name a "
                        "calibrated judge"
                    )
                weights = str(self._folder_of("judge", reference) / entry.weights)
                return ResolvedJudge(entry=entry.model_copy(update={"weights": weights}), short=short)
            case FactsJudgeEntry() | CalibratedJudgeEntry() | ScriptedJudgeEntry():
                return ResolvedJudge(entry=entry)

    # ---- groups and tags --------------------------------------------------------------------------------------------

    def expand_tasks(self, names: Sequence[str], _inside: tuple[str, ...] = ()) -> tuple[list[str], list[GroupEntry]]:
        """Task names with groups and tags opened, each once, in the order given; and the groups among them. Raises
        `EntryError` for a group that contains itself."""
        tasks: list[str] = []
        groups: list[GroupEntry] = []
        for name in names:
            if name not in self.files("tasks") and (tagged := self.tagged(name)):
                tasks += tagged
                continue
            entry = self.task_or_group(name)
            if isinstance(entry, GroupEntry):
                if name in _inside:
                    circle = " -> ".join((*_inside, name))
                    raise EntryError(f"tasks/{name}.yaml: task: the group contains itself: {circle}")
                inner_tasks, inner_groups = self.expand_tasks(entry.task, (*_inside, name))
                tasks += inner_tasks
                groups += [entry, *inner_groups]
            else:
                tasks.append(name)
        return list(dict.fromkeys(tasks)), groups

    def tagged(self, tag: str) -> list[str]:
        """The tasks with that tag. Broken files are skipped here; `validate` names them."""
        names = []
        for name, path in self.files("tasks").items():
            try:
                tags = read_entry(path).get("tag", [])
            except EntryError:
                continue
            if tag in (tags if isinstance(tags, list) else [tags]):
                names.append(name)
        return names

    # ---- validation -------------------------------------------------------------------------------------------------

    def all_entries(self) -> Iterator[tuple[str, str, Path, Entry | None, list[str]]]:
        """Every entry of every root: kind, name, file, the entry or None, and what is wrong with it."""
        for folder in sorted(set(FOLDERS.values())):
            for name, path in self.files(folder).items():
                kind = folder[:-1]
                try:
                    kind = "group" if folder == "tasks" and "group" in read_entry(path) else kind
                    entry = self._load(_KINDS[kind], kind, path)
                except HarnessError as error:
                    yield kind, name, path, None, list(error.problems)
                else:
                    yield kind, name, path, entry, []

    def problems(self) -> list[str]:
        """One line for each thing that is wrong with any entry, references between entries included."""
        lines: list[str] = []
        names = {folder: set(self.files(folder)) for folder in set(FOLDERS.values())}
        for _, _, path, entry, problems in self.all_entries():
            lines += problems
            for key, folder, name in _references(entry):
                if name not in names[folder] and not (folder == "tasks" and self.tagged(name)):
                    lines.append(f"{where(path)}: {key}: {UnknownEntry.of(folder[:-1], name, names[folder])}")
        return lines or self._deeper_problems()

    def claim_problems(self, entry: LeaderboardEntry) -> list[str]:
        """Claims and published numbers of what the leaderboard does not have."""
        tasks, _ = self.expand_tasks(entry.tasks)
        models = [*entry.models, *(parts.name for parts in trained_models(entry))]
        lines = [*claim_problems(entry.claims, models, tasks), *paper_problems(entry.paper, tasks)]
        return [f"{where(self.path_of('leaderboard', entry.leaderboard))}: {line}" for line in lines]

    def _deeper_problems(self) -> list[str]:
        """What shows only when all entries are sound: groups in a circle, checkpoints of a task without its own, LoRA
        checkpoints on one another, panels of panels."""
        lines: list[str] = []
        for kind, name, _, _, _ in self.all_entries():
            try:
                match kind:
                    case "group":
                        self.expand_tasks([name])
                    case "task":
                        self.task_of_checkpoints(self.task(name))
                    case "model":
                        self.resolved_model(name)
                    case "judge":
                        self.resolved_judge(name)
                    case "leaderboard":
                        lines += self.claim_problems(self.leaderboard(name))
            except HarnessError as error:
                lines += error.problems
        return lines


def _references(entry: Entry | None) -> list[tuple[str, str, str]]:
    """(key, folder, name) of every other entry that an entry names."""
    match entry:
        case TaskEntry():
            own = [("judge", "judges", entry.judge)]
            return own if entry.checkpoints_of is None else [*own, ("checkpoints_of", "tasks", entry.checkpoints_of)]
        case GroupEntry():
            return [("task", "tasks", name) for name in entry.task]
        case TransformersModelEntry(base=str(base)):
            return [("base", "models", base)]
        case GEvalJudgeEntry():
            return [("model", "models", entry.model)]
        case PanelJudgeEntry():
            return [("members", "judges", name) for name in entry.members]
        case AlignmentJudgeEntry():
            return [("short_judge", "judges", entry.short_judge)]
        case LeaderboardEntry():
            return [
                *(("tasks", "tasks", name) for name in entry.tasks),
                *(("models", "models", name) for name in entry.models),
                ("judge", "judges", entry.judge),
                *([("baseline", "models", entry.baseline)] if entry.baseline else []),
                *(("finetune.placebos", "tasks", name) for name in (entry.finetune.domains if entry.finetune else [])),
            ]
        case _:
            return []
